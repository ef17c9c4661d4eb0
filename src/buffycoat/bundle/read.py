"""Opening a bundle: a folder is trusted only after its card and its network were checked against each other."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from buffycoat.bundle.wire import MalformedError, ModelFacts, Port, read_facts
from buffycoat.errors import DataError
from buffycoat.files import exists, is_file, is_folder
from buffycoat.records.card import BundleCard

CARD = "card.json"
MODEL = "model.onnx"

INPUT = "crops"
LOGITS, FEATURES, CAM, UNLIKENESS = "logits", "features", "cam", "unlikeness"
OUTPUTS = (LOGITS, FEATURES, CAM, UNLIKENESS)
"""The graph's outputs, in their order: (N, C), (N, F), (N, C, h, w) and (N,)."""

_OWN_DOMAINS = frozenset({"", "ai.onnx"})
_MOST_BYTES = 2 << 30  # no ONNX file in one piece is larger
_HINT = "Fetch the bundle again, or export it again: buffycoat export STUDY --out DIR."


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was checked.

    Attributes
    ----------
    card
        What it says of itself.
    model_path
        Where the network lies, for messages.
    model
        The very bytes that were checked: build sessions from these and not from the file, which may have been
        replaced since.
    """

    card: BundleCard
    model_path: Path
    model: bytes


def open_bundle(path: Path) -> Bundle:
    """Read and check a bundle.

    Parameters
    ----------
    path
        The folder with ``card.json`` and ``model.onnx``.

    Raises
    ------
    DataError
        The folder is no bundle; the card is of an unknown major version, misses a field or is damaged; or the
        network has another hash than the card says, data outside the file, operators or functions that are not
        ONNX's own, or other inputs and outputs than the card promises. The reason is named.
    """
    if not is_folder(path):
        raise DataError(
            f"{path} is not a bundle: expected a folder with {CARD} and {MODEL}, found "
            f"{'a file' if exists(path) else 'nothing there that may be read'}.",
            hint=_HINT,
        )
    lacking = [name for name in (CARD, MODEL) if not is_file(path / name)]
    if lacking:
        raise DataError(f"{path} is not a bundle: {' and '.join(lacking)} missing.", hint=_HINT)
    card = BundleCard.read(path / CARD)
    model_path = path / MODEL
    model = _read(model_path, card)
    check_model(model, card, model_path)
    return Bundle(card, model_path, model)


def _read(path: Path, card: BundleCard) -> bytes:
    try:
        size = path.stat().st_size
        model = path.read_bytes() if size == card.model_bytes and size <= _MOST_BYTES else b""
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    if len(model) != card.model_bytes:
        raise DataError(
            f"{path} is not the network the card describes: {size} bytes, the card says {card.model_bytes}.", hint=_HINT
        )
    found = hashlib.sha256(model).hexdigest()
    if found != card.model_sha256:
        raise DataError(
            f"{path} is not the network the card describes: SHA-256 {found[:12]}…, "
            f"the card says {card.model_sha256[:12]}….",
            hint=_HINT,
        )
    return model


def check_model(model: bytes, card: BundleCard, path: Path) -> None:
    """Check a network against its card; nothing is run.

    Raises
    ------
    DataError
        As :func:`open_bundle`.
    """
    try:
        facts = read_facts(model)
    except MalformedError as error:
        raise DataError(f"{path} is not an ONNX model: {error}.", hint=_HINT) from error
    faults = [*_foreign(facts), *_ports(facts, card)]
    if faults:
        raise DataError(f"{path} is refused: {'; '.join(faults)}.", hint=_HINT)


def _foreign(facts: ModelFacts) -> list[str]:
    faults = []
    if facts.external:
        faults.append(f"it keeps data in other files ({_some(facts.external)})")
    if facts.functions:
        faults.append(f"it brings functions of its own ({_some(facts.functions)})")
    others = sorted((facts.domains | set(facts.imports)) - _OWN_DOMAINS)
    if others:
        used = sorted(name for name in facts.operators if name.partition("::")[0] in others)
        faults.append(f"it needs operators that are not ONNX's own ({_some(used or others)})")
    return faults


def _ports(facts: ModelFacts, card: BundleCard) -> list[str]:
    side, classes = card.input_px, len(card.classes)
    wanted: dict[str, tuple[int | None, ...]] = {
        LOGITS: (None, classes),
        FEATURES: (None, card.features),
        CAM: (None, classes, -1, -1),
        UNLIKENESS: (None,),
    }
    faults = [f"inputs: {fault}" for fault in _compare(facts.inputs, {INPUT: (None, 3, side, side)})]
    return faults + [f"outputs: {fault}" for fault in _compare(facts.outputs, wanted)]


def _compare(found: list[Port], wanted: dict[str, tuple[int | None, ...]]) -> list[str]:
    """Return what is wrong with the ports. In a wanted shape None stands for an open size, −1 for any."""
    names = [port.name for port in found]
    if names != list(wanted):
        return [f"expected {', '.join(wanted)}, found {', '.join(names) or 'none'}"]
    faults = []
    for port in found:
        shape = wanted[port.name]
        if not port.is_float:
            faults.append(f"{port.name} does not hold 32-bit floats")
        if port.shape is None or len(port.shape) != len(shape) or not all(map(_fits, port.shape, shape)):
            faults.append(f"{port.name} has the shape {_shown(port.shape)}, expected {_shown(shape)}")
    return faults


def _fits(size: int | None, wanted: int | None) -> bool:
    return wanted in (-1, size)


def _shown(shape: tuple[int | None, ...] | None) -> str:
    if shape is None:
        return "(unknown)"
    return "(" + " × ".join({None: "N", -1: "any"}.get(size, str(size)) for size in shape) + ")"


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
