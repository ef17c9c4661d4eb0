"""Plain drawings of smears: enough for the finder to be held to what was drawn."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
Point = tuple[int, int]

BACKGROUND = (205, 208, 203)
RED_CELL = (182, 150, 148)
CYTOPLASM = (190, 165, 205)
NUCLEUS = (110, 70, 160)


def empty_field(width: int = 640, height: int = 480, seed: int = 0) -> Rgb:
    """Return an empty background with a little noise."""
    noise = np.random.default_rng(seed).normal(0, 2.5, (height, width, 3))
    return np.clip(np.array(BACKGROUND) + noise, 0, 255).astype(np.uint8)


def red_cells(width: int = 640, height: int = 480, seed: int = 0, n: int = 45) -> Rgb:
    """Return a field of red cells with pale centres."""
    field = empty_field(width, height, seed)
    rng = np.random.default_rng(seed)
    scale = width / 640
    for _ in range(n):
        centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        radius = int(rng.uniform(36, 46) * scale)
        _disc(field, centre, radius, RED_CELL)
        _disc(field, centre, int(radius * 0.4), (200, 178, 175))
    return _soften(field, scale)


def leukocyte(field: Rgb, centre: Point, radius: int = 80, lobes: Sequence[Point] = ((0, 0),), lobe: int = 50) -> Rgb:
    """Return the field with one more leukocyte; `lobes` are offsets from its centre."""
    drawn = field.copy()
    _disc(drawn, centre, radius, CYTOPLASM)
    for x, y in lobes:
        _disc(drawn, (centre[0] + x, centre[1] + y), lobe, NUCLEUS)
    return _soften(drawn, field.shape[1] / 640)


def platelets(field: Rgb, centres: Sequence[Point], radius: int = 14) -> Rgb:
    """Return the field with platelets."""
    drawn = field.copy()
    for centre in centres:
        _disc(drawn, centre, radius, NUCLEUS)
    return _soften(drawn, field.shape[1] / 640)


def _disc(field: Rgb, centre: Point, radius: int, colour: tuple[int, int, int]) -> None:
    cv2.circle(field, centre, radius, colour, cv2.FILLED, cv2.LINE_AA)


def _soften(field: Rgb, scale: float) -> Rgb:
    return np.asarray(cv2.GaussianBlur(field, (0, 0), max(1.2 * scale, 0.4)), np.uint8)
