"""Lamp, lens and sensor: from optical density to the photograph."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from buffycoat.synth.fields import Patch, bump, smooth_noise, tint
from buffycoat.synth.stain import Stain

_COARSE = 8  # light changes slowly: worked out on every eighth pixel


def photograph(
    rng: np.random.Generator, density: NDArray[np.float32], stain: Stain, blur_px: float
) -> NDArray[np.uint8]:
    """Return the photograph of a field: uneven light, absorption, focus, dust and sensor noise.

    Parameters
    ----------
    density
        Optical density, shape (H, W, 3); changed in place.
    blur_px
        Deviation of the focus blur.
    """
    height, width = density.shape[:2]
    density = np.asarray(cv2.GaussianBlur(density, (0, 0), blur_px), dtype=np.float32)
    _fringe(rng, density)
    _dust(rng, density)
    picture = np.asarray(cv2.exp(-density), dtype=np.float32)
    picture *= tint(_light(rng, height, width), stain.light)
    grain = cv2.GaussianBlur(rng.standard_normal((height, width), dtype=np.float32), (3, 3), 0.7)
    # Cameras smooth the noise of colours, which leaves it coarse.
    shape = (height // 3 + 1, width // 3 + 1, 3)
    colour = cv2.resize(rng.standard_normal(shape, dtype=np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    colour = np.asarray(colour, dtype=np.float32) * np.float32(1.5)
    # Half a unit more, so that cutting off the fraction rounds.
    grain = np.asarray(grain, dtype=np.float32) * np.float32(rng.uniform(2.0, 4.5)) + np.float32(0.5)
    picture += tint(grain, np.ones(3, dtype=np.float32))
    picture += colour
    return np.asarray(np.clip(picture, 0, 255, out=picture), dtype=np.uint8)


def _light(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """Return the light that falls on each pixel, about 1: a vignette, a slope and slow unevenness."""
    rows, columns = height // _COARSE + 1, width // _COARSE + 1
    y, x = np.mgrid[-0.5 : 0.5 : rows * 1j, -0.5 : 0.5 : columns * 1j].astype(np.float32)
    off_x, off_y = (np.float32(value) for value in rng.normal(0, 0.10, 2))
    slope_x, slope_y = (np.float32(value) for value in rng.normal(0, 0.035, 2))
    fall = np.float32(rng.uniform(0.06, 0.22))
    light = 1 + slope_x * x + slope_y * y - fall * ((x - off_x) ** 2 + (y - off_y) ** 2)
    light += np.float32(0.007) * smooth_noise(rng, (rows, columns), 6.0)
    return np.asarray(cv2.resize(light, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def _fringe(rng: np.random.Generator, density: NDArray[np.float32]) -> None:
    """Shift red and blue against green by part of a pixel, and blur blue: the coloured fringe of an objective."""
    turn, shift = rng.uniform(0, 2 * np.pi), rng.uniform(0.0, 0.9)
    size = (density.shape[1], density.shape[0])
    for channel, share in ((0, -0.6), (2, 1.0)):
        step = share * shift * np.array([np.cos(turn), np.sin(turn)])
        matrix = np.array([[1, 0, step[0]], [0, 1, step[1]]], dtype=np.float64)
        flags, border = cv2.INTER_LINEAR, cv2.BORDER_REPLICATE
        plane = cv2.warpAffine(
            np.ascontiguousarray(density[..., channel]), matrix, size, flags=flags, borderMode=border
        )
        if channel == 2:  # blue comes to its focus elsewhere: yellowish halos
            plane = cv2.GaussianBlur(plane, (0, 0), rng.uniform(0.6, 2.8))
        density[..., channel] = plane


def _dust(rng: np.random.Generator, density: NDArray[np.float32]) -> None:
    """Add what lies out of focus on slide and sensor: grey smudges and tiny rings."""
    height, width = density.shape[:2]
    for ring in [True] * int(rng.poisson(2.0)) + [False] * int(rng.poisson(0.5)):
        size = rng.uniform(3.5, 6.0) if ring else rng.uniform(8.0, 17.0)
        patch = Patch.around((rng.uniform(0, width), rng.uniform(0, height)), size * 3)
        windows = patch.windows(height, width)
        if windows is None:
            continue
        away = np.asarray(cv2.magnitude(patch.x, patch.y * np.float32(rng.uniform(0.8, 1.25))), dtype=np.float32)
        mark = (
            bump(away, size, size * 0.28) - np.float32(0.5) * bump(away, 0, size * 0.5) if ring else bump(away, 0, size)
        )
        power = rng.uniform(0.03, 0.10) if ring else rng.uniform(0.08, 0.28)
        shade = np.array([1.05, 0.9, 1.05], dtype=np.float32) * np.float32(power)
        density[windows[0]] += tint(mark[windows[1]], shade)
