"""The stain of a field: its empty background, and how strongly each pixel is stained like a nucleus.

Azure-eosin stains let a nucleus pass blue and stop green; red cells stop both, the empty background neither. So
blue minus green, each relative to the empty background, is high in nuclei, lower in the cytoplasm of leukocytes,
and near zero elsewhere; dividing by the background takes out the colour of the lamp and the camera's white balance.
"""

from __future__ import annotations

import functools

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
    pixels = every_second(rgb)
    green = np.ascontiguousarray(pixels[..., 1])
    light = percentile(green, 95)
    empty = np.asarray(cv2.inRange(green, np.ceil(0.93 * light), np.floor(1.02 * light + 1)), np.uint8)
    red, green_level, blue = (max(percentile(pixels, 50, empty, channel), 1.0) for channel in range(3))
    return red, green_level, blue


def every_second(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return every second pixel of every second row, ``image[::2, ::2]``, in a piece; (H, W) or (H, W, channels)."""
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        return np.ascontiguousarray(image[::2, ::2])
    return np.asarray(cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_NEAREST), np.uint8)


def percentile(values: NDArray[np.uint8], q: float, mask: NDArray[np.uint8] | None = None, channel: int = 0) -> float:
    """Return what ``np.percentile(values, q)`` does, counted instead of sorted: many times faster on images.

    Parameters
    ----------
    values
        uint8, (H, W) or (H, W, channels).
    q
        0 to 100; 50 is the median.
    mask
        uint8 (H, W): only pixels that are not 0 count; all of them where it is None.

    Examples
    --------
    >>> percentile(np.array([[1, 2], [3, 10]], np.uint8), 50)
    2.5
    """
    counts = cv2.calcHist([values], [channel], mask, [256], [0, 256]).cumsum(dtype=np.float64)
    rank = (float(counts[-1]) - 1) * q / 100
    below = int(rank)
    low, high = counts.searchsorted((below, below + 1), side="right").tolist()
    return low + (high - low) * (rank - below) if high < 256 else float(low)


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


def smoothed(image: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    """Return ``cv2.GaussianBlur(image, (0, 0), sigma)``, uint8 (H, W), three times faster.

    OpenCV smooths bytes in steps of 1/256 and rounds halves up; the same steps as a filter of rows and columns leave
    the few halves to chance, one level of 255 on one or two pixels of a field.
    """
    kernel = _gaussian(sigma)
    return np.asarray(cv2.sepFilter2D(image, cv2.CV_8U, kernel, kernel), np.uint8)


@functools.cache
def _gaussian(sigma: float) -> NDArray[np.float32]:
    """Return Gaussian weights as OpenCV takes them for bytes: in 256ths that add up to one; not to be changed."""
    weights = cv2.getGaussianKernel(round(6 * sigma + 1) | 1, sigma)[:, 0]
    half, rest, steps = len(weights) // 2, 0.0, []
    for weight in weights[:half]:  # what rounding leaves goes to the next
        wanted = 256 * float(weight) + rest
        steps.append(round(wanted))
        rest = wanted - steps[-1]
    return np.array([*steps, 256 - 2 * sum(steps), *steps[::-1]], np.float32) / np.float32(256)


def _difference(rgb: NDArray[np.uint8], weights: tuple[float, float, float], sigma: float) -> NDArray[np.uint8]:
    red, green, blue = weights
    if red:
        mixed = cv2.transform(rgb, np.array([weights]))  # saturates below zero
    else:  # the same numbers, several times faster
        mixed = cv2.addWeighted(cv2.extractChannel(rgb, 2), blue, cv2.extractChannel(rgb, 1), green, 0)
    return smoothed(np.asarray(mixed, np.uint8), sigma)
