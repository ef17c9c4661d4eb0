"""Leukocytes: cytoplasm, granules, vacuoles and chromatin laid into a patch as optical density."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from buffycoat.synth import nuclei
from buffycoat.synth.fields import Field, Patch, bump, coverage, dots, ellipse, ramp, smooth_noise
from buffycoat.synth.stain import Density, Stain

Layer = NDArray[np.float32]

RADIUS_PX: dict[str, tuple[float, float]] = {
    "neutrophil": (97.0, 9.0),
    "eosinophil": (102.0, 9.0),
    "basophil": (95.0, 8.0),
    "lymphocyte": (70.0, 8.0),
    "monocyte": (118.0, 11.0),
}
"""Mean and deviation of the cell's radius, px, at the scale of the 410-image set (a red cell is about 100 px)."""

_NUCLEI: dict[str, Callable[[np.random.Generator, Patch, float], Field]] = {
    "neutrophil": nuclei.neutrophil,
    "eosinophil": nuclei.eosinophil,
    "basophil": nuclei.basophil,
    "lymphocyte": nuclei.lymphocyte,
    "monocyte": nuclei.monocyte,
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """One leukocyte on its patch.

    Attributes
    ----------
    density
        Optical density, shape (side, side, 3).
    cover
        How far the cell hides what lies under it, 0 to 1, shape (side, side).
    cell, nucleus
        Masks of the whole cell and of its nucleus.
    """

    density: Layer
    cover: Field
    cell: NDArray[np.bool_]
    nucleus: NDArray[np.bool_]


def draw_radius(rng: np.random.Generator, label: str) -> float:
    """Draw the radius of a cell of this type, px."""
    mean, deviation = RADIUS_PX[label]
    return float(np.clip(rng.normal(mean, deviation), mean - 2.3 * deviation, mean + 2.6 * deviation))


def draw_leukocyte(
    rng: np.random.Generator, patch: Patch, label: str, radius: float, stain: Stain, soft_px: float
) -> Drawing:
    """Draw a leukocyte of the type `label` in the middle of `patch`."""
    shape = patch.x.shape
    body = _outline(rng, patch, label, radius)
    cell = coverage(body, soft_px + 1.5)
    nucleus = np.minimum(_NUCLEI[label](rng, patch, radius), body - np.float32(radius * 0.025))
    nuclear = coverage(nucleus, soft_px + 1.0)
    plasma = cell * (1 - nuclear)
    strength = np.float32(np.exp(rng.normal(0, 0.08)))

    density = _cytoplasm(rng, label, stain, body, plasma, radius)
    chromatin = _chromatin(rng, label, shape, nucleus, radius) * nuclear * strength
    density += chromatin[..., None] * stain.chromatin
    if label == "basophil":
        density += _basophil_granules(rng, stain, body, radius)
    return Drawing(density, cell, body > 0, nucleus > 0)


def _outline(rng: np.random.Generator, patch: Patch, label: str, radius: float) -> Field:
    shape = patch.x.shape
    bend, scale, stretch = {
        "monocyte": (0.075, 0.50, 1.22),
        "lymphocyte": (0.045, 0.7, 1.14),
    }.get(label, (0.04, 0.7, 1.15))
    amount = np.float32(radius * bend)
    x = patch.x + amount * smooth_noise(rng, shape, radius * scale)
    y = patch.y + amount * smooth_noise(rng, shape, radius * scale)
    ratio = np.sqrt(rng.uniform(1.0, stretch))
    return ellipse(x, y, (0.0, 0.0), (radius * ratio, radius / ratio), rng.uniform(0, np.pi))


def _chromatin(rng: np.random.Generator, label: str, shape: tuple[int, ...], nucleus: Field, radius: float) -> Field:
    size = (shape[0], shape[1])
    coarse, fine = smooth_noise(rng, size, radius * 0.16), smooth_noise(rng, size, radius * 0.06)
    thick = np.float32(0.78) + np.float32(0.22) * ramp(nucleus, 0.0, radius * 0.14)
    if label == "monocyte":  # lacy: pale holes between strands
        lace = np.abs(smooth_noise(rng, size, radius * 0.11)) + np.float32(0.6) * np.abs(fine)
        return thick * (np.float32(0.84) - np.float32(0.20) * np.clip(lace - np.float32(0.55), -0.6, 1.3))
    if label == "lymphocyte":  # smudged, dense
        return thick * (np.float32(1.05) + np.float32(0.10) * coarse + np.float32(0.03) * fine)
    clumps = ramp(coarse + np.float32(0.5) * fine, -1.0, 1.0)
    level = {"neutrophil": 1.0, "eosinophil": 0.92, "basophil": 0.62}[label]
    return thick * np.float32(level) * (np.float32(0.80) + np.float32(0.34) * clumps)


def _cytoplasm(rng: np.random.Generator, label: str, stain: Stain, body: Field, plasma: Field, radius: float) -> Layer:
    shape = (body.shape[0], body.shape[1])
    cloud = np.float32(1) + np.float32(0.16) * smooth_noise(rng, shape, radius * 0.3)
    if label == "neutrophil":
        specks = np.clip(smooth_noise(rng, shape, 3.4), 0, 2.2) * plasma
        return _layer(plasma * cloud, stain.pale_plasma) + _layer(specks * np.float32(0.42), stain.lilac)
    if label == "eosinophil":
        base = _layer(plasma * cloud * np.float32(0.55), stain.eosin * np.array([1.1, 0.75, 0.5], np.float32))
        return base + _eosinophil_granules(rng, stain, body, plasma, radius)
    if label == "basophil":
        return _layer(plasma * cloud * np.float32(0.9), stain.lilac)
    if label == "lymphocyte":
        rim = np.float32(0.9) + np.float32(0.25) * bump(body, 2.0, 7.0)
        return _layer(plasma * cloud * rim, stain.sky_blue)
    ground = cloud + np.float32(0.14) * smooth_noise(rng, shape, 4.0)
    return _layer(plasma * ground * _vacuoles(rng, body, plasma, radius), stain.grey_blue)


def _layer(amount: Field, colour: Density) -> Layer:
    return np.asarray(amount[..., None] * colour, dtype=np.float32)


def _packed(
    rng: np.random.Generator, shape: tuple[int, int], spacing: float, jitter: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points about `spacing` px apart over the whole patch, in random order."""
    count = int(shape[0] / spacing) + 2
    x, y = np.meshgrid(np.arange(count) * spacing, np.arange(count) * spacing)
    x = x + (np.arange(count) % 2)[:, None] * spacing / 2
    points = np.stack([x.ravel(), y.ravel()], axis=1) + rng.normal(0, jitter * spacing, (count * count, 2))
    rng.shuffle(points)
    return points[:, 0], points[:, 1]


def _inside(field: Field, x: NDArray[np.float64], y: NDArray[np.float64], least: float) -> NDArray[np.bool_]:
    side = field.shape[0] - 1
    column, row = np.clip(x, 0, side).astype(int), np.clip(y, 0, side).astype(int)
    return np.asarray(field[row, column] > least)


def _eosinophil_granules(rng: np.random.Generator, stain: Stain, body: Field, plasma: Field, radius: float) -> Layer:
    shape = (body.shape[0], body.shape[1])
    size = rng.uniform(3.9, 5.2)
    x, y = _packed(rng, shape, size * 1.75, 0.22)
    keep = _inside(body, x, y, size * 0.9) & _inside(plasma, x, y, 0.3)
    x, y = x[keep], y[keep]
    grain = dots(shape, x, y, size * rng.uniform(0.8, 1.15, x.size), rng.uniform(0.55, 1.0, x.size))
    grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), 1.1), dtype=np.float32) * plasma
    pale = np.float32(rng.uniform(0.55, 1.1))
    return _layer(grain * pale, stain.eosin)


def _basophil_granules(rng: np.random.Generator, stain: Stain, body: Field, radius: float) -> Layer:
    shape = (body.shape[0], body.shape[1])
    size = rng.uniform(4.0, 5.6)
    x, y = _packed(rng, shape, size * 2.1, 0.4)
    keep = _inside(body, x, y, 1.0) & (rng.random(x.size) < rng.uniform(0.6, 0.85))
    x, y = x[keep], y[keep]
    grain = dots(shape, x, y, size * rng.uniform(0.6, 1.25, x.size), rng.uniform(0.45, 1.0, x.size))
    grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), 1.1), dtype=np.float32)
    return _layer(grain * np.float32(0.8), stain.blue_black)


def _vacuoles(rng: np.random.Generator, body: Field, plasma: Field, radius: float) -> Field:
    """Return what is left of the cytoplasm after the vacuoles, 0 to 1."""
    shape = (body.shape[0], body.shape[1])
    x, y = rng.uniform(0, shape[0], (2, 60))
    keep = _inside(body, x, y, 9.0) & _inside(plasma, x, y, 0.9)
    count = int(rng.integers(2, 10))
    x, y = x[keep][:count], y[keep][:count]
    holes = dots(shape, x, y, rng.uniform(3.0, 8.0, x.size), rng.uniform(0.4, 0.85, x.size))
    return 1 - np.asarray(cv2.GaussianBlur(holes, (0, 0), 1.2), dtype=np.float32)
