"""Building a network by name: architecture, weights, and a head with one output per class."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from buffycoat.errors import DataError, FetchError, OutputError, UsageError
from buffycoat.files import sha256
from buffycoat.networks import hub
from buffycoat.networks.alexnet import DROP, alexnet
from buffycoat.networks.card import card
from buffycoat.networks.count import outputs
from buffycoat.networks.names import NetworkSpec, compound_scaling, resolve
from buffycoat.networks.packaged import FOREIGN_MARK, packaged_weights
from buffycoat.networks.weights import State, WeightsReport, fit, read_state, rename_by_order

__all__ = ["NetworkSpec", "WeightsReport", "build", "card", "resolve"]

SCRATCH = "none: trained from scratch"


def build(
    spec: NetworkSpec, classes: int, weights: str | Path, input_px: int, *, drop: float | None = None
) -> tuple[nn.Module, WeightsReport]:
    """Return a network with `classes` outputs, and where its weights came from.

    Parameters
    ----------
    spec
        From :func:`resolve`.
    classes
        Number of classes, 2 or more.
    weights
        ``"auto"``: weights of an installed package, else those in a hub's cache, else from the hub, else none, and
        the report says why. ``"none"``: from scratch. Otherwise the path of a file.
    input_px
        Side of the square input.
    drop
        Dropout before the head (0–1); by default 0.3 for AlexNet and none for the others.

    Returns
    -------
    nn.Module
        Takes (B, 3, input_px, input_px) floats normalised by ``spec.mean`` and ``spec.std``; returns (B, classes)
        logits. What is not loaded is drawn from torch's global generator: seed it to repeat it.
    WeightsReport
        Source, hash, and the reason when ``auto`` fell back to none.

    Raises
    ------
    UsageError
        Fewer than two classes, an input the network cannot take, or no such weights file.
    DataError
        The weights file is damaged or of another network.
    """
    if classes < 2:
        raise UsageError(f"A network needs two classes or more, not {classes}.")
    if drop is not None and not 0 <= drop < 1:
        raise UsageError(f"Dropout is a probability from 0 to below 1, not {drop:g}.")
    make = partial(_make, spec, classes, input_px, drop)
    chosen = str(weights)
    if chosen == "none":
        model, report = make(), WeightsReport(SCRATCH, pretrained=False)
    elif chosen == "auto":
        model, report = _auto(spec, make)
    else:
        model, report = _from_file(make, Path(weights).expanduser(), f"the file {Path(weights).name}")
    _check_input(model, spec, input_px, classes)
    return model, report


def _auto(spec: NetworkSpec, make: partial[nn.Module]) -> tuple[nn.Module, WeightsReport]:
    if spec.phi is not None:
        reason = f"nobody publishes weights for an EfficientNet scaled by φ = {spec.phi:g}"
        return make(), WeightsReport(SCRATCH, pretrained=False, fallback_reason=reason)
    packaged = packaged_weights(spec.architecture)
    source = hub.published(spec.architecture)
    reasons = []
    if packaged is not None:
        path, package = packaged
        licence = None if source is None else source.licence
        try:
            return _from_file(make, path, f"ImageNet, from the installed package {package}", licence)
        except DataError as error:
            reasons.append(error.what)
    if source is None:
        reasons.append(f"nobody publishes weights for {spec.architecture}")
    else:
        try:
            return _published(spec, make, source)
        except (FetchError, DataError, OutputError) as error:
            reasons.append(error.what)
    return make(), WeightsReport(SCRATCH, pretrained=False, fallback_reason="; ".join(reasons))


def _published(
    spec: NetworkSpec, make: partial[nn.Module], source: hub.Published, *, again: bool = True
) -> tuple[nn.Module, WeightsReport]:
    path = hub.weights_file(source)
    try:
        state = read_state(path)
    except DataError:
        if again and hub.discard(path):
            return _published(spec, make, source, again=False)
        raise
    if spec.architecture == "alexnet":
        model = make()
        remarks: tuple[str, ...] = fit(model, state, source.title)
    else:
        model = make(state=state)  # timm adapts what it publishes: head, positions, old names
        remarks = ("a new head replaces the published one",)
    if "-nc" in (source.licence or "").casefold():
        remarks = ("not for commercial use", *remarks)
    return model, WeightsReport(source.title, True, None, sha256(path), source.licence, remarks)


def _from_file(
    make: partial[nn.Module], path: Path, source: str, licence: str | None = None
) -> tuple[nn.Module, WeightsReport]:
    state = read_state(path)
    model = make()
    if FOREIGN_MARK in state:
        state = rename_by_order(state, model)
    remarks = fit(model, state, source)
    return model, WeightsReport(source, True, None, sha256(path), licence, remarks)


def _make(
    spec: NetworkSpec, classes: int, input_px: int, drop: float | None, *, state: State | None = None
) -> nn.Module:
    """Build the architecture, freshly initialised or with weights that timm published."""
    if spec.architecture == "alexnet":
        return alexnet(classes, DROP if drop is None else drop)
    import timm

    options: dict[str, Any] = {"num_classes": classes} | ({} if drop is None else {"drop_rate": drop})
    if spec.phi is not None:
        return _scaled(spec.phi, options)
    if spec.fixed_input and input_px != spec.default_input_px:
        options["img_size"] = input_px
    if state is not None:
        options |= {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": state, "source": ""}}
    try:
        model: nn.Module = timm.create_model(spec.architecture, **options)
    except RuntimeError as error:
        raise DataError(f"The weights published for {spec.title} do not fit it: {error}") from error
    except (TypeError, AssertionError, ValueError) as error:
        raise UsageError(f"{spec.title} cannot be built for inputs of {input_px} px: {error}") from error
    if isinstance(getattr(model, "pretrained_cfg", None), dict):
        model.pretrained_cfg.pop("state_dict", None)  # type: ignore[union-attr,operator]  # a second copy of all weights
    _calm_head(model)
    return model


def _calm_head(model: nn.Module) -> None:
    """Draw the new head small, so that training starts from even odds.

    Some of timm's initialisations scale the head by its outputs: right for a thousand classes, but four of them
    give logits of ±10, and the first epochs are spent undoing a loss of 8 (measured; ln 4 = 1.39 is even odds).
    """
    get_classifier = getattr(model, "get_classifier", None)
    head = None if get_classifier is None else get_classifier()
    if isinstance(head, nn.Linear):
        nn.init.normal_(head.weight, std=0.01)
        nn.init.zeros_(head.bias)


def _scaled(phi: float, options: dict[str, Any]) -> nn.Module:
    """Return EfficientNet-B0 scaled by φ: channels rounded to multiples of 8, layers rounded up (as in the paper)."""
    from timm.models.efficientnet import _gen_efficientnet

    width, depth, _ = compound_scaling(phi)
    generate: Callable[..., nn.Module] = _gen_efficientnet
    return generate("efficientnet_b0", channel_multiplier=width, depth_multiplier=depth, pretrained=False, **options)


def _check_input(model: nn.Module, spec: NetworkSpec, input_px: int, classes: int) -> None:
    """Send one input's shape through the network, so that a wrong size fails here and not an hour later."""
    hint = f"It was made for {spec.default_input_px} px."
    if input_px < spec.minimum_input_px:
        raise UsageError(
            f"{spec.title} takes inputs of {spec.minimum_input_px} px or more, not {input_px} px.", hint=hint
        )

    try:
        found = outputs(model, input_px)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise UsageError(f"{spec.title} cannot take inputs of {input_px} px: {error}", hint=hint) from error
    if math.prod(found) != classes:
        raise UsageError(f"{spec.title} gives outputs of shape {found}, not one per class: it is no classifier.")
