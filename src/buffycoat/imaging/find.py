"""Finding the leukocytes of a field by colour."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Leukocyte:
    """One leukocyte of a field, in pixels of the field."""

    box: Box
    centre: tuple[float, float]
    nucleus_box: Box
    nucleus: NDArray[np.bool_]
    nucleus_area_px: int
    touches_border: bool
    score: float


def find_leukocytes(rgb: NDArray[np.uint8]) -> list[Leukocyte]:
    """Return the leukocytes of a field, the most prominent first; an empty list when there is none."""
    height, width = rgb.shape[:2]
    scale = width / 640
    red, green, blue = cv2.split(rgb)
    purple = cv2.subtract(cv2.addWeighted(red, 0.5, blue, 0.5, 0), green)
    purple = cv2.GaussianBlur(purple, (0, 0), max(3 * scale, 0.8))
    threshold, mask = cv2.threshold(purple, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    if threshold < 5:
        return []
    count, labels, stats, centres = cv2.connectedComponentsWithStats(mask)
    cells = []
    for k in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[k])
        if area < 1500 * scale**2:
            continue
        margin = round(15 * scale)
        box = (max(x - margin, 0), max(y - margin, 0), min(x + w + margin, width), min(y + h + margin, height))
        cells.append(
            Leukocyte(
                box=box,
                centre=(float(centres[k][0]), float(centres[k][1])),
                nucleus_box=(x, y, x + w, y + h),
                nucleus=labels[y : y + h, x : x + w] == k,
                nucleus_area_px=area,
                touches_border=box[0] == 0 or box[1] == 0 or box[2] == width or box[3] == height,
                score=float(area),
            )
        )
    return sorted(cells, key=lambda cell: -cell.score)


def nucleus_mask(shape: tuple[int, ...], cells: Iterable[Leukocyte]) -> NDArray[np.bool_]:
    """Return one mask (H, W) of all nuclei."""
    mask = np.zeros(shape[:2], np.bool_)
    for cell in cells:
        x0, y0, x1, y1 = cell.nucleus_box
        mask[y0:y1, x0:x1] |= cell.nucleus
    return mask
