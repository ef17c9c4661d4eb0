"""Lamp, lens and sensor: from optical density to the photograph."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from buffycoat.synth.fields import smooth_noise
from buffycoat.synth.stain import Stain


def photograph(
    rng: np.random.Generator, density: NDArray[np.float32], stain: Stain, blur_px: float
) -> NDArray[np.uint8]:
    """Return the photograph of a field: uneven light, absorption, focus, sensor noise.

    Parameters
    ----------
    density
        Optical density, shape (H, W, 3).
    blur_px
        Deviation of the focus blur.
    """
    height, width = density.shape[:2]
    light = _light(rng, height, width)
    picture = cv2.exp(-density)
    picture *= light[..., None] * stain.light
    if blur_px > 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), blur_px)
    grain = rng.standard_normal((height, width), dtype=np.float32)
    grain = cv2.GaussianBlur(grain, (0, 0), 0.6) * np.float32(rng.uniform(1.5, 3.5))
    picture += grain[..., None]
    for channel in range(3):  # colour noise is coarse: cameras smooth it
        picture[..., channel] += np.float32(0.9) * smooth_noise(rng, (height, width), 5.0)
    return np.asarray(np.clip(picture + np.float32(0.5), 0, 255).astype(np.uint8))


def _light(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = x / np.float32(width) - np.float32(0.5), y / np.float32(height) - np.float32(0.5)
    off_x, off_y = (np.float32(value) for value in rng.normal(0, 0.10, 2))
    slope_x, slope_y = (np.float32(value) for value in rng.normal(0, 0.035, 2))
    fall = np.float32(rng.uniform(0.06, 0.22))
    light = 1 + slope_x * x + slope_y * y - fall * ((x - off_x) ** 2 + (y - off_y) ** 2)
    return np.asarray(light + np.float32(0.006) * smooth_noise(rng, (height, width), 60.0), dtype=np.float32)
