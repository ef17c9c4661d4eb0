"""Whatever the bytes: a sound result or a plain fault, from the decoder and from the card reader alike."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from buffycoat.bundle.answer import answer
from buffycoat.bundle.markdown import markdown
from buffycoat.bundle.read import open_bundle
from buffycoat.bundle.summary import summary
from buffycoat.errors import BuffycoatError, DataError, ImageError
from buffycoat.imaging.decode import read_image
from buffycoat.records.card import BundleCard
from tests.bundles import tiny_bundle, tiny_card, tiny_model


def _pictures() -> list[bytes]:
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8))
    made = []
    for kind in ("JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP", "PPM"):
        stream = io.BytesIO()
        picture.save(stream, kind)
        made.append(stream.getvalue())
    return made


PICTURES = _pictures()
CARD: dict[str, Any] = json.loads(tiny_card(tiny_model()).model_dump_json())


def _damaged(content: bytes, data: st.DataObject) -> bytes:
    spoiled = bytearray(content)
    for _ in range(data.draw(st.integers(1, 8))):
        spoiled[data.draw(st.integers(0, len(spoiled) - 1))] = data.draw(st.integers(0, 255))
    return bytes(spoiled[: data.draw(st.integers(0, len(spoiled)) | st.just(len(spoiled)))])


@settings(max_examples=70, deadline=None)
@given(content=st.sampled_from(PICTURES), data=st.data(), reduce=st.sampled_from([1, 2]))
def test_a_damaged_picture_is_a_picture_or_a_fault(content: bytes, data: st.DataObject, reduce: int) -> None:
    try:
        rgb = read_image(_damaged(content, data), max_pixels=1_000_000, reduce=reduce)
    except ImageError as error:
        assert error.reason
        return
    assert rgb.dtype == np.uint8
    assert rgb.ndim == 3
    assert rgb.shape[2] == 3
    assert rgb.shape[0] * rgb.shape[1] <= 1_000_000


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=400))
@example(b"\xff\xd8\xff")
@example(b"\xff\xd8\xff\xe1\x00\x02\xff\xda\x00\x00")
@example(b"II*\0\x08\0\0\0")
def test_any_bytes_are_a_fault(content: bytes) -> None:
    with pytest.raises(ImageError):
        read_image(content, max_pixels=10_000)
        raise ImageError("x", "by chance a picture")


def _places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [path, *(place for key, value in inner for place in _places(value, (*path, key)))]


def _use(card: BundleCard) -> None:
    """Do with a card that was accepted what the program does with it."""
    assert markdown(card)
    assert summary(card)
    count = len(card.classes)
    for point in card.operating.values():
        logits = np.linspace(-9, 9, 2 * count, dtype=np.float32).reshape(1, 2, count)
        answers = answer(logits, np.ones((1, 2), np.float32), point)
        assert answers.probabilities.sum(axis=1) == pytest.approx([1, 1])


PLACES = _places(CARD)[1:]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=70, deadline=None)
@given(place=st.sampled_from(PLACES), value=JSON, drop=st.booleans())
def test_a_garbled_card_is_a_card_or_a_fault_that_names_the_place(
    place: tuple[Any, ...], value: Any, drop: bool
) -> None:
    document = json.loads(json.dumps(CARD))
    inside: Any = document
    for step in place[:-1]:
        inside = inside[step]
    if drop:
        del inside[place[-1]]
    else:
        inside[place[-1]] = value
    try:
        found = BundleCard.parse(json.dumps(document).encode("utf-8", "surrogatepass"), "card.json")
    except DataError as error:
        assert "card.json" in error.what
        return
    _use(found)


@settings(max_examples=70, deadline=None)
@given(data=st.data())
def test_a_card_of_damaged_bytes_is_a_card_or_a_fault(data: st.DataObject) -> None:
    try:
        found = BundleCard.parse(_damaged(json.dumps(CARD).encode(), data), "card.json")
    except DataError as error:
        assert "card.json" in error.what
        return
    _use(found)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_damaged_network_is_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder: Path = tiny_bundle(tmp_path_factory.mktemp("fuzz") / "b")
    content = (folder / "model.onnx").read_bytes()
    spoiled = _damaged(content, data)
    (folder / "model.onnx").write_bytes(spoiled)
    if spoiled == content:
        return
    with pytest.raises(BuffycoatError, match="card says"):
        open_bundle(folder)


def test_a_small_animation_with_a_huge_frame_is_refused() -> None:
    """Found by benchmarks/fuzz.py: Pillow's own limit raised its own error, past every fault that was foreseen."""
    gif = bytearray(PICTURES[4])
    frame = gif.index(b"\x2c\0\0\0\0\x20\0\x18\0") + 5
    gif[frame : frame + 4] = (60_000).to_bytes(2, "little") * 2
    with pytest.raises(ImageError, match="too large"):
        read_image(bytes(gif))
