"""Red cells and platelets."""

from __future__ import annotations

import cv2
import numpy as np

from buffycoat.synth.fields import Field, Patch, bump, coverage, ellipse, ramp, smooth_noise


def red_cell(rng: np.random.Generator, patch: Patch, radius: float, hollow_share: float) -> Field:
    """Draw one red cell: a flattened disc, thinner in the middle, with a refractile rim.

    Parameters
    ----------
    hollow_share
        How hollow the cells of this field look, 0 (full, where the smear is thick) to 1 (rings).

    Returns
    -------
    ndarray of float32
        Thickness relative to a typical cell, shape of the patch; slightly negative where the rim throws light.
    """
    u, v = _shape(rng, patch, radius)
    t = np.asarray(cv2.magnitude(u, v), dtype=np.float32) / np.float32(radius)
    off_x, off_y = (np.float32(value) for value in rng.normal(0, 0.08 * radius, 2))
    ghost = rng.random() < 0.04 + 0.40 * hollow_share
    depth = rng.uniform(0.55, 0.85) if ghost else 0.25 * hollow_share + 0.65 * rng.beta(0.7 + 3.0 * hollow_share, 2.2)
    inner, outer = (0.45, 0.90) if ghost else (rng.uniform(0.0, 0.35), rng.uniform(0.55, 0.80))
    squeeze = np.float32(rng.uniform(0.75, 1.35))
    hollow = np.asarray(cv2.magnitude((u - off_x) * squeeze, v - off_y), dtype=np.float32) / np.float32(radius)
    mottle = smooth_noise(rng, patch.shape, radius * 0.35)
    hollow += np.float32(0.05) * mottle
    body = np.float32(1 - depth) + np.float32(depth) * ramp(hollow, inner, outer)
    body += np.float32(rng.uniform(0.08, 0.30)) * bump(t, 0.91, 0.06)  # the rim, seen edge on
    body += np.float32(rng.uniform(0.0, 0.22) * hollow_share) * bump(hollow, rng.uniform(0.55, 0.75), 0.10)
    body += np.float32(0.02) * mottle
    body *= np.float32(rng.uniform(0.78, 1.14))
    thickness = body * coverage((1 - t) * np.float32(radius), rng.uniform(2.5, 8.0))
    glow = np.float32(rng.uniform(0.05, 0.17))
    thickness -= glow * bump(t, 1.0 + 3.4 / radius, 2.6 / radius)
    if rng.random() < 0.34:
        thickness += _refractile_spot(rng, u - off_x, v - off_y, radius)
    return np.asarray(thickness, dtype=np.float32)


def _shape(rng: np.random.Generator, patch: Patch, radius: float) -> tuple[Field, Field]:
    """Return coordinates in which the cell is a disc: turned, stretched, sometimes drawn out, never perfect."""
    angle = rng.uniform(0, np.pi)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    u, v = patch.x * cos + patch.y * sin, patch.y * cos - patch.x * sin
    kind = rng.random()
    stretch = np.float32(np.sqrt(rng.uniform(1.2, 1.55) if kind < 0.16 else rng.uniform(1.0, 1.16)))
    if kind > 0.98:  # a tear: one end drawn out
        pull = ramp(u, -0.5 * radius, 1.5 * radius)
        v = v * (1 + np.float32(1.1) * pull)
        u = u * (1 - np.float32(0.17) * pull)
    bend, scale = np.float32(radius * rng.uniform(0.02, 0.055)), radius * 1.0
    u = u / stretch + bend * smooth_noise(rng, patch.shape, scale)
    v = v * stretch + bend * smooth_noise(rng, patch.shape, scale)
    return u, v


def _refractile_spot(rng: np.random.Generator, u: Field, v: Field, radius: float) -> Field:
    """Draw the bright, dark-rimmed ring that drying leaves in the middle of many cells."""
    size = radius * float(np.clip(rng.lognormal(-2.1, 0.35), 0.06, 0.26))
    bend = np.float32(size * 0.22)
    u = u + bend * smooth_noise(rng, (u.shape[0], u.shape[1]), size * 1.6)
    across = size * rng.uniform(0.4, 1.0)
    q = 1 - ellipse(u, v, (0.0, 0.0), (size, across), rng.uniform(0, np.pi)) / np.float32(across)
    power, middle = np.float32(rng.uniform(0.35, 1.0)), np.float32(rng.uniform(-0.5, 0.7))
    dark, bright = np.float32(0.8) * bump(q, 1.65, 0.38), np.float32(1.15) * bump(q, 1.0, 0.36)
    return np.asarray(power * (dark - bright + middle * bump(q, 0.0, 0.55)), dtype=np.float32)


def platelet(rng: np.random.Generator, patch: Patch, radius: float) -> Field:
    """Draw one platelet: a small purple body with dark granules in the middle and a hazy edge."""
    bend = np.float32(radius * 0.15)
    x = patch.x + bend * smooth_noise(rng, patch.shape, radius * 0.9)
    y = patch.y + bend * smooth_noise(rng, patch.shape, radius * 0.9)
    body = ellipse(x, y, (0.0, 0.0), (radius, radius * rng.uniform(0.65, 1.0)), rng.uniform(0, np.pi))
    granular = np.clip(smooth_noise(rng, patch.shape, 6.0) * np.float32(0.45) + np.float32(0.75), 0, 1.7)
    core = coverage(body - np.float32(radius * 0.30), radius * 0.8)
    haze = coverage(body, 2.0 + radius * 0.30)
    strength = np.float32(rng.uniform(0.45, 1.15))
    return np.asarray(strength * (np.float32(0.45) * haze + np.float32(0.75) * core * granular), dtype=np.float32)
