"""Overlays show where the map is, hide nothing there, and claim nothing elsewhere."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from buffycoat.imaging.decode import read_image
from buffycoat.predict import Predictor
from buffycoat.predict.explain import SIDE_PX, Explainer, heat, overlay, picture_name
from buffycoat.predict.items import Item
from tests.bundles import tiny_bundle, tiny_colour

Rgb = NDArray[np.uint8]
PLAIN = np.full((64, 64, 3), (150, 90, 170), np.uint8)


def _cam(row: int, column: int) -> NDArray[np.float32]:
    cam = np.full((4, 4), -1.0, np.float32)
    cam[row, column] = 3.0
    return cam


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 3), (3, 0), (2, 1)])
def test_what_weighs_keeps_its_colour_and_the_rest_turns_pale(row: int, column: int) -> None:
    drawn = overlay(PLAIN, _cam(row, column)).astype(int)
    cell = SIDE_PX // 4
    y, x = row * cell + cell // 2, column * cell + cell // 2
    assert np.abs(drawn[y, x] - (150, 90, 170)).max() <= 2
    far_y, far_x = (3 - row) * cell + cell // 2, (3 - column) * cell + cell // 2
    away = drawn[far_y, far_x]
    assert away.max() - away.min() < 0.5 * (170 - 90)  # less colour
    assert away.mean() > 150  # lighter


def test_a_map_that_speaks_for_nothing_draws_nothing() -> None:
    for cam in (np.zeros((4, 4)), -np.ones((4, 4)), np.full((4, 4), np.nan)):
        assert not heat(cam.astype(np.float32), 32).any()
        drawn = overlay(PLAIN, cam.astype(np.float32))
        assert len(np.unique(drawn.reshape(-1, 3), axis=0)) == 1


def test_the_scale_of_a_map_does_not_matter() -> None:
    cam = np.random.default_rng(2).normal(size=(4, 4)).astype(np.float32)
    assert np.array_equal(overlay(PLAIN, cam), overlay(PLAIN, cam * 1000))


def test_a_map_is_of_the_class_that_is_named_and_lies_where_its_colour_is(tmp_path: Path) -> None:
    frame = {"mode": "whole", "side_px": 320, "reference_width_px": 640, "stored_px": 224}
    predictor = Predictor.load(tiny_bundle(tmp_path / "b", frame=frame, view_px=320))
    photograph = np.full((320, 320, 3), 235, np.uint8)
    photograph[40:140, 180:280] = tiny_colour("lymphocyte")
    (cell,) = predictor.predict(photograph)[0].cells
    seen, cam = predictor.activation(photograph, cell)
    assert seen.shape == (32, 32, 3)
    assert cam.shape == (4, 4)
    moved = np.ascontiguousarray(photograph[:, ::-1])
    (other,) = predictor.predict(moved)[0].cells
    assert np.allclose(predictor.activation(moved, other)[1], cam[:, ::-1], atol=1e-3)
    assert predictor.explain(photograph, cell).shape == (SIDE_PX, SIDE_PX, 3)


def test_a_map_of_the_small_copy_is_that_of_what_was_seen(
    predictor: Predictor, photographs: Path, tmp_path: Path
) -> None:
    path = photographs / "0.jpg"
    result = predictor.predict(path)[0]
    Explainer(predictor, tmp_path).write(Item(str(path), path), result)
    picture = tmp_path / picture_name(result.image, result.cells[0])
    with Image.open(picture) as drawn:
        rgb = np.asarray(drawn)
    full = predictor.decoded(Item("x", path))
    assert full.shape[1] < 640  # it was looked at at a smaller size
    seen = cv2.resize(rgb[:, :SIDE_PX], (32, 32), interpolation=cv2.INTER_AREA).astype(int)
    wanted, _ = predictor.activation(read_image(path), result.cells[0])
    assert np.abs(seen - wanted).mean() < 6


def test_names_of_pictures_are_distinct_and_plain(predictor: Predictor, fields: list[Rgb]) -> None:
    cells = predictor.predict(fields[5])[0].cells
    names = {picture_name(image, cell) for image in ("a/x.jpg", "b/x.jpg", "c/\n,é.jpg") for cell in cells}
    assert len(names) == 6
    assert all(name.isascii() and name.isprintable() and "/" not in name for name in names)
