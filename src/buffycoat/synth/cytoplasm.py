"""The cytoplasm of the five types and what lies in it: granules and vacuoles."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from buffycoat.synth.fields import Field, bump, dots, ramp, smooth_noise, tint
from buffycoat.synth.stain import Stain

Layer = NDArray[np.float32]
_Numbers = NDArray[np.float64]


def draw_cytoplasm(rng: np.random.Generator, label: str, stain: Stain, body: Field, plasma: Field) -> Layer:
    """Return the optical density of a cell's cytoplasm.

    Parameters
    ----------
    body
        Signed distance to the cell's outline, px.
    plasma
        Where the cytoplasm is seen, 0 to 1: inside the cell, outside the nucleus.

    Returns
    -------
    ndarray of float32, shape (side, side, 3)
    """
    shape = (body.shape[0], body.shape[1])
    cloud = np.float32(1) + np.float32(0.17) * smooth_noise(rng, shape, 30.0)
    if label == "neutrophil":
        # Some take up eosin, some are heavily granulated: these resemble faded eosinophils.
        pink, heavy = rng.beta(0.7, 2.0), rng.beta(0.7, 2.0)
        specks = np.clip(smooth_noise(rng, shape, 5.0 + 2.0 * heavy) + np.float32(0.4), 0, 2.0) * plasma
        power = np.float32(rng.uniform(0.12, 0.32) + 0.25 * heavy)
        grain = stain.lilac + np.float32(0.6 * pink) * (stain.eosin - stain.lilac)
        ground = stain.pale_plasma + np.float32(0.5 * pink) * stain.eosin
        return tint(plasma * cloud, ground) + tint(specks * power, grain)
    if label == "eosinophil":
        return _eosinophil(rng, stain, body, plasma, cloud)
    if label == "basophil":
        return tint(plasma * cloud * np.float32(0.75), stain.lilac)
    if label == "lymphocyte":
        rim = cloud * (np.float32(0.72) + np.float32(0.40) * bump(body, 2.0, 8.0))
        fine = np.float32(1) + np.float32(0.06) * smooth_noise(rng, shape, 5.0)
        return tint(plasma * rim * fine * np.float32(rng.uniform(0.75, 1.15)), stain.sky_blue)
    ground = cloud + np.float32(0.13) * smooth_noise(rng, shape, 5.0) + np.float32(0.10) * bump(body, 3.0, 9.0)
    ground *= np.float32(rng.uniform(0.65, 1.05)) * _vacuoles(rng, body, plasma)
    dust = np.clip(smooth_noise(rng, shape, 4.5) - np.float32(0.6), 0, 2) * np.float32(rng.uniform(0.1, 0.5))
    return tint(plasma * ground, stain.grey_blue) + tint(plasma * dust, stain.lilac)


def basophil_granules(rng: np.random.Generator, stain: Stain, body: Field, radius: float) -> Layer:
    """Return the coarse, dark granules that lie over cytoplasm and nucleus alike, in uneven heaps."""
    shape = (body.shape[0], body.shape[1])
    size = rng.uniform(3.2, 4.8)
    x, y = _packed(rng, shape, size * 1.7, 0.45)
    heap = ramp(smooth_noise(rng, shape, radius * 0.45), -1.9, 1.2)
    kept = rng.uniform(0.25, 0.5) if rng.random() < 0.2 else rng.uniform(0.70, 0.95)  # some dissolve in staining
    keep = (_at(body, x, y) > 0.5) & (rng.random(x.size) < kept * _at(heap, x, y))
    x, y = x[keep], y[keep]
    sizes = size * np.clip(rng.lognormal(-0.1, 0.30, x.size), 0.5, 1.7)
    grain = _soft(dots(shape, x, y, sizes, rng.uniform(0.25, 1.0, x.size)), 1.4)
    return tint(grain * np.float32(rng.uniform(0.55, 0.82)), stain.blue_black)


def _eosinophil(rng: np.random.Generator, stain: Stain, body: Field, plasma: Field, cloud: Field) -> Layer:
    """Pack the cytoplasm with round granules that shine like small lenses."""
    shape = (body.shape[0], body.shape[1])
    faded = float(rng.beta(0.65, 1.5))  # old or poorly stained granules lose their eosin
    size = rng.uniform(5.4, 7.2) * (1 - 0.3 * faded)
    x, y = _packed(rng, shape, size * 1.95, 0.16)
    keep = (_at(body, x, y) > size * 0.7) & (_at(plasma, x, y) > 0.25)
    x, y = x[keep], y[keep]
    sizes, levels = size * rng.uniform(0.80, 1.12, x.size), rng.uniform(0.65, 1.0, x.size)
    grain = _soft(dots(shape, x, y, sizes, levels), 0.8)
    shine = _soft(dots(shape, x - sizes * 0.25, y - sizes * 0.25, sizes * 0.45, levels * 0.75), 0.8)
    pale = np.float32((0.40 + 0.75 * rng.beta(1.6, 1.2)) * (1 - 0.45 * faded))
    red = stain.eosin + np.float32(0.75 * faded) * (stain.lilac - stain.eosin)
    hue = np.float32(1) + np.float32(0.25) * smooth_noise(rng, shape, 14.0)
    colour = (red[0] * hue, np.full_like(hue, red[1]), red[2] * hue)
    ground = tint(plasma * cloud * np.float32(0.7), stain.pale_plasma) + tint(plasma * np.float32(0.20) * pale, red)
    grains = (grain - shine * np.float32(0.75)) * plasma * pale
    return np.asarray(ground + cv2.merge([grains * plane for plane in colour]), dtype=np.float32)


def _vacuoles(rng: np.random.Generator, body: Field, plasma: Field) -> Field:
    """Return what is left of the cytoplasm after the vacuoles, 0 to 1."""
    shape = (body.shape[0], body.shape[1])
    x, y = rng.uniform(0, shape[0], (2, 80))
    keep = (_at(body, x, y) > 8.0) & (_at(plasma, x, y) > 0.8)
    count = int(rng.integers(2, 14))
    x, y = x[keep][:count], y[keep][:count]
    sizes = np.clip(rng.lognormal(1.7, 0.5, x.size), 2.5, 13.0)
    return 1 - _soft(dots(shape, x, y, sizes, rng.uniform(0.35, 0.85, x.size)), 1.5)


def _soft(field: Field, deviation_px: float) -> Field:
    return np.asarray(cv2.GaussianBlur(field, (0, 0), deviation_px), dtype=np.float32)


def _packed(
    rng: np.random.Generator, shape: tuple[int, int], spacing_px: float, jitter: float
) -> tuple[_Numbers, _Numbers]:
    """Return points about `spacing_px` apart over the whole patch, in random order."""
    count = int(shape[0] / spacing_px) + 2
    x, y = np.meshgrid(np.arange(count) * spacing_px, np.arange(count) * spacing_px)
    x = x + (np.arange(count) % 2)[:, None] * spacing_px / 2
    points = np.stack([x.ravel(), y.ravel()], axis=1) + rng.normal(0, jitter * spacing_px, (count * count, 2))
    rng.shuffle(points)
    return points[:, 0], points[:, 1]


def _at(field: Field, x: _Numbers, y: _Numbers) -> Field:
    """Return the field's values at points in px of the patch; points outside take the nearest edge."""
    side = field.shape[0] - 1
    return np.asarray(field[np.clip(y, 0, side).astype(int), np.clip(x, 0, side).astype(int)])
