"""Finding the leukocytes of a field by their stain: where each lies, its whole extent, and its nucleus.

The field is searched at a fixed working width, so that a field stored large or small gives the same cells.
Nothing is guessed: a field without a well-stained nucleus gives no leukocyte.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from buffycoat.imaging.bodies import Mask, depth_inside, find_bodies, grow
from buffycoat.imaging.nucleus import outline_nucleus
from buffycoat.imaging.stain import (
    WORKING_WIDTH_PX,
    background,
    chromatin_stain,
    every_second,
    nuclear_stain,
    percentile,
    working_copy,
)

Box = tuple[int, int, int, int]

# Stain levels, 0 to 255, see stain.nuclear_stain; lengths and areas in pixels at the working width.
_LEAST_NUCLEUS = 60  # the weakest stain of a nucleus
_DARK_SHARE = 0.55  # of the field's strongest stain
_LEAST_PEAK = 80  # a leukocyte's nucleus reaches this
_LEAST_AREA = 750  # of a nucleus; platelets and their clumps are smaller
_LEAST_CUT_AREA = 490  # of a nucleus cut by the field's border
_LEAST_RADIUS = 5.5  # of the largest disc inside a nucleus: refuses streaks and threads
_LEAST_CUT_RADIUS = 8.0  # the same where the border cuts it, and the area says less
_MARGIN = 2  # a cell fades out beyond what is segmented; people draw its box a little wide


@dataclass(frozen=True, slots=True)
class Leukocyte:
    """One leukocyte of a field, in pixels of the field.

    Attributes
    ----------
    box
        (x0, y0, x1, y1) of the whole cell, cytoplasm included; x1 and y1 are exclusive.
    centre
        (x, y), the middle of the nucleus's mass.
    nucleus_box
        Box of the nucleus, all its lobes together.
    nucleus
        bool (y1 − y0, x1 − x0), the nucleus inside its box.
    nucleus_area_px
        Pixels of the nucleus.
    touches_border
        Whether the field's border cuts the cell.
    score
        Prominence: nucleus area × strength of its stain, relative to the field's area; comparable inside a field.
    body_box
        Box of the whole cell as segmented: `box` without its margin.
    body
        bool, the whole cell, nucleus included, inside `body_box`.
    """

    box: Box
    centre: tuple[float, float]
    nucleus_box: Box
    nucleus: NDArray[np.bool_]
    nucleus_area_px: int
    touches_border: bool
    score: float
    body_box: Box
    body: NDArray[np.bool_]


def find_leukocytes(rgb: NDArray[np.uint8], *, working_width_px: int = WORKING_WIDTH_PX) -> list[Leukocyte]:
    """Return the leukocytes of a field, the most prominent first; an empty list when there is none.

    Parameters
    ----------
    rgb
        uint8 (H, W, 3), bright field, azure-eosin stain (Romanowsky: Wright, Giemsa, May-Grünwald, Leishman).
    working_width_px
        The width the photograph is searched at. The default fits fields some six to eleven red cells wide; a
        photograph that shows less than a field takes a smaller one.

    Notes
    -----
    Nuclei are the pixels far stronger in blue minus green than the field; bodies are what is stained like them
    more weakly and hangs together with them, parted where two cells touch; platelets, streaks and stain dirt fall
    by size and shape.
    """
    height, width = rgb.shape[:2]
    if min(height, width) < 16 or max(height, width) > 8 * min(height, width):
        return []  # a speck or a strip, not a field
    small = working_copy(rgb, working_width_px)
    empty = background(small)
    stain = nuclear_stain(small, empty)
    strongest = percentile(every_second(stain), 99.5)
    level = max(_LEAST_NUCLEUS, _DARK_SHARE * strongest)
    nuclei = np.asarray(cv2.threshold(stain, level, 255, cv2.THRESH_BINARY)[1], np.uint8)
    if cv2.countNonZero(nuclei) < _LEAST_CUT_AREA:
        return []
    cells = []
    for x, y, body in find_bodies(stain, nuclei, _LEAST_CUT_AREA // 2):
        window = (slice(y, y + body.shape[0]), slice(x, x + body.shape[1]))
        seed = nuclei[window] & body
        if cv2.countNonZero(seed) < _LEAST_CUT_AREA // 2:
            continue
        nucleus = outline_nucleus(chromatin_stain(small[window], empty), body, seed)
        strength = percentile(stain[window], 75, seed)
        cell = _measure(Segmented(x, y, _trim(body, nucleus), nucleus, strength), small.shape, (height, width))
        if cell is not None:
            cells.append(cell)
    return sorted(cells, key=lambda cell: -cell.score)


def nucleus_mask(shape: tuple[int, ...], cells: Iterable[Leukocyte]) -> NDArray[np.bool_]:
    """Return one bool mask (H, W) of all nuclei, for a field of this shape."""
    mask = np.zeros(shape[:2], np.bool_)
    for cell in cells:
        x0, y0, x1, y1 = cell.nucleus_box
        mask[y0:y1, x0:x1] |= cell.nucleus
    return mask


@dataclass(frozen=True, slots=True)
class Segmented:
    """A cell in the working copy: where its box lies, the masks inside it, and the strength of its nucleus's stain."""

    x: int
    y: int
    body: Mask
    nucleus: Mask
    strength: float


def _trim(body: Mask, nucleus: Mask) -> Mask:
    """Cut off what lies farther from the nucleus than a cell reaches: red cells that hang on to it."""
    radius = (cv2.countNonZero(nucleus) / np.pi) ** 0.5
    return np.asarray(cv2.bitwise_and(body, grow(nucleus, radius + 8)), np.uint8)


def _measure(cell: Segmented, working: tuple[int, ...], size: tuple[int, int]) -> Leukocyte | None:
    """Carry a cell from the working copy to the field; None when it is no leukocyte."""
    if cell.strength < _LEAST_PEAK or not cv2.countNonZero(cell.nucleus):
        return None
    left, top, w, h = cv2.boundingRect(cell.body)
    x, y = cell.x + left, cell.y + top
    edges = (y > 1, y + h < working[0] - 1, x > 1, x + w < working[1] - 1)
    if not _is_leukocyte(cell.nucleus, edges):
        return None
    height, width = size
    across, down = width / working[1], height / working[0]
    box = (
        round((x - _MARGIN) * across) if edges[2] else 0,
        round((y - _MARGIN) * down) if edges[0] else 0,
        round((x + w + _MARGIN) * across) if edges[3] else width,
        round((y + h + _MARGIN) * down) if edges[1] else height,
    )
    nucleus_box, mask = _enlarge(cell, cell.nucleus, across, down, size)
    body_box, body = _enlarge(cell, cell.body, across, down, size)
    moments = cv2.moments(mask.view(np.uint8), binaryImage=True)
    area = round(moments["m00"])
    return Leukocyte(
        box=box,
        centre=(nucleus_box[0] + moments["m10"] / area + 0.5, nucleus_box[1] + moments["m01"] / area + 0.5),
        nucleus_box=nucleus_box,
        nucleus=mask,
        nucleus_area_px=area,
        touches_border=not all(edges),
        score=area * cell.strength / (255 * height * width),
        body_box=body_box,
        body=body,
    )


def _is_leukocyte(nucleus: Mask, edges: tuple[bool, bool, bool, bool]) -> bool:
    least_area, least_radius = (_LEAST_AREA, _LEAST_RADIUS) if all(edges) else (_LEAST_CUT_AREA, _LEAST_CUT_RADIUS)
    if cv2.countNonZero(nucleus) < least_area:
        return False
    return float(depth_inside(nucleus, edges).max()) >= least_radius


def _enlarge(
    cell: Segmented, part: Mask, across: float, down: float, size: tuple[int, int]
) -> tuple[Box, NDArray[np.bool_]]:
    """Return the box and mask of a part of the cell (nucleus or body) in pixels of the field."""
    left, top, w, h = cv2.boundingRect(part)
    x, y = cell.x + left, cell.y + top
    x0, y0 = round(x * across), round(y * down)
    x1, y1 = max(min(round((x + w) * across), size[1]), x0 + 1), max(min(round((y + h) * down), size[0]), y0 + 1)
    piece = part[top : top + h, left : left + w]
    # Enlarged smoothly: the threshold then follows the outline, not the steps of the working copy.
    mask = np.asarray(cv2.resize(piece, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR) > 127, np.bool_)
    return (x0, y0, x1, y1), mask
