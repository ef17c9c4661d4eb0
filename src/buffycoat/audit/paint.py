"""Painting the leukocytes of a field out, so that only the surroundings are left to learn from.

What is painted must not tell the class either: every leukocyte gets a disc of one size, large enough for the largest,
in the colour of the field's own empty background. A patch of the cell's own shape would betray the lymphocyte by its
size.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from buffycoat.imaging.find import Box, find_leukocytes
from buffycoat.imaging.frame import is_single_cell
from buffycoat.imaging.stain import background

RADIUS_SHARE = 0.25
"""Radius of a disc as a share of the field's width: 160 of 640 px, where 99 cells in 100 are at most 302 px long."""
_SINGLE_SHARE = 0.5  # of the shorter side, in a photograph of a single cell: its corners are left


def paint_out(rgb: NDArray[np.uint8], box: Box | None = None) -> NDArray[np.uint8] | None:
    """Return the field without its leukocytes, or None where none is known of or found.

    Parameters
    ----------
    rgb
        uint8 (H, W, 3).
    box
        Of the labelled cell, px, where it is given; all others that are found are painted out as well.

    Returns
    -------
    uint8 (H, W, 3), a copy.
    """
    height, width = rgb.shape[:2]
    if box is None and is_single_cell(rgb):
        centres, radius = [(width / 2, height / 2)], _SINGLE_SHARE * min(height, width)
    else:
        boxes = [cell.box for cell in find_leukocytes(rgb)] + ([] if box is None else [box])
        centres = [((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in boxes]
        radius = RADIUS_SHARE * width
    if not centres:
        return None
    discs = np.zeros((height, width), np.uint8)
    for x, y in centres:
        cv2.circle(discs, (round(x), round(y)), round(radius), 255, cv2.FILLED)
    left = rgb[discs == 0]
    empty = background(left[None, :, :] if len(left) >= 256 else rgb)
    painted = rgb.copy()
    painted[discs > 0] = np.rint(empty).astype(np.uint8)
    return painted
