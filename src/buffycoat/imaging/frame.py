"""From a field to a square crop at a fixed scale, and photographs of single cells framed whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from buffycoat.imaging.find import Box, find_leukocytes
from buffycoat.records.documents import FrameSpec

Framing = Literal["cell", "whole", "boxed", "none"]

LARGEST_SINGLE_PX = 600  # photographs of single cells are cut-outs; whole fields are larger
_SQUARE_ENOUGH = 1.25  # longest to shortest side; camera fields are 4:3 or wider
_SINGLE_WORKING_WIDTH_PX = 128  # a cell filling most of a cut-out then has the size it has in a field
_LEAST_SHARE = 0.4  # of the shortest side, taken by the cell's longest side
_OFF_CENTRE = 0.15  # of the shortest side, that the cell's centre may stand from the image's
_NEIGHBOUR = 0.35  # of the cell's prominence; a second one as prominent makes it a field


@dataclass(frozen=True, slots=True)
class Framed:
    """A framed cell.

    Attributes
    ----------
    crop
        uint8 (S, S, 3) RGB, or None when no leukocyte was found.
    box
        The part of the field shown by the crop, px; None when there is no crop.
    framing
        "cell" round a leukocyte that was found, "boxed" round a given box, "whole" the whole photograph, "none".
    found
        How many leukocytes were found; 0 where none was looked for.
    """

    crop: NDArray[np.uint8] | None
    box: Box | None
    framing: Framing
    found: int


def is_single_cell(rgb: NDArray[np.uint8]) -> bool:
    """Return whether a photograph shows one leukocyte in its middle, cut from its field.

    It is small (at most 600 px) and nearly square, and one leukocyte stands in its middle, fills a good part of
    it, and has no neighbour of its kind.
    """
    height, width = rgb.shape[:2]
    short, long = min(height, width), max(height, width)
    if long > LARGEST_SINGLE_PX or long > _SQUARE_ENOUGH * short:
        return False
    cells = find_leukocytes(rgb, working_width_px=_SINGLE_WORKING_WIDTH_PX)
    if not cells:
        return False
    x0, y0, x1, y1 = cells[0].box
    for other in cells[1:]:
        if x0 < other.box[2] and other.box[0] < x1 and y0 < other.box[3] and other.box[1] < y1:
            # Lobes far apart in a cell that fills the picture; there is no field round it to tell by.
            x0, y0 = min(x0, other.box[0]), min(y0, other.box[1])
            x1, y1 = max(x1, other.box[2]), max(y1, other.box[3])
        elif other.score > _NEIGHBOUR * cells[0].score:
            return False
    off = max(abs((x0 + x1) / 2 - width / 2), abs((y0 + y1) / 2 - height / 2))
    return bool(max(x1 - x0, y1 - y0) >= _LEAST_SHARE * short and off <= _OFF_CENTRE * short)


def frame(rgb: NDArray[np.uint8], spec: FrameSpec, box: Box | None) -> Framed:
    """Frame the leukocyte of a photograph.

    Parameters
    ----------
    rgb
        uint8 (H, W, 3).
    spec
        How to frame.
    box
        The cell's box in the field, px, where it is known; otherwise the most prominent leukocyte is taken.
    """
    height, width = rgb.shape[:2]
    if spec.mode == "whole":
        return Framed(whole_square(rgb, spec.stored_px), (0, 0, width, height), "whole", 0)
    side = max(1, round(spec.side_px * width / spec.reference_width_px))
    if box is not None:
        centre = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        return Framed(crop_square(rgb, centre, side, spec.stored_px), square_box(rgb.shape, centre, side), "boxed", 0)
    if spec.mode == "auto" and is_single_cell(rgb):
        return Framed(whole_square(rgb, spec.stored_px), (0, 0, width, height), "whole", 1)
    cells = find_leukocytes(rgb)
    if not cells:
        return Framed(None, None, "none", 0)
    x0, y0, x1, y1 = cells[0].box
    centre = ((x0 + x1) / 2, (y0 + y1) / 2)
    crop = crop_square(rgb, centre, side, spec.stored_px)
    return Framed(crop, square_box(rgb.shape, centre, side), "cell", len(cells))


def square_box(shape: tuple[int, ...], centre: tuple[float, float], side_px: int) -> Box:
    """Return the part of the field a square shows: shifted inside where it would leave it, cut where it is larger."""
    height, width = shape[:2]
    x0 = _start(centre[0], side_px, width)
    y0 = _start(centre[1], side_px, height)
    return (max(x0, 0), max(y0, 0), min(x0 + side_px, width), min(y0 + side_px, height))


def crop_square(rgb: NDArray[np.uint8], centre: tuple[float, float], side_px: int, out_px: int) -> NDArray[np.uint8]:
    """Cut a square of `side_px` round `centre` (x, y) and scale it to `out_px`.

    The square is shifted inside the field where it would leave it; the border is replicated only when the field
    is smaller than the square.

    Returns
    -------
    uint8 (out_px, out_px, 3).
    """
    height, width = rgb.shape[:2]
    x0, y0 = _start(centre[0], side_px, width), _start(centre[1], side_px, height)
    inside = rgb[max(y0, 0) : min(y0 + side_px, height), max(x0, 0) : min(x0 + side_px, width)]
    if inside.shape[:2] != (side_px, side_px):
        inside = np.asarray(
            cv2.copyMakeBorder(
                inside,
                max(-y0, 0),
                max(y0 + side_px - height, 0),
                max(-x0, 0),
                max(x0 + side_px - width, 0),
                cv2.BORDER_REPLICATE,
            ),
            np.uint8,
        )
    return _resize(inside, out_px)


def whole_square(rgb: NDArray[np.uint8], out_px: int) -> NDArray[np.uint8]:
    """Fit a whole photograph into a square, its shape kept; the rest takes the colour of the photograph's rim.

    Returns
    -------
    uint8 (out_px, out_px, 3).
    """
    height, width = rgb.shape[:2]
    side = max(height, width)
    if height != width:
        rim = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
        colour = [float(value) for value in np.median(rim, axis=0)]
        top, left = (side - height) // 2, (side - width) // 2
        rgb = np.asarray(
            cv2.copyMakeBorder(
                rgb, top, side - height - top, left, side - width - left, cv2.BORDER_CONSTANT, value=colour
            ),
            np.uint8,
        )
    return _resize(rgb, out_px)


def _start(centre: float, side: int, length: int) -> int:
    if side >= length:
        return -((side - length) // 2)
    return min(max(round(centre - side / 2), 0), length - side)


def _resize(square: NDArray[np.uint8], out_px: int) -> NDArray[np.uint8]:
    side = square.shape[0]
    if side == out_px:
        return np.ascontiguousarray(square)
    method = cv2.INTER_AREA if side > out_px else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(square, (out_px, out_px), interpolation=method), np.uint8)
