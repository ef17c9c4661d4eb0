"""The network as it is exported: logits, pooled features, and a map of what speaks for each class where.

What the map means depends on the network, and is said in the card. Each way is checked on numbers before it is
chosen; none needs a gradient from outside the graph.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn

from buffycoat.errors import UsageError
from buffycoat.records.card import Explanation

Method = Literal["class-activation", "head-at-each-place", "gradient-times-activation", "strength"]
Outputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

_SENTENCES: dict[Method, str] = {
    "class-activation": "Class-activation map (Zhou et al. 2016): the head's weights on the last feature map. The mean "
    "over all places, plus the head's offset, is the class's logit, so a place's value is its part in the answer.",
    "head-at-each-place": "The logits the network's head would give if all of the picture looked like this place. "
    "The head is not linear, so the places do not add up to the answer.",
    "gradient-times-activation": "Gradient times activation on the last feature map, exact for this network of "
    "piecewise linear layers: a place's value is what it adds to the class's logit as it stands; offsets are left out.",
    "strength": "Strength (root mean square) of the last feature map, the same for every class: where the network sees "
    "much, not what speaks for a class.",
}
_TOLERANCE = 1e-3
_MOST_PLACES = 400  # a finer map costs more in the head than it shows


class Explained(nn.Module):
    """A network with three outputs: logits (N, C), features (N, F) and the map (N, C, h, w)."""

    method: Method

    @property
    def explanation(self) -> Explanation:
        """What the map means."""
        return Explanation(method=self.method, sentence=_SENTENCES[self.method])


def explained(network: nn.Module, input_px: int) -> Explained:
    """Return the network in the form that is exported, in evaluation mode.

    Parameters
    ----------
    network
        AlexNet of torchvision, or any of timm's classifiers.
    input_px
        Side of its input.

    Raises
    ------
    UsageError
        The network cannot be taken apart into features and head.
    """
    network = network.eval()
    if hasattr(network, "avgpool") and isinstance(getattr(network, "classifier", None), nn.Sequential):
        return _PlainStack(network, input_px).eval()
    if not all(hasattr(network, name) for name in ("forward_features", "forward_head", "get_classifier")):
        raise UsageError(
            f"{type(network).__name__} cannot be exported: its features and head cannot be told apart.",
            hint="Choose a network whose timm class has forward_features and forward_head.",
        )
    inputs = torch.randn(2, 3, input_px, input_px, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = network(inputs)
        for kind in (_ClassActivation, _HeadAtEachPlace, _Strength):
            try:
                candidate = kind(network).eval()
                logits, features, cam = candidate(inputs)
                sound = logits.shape == wanted.shape and torch.allclose(logits, wanted, atol=1e-4, rtol=1e-4)
                sound = sound and features.ndim == 2 and cam.ndim == 4 and cam.shape[1] == wanted.shape[1]
                if sound and candidate.fits(logits, cam):
                    return candidate
            except (AttributeError, IndexError, NotImplementedError, RuntimeError, TypeError, ValueError):
                continue  # this way does not suit the network; the next asks less of it
    raise UsageError(f"{type(network).__name__} cannot be exported: its features cannot be told from its head.")


class _Timm(Explained):
    """What timm's classifiers have in common."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def fits(self, logits: torch.Tensor, cam: torch.Tensor) -> bool:  # noqa: ARG002
        """Say whether the map means what this way promises."""
        return True

    def places(self, found: torch.Tensor) -> torch.Tensor:
        """Return the feature map as (N, h, w, F)."""
        if found.ndim == 4:
            last = getattr(self.network, "output_fmt", "NCHW") == "NHWC"
            return found if last else found.permute(0, 2, 3, 1)
        if found.ndim != 3:
            raise NotImplementedError
        prefix = int(getattr(self.network, "num_prefix_tokens", 0))
        patches = found[:, prefix:]
        side = round(patches.shape[1] ** 0.5)
        if side * side != patches.shape[1]:
            raise NotImplementedError
        return patches.reshape(-1, side, side, patches.shape[2])

    def answer(self, found: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and pooled features of a feature map."""
        features = self.network.forward_head(found, pre_logits=True)
        return self.network.forward_head(found), features.flatten(1)


class _ClassActivation(_Timm):
    """Global average pooling and one linear layer: the map is exact."""

    method: Method = "class-activation"

    def forward(self, crops: torch.Tensor) -> Outputs:
        found = self.network.forward_features(crops)
        logits, features = self.answer(found)
        head = self.network.get_classifier()
        cam = torch.einsum("nhwf,cf->nchw", self.places(found), head.weight.flatten(1))
        return logits, features, cam

    def fits(self, logits: torch.Tensor, cam: torch.Tensor) -> bool:
        whole = cam.mean((2, 3)) + self.network.get_classifier().bias
        return bool(torch.allclose(whole, logits, atol=_TOLERANCE, rtol=_TOLERANCE))


class _HeadAtEachPlace(_Timm):
    """A head that is more than one linear layer: it is asked about each place by itself."""

    method: Method = "head-at-each-place"

    def forward(self, crops: torch.Tensor) -> Outputs:
        found = self.network.forward_features(crops)
        logits, features = self.answer(found)
        places = self.places(found)
        _, height, width, size = places.shape
        if height * width > _MOST_PLACES:
            raise NotImplementedError
        cam = self.network.forward_head(self._alone(places.reshape(-1, size), found)).flatten(1)
        return logits, features, cam.reshape(-1, height, width, cam.shape[1]).permute(0, 3, 1, 2)

    def _alone(self, places: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
        """Return each place as a feature map, or a row of tokens, of its own."""
        if found.ndim == 4:
            last = getattr(self.network, "output_fmt", "NCHW") == "NHWC"
            return places[:, None, None, :] if last else places[:, :, None, None]
        if self.network.global_pool == "token":
            return places[:, None]
        if self.network.global_pool != "avg":
            raise NotImplementedError
        prefix = int(getattr(self.network, "num_prefix_tokens", 0))
        return places[:, None].expand(-1, prefix + 1, -1)

    def fits(self, logits: torch.Tensor, cam: torch.Tensor) -> bool:  # noqa: ARG002
        return bool(torch.isfinite(cam).all())


class _Strength(_Timm):
    """The last resort."""

    method: Method = "strength"

    def forward(self, crops: torch.Tensor) -> Outputs:
        found = self.network.forward_features(crops)
        logits, features = self.answer(found)
        strength = self.places(found).square().mean(3, keepdim=True).sqrt().permute(0, 3, 1, 2)
        return logits, features, strength.expand(-1, logits.shape[1], -1, -1)


class _PlainStack(Explained):
    """AlexNet: convolutions, then fully connected layers over all places together.

    There is no pooled map that a head reads. But convolution to logit is a chain of linear layers and ReLUs, so its
    gradient is the product of the weights with the units that are off left out: three matrix products per class,
    written as part of the graph.
    """

    method: Method = "gradient-times-activation"

    def __init__(self, network: Any, input_px: int) -> None:
        super().__init__()
        self.body = network.features
        with torch.no_grad():
            side = int(self.body(torch.zeros(1, 3, input_px, input_px)).shape[2])
        self.register_buffer("pool", _adaptive_average(side, int(network.avgpool.output_size[0])), persistent=False)
        layers = [layer for layer in network.classifier if isinstance(layer, nn.Linear)]
        others = {type(layer) for layer in network.classifier} - {nn.Linear, nn.ReLU, nn.Dropout}
        if others or len(layers) != 3:
            raise UsageError(f"{type(network).__name__} cannot be exported: its head is not AlexNet's.")
        self.first, self.second, self.head = layers

    def forward(self, crops: torch.Tensor) -> Outputs:
        pooled = self.pool @ self.body(crops) @ self.pool.T
        _, channels, height, width = pooled.shape
        flat = pooled.flatten(1)
        one = torch.relu(self.first(flat))
        features = torch.relu(self.second(one))
        logits = self.head(features)
        gradient = self.head.weight * (features > 0).to(features.dtype)[:, None]
        gradient = (gradient @ self.second.weight) * (one > 0).to(one.dtype)[:, None]
        parts = (gradient @ self.first.weight) * flat[:, None]
        cam = parts.reshape(-1, parts.shape[1], channels, height, width).sum(2)
        return logits, features, cam


def _adaptive_average(side: int, pooled: int) -> torch.Tensor:
    """Return the matrix (pooled, side) of adaptive average pooling along one axis, as PyTorch defines it."""
    matrix = torch.zeros(pooled, side)
    for place in range(pooled):
        start, stop = place * side // pooled, -(-(place + 1) * side // pooled)
        matrix[place, start:stop] = 1 / (stop - start)
    return matrix
