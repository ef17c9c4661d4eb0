"""Every leukocyte of a field, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from buffycoat.data.boxes import read_voc
from buffycoat.imaging.bodies import part_by_nuclei
from buffycoat.imaging.decode import read_image
from buffycoat.imaging.find import Box, find_leukocytes, nucleus_mask
from buffycoat.synth.smear import draw_field
from buffycoat.taxonomy import CLASS_NAMES
from tests.imaging.imaging_drawing import NUCLEUS, Rgb, empty_field, leukocyte, platelets, red_cells

THREE_LOBES = ((-34, -22), (34, -14), (0, 38))


def overlap(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def pairs(found: Sequence[Box], known: Sequence[Box]) -> int:
    """Return how many found cells can be given a known one each, none to two."""
    alike = np.array([[overlap(a, b) for b in known] for a in found]).reshape(len(found), len(known))
    rows, columns = linear_sum_assignment(-alike)
    return int((alike[rows, columns] >= 0.3).sum())


def box_round(centre: tuple[int, int], radius: int) -> tuple[int, int, int, int]:
    x, y = centre
    return x - radius, y - radius, x + radius, y + radius


@pytest.mark.parametrize(
    ("lobes", "lobe", "radius"),
    [
        (((0, 0),), 52, 58),  # a lymphocyte: round nucleus, thin rim
        (((-14, 0), (14, 6)), 46, 95),  # a monocyte
        (((-40, 0), (40, 0)), 34, 85),  # an eosinophil: two lobes apart
        (THREE_LOBES, 26, 85),  # a neutrophil: three lobes apart
        (((-38, -30), (38, -30), (-30, 40), (34, 36)), 22, 88),  # four small lobes
    ],
)
def test_one_cell_is_one_leukocyte(lobes: tuple[tuple[int, int], ...], lobe: int, radius: int) -> None:
    centre = (330, 250)
    field = leukocyte(red_cells(), centre, radius, lobes, lobe)
    (cell,) = find_leukocytes(field)
    assert overlap(cell.box, box_round(centre, radius)) > 0.75  # the whole cell, not the nucleus alone
    truth = np.zeros(field.shape[:2], np.uint8)
    for x, y in lobes:
        cv2.circle(truth, (centre[0] + x, centre[1] + y), lobe, 1, cv2.FILLED)
    found = nucleus_mask(field.shape, [cell])
    assert 2 * (found & (truth > 0)).sum() / (found.sum() + truth.sum()) > 0.9
    assert cell.nucleus_area_px == found.sum()
    assert cell.nucleus.shape == (cell.nucleus_box[3] - cell.nucleus_box[1], cell.nucleus_box[2] - cell.nucleus_box[0])
    assert not cell.touches_border


@pytest.mark.parametrize(
    "field",
    [
        empty_field(),
        red_cells(),
        red_cells(seed=1, n=140),  # crowded
        platelets(red_cells(), [(100, 100), (300, 220), (500, 400), (520, 60)]),
        platelets(empty_field(), [(300, 220), (318, 228), (305, 242)]),  # a small clump
        np.full((480, 640, 3), 255, np.uint8),  # nothing but light
        np.zeros((480, 640, 3), np.uint8),  # the lamp is off
        np.full((480, 640, 3), NUCLEUS, np.uint8),  # one colour, even a nucleus's
        np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8),  # noise
        np.repeat(red_cells()[..., :1], 3, axis=2),  # a grey photograph holds no stain to go by
        np.zeros((3, 3, 3), np.uint8),
        np.full((4000, 20, 3), NUCLEUS, np.uint8),
    ],
    ids=["empty", "red", "crowded", "platelets", "clump", "white", "black", "purple", "noise", "grey", "tiny", "strip"],
)
def test_a_field_without_a_leukocyte_gives_none(field: Rgb) -> None:
    assert find_leukocytes(field) == []


def test_streaks_and_threads_of_stain_are_refused() -> None:
    field = red_cells()
    cv2.line(field, (50, 60), (600, 110), NUCLEUS, 9, cv2.LINE_AA)
    cv2.ellipse(field, (300, 300), (120, 60), 20, 0, 250, NUCLEUS, 7, cv2.LINE_AA)
    assert find_leukocytes(field) == []


@pytest.mark.parametrize(
    ("radius", "lobe", "lobes"),
    [
        (56, 50, ((0, 0),)),  # two lymphocytes
        (80, 60, ((0, 0),)),  # two monocytes
        (85, 28, THREE_LOBES),  # two neutrophils: six lobes in two cells
    ],
)
@pytest.mark.parametrize("angle", [0, 30, 90])
def test_touching_cells_are_parted(radius: int, lobe: int, lobes: tuple[tuple[int, int], ...], angle: int) -> None:
    apart = radius * 0.97
    dx, dy = round(apart * np.cos(np.radians(angle))), round(apart * np.sin(np.radians(angle)))
    centres = [(320 - dx, 240 - dy), (320 + dx, 240 + dy)]
    field = red_cells()
    for centre in centres:
        field = leukocyte(field, centre, radius, lobes, lobe)
    cells = find_leukocytes(field)
    assert len(cells) == 2
    for centre in centres:
        assert max(overlap(cell.box, box_round(centre, radius)) for cell in cells) > 0.7


def test_the_most_prominent_comes_first() -> None:
    field = leukocyte(leukocyte(red_cells(), (150, 150), 50, lobe=38), (440, 300), 95, lobe=70)
    first, second = find_leukocytes(field)
    assert first.score > second.score
    assert np.hypot(first.centre[0] - 440, first.centre[1] - 300) < 5
    assert np.hypot(second.centre[0] - 150, second.centre[1] - 150) < 5


@pytest.mark.parametrize("centre", [(0, 240), (639, 240), (320, 0), (320, 479), (10, 10)])
def test_cells_cut_by_the_border_reach_it(centre: tuple[int, int]) -> None:
    (cell,) = find_leukocytes(leukocyte(red_cells(), centre, 85, lobe=60))
    assert cell.touches_border
    assert (cell.box[0] == 0) == (centre[0] < 85)
    assert (cell.box[2] == 640) == (centre[0] > 555)
    assert (cell.box[1] == 0) == (centre[1] < 85)
    assert (cell.box[3] == 480) == (centre[1] > 395)


@pytest.mark.parametrize("width", [320, 400, 1280, 2592])
def test_the_same_cells_at_every_size(width: int) -> None:
    field = leukocyte(leukocyte(red_cells(), (180, 200), 85, THREE_LOBES, 27), (460, 300), 58, lobe=50)
    scale = width / 640
    size = (width, round(480 * scale))
    resized = np.asarray(cv2.resize(field, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC))
    at_640 = find_leukocytes(field)
    found = find_leukocytes(resized.astype(np.uint8))
    assert len(found) == len(at_640) == 2
    for here, there in zip(found, at_640, strict=True):
        assert overlap(tuple(round(v / scale) for v in here.box), there.box) > 0.9


@pytest.mark.parametrize(
    "lamp",
    [(0.95, 1.0, 0.7), (0.65, 0.95, 1.0), (0.6, 0.6, 0.6), (1.0, 0.9, 0.95)],
    ids=["yellow", "blue", "dim", "pink"],
)
def test_the_colour_of_the_lamp_does_not_matter(lamp: tuple[float, float, float]) -> None:
    field = leukocyte(red_cells(), (300, 240), 85, THREE_LOBES, 27)
    (cell,) = find_leukocytes((field * np.array(lamp)).astype(np.uint8))
    assert overlap(cell.box, box_round((300, 240), 85)) > 0.75


@settings(max_examples=25, deadline=None)
@given(turns=st.integers(0, 3), mirror=st.booleans(), x=st.integers(120, 520), y=st.integers(120, 360))
def test_turned_and_mirrored_fields_give_the_same_cells(turns: int, mirror: bool, x: int, y: int) -> None:
    field = leukocyte(red_cells(640, 640, seed=3), (x, y), 80, THREE_LOBES, 27)
    turned = np.ascontiguousarray(np.rot90(field[:, ::-1] if mirror else field, turns))
    (cell,), (other,) = find_leukocytes(field), find_leukocytes(turned)
    mask = nucleus_mask(field.shape, [cell])
    back = np.rot90(nucleus_mask(turned.shape, [other]), -turns)
    back = back[:, ::-1] if mirror else back
    assert 2 * (mask & back).sum() / (mask.sum() + back.sum()) > 0.95


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), width=st.integers(1, 90), height=st.integers(1, 90))
def test_whatever_is_found_lies_inside_the_field(seed: int, width: int, height: int) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (max(height // 12, 1), max(width // 12, 1), 3), np.uint8)
    field = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    for cell in find_leukocytes(field.reshape(height, width, 3)):
        for x0, y0, x1, y1 in (cell.box, cell.nucleus_box):
            assert 0 <= x0 < x1 <= width
            assert 0 <= y0 < y1 <= height
        assert cell.nucleus_area_px == cell.nucleus.sum() > 0
        assert cell.nucleus_box[0] <= cell.centre[0] <= cell.nucleus_box[2]


def test_the_field_is_left_as_it_was() -> None:
    field = leukocyte(red_cells(320, 240), (160, 120), 40, lobe=30)
    before = field.copy()
    find_leukocytes(field)
    assert (field == before).all()


@pytest.mark.real
def test_real_fields(real_data: Path) -> None:
    folder = real_data / "kaggle-blood-cells/dataset-master/dataset-master/JPEGImages"
    paths = sorted(folder.glob("*.jpg"))[1::6]
    dice = []
    for path in paths:
        number = path.stem.removeprefix("BloodImage_")
        field = read_image(path)
        mask = real_data / f"bccd-nucleus-masks/BloodImage_Mask_{number}.png"
        levels = np.asarray(cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE), np.uint8)
        cells = find_leukocytes(field)
        assert cells, number
        x, y = (round(value) for value in cells[0].centre)
        # The middle of a ring or horseshoe nucleus is cytoplasm; it must lie in the hand-outlined cell all the same.
        assert cv2.dilate(levels, np.ones((9, 9), np.uint8))[y, x] > 80, number
        found, truth = nucleus_mask(field.shape, cells), levels > 207
        dice.append(2 * (found & truth).sum() / (found.sum() + truth.sum()))
    assert float(np.median(dice)) > 0.93


@pytest.mark.slow
@pytest.mark.real
def test_the_centre_lies_inside_a_box_drawn_by_hand(real_data: Path) -> None:
    folder = real_data / "kaggle-blood-cells/dataset-master/dataset-master/JPEGImages"
    inside, overlaps = [], []
    for path in sorted((real_data / "bccd-boxes").glob("*.xml")):
        boxes = [box for name, box in read_voc(path) if name == "WBC"]
        if not boxes or not (folder / f"{path.stem}.jpg").is_file():
            continue
        cell = find_leukocytes(read_image(folder / f"{path.stem}.jpg"))[0]
        x, y = cell.centre
        inside.append(any(x0 <= x < x1 and y0 <= y < y1 for x0, y0, x1, y1 in boxes))
        overlaps.append(max(overlap(cell.box, box) for box in boxes))
    assert len(inside) == 358
    assert np.mean(inside) >= 0.995
    assert np.median(overlaps) >= 0.75


@pytest.mark.real
def test_real_fields_of_a_second_microscope(real_data: Path) -> None:
    paths = sorted((real_data / "olympus-bx53").rglob("*.jpg"))[::14]
    assert len(paths) > 20
    assert {len(find_leukocytes(read_image(path))) for path in paths} <= {1, 2}


@pytest.mark.parametrize("radius", [70, 80, 88])
def test_three_cells_round_a_gap_are_three(radius: int) -> None:
    """What touching cells enclose is no part of them: filled, it would look like the middle of one large cell."""
    apart = radius / np.cos(np.radians(30)) * 0.98
    angles = np.radians([90, 210, 330])
    centres = [(round(320 + apart * np.cos(a)), round(250 + apart * np.sin(a))) for a in angles]
    field = red_cells()
    for centre in centres:
        field = leukocyte(field, centre, radius, lobe=round(0.6 * radius))
    cells = find_leukocytes(field)
    assert len(cells) == 3
    for centre in centres:
        assert max(overlap(cell.box, box_round(centre, radius)) for cell in cells) > 0.7


@pytest.mark.parametrize("share", [0.94, 0.9])
@pytest.mark.parametrize("angle", [0, 45, 90, 200])
def test_a_small_cell_beside_a_large_one_is_found(angle: int, share: float) -> None:
    large, small = 95, 52
    turn = np.radians(angle)
    apart = share * (large + small)
    centre = (round(300 + apart * np.cos(turn)), round(240 + apart * np.sin(turn)))
    field = leukocyte(red_cells(), (300, 240), large, lobe=62)
    cells = find_leukocytes(leukocyte(field, centre, small, lobe=44))
    assert len(cells) == 2
    assert max(overlap(cell.box, box_round(centre, small)) for cell in cells) > 0.6


@pytest.mark.parametrize("seed", [0, 62, 105])
def test_cells_pressed_together_without_a_waist_are_told_by_their_nuclei(seed: int) -> None:
    rng = np.random.default_rng(5_000_000 + seed)
    smear = draw_field(rng, [str(name) for name in rng.choice(CLASS_NAMES, 5)], touching=True)
    boxes = [cell.box for cell in find_leukocytes(smear.rgb)]
    assert len(boxes) == pairs(boxes, [cell.box for cell in smear.cells]) == 5


@pytest.mark.parametrize(
    ("axes", "apart", "radius", "cells"),
    [
        ((100, 50), 100, 24, 2),
        ((100, 50), 58, 24, 1),  # as near as lobes are
        ((100, 50), 100, 16, 1),  # as small as lobes are
        ((70, 50), 70, 24, 1),  # no larger than a cell may be
    ],
)
def test_only_large_nuclei_far_apart_part_a_body_larger_than_any_cell(
    axes: tuple[int, int], apart: int, radius: int, cells: int
) -> None:
    body, nuclei = np.zeros((120, 220), np.uint8), np.zeros((120, 220), np.uint8)
    cv2.ellipse(body, (110, 60), axes, 0, 0, 360, 255, cv2.FILLED)
    for x in (110 - apart // 2, 110 + apart // 2):
        cv2.circle(nuclei, (x, 60), radius, 255, cv2.FILLED)
    pieces = part_by_nuclei([body], nuclei)
    assert len(pieces) == cells
    assert np.array_equal(np.max(pieces, axis=0), body)
    assert sum(cv2.countNonZero(piece) for piece in pieces) == cv2.countNonZero(body)


def test_pale_spots_in_one_large_cell_do_not_part_it() -> None:
    field = leukocyte(red_cells(), (320, 240), 110, ((-40, 0), (40, 0)), 42)
    for x in (310, 330):
        cv2.circle(field, (x, 240), 4, (215, 215, 215), cv2.FILLED, cv2.LINE_AA)
    assert len(find_leukocytes(field)) == 1


SCENES = (
    *((0, False, False), (1, False, False), (2, False, False), (5, False, False)),
    *((2, True, False), (5, True, False), (1, False, True), (2, True, True)),
)
"""Leukocytes in a field, whether they touch, whether one is cut by the border."""


@pytest.mark.slow
def test_drawn_smears_are_counted_right() -> None:
    """The whole measurement is benchmarks/counting.py; these are a few fields of each of its scenes, pooled."""
    known = found = matched = 0
    for n, touching, at_border in SCENES:
        for seed in range(10):
            rng = np.random.default_rng(900_000 + 100 * n + seed)
            names = [str(name) for name in rng.choice(CLASS_NAMES, n)]
            smear = draw_field(rng, names, touching=touching, at_border=at_border)
            boxes = [cell.box for cell in find_leukocytes(smear.rgb)]
            known, found = known + n, found + len(boxes)
            matched += pairs(boxes, [cell.box for cell in smear.cells])
    assert known == 180
    assert matched / known >= 0.98
    assert matched / found >= 0.98


@pytest.mark.slow
@pytest.mark.real
def test_every_leukocyte_of_the_real_fields_is_counted_once(real_data: Path) -> None:
    """All WBC boxes, not the most prominent one; what is found without a box is mostly a leukocyte without one."""
    known = found = matched = 0
    images = real_data / "kaggle-blood-cells/dataset-master/dataset-master/JPEGImages"
    for path in sorted((real_data / "bccd-boxes").glob("*.xml")):
        picture = images / f"{path.stem}.jpg"
        boxes = [box for name, box in read_voc(path) if name == "WBC"]
        if picture.is_file():
            cells = [cell.box for cell in find_leukocytes(read_image(picture))]
            known, found, matched = known + len(boxes), found + len(cells), matched + pairs(cells, boxes)
    assert known > 360
    assert matched / known >= 0.99
    assert matched / found >= 0.97
