"""What a report says of a network: its idea, its block, its size and where its weights came from."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from buffycoat.networks.count import multiply_adds, parameters
from buffycoat.networks.names import Family, NetworkSpec
from buffycoat.networks.weights import WeightsReport
from buffycoat.records.documents import NetworkCard


@dataclass(frozen=True, slots=True)
class _Text:
    idea: str
    block: str
    reference: str


_RESNET = _Text(
    idea=(
        "Stacking more layers should never hurt: the added ones could simply pass their input on. Yet plain networks "
        "past some twenty layers had a higher error on the very images they were trained on. That is not overfitting, "
        "and not vanishing gradients either, since normalisation kept the gradients healthy; it is that passing the "
        "input on unchanged is hard to learn. He and colleagues called it the degradation problem.\n\n"
        "A residual block takes that burden away: its layers learn only what to add to their input, and a shortcut "
        "carries the input past them. A block with nothing to contribute learns to add zero, and networks of a "
        "hundred layers and more train well."
    ),
    block="Residual block: the layers compute a correction F(x); the shortcut adds the input x to it; then ReLU.",
    reference="He K, Zhang X, Ren S, Sun J. Deep residual learning for image recognition. CVPR 2016, 770–778.",
)

_EFFICIENTNET = _Text(
    idea=(
        "A network can be made larger in three ways: more layers, more channels, or finer images. Growing only one of "
        "them soon stops paying. Tan and Le grow all three together by one number, the compound coefficient φ: each "
        "step of φ multiplies depth by 1.2, width by 1.1 and resolution by 1.15, which about doubles the work. The "
        "authors scaled MobileNets and ResNets the same way and they improved as well, so the rule is not tied to one "
        "architecture.\n\n"
        "The baseline, B0, came out of a search over architectures that weighed accuracy against work. It is built of "
        "inverted bottlenecks: a cheap 1×1 convolution widens the signal, each channel is filtered on its own, and "
        "another 1×1 convolution narrows it again. B1 to B7 are B0 scaled up. The Lite variants leave out the "
        "squeeze-and-excitation step and use ReLU6, which suits small processors."
    ),
    block="Inverted bottleneck: 1×1 convolution widens, a depthwise convolution filters each channel on its own "
    "(except in Lite, squeeze-and-excitation then weighs the channels), and 1×1 convolution narrows; a shortcut joins "
    "input and output where they are of one shape.",
    reference="Tan M, Le QV. EfficientNet: rethinking model scaling for convolutional neural networks. ICML 2019, "
    "6105–6114.",
)

_ALEXNET = _Text(
    idea=(
        "The control: the plain convolutional network that started the present era, without shortcuts and, in the "
        "form used here, without normalisation. Five convolutions with ReLU and max-pooling between them are followed "
        "by three fully connected layers, which hold nearly all of its parameters; dropout keeps those from learning "
        "the training images by heart.\n\n"
        "Without normalisation everything hangs on the initial weights: with too small ones the signal dies away and "
        "the network answers one class for everything. Here they are drawn by He's rule, which keeps the strength of "
        "the signal from layer to layer, so that the comparison is one of architectures and not of initialisations."
    ),
    block="Plain stack: convolution, ReLU and max-pooling in turn, then fully connected layers with dropout.",
    reference="Krizhevsky A, Sutskever I, Hinton GE. ImageNet classification with deep convolutional neural networks. "
    "NeurIPS 2012, 1097–1105 (in the one-column form of Krizhevsky 2014, arXiv:1404.5997).",
)

_OTHER = _Text(
    idea=(
        "An architecture from the timm collection, used as published there; only its last layer was replaced by one "
        "with an output for each class. Its authors' paper and the origin of its weights are given in timm's "
        "documentation under this name."
    ),
    block="An image goes through the network's stages, which trade resolution for channels; the pooled features go "
    "into one linear layer with an output per class.",
    reference="Wightman R. PyTorch image models (timm). doi:10.5281/zenodo.4414861.",
)

_TEXTS: dict[Family, _Text] = {
    "resnet": _RESNET,
    "efficientnet": _EFFICIENTNET,
    "alexnet": _ALEXNET,
    "other": _OTHER,
}


def card(spec: NetworkSpec, model: nn.Module, input_px: int, report: WeightsReport) -> NetworkCard:
    """Return the card of a built network.

    Parameters
    ----------
    spec, model, report
        From ``resolve`` and ``build``.
    input_px
        Side of the square input it is used with: the multiply-adds are counted there.
    """
    text = _TEXTS[spec.family]
    return NetworkCard(
        name=spec.name,
        title=spec.title,
        family=spec.family,
        idea=text.idea,
        block=text.block,
        reference=text.reference,
        parameters=parameters(model),
        multiply_adds=multiply_adds(model, input_px),
        input_px=input_px,
        weights=weights_in_words(report),
        weights_fallback=report.fallback_reason,
        pretrained=report.pretrained,
    )


def weights_in_words(report: WeightsReport) -> str:
    """Return one line on the weights' origin, licence and fingerprint.

    Examples
    --------
    >>> weights_in_words(WeightsReport("the file own.pth", True, sha256="ab" * 32))
    'the file own.pth (SHA-256 abababababab…)'
    """
    facts = [*report.remarks]
    if report.licence:
        facts.insert(0, f"licence {report.licence}")
    if report.sha256:
        facts.append(f"SHA-256 {report.sha256[:12]}…")
    return f"{report.source} ({'; '.join(facts)})" if facts else report.source
