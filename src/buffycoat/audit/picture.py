"""Looking at one file: one decode at reduced size gives everything the audit needs of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from buffycoat.audit import hashing
from buffycoat.audit.measure import Measures, measure, surroundings, valid_pixels
from buffycoat.audit.polar import FARTHEST_PX, Rings, rings_of
from buffycoat.errors import ImageError
from buffycoat.imaging import jpeg
from buffycoat.imaging.decode import read_image
from buffycoat.imaging.find import Leukocyte, find_leukocytes
from buffycoat.imaging.frame import is_single_cell

LONG_PX = 320
"""Longer side at which every photograph is looked at; a turned photograph then keeps its scale."""
MOST_CELLS = 3
"""Leukocytes of a photograph that are compared with others, the most prominent first."""
LEAST_SPREAD = 4.0
"""Deviation of the grey levels below which a picture shows nothing."""

_SINGLE_WORKING_PX = 128


@dataclass(frozen=True, slots=True)
class CellLook:
    """A leukocyte: its centre (px of the small picture), the scale of its rings, the rings, and where they are inside.

    ``seen`` is packed to bits, eight times smaller: the looks of all files are held at once.
    """

    centre: tuple[float, float]
    scale: float
    rings: Rings
    seen: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen in one file; ``problem`` says why nothing was, and then the rest is empty."""

    problem: str | None
    width: int = 0
    height: int = 0
    measures: Measures | None = None
    hashes: NDArray[np.uint64] | None = None
    thumbnail: NDArray[np.uint8] | None = None
    cells: tuple[CellLook, ...] = ()
    blank: bool = True


def look_at(path: Path) -> Look:
    """Look at a file; one that cannot be read is a look with a problem, never an exception."""
    try:
        rgb, (width, height) = small_picture(path)
    except ImageError as error:
        return Look(error.reason)
    grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)
    valid = valid_pixels(rgb)
    if cv2.countNonZero(valid) == 0 or float(cv2.meanStdDev(grey, mask=valid)[1][0, 0]) < LEAST_SPREAD:
        return Look(None, width, height, measure(rgb, grey, valid))
    found, scale = _leukocytes(rgb)
    measures = measure(rgb, grey, surroundings(valid, [cell.box for cell in found]))
    small = hashing.thumbnail(_filled(grey, valid))
    cells = tuple(_look_at_cell(rgb, valid, cell.centre, scale) for cell in found[:MOST_CELLS])
    return Look(None, width, height, measures, hashing.hashes(small), small, cells, blank=False)


def small_picture(path: Path) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Return a photograph with its longer side at 320 px, and its own size (width, height) as displayed.

    Raises
    ------
    ImageError
        It cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError:
        read_image(path)  # says why in the usual words
        raise
    header = jpeg.read_header(content) if content.startswith(jpeg.SIGNATURE) else None
    if header is None:
        rgb = read_image(content)
        size = (rgb.shape[1], rgb.shape[0])
    else:
        size = (header.height, header.width) if header.orientation >= 5 else (header.width, header.height)
        rgb = read_image(content, reduce=next((by for by in (8, 4, 2) if max(size) >= by * LONG_PX), 1))
    return shrunk(rgb), size


def shrunk(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture with its longer side at 320 px, its shape kept."""
    height, width = rgb.shape[:2]
    longer = max(height, width)
    if longer == LONG_PX:
        return rgb
    size = (max(1, round(width * LONG_PX / longer)), max(1, round(height * LONG_PX / longer)))
    method = cv2.INTER_AREA if longer > LONG_PX else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(rgb, size, interpolation=method), np.uint8)


def _filled(grey: NDArray[np.uint8], valid: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture with black corners filled: left black they would make strangers alike."""
    if cv2.countNonZero(valid) in (0, valid.size):
        return grey
    return np.where(valid > 0, grey, np.uint8(cv2.mean(grey, mask=valid)[0]))


def _leukocytes(rgb: NDArray[np.uint8]) -> tuple[list[Leukocyte], float]:
    """Return the leukocytes and the scale of their rings: a photograph of a single cell has rings of its own size."""
    if is_single_cell(rgb):
        found = find_leukocytes(rgb, working_width_px=_SINGLE_WORKING_PX)[:1]
        return found, 0.45 * min(rgb.shape[:2]) / FARTHEST_PX
    return find_leukocytes(rgb), 1.0


def _look_at_cell(
    rgb: NDArray[np.uint8], valid: NDArray[np.uint8], centre: tuple[float, float], scale: float
) -> CellLook:
    height, width = rgb.shape[:2]
    x, y = min(max(centre[0], 0), width - 1), min(max(centre[1], 0), height - 1)
    rings, seen = rings_of(rgb, valid, (x, y), scale)
    return CellLook((x, y), scale, rings, np.packbits(seen, axis=1))
