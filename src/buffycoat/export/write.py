"""Writing a bundle: the network, then the card that vouches for it, and a last look as any reader would take it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnx

from buffycoat.bundle.read import CARD, MODEL, Bundle, open_bundle
from buffycoat.errors import OutputError
from buffycoat.files import output_error, write_bytes
from buffycoat.records.card import BundleCard


def refuse_other_folder(out: Path) -> None:
    """Refuse a folder that holds anything but a bundle.

    Raises
    ------
    OutputError
        It does, or cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        others = sorted(entry.name for entry in out.iterdir() if entry.name not in (CARD, MODEL))
    except OSError as error:
        raise output_error(out, error) from error
    if others:
        raise OutputError(
            f"{out} is not empty and holds no bundle alone ({', '.join(others[:4])}).",
            hint="Choose a new folder for --out.",
        )


def fingerprinted(model: onnx.ModelProto) -> tuple[bytes, str]:
    """Return the bytes of a model and their SHA-256."""
    content = model.SerializeToString(deterministic=True)
    return content, hashlib.sha256(content).hexdigest()


def write_bundle(out: Path, model: bytes, card: BundleCard) -> Bundle:
    """Write a bundle and open it again, checked.

    Raises
    ------
    OutputError
        The folder cannot be written.
    DataError
        The bundle is not what a reader accepts: a defect of the export.
    """
    try:
        (out / CARD).unlink(missing_ok=True)  # first: a card must never vouch for another network
    except OSError as error:
        raise output_error(out / CARD, error) from error
    write_bytes(out / MODEL, model)
    card.write(out / CARD)
    return open_bundle(out)
