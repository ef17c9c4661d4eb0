"""Colour of nucleus and cytoplasm in optical density, and against the field's red cells.

"Redness" is the density in blue minus that in red, over the density in green: azure, the dye of nuclei, lets blue
pass and stops red (negative), eosin lets red pass and stops green and blue (positive). It is a hue, so it does not
change with the thickness of the stain. Eosinophil granules hold much eosin, neutrophil granules little.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from buffycoat.morphology.parts import Parts

CHANNELS = ("red", "green", "blue")
LEAST_PIXELS = 30
"""Of a part; fewer say nothing of its colour."""

_MOST_PIXELS = 3000  # that are looked at
_LEAST_GREEN = 0.03  # density below which a hue is noise


def colour(parts: Parts) -> dict[str, float]:
    """Return the measurements of colour; NaN for a part too small to have any.

    Returns
    -------
    dict
        See :data:`buffycoat.morphology.columns.COLUMNS` for each name's meaning and unit.
    """
    found: dict[str, float] = {}
    for name, mask in (("nucleus", parts.nucleus), ("cytoplasm", parts.cytoplasm)):
        found |= _moments(name, _some(parts.density[mask > 0]))
    red = parts.red.density
    hue = float("nan") if red is None else float(redness(np.array([red], np.float32))[0])
    strength = float("nan") if red is None else red[1]
    for name, mask in (("cytoplasm", parts.cytoplasm), ("near", parts.near)):
        found |= _redness(name, _some(parts.density[mask > 0]), hue, strength)
    nucleus = _some(parts.density[parts.nucleus > 0])
    found["nucleus_redness"] = (
        float(np.median(redness(nucleus))) - hue if len(nucleus) >= LEAST_PIXELS else float("nan")
    )
    return found


def redness(density: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (blue − red) / green of densities (n, 3), shape (n,)."""
    return np.asarray((density[:, 2] - density[:, 0]) / np.maximum(density[:, 1], _LEAST_GREEN), np.float32)


def _some(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return every so manieth pixel, some thousands in all: enough for moments and percentiles."""
    return np.ascontiguousarray(pixels[:: max(1, len(pixels) // _MOST_PIXELS)])


def _moments(name: str, pixels: NDArray[np.float32]) -> dict[str, float]:
    names = [f"{name}_{channel}_{moment}" for moment in ("mean_od", "sd_od", "skewness") for channel in CHANNELS]
    if len(pixels) < LEAST_PIXELS:
        return dict.fromkeys(names, float("nan"))
    mean, sd = pixels.mean(axis=0), pixels.std(axis=0)
    skewness = ((pixels - mean) ** 3).mean(axis=0) / np.maximum(sd, 1e-3) ** 3
    return dict(zip(names, map(float, (*mean, *sd, *skewness)), strict=True))


def _redness(name: str, pixels: NDArray[np.float32], hue: float, strength: float) -> dict[str, float]:
    names = [f"{name}_redness", f"{name}_redness_q10", f"{name}_redness_q90"]
    names += [f"{name}_eosin_share", f"{name}_blueness", f"{name}_density_rbc"]
    if len(pixels) < LEAST_PIXELS:
        return dict.fromkeys(names, float("nan"))
    hues = redness(pixels)
    low, middle, high = (float(value) for value in np.percentile(hues, (10, 50, 90)))
    as_red = (hues > hue - 0.25) & (pixels[:, 1] > 0.8 * strength)
    blue = float(np.median((pixels[:, 1] - pixels[:, 2]) / np.maximum(pixels[:, 1], _LEAST_GREEN)))
    dense = float(np.median(pixels[:, 1])) / strength
    share = float("nan") if np.isnan(hue) else float(as_red.mean())
    return dict(zip(names, (middle - hue, low - hue, high - hue, share, blue, dense), strict=True))
