"""Leukocytes: outline, nucleus, chromatin and cytoplasm laid into a patch as optical density."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from buffycoat.synth import nuclei
from buffycoat.synth.cytoplasm import Layer, basophil_granules, draw_cytoplasm
from buffycoat.synth.fields import Field, Patch, coverage, ellipse, ramp, smooth_noise, tint
from buffycoat.synth.stain import Stain

RADIUS_PX: Mapping[str, tuple[float, float]] = {
    "neutrophil": (100.0, 10.0),
    "eosinophil": (103.0, 10.0),
    "basophil": (95.0, 9.0),
    "lymphocyte": (69.0, 7.0),
    "monocyte": (113.0, 14.0),
}
"""Mean and deviation of the cell's radius, px, at the scale of the 410-image set (a red cell is about 105 px)."""

_NUCLEI: Mapping[str, Callable[[np.random.Generator, Patch, float], Field]] = {
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
    if label == "lymphocyte" and rng.random() < 0.25:  # large ones
        return float(rng.uniform(nuclei.LARGE_LYMPHOCYTE_PX + 1, 104.0))
    return float(np.clip(rng.normal(mean, deviation), mean - 2.3 * deviation, mean + 2.4 * deviation))


def draw_leukocyte(rng: np.random.Generator, patch: Patch, label: str, radius: float, stain: Stain) -> Drawing:
    """Draw a leukocyte of the type `label` in the middle of `patch`."""
    body = _outline(rng, patch, label, radius)
    cell = coverage(body, rng.uniform(2.5, 7.0))
    nucleus = np.minimum(_NUCLEI[label](rng, patch, radius), body - np.float32(radius * 0.03))
    nuclear = coverage(nucleus, rng.uniform(2.0, 4.0))

    density = draw_cytoplasm(rng, label, stain, body, cell * (1 - nuclear))
    amount = _chromatin(rng, label, nucleus, radius) * nuclear * np.float32(np.exp(rng.normal(0, 0.09)))
    density += tint(amount, stain.chromatin)
    # Chromatin is not one hue: azure and eosin bind unevenly.
    hue = smooth_noise(rng, patch.shape, radius * 0.3) * nuclear
    density += tint(hue, np.array([0.035, -0.012, 0.012], dtype=np.float32))
    if label == "basophil":
        density += basophil_granules(rng, stain, body, radius)
    if rng.random() < 0.4:  # a thick cell does not lie in focus from top to bottom
        density = np.asarray(cv2.GaussianBlur(density, (0, 0), rng.uniform(0.8, 2.4)), dtype=np.float32)
    return Drawing(density, cell, body > 0, nucleus > 0)


def _outline(rng: np.random.Generator, patch: Patch, label: str, radius: float) -> Field:
    bend, scale, fine, stretch = {
        "monocyte": (0.062, 0.62, 1.8, 1.25),
        "lymphocyte": (0.030, 0.90, 0.9, 1.15),
        "basophil": (0.035, 0.70, 2.2, 1.15),
    }.get(label, (0.038, 0.75, 1.3, 1.16))
    amount = np.float32(radius * bend)
    x = patch.x + amount * smooth_noise(rng, patch.shape, radius * scale)
    y = patch.y + amount * smooth_noise(rng, patch.shape, radius * scale)
    ratio = float(np.sqrt(rng.uniform(1.0, stretch + (0.2 if rng.random() < 0.2 else 0.0))))
    body = ellipse(x, y, (0.0, 0.0), (radius * ratio, radius / ratio), rng.uniform(0, np.pi))
    return body + np.float32(fine) * smooth_noise(rng, patch.shape, radius * 0.2)


def _chromatin(rng: np.random.Generator, label: str, nucleus: Field, radius: float) -> Field:
    """Return the amount of chromatin, about 1: clumped, smudged or lacy by type."""
    shape = (nucleus.shape[0], nucleus.shape[1])
    coarse, fine = smooth_noise(rng, shape, radius * 0.24), smooth_noise(rng, shape, radius * 0.10)
    thick = np.float32(0.76) + np.float32(0.24) * ramp(nucleus, 0.0, radius * 0.13)
    if label == "monocyte":  # lacy: strands round small pale holes
        strands = smooth_noise(rng, shape, radius * 0.075) + np.float32(0.5) * fine
        holes = ramp(strands + np.float32(0.3) * coarse, -0.8, 2.4)
        return thick * (np.float32(0.90) + np.float32(0.07) * coarse - np.float32(0.34) * holes)
    if label == "lymphocyte":  # dense, smudged
        level = 0.86 if radius > nuclei.LARGE_LYMPHOCYTE_PX else 1.02
        return thick * (np.float32(level) + np.float32(0.09) * coarse + np.float32(0.05) * fine)
    clumps = ramp(coarse + np.float32(0.6) * fine, -1.2, 1.1)
    holes = ramp(fine, 1.1, 2.0) * np.float32(rng.uniform(0.0, 0.35))
    level = {"neutrophil": 0.98, "eosinophil": 0.92, "basophil": 0.60}[label]
    return thick * np.float32(level) * (np.float32(0.70) + np.float32(0.46) * clumps - holes)
