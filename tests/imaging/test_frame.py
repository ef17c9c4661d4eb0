"""Fields by cell, cut-outs whole, and squares that stay inside the field."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buffycoat.data.boxes import read_voc
from buffycoat.imaging.decode import read_image
from buffycoat.imaging.frame import crop_square, frame, is_single_cell, square_box, whole_square
from buffycoat.records.documents import FrameSpec
from tests.imaging.imaging_drawing import Rgb, empty_field, leukocyte, red_cells

THREE_LOBES = ((-34, -22), (34, -14), (0, 38))
SPEC = FrameSpec(stored_px=64)


def coordinates(width: int = 200, height: int = 100) -> Rgb:
    """Return a picture whose red is its column and whose green is its row."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = np.arange(width)
    picture[..., 1] = np.arange(height)[:, None]
    return picture


@pytest.mark.parametrize(
    ("centre", "first"),
    [
        ((100, 50), (80, 30)),  # in the middle
        ((5, 50), (0, 30)),  # shifted inside at the left …
        ((199, 50), (160, 30)),  # … the right …
        ((100, 0), (80, 0)),  # … the top …
        ((100, 99), (80, 60)),  # … the bottom …
        ((-500, 900), (0, 60)),  # … and from outside
    ],
)
def test_a_square_is_shifted_inside_the_field(centre: tuple[int, int], first: tuple[int, int]) -> None:
    crop = crop_square(coordinates(), centre, 40, 40)
    assert tuple(crop[0, 0, :2]) == first
    assert tuple(crop[-1, -1, :2]) == (first[0] + 39, first[1] + 39)
    assert square_box((100, 200, 3), centre, 40) == (*first, first[0] + 40, first[1] + 40)


def test_the_border_is_repeated_only_where_the_field_is_smaller() -> None:
    crop = crop_square(coordinates(), (10, 50), 140, 140)
    assert crop.shape == (140, 140, 3)
    assert (crop[:20, :, 1] == 0).all()  # 20 rows above and 20 below are repeated; no column is
    assert (crop[-20:, :, 1] == 99).all()
    assert (crop[50, :, 0] == np.arange(140)).all()
    assert square_box((100, 200, 3), (10, 50), 140) == (0, 0, 140, 100)


@given(
    st.integers(1, 60), st.integers(1, 60), st.integers(1, 90), st.floats(-50, 100), st.floats(-50, 100),
    st.integers(1, 40),
)  # fmt: skip
def test_squares_have_their_size_and_stay_inside(
    width: int, height: int, side: int, x: float, y: float, out: int
) -> None:
    assert crop_square(np.zeros((height, width, 3), np.uint8), (x, y), side, out).shape == (out, out, 3)
    x0, y0, x1, y1 = square_box((height, width, 3), (x, y), side)
    assert 0 <= x0 < x1 <= width
    assert 0 <= y0 < y1 <= height
    assert (x1 - x0, y1 - y0) == (min(side, width), min(side, height))


def test_a_whole_photograph_keeps_its_shape() -> None:
    picture = np.full((60, 120, 3), 200, np.uint8)
    cv2.circle(picture, (60, 30), 20, (50, 50, 50), cv2.FILLED)
    square = whole_square(picture, 120)
    assert square.shape == (120, 120, 3)
    assert (square[:30] == 200).all()  # the rim's colour fills the rest
    rows, columns = np.nonzero(square[..., 0] < 100)
    assert abs(np.ptp(rows) - np.ptp(columns)) <= 1  # a disc stays a disc


def test_a_box_is_taken_at_its_word() -> None:
    field = leukocyte(red_cells(), (150, 150), 80, lobe=60)
    framed = frame(field, SPEC, (420, 300, 480, 340))
    assert framed.framing == "boxed"
    assert framed.box == (290, 160, 610, 480)  # 320 px, shifted up from (290, 160 … 480)
    assert framed.crop is not None
    assert framed.crop.shape == (64, 64, 3)


def test_without_a_box_the_most_prominent_leukocyte_is_taken() -> None:
    field = leukocyte(leukocyte(red_cells(), (150, 150), 55, lobe=40), (400, 260), 95, lobe=70)
    framed = frame(field, SPEC, None)
    assert (framed.framing, framed.found) == ("cell", 2)
    assert framed.box is not None
    assert abs((framed.box[0] + framed.box[2]) / 2 - 400) < 8
    assert framed.box[2] - framed.box[0] == 320


def test_the_square_scales_with_the_fields_width() -> None:
    field = leukocyte(red_cells(), (330, 250), 85, THREE_LOBES, 27)
    small = np.asarray(cv2.resize(field, (320, 240), interpolation=cv2.INTER_AREA), np.uint8)
    at_640, at_320 = frame(field, SPEC, None), frame(small, SPEC, None)
    assert at_640.box is not None
    assert at_320.box is not None
    assert at_320.box[2] - at_320.box[0] == 160
    assert np.allclose(np.array(at_640.box) / 2, at_320.box, atol=3)


def test_a_field_without_a_leukocyte_is_reported() -> None:
    framed = frame(red_cells(), SPEC, None)
    assert (framed.crop, framed.box, framed.framing, framed.found) == (None, None, "none", 0)


def test_modes() -> None:
    cut_out = leukocyte(empty_field(640, 640), (320, 320), 250, ((-90, -60), (90, 60)), 90)
    cut_out = np.asarray(cv2.resize(cut_out, (120, 120), interpolation=cv2.INTER_AREA), np.uint8)
    assert frame(cut_out, SPEC, None).framing == "whole"
    assert frame(cut_out, SPEC, None).box == (0, 0, 120, 120)
    assert frame(cut_out, SPEC.model_copy(update={"mode": "cell"}), None).framing in {"cell", "none"}
    field = leukocyte(red_cells(), (330, 250), 85, lobe=60)
    assert frame(field, SPEC.model_copy(update={"mode": "whole"}), None).framing == "whole"
    assert frame(field, SPEC.model_copy(update={"mode": "whole"}), (1, 1, 9, 9)).framing == "whole"


@pytest.mark.parametrize(
    ("centre", "radius", "shape", "out", "single"),
    [
        ((320, 320), 250, (640, 640), (120, 120), True),  # fills its cut-out
        ((320, 320), 170, (640, 640), (360, 360), True),  # with a margin
        ((320, 300), 250, (640, 600), (96, 90), True),  # not quite square
        ((320, 320), 60, (640, 640), (360, 360), False),  # small in a square field
        ((160, 480), 150, (640, 640), (300, 300), False),  # off its middle
        ((320, 240), 150, (640, 480), (320, 240), False),  # a camera's shape: a field
        ((320, 320), 250, (640, 640), (900, 900), False),  # too large for a cut-out
    ],
)
def test_cut_outs_are_told_from_fields(
    centre: tuple[int, int], radius: int, shape: tuple[int, int], out: tuple[int, int], single: bool
) -> None:
    picture = leukocyte(empty_field(*shape), centre, radius, lobe=int(radius * 0.7))
    picture = np.asarray(cv2.resize(picture, out, interpolation=cv2.INTER_AREA), np.uint8)
    assert is_single_cell(picture) == single


def test_two_cells_apart_are_a_field() -> None:
    picture = leukocyte(leukocyte(empty_field(640, 640), (400, 400), 150, lobe=120), (110, 110), 100, lobe=90)
    assert not is_single_cell(np.asarray(cv2.resize(picture, (300, 300), interpolation=cv2.INTER_AREA), np.uint8))


@pytest.mark.parametrize("picture", [empty_field(200, 200), red_cells(300, 300, n=6)])
def test_a_cut_out_without_a_leukocyte_is_none(picture: Rgb) -> None:
    assert not is_single_cell(picture)
    assert frame(picture, SPEC, None).framing == "none"


@pytest.mark.real
def test_real_cut_outs_are_framed_whole_and_real_fields_by_cell(real_data: Path) -> None:
    folder = real_data / "kaggle-blood-cells/dataset-master/dataset-master/JPEGImages"
    answers = []
    for path in sorted(folder.glob("*.jpg"))[1::5]:
        field = read_image(path)
        assert not is_single_cell(field)
        boxes = real_data / f"bccd-boxes/{path.stem}.xml"
        for name, (x0, y0, x1, y1) in read_voc(boxes) if boxes.is_file() else []:
            if name != "WBC":
                continue
            half = round(max(x1 - x0, y1 - y0) * 0.6)
            x, y = (x0 + x1) // 2, (y0 + y1) // 2
            if half >= 40 and min(x - half, y - half, 640 - x - half, 480 - y - half) >= 0:
                cut = np.ascontiguousarray(field[y - half : y + half, x - half : x + half])
                answers.append(is_single_cell(np.asarray(cv2.resize(cut, (224, 224)), np.uint8)))
    assert len(answers) > 20
    assert np.mean(answers) >= 0.95
