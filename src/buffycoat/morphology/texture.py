"""Granularity: how strongly density and hue vary at the size of granules, in cytoplasm and nucleus.

A band of sizes is the difference of two Gaussian blurs; its standard deviation inside a part is the energy of
structures of that size (Marr and Hildreth, Proc. R. Soc. Lond. B 207 (1980) 187). A blur that takes only the part's
own pixels in keeps the neighbouring part out.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from buffycoat.morphology.colour import LEAST_PIXELS
from buffycoat.morphology.parts import Mask, Parts

_SIGMAS_PX = (0.8, 1.6, 3.2, 6.4)
_MOST_PIXELS = 3000  # of a part that are looked at
BANDS = ("fine", "middle", "coarse")
"""Structures about 2, 4 and 8 px wide in a field 640 px wide (a red cell is about 75 px wide)."""


def texture(parts: Parts) -> dict[str, float]:
    """Return the measurements of granularity; NaN for a part too small to have any.

    Returns
    -------
    dict
        See :data:`buffycoat.morphology.columns.COLUMNS` for each name's meaning and unit.
    """
    green = parts.density[..., 1]
    layers = np.dstack([green, parts.density[..., 2] - parts.density[..., 0]])
    found: dict[str, float] = {}
    for name, mask in (("nucleus", parts.nucleus), ("cytoplasm", parts.cytoplasm)):
        window = _window(mask)
        found |= _energies(name, layers[window], mask[window])
    found["nucleus_edge_od"] = _edge(green, parts.nucleus)
    return found


def _window(mask: Mask) -> tuple[slice, slice]:
    x, y, w, h = cv2.boundingRect(mask)
    return slice(y, y + h), slice(x, x + w)


def _energies(part: str, layers: NDArray[np.float32], mask: Mask) -> dict[str, float]:
    """Return the energy of each band in the density in green and in blue minus red, (h, w, 2)."""
    names = [f"{part}_{what}_{band}_od" for what in ("grain", "red_grain") for band in BANDS]
    if int(mask.sum()) < LEAST_PIXELS:
        return dict.fromkeys(names, float("nan"))
    inside = np.flatnonzero(mask)
    inside = inside[:: max(1, len(inside) // _MOST_PIXELS)]
    weighted: NDArray[Any] = np.dstack([layers, np.ones_like(layers[..., 0])]) * mask[..., np.newaxis]
    blurred = []
    before = 0.0
    for sigma in _SIGMAS_PX:
        weighted = cv2.GaussianBlur(weighted, (0, 0), (sigma**2 - before**2) ** 0.5, borderType=cv2.BORDER_CONSTANT)
        before = sigma
        kept = weighted.reshape(-1, 3)[inside]
        blurred.append(kept[:, :2] / np.maximum(kept[:, 2:], 1e-6))
    bands = [(finer - coarser).std(axis=0) for finer, coarser in pairwise(blurred)]
    return {names[k]: float(value) for k, value in enumerate(np.stack(bands, axis=1).ravel())}


def _edge(green: NDArray[np.float32], nucleus: Mask) -> float:
    """Return the mean step of density across the nucleus's outline, per pixel: low where the field is out of focus."""
    across, down = cv2.Sobel(green, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(green, cv2.CV_32F, 0, 1, scale=1 / 8)
    rim = cv2.morphologyEx(nucleus, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    return float(np.hypot(across, down)[rim].mean()) if rim.any() else float("nan")
