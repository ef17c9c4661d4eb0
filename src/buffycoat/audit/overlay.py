"""Laying one field over another, the same cell on the same cell, and comparing all that both show."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from buffycoat.audit.measure import valid_pixels
from buffycoat.audit.picture import small_picture
from buffycoat.errors import ImageError

SAME_FROM = 0.3
"""Correlation of fine structure from which two fields show the same: of true pairs that came this far 0.36 and more,
of strangers at most 0.24. Whole grey levels do not do: two dark cells in two bright fields reach 0.8 by that alone."""

ALIKE_FROM = 0.75
"""Correlation of grey levels that two fields must have besides: of 78 million pairs of turned copies two strangers had
like enough fine structure, at 0.34 and less."""

_FINE, _COARSE = 1.0, 6.0  # the band compared, px
_LEAST_PX = 3000
_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-4)

Field = tuple[NDArray[np.uint8], NDArray[np.uint8]]


class Fields:
    """Small grey pictures of files, the last few kept."""

    def __init__(self, paths: Sequence[Path], keep: int = 64) -> None:
        self._paths, self._keep = paths, keep
        self._known: OrderedDict[int, Field | None] = OrderedDict()

    def get(self, place: int) -> Field | None:
        """Return the grey picture and where it is a photograph, or None where it can no longer be read."""
        if place not in self._known:
            self._known[place] = self._read(self._paths[place])
            if len(self._known) > self._keep:
                self._known.popitem(last=False)
        self._known.move_to_end(place)
        return self._known[place]

    @staticmethod
    def _read(path: Path) -> Field | None:
        try:
            rgb, _ = small_picture(path)
        except (ImageError, OSError):
            return None
        grey = cv2.GaussianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (0, 0), 1.0)
        return np.asarray(grey, np.uint8), valid_pixels(rgb)


def overlap(
    first: Field,
    second: Field,
    centres: tuple[tuple[float, float], tuple[float, float]],
    turned_deg: float,
    *,
    mirrored: bool,
) -> float:
    """Return the correlation of two fields where they lie over each other; 0 where they do not show the same.

    Parameters
    ----------
    first, second
        From :meth:`Fields.get`.
    centres
        (x, y) of the cell in each.
    turned_deg, mirrored
        How the second lies over the first, from :func:`buffycoat.audit.polar.correlate`.
    """
    grey, valid = first
    laid_grey, laid_valid = second
    height, width = grey.shape
    start = _placed(centres, turned_deg, mirrored=mirrored).astype(np.float32)
    try:  # a copy may be stretched a little: let it settle
        _, matrix = cv2.findTransformECC(grey, laid_grey, start, cv2.MOTION_AFFINE, _STEPS, laid_valid, 5)
    except cv2.error:  # it did not settle: strangers
        matrix = start
    if not 0.6 < abs(float(np.linalg.det(matrix[:, :2]))) < 1.6:
        return 0.0
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = np.asarray(cv2.warpAffine(laid_grey, matrix, (width, height), flags=flags), np.uint8)
    shared = cv2.warpAffine(laid_valid, matrix, (width, height), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    both = (shared > 0) & (valid > 0)
    if int(both.sum()) < _LEAST_PX:
        return 0.0
    whole = _correlation(moved[both].astype(np.float32), grey[both].astype(np.float32))
    fine = _correlation(_band(moved)[both], _band(grey)[both])
    return whole if whole >= ALIKE_FROM and fine >= SAME_FROM else 0.0


def _band(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    levels = grey.astype(np.float32)
    fine, coarse = (cv2.GaussianBlur(levels, (0, 0), sigma) for sigma in (_FINE, _COARSE))
    return np.asarray(fine - coarse, np.float32)


def _correlation(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    a, b = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale > 0 else 0.0


def _placed(
    centres: tuple[tuple[float, float], tuple[float, float]], turned_deg: float, *, mirrored: bool
) -> NDArray[np.float64]:
    """Return the 2 × 3 matrix from places in the first field to places in the second."""
    angle = math.radians(turned_deg)
    cosine, sine = math.cos(angle), math.sin(angle)
    # Rings of the second, shifted by the turn, match those of the first: what lies at angle t in the first lies at
    # t − turn in the second; in a mirrored one at turn − t.
    turn = np.array([[cosine, sine], [sine, -cosine]] if mirrored else [[cosine, sine], [-sine, cosine]])
    here, there = (np.array(centre) for centre in centres)
    return np.column_stack([turn, there - turn @ here])
