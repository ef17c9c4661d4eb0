"""From the name a person types to the network that is meant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from buffycoat.errors import UsageError, did_you_mean

Family = Literal["resnet", "efficientnet", "alexnet", "other"]
Colour = tuple[float, float, float]

IMAGENET_MEAN: Colour = (0.485, 0.456, 0.406)
IMAGENET_STD: Colour = (0.229, 0.224, 0.225)
PHI_RANGE = (-3.0, 8.0)
"""Compound coefficients worth building: below, stages vanish; above, no card holds the activations."""

_ALIASES = {"resnet": "resnet18", "efficientnet": "tf_efficientnet_lite0"}
_OFFERED = (
    *("alexnet", "resnet", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "efficientnet"),
    *(f"efficientnet-b{size}" for size in range(8)),
    *(f"efficientnet-lite{size}" for size in range(5)),
)
_NO_WEIGHTS_AS_TRAINED_IN_TIMM = ("6", "7")  # timm has these sizes with weights only in the port from TensorFlow


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A network as resolved from a name: all that is known before it is built.

    Attributes
    ----------
    name
        Name in files and tables: safe as a folder's name, and resolves to the same network again.
    title
        Name for people, such as ``"ResNet-18"``.
    family
        Which card describes it.
    architecture
        ``"alexnet"`` (torchvision's) or a timm name.
    mean, std
        Normalisation per channel (R, G, B) of values in 0–1: those of the published weights, and the same when
        training from scratch, so that a network's input never depends on whether weights could be had.
    default_input_px
        Side of the square input the published network was made for.
    minimum_input_px
        Smallest side the network can take.
    fixed_input
        Whether the network is built for one input size (transformers with learned positions).
    phi
        Compound coefficient, for an EfficientNet scaled by it.
    """

    name: str
    title: str
    family: Family
    architecture: str
    mean: Colour
    std: Colour
    default_input_px: int
    minimum_input_px: int = 32
    fixed_input: bool = False
    phi: float | None = None


def resolve(name: str) -> NetworkSpec:
    """Return the network a name stands for.

    Parameters
    ----------
    name
        ``"resnet"`` (18 layers) or ``"resnet34"`` …, ``"efficientnet"`` (Lite0), ``"efficientnet-b0"`` … ``"-b7"``,
        ``"efficientnet-lite0"`` … ``"-lite4"``, ``"efficientnet-phi1.5"`` (or ``"efficientnet:phi=1.5"``: the
        baseline scaled by that compound coefficient), ``"alexnet"``, or any name timm knows.

    Raises
    ------
    UsageError
        No network has that name; close matches are offered.

    Examples
    --------
    >>> resolve("ResNet-50").name
    'resnet50'
    """
    folded = name.strip().casefold()
    if folded == "alexnet":
        return NetworkSpec("alexnet", "AlexNet", "alexnet", "alexnet", IMAGENET_MEAN, IMAGENET_STD, 224, 63)
    scaled = re.fullmatch(r"efficientnet(?:[-_]phi=?|:phi=)(-?\d+(?:\.\d+)?)", folded)
    if scaled:
        return _by_compound_coefficient(float(scaled.group(1)))
    return _from_timm(name, _timm_name(folded))


def compound_scaling(phi: float) -> tuple[float, float, int]:
    """Return width multiplier, depth multiplier and input side (px) for a compound coefficient.

    Depth grows as 1.2^φ, width as 1.1^φ and resolution as 1.15^φ from 224 px, so that one step of φ about doubles
    the multiply-adds (Tan & Le 2019, equation 3). The side is rounded to a multiple of 8 as channels are.

    Examples
    --------
    >>> compound_scaling(0)
    (1.0, 1.0, 224)
    """
    return 1.1**phi, 1.2**phi, 8 * round(224 * 1.15**phi / 8)


def _by_compound_coefficient(phi: float) -> NetworkSpec:
    low, high = PHI_RANGE
    if not low <= phi <= high:
        raise UsageError(
            f"The compound coefficient φ = {phi:g} is outside {low:g} to {high:g}.",
            hint="φ = 0 is EfficientNet-B0; each step of 1 about doubles the multiply-adds.",
        )
    _, _, side = compound_scaling(phi)
    return NetworkSpec(
        name=f"efficientnet-phi{phi:g}",
        title=f"EfficientNet φ={phi:g}",
        family="efficientnet",
        architecture="efficientnet_b0",
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        default_input_px=side,
        phi=phi,
    )


def _timm_name(folded: str) -> str:
    """Return timm's spelling of the families' everyday names; other names as they are."""
    if folded in _ALIASES:
        return _ALIASES[folded]
    if match := re.fullmatch(r"resnet[-_ ](\d+)", folded):
        return f"resnet{match.group(1)}"
    if match := re.fullmatch(r"efficientnet[-_ ]?lite[-_ ]?(\d)", folded):
        return f"tf_efficientnet_lite{match.group(1)}"
    if match := re.fullmatch(r"efficientnet[- ]?b(\d)", folded):
        size = match.group(1)
        return f"tf_efficientnet_b{size}" if size in _NO_WEIGHTS_AS_TRAINED_IN_TIMM else f"efficientnet_b{size}"
    return folded


def _from_timm(given: str, name: str) -> NetworkSpec:
    import timm  # seconds to import: only when a name needs it

    if ":" in name or "/" in name or not timm.is_model(name):
        raise UsageError(
            f"There is no network named {given!r}.",
            hint=f"{did_you_mean(given, {*_OFFERED, *timm.list_models()})} "
            "Any name that timm.list_models() lists will do.",
        )
    published = timm.get_pretrained_cfg(name, allow_unregistered=True)
    if published is None:
        mean, std, side, smallest, fixed = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 224, 32, False
    else:
        side = int(published.input_size[-1])
        smallest, fixed = int((published.min_input_size or (3, 32, 32))[-1]), bool(published.fixed_input_size)
        mean, std = _colour(published.mean), _colour(published.std)
    title, family = _title(name)
    return NetworkSpec(name, title, family, name, mean, std, side, smallest, fixed)


def _colour(values: tuple[float, ...]) -> Colour:
    red, green, blue = values
    return float(red), float(green), float(blue)


def _title(name: str) -> tuple[str, Family]:
    plain, _, tag = name.partition(".")
    suffix = f" ({tag})" if tag else ""
    if match := re.fullmatch(r"resnet(\d+[a-z]?)", plain):
        return f"ResNet-{match.group(1)}{suffix}", "resnet"
    if match := re.fullmatch(r"(?:tf_)?efficientnet_(lite\d|b\d)", plain):
        return f"EfficientNet-{match.group(1).capitalize()}{suffix}", "efficientnet"
    return name, "other"
