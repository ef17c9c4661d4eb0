"""The parts of one cell at a fixed scale: optical densities of its surroundings, nucleus, and cytoplasm."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from buffycoat.imaging.find import Box, Leukocyte, find_leukocytes
from buffycoat.imaging.stain import background, working_copy
from buffycoat.morphology.optics import Densities, RedCells, optical_density, red_cells

FIELD_WIDTH_PX = 640
"""Fields are measured at this width, so that lengths and areas in pixels are comparable between photographs."""
SINGLE_WIDTH_PX = 256
"""Photographs of single cells are measured at this width: the cell then has about the size it has in a field."""

Mask = NDArray[np.uint8]

_MARGIN_PX = 12  # round the cell
_BORDER_PX = 2  # between nucleus and cytoplasm, neither of them: pixels of both
_EMPTY = 0.035  # optical density in green below which a pixel is background, not cytoplasm
_BETWEEN_PX = 9  # how far from the nucleus its surroundings reach


@dataclass(frozen=True, slots=True)
class Parts:
    """A cell cut out of its field; all masks are uint8, 0 or 1, of one shape (h, w).

    Attributes
    ----------
    density
        float32 (h, w, 3), optical density in R, G and B relative to the empty background.
    nucleus, body, cytoplasm
        The nucleus; the whole cell; the cell without the nucleus and without what is as light as the background.
    near
        Between the lobes and within a few pixels of the nucleus: where granules lie whatever the cell's outline.
    red
        The field's red cells.
    touches_border
        Whether the photograph's border cuts the cell.
    """

    density: Densities
    nucleus: Mask
    body: Mask
    cytoplasm: Mask
    near: Mask
    red: RedCells
    touches_border: bool


def parts_of(rgb: NDArray[np.uint8], box: Box | None = None, *, single: bool = False) -> Parts | None:
    """Return the parts of a field's leukocyte, or None where none is found.

    Parameters
    ----------
    rgb
        uint8 (H, W, 3), the field.
    box
        Where the cell lies, px of the field, if known: the found leukocyte with the greatest part in it is taken.
        Otherwise the most prominent one.
    single
        The photograph shows one cell, cut from its field.
    """
    copy = working_copy(rgb, SINGLE_WIDTH_PX if single else FIELD_WIDTH_PX)
    cells = find_leukocytes(copy, working_width_px=copy.shape[1] // 2)
    chosen = choose(cells, None if box is None else _scaled(box, copy.shape[1] / rgb.shape[1]))
    return None if chosen is None else _cut(copy, chosen, cells)


def choose(cells: list[Leukocyte], box: Box | None) -> Leukocyte | None:
    """Return the leukocyte meant by a box: the one that shares most with it; None where none touches it."""
    if box is None:
        return cells[0] if cells else None
    shared = [_shared(cell.box, box) for cell in cells]
    best = max(range(len(cells)), key=shared.__getitem__, default=None)
    return None if best is None or shared[best] <= 0 else cells[best]


def _shared(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    union = _area(one) + _area(other) - max(width, 0) * max(height, 0)
    return max(width, 0) * max(height, 0) / union if union else 0.0


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _scaled(box: Box, by: float) -> Box:
    x0, y0, x1, y1 = (round(side * by) for side in box)
    return x0, y0, x1, y1


def _cut(field: NDArray[np.uint8], cell: Leukocyte, cells: list[Leukocyte]) -> Parts:
    height, width = field.shape[:2]
    half = (max(1, width // 2), max(1, height // 2))
    small = np.asarray(cv2.resize(field, half, interpolation=cv2.INTER_AREA), np.uint8)
    empty = background(small)
    x0, y0 = (max(0, min(a, b) - _MARGIN_PX) for a, b in zip(cell.body_box[:2], cell.nucleus_box[:2], strict=True))
    x1, y1 = max(cell.body_box[2], cell.nucleus_box[2]), max(cell.body_box[3], cell.nucleus_box[3])
    x1, y1 = min(width, x1 + _MARGIN_PX), min(height, y1 + _MARGIN_PX)
    density = optical_density(np.ascontiguousarray(field[y0:y1, x0:x1]), empty)
    nucleus = _placed(cell.nucleus, cell.nucleus_box, (x0, y0), (y1 - y0, x1 - x0))
    body = _placed(cell.body, cell.body_box, (x0, y0), (y1 - y0, x1 - x0)) | nucleus
    away = np.asarray(cv2.distanceTransform(1 - nucleus, cv2.DIST_L2, 3), np.float32)
    stained = cv2.GaussianBlur(density[..., 1], (0, 0), 1.5) > _EMPTY
    inside = cv2.erode(body, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    cytoplasm = ((inside > 0) & (away > _BORDER_PX) & stained).astype(np.uint8)
    close = ((away > _BORDER_PX) & (away <= _BETWEEN_PX)) | ((_hull(nucleus) > 0) & (away > _BORDER_PX))
    near = (close & (inside > 0) & stained).astype(np.uint8)
    others = np.zeros(small.shape[:2], np.bool_)
    for one in cells:
        left, top, right, bottom = one.box
        others[max(0, top) // 2 : bottom // 2 + 1, max(0, left) // 2 : right // 2 + 1] = True
    return Parts(density, nucleus, body, cytoplasm, near, red_cells(small, empty, others), cell.touches_border)


def _placed(mask: NDArray[np.bool_], box: Box, corner: tuple[int, int], shape: tuple[int, int]) -> Mask:
    found = np.zeros(shape, np.uint8)
    x, y = box[0] - corner[0], box[1] - corner[1]
    found[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
    return found


def _hull(mask: Mask) -> Mask:
    points = cv2.findNonZero(mask)
    return np.asarray(cv2.fillConvexPoly(np.zeros_like(mask), cv2.convexHull(points), 1), np.uint8)
