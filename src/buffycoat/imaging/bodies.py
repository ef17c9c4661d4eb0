"""Cell bodies: the regions of a field stained like leukocytes, and the parting of those that touch.

All lengths are in pixels at the working width (see :mod:`buffycoat.imaging.stain`); masks are uint8, 0 or 255.
"""

from __future__ import annotations

import functools
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from buffycoat.imaging.stain import WORKING_WIDTH_PX, every_second, percentile, smoothed

Mask = NDArray[np.uint8]

_REACH = 32  # how far cytoplasm is looked for round the nuclei
_BRIDGE = 6  # lobes up to twice this far apart hang together where the cytoplasm is too pale to be seen
_RIM = 7  # rims of red cells and bridges to them are thinner than twice this
_WAIST = 0.75  # two bodies touch where the region is narrower than this share of the thinner one
_LARGEST_CELL_AREA = 9000  # a larger region is more often several cells than one
_LARGEST_CUT_CELL_AREA = 7500  # the same where the field's border cuts it
_WAIST_OF_SEVERAL = 0.9  # in such a region a slighter waist is enough: a small cell beside a large one
_LEAST_GAP_AREA = 20  # a smaller gap is a vacuole or a pale spot
_LEAST_BODY_RADIUS = 11.0  # a thinner part is a lobe or a fold
_SEVERAL_CELLS_AREA = 12000  # no single cell is as large
_SEVERAL_CUT_CELLS_AREA = 10000  # the same where the field's border cuts them
_APART = 6  # nuclei more than twice this apart are of several cells, if there are several
_LEAST_OWN_NUCLEUS_AREA = 1200  # of each
_LEAST_PARTED_RADIUS = 6  # of a disc: below, its parts cost more than it does
_BLOCK = 8  # side of the squares by which neighbourhoods are told apart
_REACHED_BLOCKS = np.ones((11, 11), np.uint8)  # five to each side: 40 pixels, 8 more than anything is looked for


def find_bodies(stain: NDArray[np.uint8], nuclei: Mask, least_area: int) -> list[tuple[int, int, Mask]]:
    """Return every region that may be a cell: the nuclei and the weaker stain that hangs together with them.

    Parameters
    ----------
    stain
        From :func:`buffycoat.imaging.stain.nuclear_stain`.
    nuclei
        Where the stain is as strong as in nuclei.
    least_area
        Smaller regions are left out.

    Returns
    -------
    list of (x, y, mask): a body's mask and where its upper left corner lies.
    """
    places = _neighbourhoods(nuclei)
    everywhere = np.zeros_like(nuclei)
    for place in places:
        here = everywhere[place.window]
        cv2.bitwise_or(here, place.near, dst=here)
    like = _leukocyte_like(stain, everywhere)
    return [body for place in places for body in _bodies_in(place, like, nuclei, least_area)]


@dataclass(frozen=True, slots=True)
class _Neighbourhood:
    """Nuclei that are close together, and what is near them; nothing beyond its window has to do with them.

    Attributes
    ----------
    window
        The part of the field, wider than anything reaches from the nuclei.
    nuclei, near
        Masks of the window's shape, without what belongs to other neighbourhoods.
    """

    window: tuple[slice, slice]
    nuclei: Mask
    near: Mask


def _neighbourhoods(nuclei: Mask) -> list[_Neighbourhood]:
    """Return the nuclei, parted into those so far apart that cells about them cannot meet."""
    height, width = nuclei.shape
    down, across = -(-height // _BLOCK), -(-width // _BLOCK)
    padded = cv2.copyMakeBorder(
        nuclei, 0, down * _BLOCK - height, 0, across * _BLOCK - width, cv2.BORDER_CONSTANT, value=0
    )
    # The mean of a block with a single pixel of a nucleus is 4 of 255.
    blocks = cv2.resize(padded, (across, down), interpolation=cv2.INTER_AREA)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(blocks, _REACHED_BLOCKS))
    found = []
    for k in range(1, count):
        x, y, w, h = (int(value) * _BLOCK for value in stats[k, :4])
        window = (slice(y, min(y + h, height)), slice(x, min(x + w, width)))
        own = nuclei[window]
        its_blocks = labels[y // _BLOCK : (y + h) // _BLOCK, x // _BLOCK : (x + w) // _BLOCK]
        if np.any((its_blocks != k) & (its_blocks > 0)):  # another's box reaches into this one's
            its = np.repeat(np.repeat(its_blocks == k, _BLOCK, axis=0), _BLOCK, axis=1)[: own.shape[0], : own.shape[1]]
            own = np.where(its, own, np.uint8(0))
        solid = morph(own, cv2.MORPH_OPEN, 3)
        found.append(_Neighbourhood(window, own, grow(solid, _REACH) if cv2.countNonZero(solid) else solid))
    return found


def _bodies_in(place: _Neighbourhood, like: Mask, nuclei: Mask, least_area: int) -> Iterator[tuple[int, int, Mask]]:
    """Yield the bodies of a neighbourhood; `like` and `nuclei` are those of the field."""
    if cv2.countNonZero(place.nuclei) < least_area:
        return
    filled = morph(np.asarray(cv2.bitwise_and(like[place.window], place.near), np.uint8), cv2.MORPH_OPEN, _RIM)
    stained = cv2.bitwise_or(filled, morph(place.nuclei, cv2.MORPH_CLOSE, _BRIDGE))
    outlines, _ = cv2.findContours(stained, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    rows, columns = place.window
    for outline in reversed(outlines):  # from the top
        x, y, w, h = cv2.boundingRect(outline)
        if w * h < least_area:
            continue
        body = np.zeros((h, w), np.uint8)
        cv2.drawContours(body, [outline], -1, 255, cv2.FILLED, offset=(-x, -y))
        area = cv2.countNonZero(body)
        left, top = columns.start + x, rows.start + y
        own_nuclei = nuclei[top : top + h, left : left + w]
        if area < least_area or cv2.countNonZero(own_nuclei) < least_area:
            continue
        if area > _LARGEST_CELL_AREA:
            body = without_gaps(body, np.asarray(stained[y : y + h, x : x + w], np.uint8))
        edges = (top > 0, top + h < nuclei.shape[0], left > 0, left + w < nuclei.shape[1])
        for piece in part_by_nuclei(part(body, edges), own_nuclei, edges):
            yield left, top, fill_holes(piece)


def without_gaps(body: Mask, stained: Mask) -> Mask:
    """Return a body less the larger unstained gaps in it: several touching cells enclose them, one cell does not."""
    gaps = cv2.bitwise_and(body, cv2.bitwise_not(stained))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(gaps)
    wide = np.flatnonzero(stats[1:count, cv2.CC_STAT_AREA] >= _LEAST_GAP_AREA) + 1
    return np.where(np.isin(labels, wide), np.uint8(0), body) if wide.size else body


def morph(mask: Mask, operation: int, radius: int) -> Mask:
    """Return ``cv2.morphologyEx(mask, operation, disc(radius))`` for opening and closing, faster with large discs."""
    if radius < _LEAST_PARTED_RADIUS:
        return np.asarray(cv2.morphologyEx(mask, operation, disc(radius)), np.uint8)
    first, second = (cv2.MORPH_ERODE, cv2.MORPH_DILATE)[:: 1 if operation == cv2.MORPH_OPEN else -1]
    return _by_parts(_by_parts(mask, first, radius), second, radius)


def _by_parts(mask: Mask, operation: int, radius: int) -> Mask:
    """Return the mask eroded or dilated by a disc: by a rectangle and then by what turns it into the disc."""
    rectangle, rest, spike = _parts_of_disc(radius)
    most = cv2.morphologyEx(cv2.morphologyEx(mask, operation, rectangle), operation, rest)
    tip = cv2.morphologyEx(mask, operation, spike)
    join = cv2.bitwise_and if operation == cv2.MORPH_ERODE else cv2.bitwise_or
    return np.asarray(join(most, tip, dst=most), np.uint8)


@functools.cache
def _parts_of_disc(radius: int) -> tuple[Mask, Mask, Mask]:
    """Return structuring elements: a rectangle and a rest, whose sum is the disc but for its tips; a line for these.

    A disc is the union of upright rectangles about its middle, the narrower the taller. Taking from each the width of
    the narrowest and the height of the lowest leaves the rest.
    """
    widths = np.count_nonzero(disc(radius), axis=1)
    sizes = [(int(width), int(np.count_nonzero(widths >= width))) for width in np.unique(widths)]
    (_, tallest), *sizes = sizes  # one pixel wide
    narrow, low = sizes[0][0], sizes[-1][1]
    wide, tall = sizes[-1][0] - narrow + 1, sizes[0][1] - low + 1
    rest = np.zeros((tall, wide), np.uint8)
    for width, height in sizes:
        across, down = (narrow + wide - 1 - width) // 2, (low + tall - 1 - height) // 2
        rest[down : tall - down, across : wide - across] = 1
    return np.ones((low, narrow), np.uint8), rest, np.ones((tallest, 1), np.uint8)


def part(body: Mask, edges: tuple[bool, bool, bool, bool] = (True, True, True, True)) -> list[Mask]:
    """Part a region where several round bodies touch.

    The distance to the region's edge peaks in the middle of each body and sinks at the waist between two. A
    region is parted where the waist is clearly narrower than both bodies; the lobes of one nucleus, lying in
    one cytoplasm, have no such waist.

    Parameters
    ----------
    body
        A mask cut to the region's box.
    edges
        Whether the region ends at the box's top, bottom, left and right; where the field's border cuts the
        cell it does not end.
    """
    depth = depth_inside(body, edges)
    deepest = float(depth.max())
    largest = _LARGEST_CELL_AREA if all(edges) else _LARGEST_CUT_CELL_AREA
    waist = _WAIST if cv2.countNonZero(body) <= largest else _WAIST_OF_SEVERAL
    levels = [float(level) for level in np.arange(waist * _LEAST_BODY_RADIUS, waist * deepest, 1.0)]
    for level in _promising(depth, levels, waist):
        count, cores = _parts_above(depth, level)
        if count < 3:
            continue
        deep_enough = _deep_enough(level, waist)
        kept = [core for core in (cores == k for k in range(1, count)) if float(depth[core].max()) >= deep_enough]
        if len(kept) > 1:
            return [piece for near in _nearest(body, kept) for piece in part(near, edges)]
    return [body]


def _promising(depth: NDArray[np.float32], levels: Sequence[float], waist: float) -> Sequence[float]:
    """Return the levels if a region may come apart at one of them, else none.

    Bodies apart at a level stay apart at all higher ones that both reach, so a few levels tell for all.
    """
    place = 0
    while place < len(levels):
        reached = _deep_enough(levels[place], waist)
        place = bisect_left(levels, reached, place + 1)
        if _parts_above(depth, levels[place - 1])[0] > 2:
            return levels
    return ()


def _parts_above(depth: NDArray[np.float32], level: float) -> tuple[int, NDArray[np.int32]]:
    """Return one more than the number of parts deeper than a level, and which of them each pixel belongs to."""
    count, labels = cv2.connectedComponents((depth > level).view(np.uint8))
    return count, np.asarray(labels, np.int32)


def _deep_enough(level: float, waist: float) -> float:
    """Return how deep each of two bodies must be to be parted where they come apart at a level."""
    return max(level / waist, _LEAST_BODY_RADIUS)


def part_by_nuclei(
    bodies: Iterable[Mask], nuclei: Mask, edges: tuple[bool, bool, bool, bool] = (True, True, True, True)
) -> list[Mask]:
    """Part those bodies that are larger than any cell and hold several large nuclei that stand apart.

    Cells pressed against one another may have an outline without a waist. In a body that may be one cell nothing is
    done: its nuclei may be lobes of one.

    Parameters
    ----------
    bodies
        From :func:`part`.
    nuclei
        Where the stain is as strong as in nuclei; of the bodies' shape.
    edges
        As for :func:`part`.
    """
    largest = _SEVERAL_CELLS_AREA if all(edges) else _SEVERAL_CUT_CELLS_AREA
    pieces = []
    for body in bodies:
        cores = _nuclei_apart(body, nuclei) if cv2.countNonZero(body) > largest else []
        pieces += _nearest(body, cores) if len(cores) > 1 else [body]
    return pieces


def _nuclei_apart(body: Mask, nuclei: Mask) -> list[NDArray[np.bool_]]:
    own = morph(np.asarray(cv2.bitwise_and(body, nuclei), np.uint8), cv2.MORPH_OPEN, 2)
    count, labels = cv2.connectedComponents(cv2.bitwise_and(grow(own, _APART), body))
    cores = [(labels == k) & (own > 0) for k in range(1, count)]
    return [core for core in cores if np.count_nonzero(core) >= _LEAST_OWN_NUCLEUS_AREA]


def depth_inside(mask: Mask, edges: tuple[bool, bool, bool, bool] = (True, True, True, True)) -> NDArray[np.float32]:
    """Return each pixel's distance to the mask's edge; where `edges` is False the mask goes on beyond the picture."""
    padded = np.asarray(cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0), np.uint8)
    top, bottom, left, right = edges
    if not top:
        padded[0] = padded[1]
    if not bottom:
        padded[-1] = padded[-2]
    if not left:
        padded[:, 0] = padded[:, 1]
    if not right:
        padded[:, -1] = padded[:, -2]
    depth = np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 3), np.float32)[1:-1, 1:-1]
    return np.minimum(depth, np.float32(WORKING_WIDTH_PX))  # a mask without any edge is infinitely deep


@functools.cache
def disc(radius: int) -> Mask:
    """Return a filled disc as a structuring element; not to be changed."""
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)


def grow(mask: Mask, radius: float) -> Mask:
    """Return everything within `radius` of the mask; for large radii far faster than a dilation."""
    away = cv2.distanceTransform(cv2.bitwise_not(mask), cv2.DIST_L2, 3)
    return (away <= radius).view(np.uint8) * np.uint8(255)


def fill_holes(mask: Mask) -> Mask:
    """Return the mask with everything inside its outlines filled."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(np.zeros_like(mask), outlines, -1, 255, cv2.FILLED), np.uint8)


def _leukocyte_like(stain: NDArray[np.uint8], near: Mask) -> Mask:
    """Return where, near the nuclei, the stain stands out from that of red cells.

    Red cells are the bulk of what is stained elsewhere. Their signal is a thin rim, which smoothing thins out
    further; cytoplasm is filled.
    """
    weak = smoothed(stain, 2.0)
    elsewhere = np.asarray(cv2.bitwise_not(every_second(near)), np.uint8)
    red_cells = 10.0
    if cv2.countNonZero(elsewhere) > 500:
        red_cells = percentile(every_second(weak), 90, elsewhere)
    level = max(1.12 * red_cells + 2.0, 12.0)
    _, above = cv2.threshold(weak, level, 255, cv2.THRESH_BINARY)
    return np.asarray(cv2.bitwise_and(above, near), np.uint8)


def _nearest(body: Mask, cores: list[NDArray[np.bool_]]) -> list[Mask]:
    distances = [cv2.distanceTransform((~core).astype(np.uint8), cv2.DIST_L2, 3) for core in cores]
    owner = np.argmin(np.stack(distances), axis=0)
    return [np.where(owner == k, body, 0).astype(np.uint8) for k in range(len(cores))]
