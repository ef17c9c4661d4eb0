"""The stain of a field: its empty background, and how strongly each pixel is stained like a nucleus.

Azure-eosin stains let a nucleus pass blue and stop green; red cells stop both, the empty background neither. So
blue minus green, each relative to the empty background, is high in nuclei, lower in the cytoplasm of leukocytes,
and near zero elsewhere; dividing by the background takes out the colour of the lamp and the camera's white balance.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

WORKING_WIDTH_PX = 320
"""Fields are searched at this width: fast, and every length below is then in one unit."""


def working_copy(rgb: NDArray[np.uint8], width_px: int = WORKING_WIDTH_PX) -> NDArray[np.uint8]:
    """Return the field scaled to the working width, its shape kept."""
    height, width = rgb.shape[:2]
    if width == width_px:
        return rgb
    size = (width_px, max(1, round(height * width_px / width)))
    method = cv2.INTER_AREA if width > width_px else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(rgb, size, interpolation=method), np.uint8)


def background(rgb: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Return the colour (R, G, B) of the empty background: the median of the pixels about as light as the lightest.

    Lightness is taken in green, where everything stained is dark. The 95th percentile stands for the lightest,
    so that glints do not.
    """
    pixels = rgb[::2, ::2].reshape(-1, 3)
    green = pixels[:, 1]
    light = float(np.percentile(green, 95))
    empty = pixels[(green >= 0.93 * light) & (green <= 1.02 * light + 1)]
    red, green_level, blue = (max(float(value), 1.0) for value in np.median(empty, axis=0))
    return red, green_level, blue


def nuclear_stain(rgb: NDArray[np.uint8], empty: tuple[float, float, float]) -> NDArray[np.uint8]:
    """Return how far green is stopped while blue passes: high in nuclei, weaker in leukocyte cytoplasm.

    Parameters
    ----------
    rgb
        uint8 (H, W, 3), at the working width.
    empty
        The background's colour, from :func:`background`.

    Returns
    -------
    uint8 (H, W): blue minus green relative to the background, 255 where all blue passes and no green; smoothed.
    """
    return _difference(rgb, (0.0, -255.0 / empty[1], 255.0 / empty[2]), 1.2)


def chromatin_stain(rgb: NDArray[np.uint8], empty: tuple[float, float, float]) -> NDArray[np.uint8]:
    """Return how far green and red are stopped while blue passes: parts a nucleus from its own cytoplasm.

    Pink and orange granules let red pass, chromatin does not; against the rest of the field, where the lamp's
    colour weighs on red, :func:`nuclear_stain` is the steadier.

    Returns
    -------
    uint8 (H, W), 0 to 255; smoothed.
    """
    return _difference(rgb, (-127.5 / empty[0], -127.5 / empty[1], 255.0 / empty[2]), 1.0)


def _difference(rgb: NDArray[np.uint8], weights: tuple[float, float, float], sigma: float) -> NDArray[np.uint8]:
    mixed = cv2.transform(rgb, np.array([weights]))  # saturates below zero
    return np.asarray(cv2.GaussianBlur(mixed, (0, 0), sigma), np.uint8)
