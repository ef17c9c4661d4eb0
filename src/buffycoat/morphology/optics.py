"""Optical density: how much light the stain stops, whatever the lamp; and the red cells as the field's own standard.

Light that falls through stain is weakened by a factor for every layer (Beer and Lambert), so the logarithm of
empty background over pixel adds up with the stain and does not depend on the lamp. Red cells lie in nearly every
field, stained by the same eosin in the same bath and about 7.5 µm wide: they are a standard for colour and length.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Densities = NDArray[np.float32]

_LEAST_DENSITY = 0.06  # of a red cell in green; the empty background stays below 0.03
_LEAST_PIXELS = 400  # of red cells; fewer say nothing of their colour
_DIAMETERS_PX = (22.0, 70.0)  # of what can be one red cell, at half size
_ROUND = 0.86  # 4πA/P² of a red cell that lies alone
_LEAST_COUNT = 2  # red cells that lie alone, to take a length from


def optical_density(rgb: NDArray[np.uint8], empty: tuple[float, float, float]) -> Densities:
    """Return the optical density, log10(empty / pixel), of each pixel and channel.

    Parameters
    ----------
    rgb
        uint8 (H, W, 3).
    empty
        The colour of the empty background, from :func:`buffycoat.imaging.stain.background`.

    Returns
    -------
    float32 (H, W, 3): 0 is the empty background, 0.3 stops half the light, 1 nine tenths of it.
    """
    levels = np.maximum(np.arange(256, dtype=np.float64), 1.0)
    table = np.log10(np.asarray(empty)[np.newaxis] / levels[:, np.newaxis]).astype(np.float32)
    return np.asarray(cv2.LUT(rgb, table.reshape(1, 256, 3)), np.float32)


@dataclass(frozen=True, slots=True)
class RedCells:
    """What a field's red cells tell.

    Attributes
    ----------
    density
        Median optical density (R, G, B) of red cells, or None where the field shows too few.
    area_px
        Median area of those that lie alone, in pixels of the field at its full size; None where there are too few.
    """

    density: tuple[float, float, float] | None
    area_px: float | None


def red_cells(small: NDArray[np.uint8], empty: tuple[float, float, float], others: NDArray[np.bool_]) -> RedCells:
    """Measure the red cells of a field.

    Parameters
    ----------
    small
        uint8 (H, W, 3), the field at half its size: 320 px wide.
    empty
        The colour of the empty background.
    others
        bool (H, W), of the same size: where leukocytes lie, left out here.
    """
    density = optical_density(small, empty)
    red, green = density[..., 0], density[..., 1]
    stained = (green > _LEAST_DENSITY) & (green > 1.3 * red) & ~others
    pixels = density[stained]
    if len(pixels) < _LEAST_PIXELS:
        return RedCells(None, None)
    middle = np.median(pixels[:: max(1, len(pixels) // 4000)], axis=0)
    colour = (float(middle[0]), float(middle[1]), float(middle[2]))
    return RedCells(colour, _lone_area(stained))


def _lone_area(stained: NDArray[np.bool_]) -> float | None:
    """Return the median area (at full size) of round, filled regions that the border does not cut."""
    height, width = stained.shape
    mask = cv2.morphologyEx(stained.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    areas = []
    for outline in outlines:
        x, y, w, h = cv2.boundingRect(outline)
        if x <= 0 or y <= 0 or x + w >= width or y + h >= height or not _may_be_one(w, h):
            continue
        area, around = cv2.contourArea(outline), cv2.arcLength(cv2.convexHull(outline), closed=True)
        if around > 0 and 4 * np.pi * area / around**2 > _ROUND:
            areas.append(area)
    return 4 * float(np.median(areas)) if len(areas) >= _LEAST_COUNT else None


def _may_be_one(width: int, height: int) -> bool:
    low, high = _DIAMETERS_PX
    return low < width < high and low < height < high and max(width, height) < 1.35 * min(width, height)
