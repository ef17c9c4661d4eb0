"""What is fuzzed: everything that reads a file from outside, each with small sound files to begin from."""

from __future__ import annotations

import io
import struct
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from buffycoat.bundle.answer import answer
from buffycoat.bundle.markdown import markdown
from buffycoat.bundle.read import check_model
from buffycoat.bundle.summary import summary
from buffycoat.errors import BuffycoatError
from buffycoat.imaging.decode import read_image
from buffycoat.predict.archives import photographs_in
from buffycoat.predict.dicom import is_dicom, read_dicom
from buffycoat.records.card import BundleCard

_MOST_PIXELS = 1_000_000
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def decoder(content: bytes) -> None:
    """Read an image at full and half size: an array of the promised shape, or a fault."""
    for reduce in (1, 2):
        try:
            rgb = read_image(content, max_pixels=_MOST_PIXELS, reduce=reduce)
        except BuffycoatError:
            continue
        _check(rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3 and rgb.size > 0)


def card(content: bytes) -> None:
    """Read a card and do with it what the program does: a card, or a fault."""
    try:
        found = BundleCard.parse(content, "card.json")
    except BuffycoatError:
        return
    _check(bool(markdown(found)) and bool(summary(found)))
    count = len(found.classes)
    for point in found.operating.values():
        answers = answer(np.linspace(-9, 9, count, dtype=np.float32)[None, None], np.ones((1, 1), np.float32), point)
        _check(abs(float(answers.probabilities.sum()) - 1) < 1e-6)


def model(content: bytes) -> None:
    """Check a network against a card: passed, or a fault."""
    try:
        check_model(content, _tiny_card(), Path("model.onnx"))
    except BuffycoatError:
        return


def archive(content: bytes) -> None:
    """Walk an archive: every item has content or a fault."""
    with tempfile.NamedTemporaryFile(suffix=".tar" if content[:1] != b"P" else ".zip") as stream:
        stream.write(content)
        stream.flush()
        for item in photographs_in(Path(stream.name)):
            _check((item.error is None) == isinstance(item.content, bytes))


def dicom(content: bytes) -> None:
    """Read a DICOM file: an array, or a fault."""
    if not is_dicom(content):
        return
    try:
        rgb = read_dicom(content, _MOST_PIXELS)
    except BuffycoatError:
        return
    _check(rgb.dtype == np.uint8 and rgb.ndim == 3)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "decoder": decoder,
    "card": card,
    "model": model,
    "archive": archive,
    "dicom": dicom,
}


def _check(true: bool) -> None:
    if not true:
        raise AssertionError("neither a sound result nor a fault")


def _tiny_card() -> BundleCard:
    from tests.bundles import tiny_card, tiny_model

    if not _CARD:
        _CARD.append(tiny_card(tiny_model()))
    return _CARD[0]


_CARD: list[BundleCard] = []


def seeds(target: str) -> list[bytes]:
    """Return small sound files of the kind."""
    rng = np.random.default_rng(1)
    picture = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    if target == "decoder":
        made = []
        for kind in ("JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP", "PPM"):
            stream = io.BytesIO()
            picture.save(stream, kind)
            made.append(stream.getvalue())
        stream = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6
        picture.convert("L").save(stream, "JPEG", exif=exif, progressive=True)
        return [*made, stream.getvalue()]
    if target == "card":
        return [_tiny_card().model_dump_json().encode()]
    if target == "model":
        from tests.bundles import tiny_model

        return [tiny_model()]
    if target == "archive":
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as written:
            written.writestr("a.jpg", b"abc" * 40)
        return [stream.getvalue()]
    head = b"\0" * 128 + b"DICM"
    return [head + struct.pack("<HH2sHI", 2, 0, b"UL", 4, 0) + bytes(64)]
