"""Red cells and platelets."""

from __future__ import annotations

import cv2
import numpy as np

from buffycoat.synth.fields import Field, Patch, bump, coverage, ellipse, ramp, smooth_noise


def red_cell(rng: np.random.Generator, patch: Patch, radius: float, soft_px: float) -> Field:
    """Draw one red cell: a flattened disc, thinner in the middle, with a refractile rim.

    Returns
    -------
    ndarray of float32
        Thickness relative to a typical cell, shape of the patch; slightly negative where the rim throws light.
    """
    angle = rng.uniform(0, np.pi)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    u, v = patch.x * cos + patch.y * sin, patch.y * cos - patch.x * sin
    shape = patch.x.shape
    kind = rng.random()
    stretch = rng.uniform(1.0, 1.13) if kind > 0.14 else rng.uniform(1.2, 1.5)
    if kind > 0.97:  # tear: one end drawn out
        pull = np.clip(u / np.float32(radius), -1, 1.6)
        v = v * (1 + np.float32(0.55) * np.maximum(pull, 0))
        u = u * np.where(u > 0, np.float32(0.74), np.float32(1.0))
    bend = np.float32(radius * rng.uniform(0.03, 0.085))
    u = u / np.float32(np.sqrt(stretch)) + bend * smooth_noise(rng, shape, radius * 0.95)
    v = v * np.float32(np.sqrt(stretch)) + bend * smooth_noise(rng, shape, radius * 0.95)
    t = cv2.magnitude(u, v) / np.float32(radius)

    ghost = rng.random() < 0.16
    depth = rng.uniform(0.55, 0.85) if ghost else rng.beta(2.0, 2.6) * 0.62
    inner, outer = (0.45, 0.92) if ghost else (rng.uniform(0.05, 0.25), rng.uniform(0.5, 0.8))
    off_x, off_y = rng.normal(0, 0.07 * radius, 2)
    squeeze = np.float32(rng.uniform(0.8, 1.3))
    pallor = cv2.magnitude((u - np.float32(off_x)) * squeeze, v - np.float32(off_y)) / np.float32(radius)
    body = np.float32(1 - depth) + np.float32(depth) * ramp(pallor, inner, outer)
    body += np.float32(rng.uniform(0.08, 0.22)) * bump(t, 0.93, 0.055)
    body *= np.float32(rng.uniform(0.8, 1.12))
    thickness = body * coverage((1 - t) * np.float32(radius), soft_px)
    thickness -= np.float32(rng.uniform(0.05, 0.16)) * bump(t, 1.0 + 3.2 / radius, 2.4 / radius)
    if rng.random() < 0.28:
        thickness += _refractile_spot(rng, u - np.float32(off_x), v - np.float32(off_y), radius)
    return thickness


def _refractile_spot(rng: np.random.Generator, u: Field, v: Field, radius: float) -> Field:
    """Draw the bright, dark-rimmed ring of drying, seen in the middle of many cells."""
    size = radius * rng.uniform(0.08, 0.17)
    q = -ellipse(u, v, (0.0, 0.0), (size, size * rng.uniform(0.5, 0.95)), rng.uniform(0, np.pi)) + np.float32(size)
    q = q / np.float32(size)
    power = np.float32(rng.uniform(0.4, 1.0))
    return power * (
        np.float32(0.75) * bump(q, 1.75, 0.42)
        - np.float32(1.1) * bump(q, 1.0, 0.40)
        + np.float32(0.5) * bump(q, 0, 0.5)
    )


def platelet(rng: np.random.Generator, patch: Patch, radius: float, soft_px: float) -> Field:
    """Draw one platelet: a small purple body with dark granules in the middle and a hazy edge."""
    shape = patch.x.shape
    bend = np.float32(radius * 0.22)
    x = patch.x + bend * smooth_noise(rng, shape, radius * 0.8)
    y = patch.y + bend * smooth_noise(rng, shape, radius * 0.8)
    ratio = rng.uniform(0.65, 1.0)
    body = ellipse(x, y, (0.0, 0.0), (radius, radius * ratio), rng.uniform(0, np.pi))
    granular = np.clip(smooth_noise(rng, shape, 3.2) * np.float32(0.35) + np.float32(0.55), 0, 1.6)
    core = coverage(body - np.float32(radius * 0.28), radius * 0.9)
    haze = coverage(body, soft_px + radius * 0.25)
    strength = np.float32(rng.uniform(0.5, 1.15))
    return strength * (np.float32(0.45) * haze + np.float32(1.0) * core * granular)
