"""The nuclei of the five types, as signed distances (px, positive inside)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from buffycoat.synth.fields import Field, Patch, capsule, ellipse, smooth_noise, union

Point = tuple[float, float]
LARGE_LYMPHOCYTE_PX = 84.0

Lobe = tuple[Point, Point, float]  # centre, half-axes, direction of the first


def _bent(rng: np.random.Generator, patch: Patch, amount_px: float, scale_px: float) -> Patch:
    """Return the patch with smoothly bent coordinates, so that no outline is a perfect curve."""
    shape, amount = patch.shape, np.float32(amount_px)
    x = patch.x + amount * smooth_noise(rng, shape, scale_px)
    y = patch.y + amount * smooth_noise(rng, shape, scale_px)
    return Patch(patch.left, patch.top, x, y)


def _along_arc(rng: np.random.Generator, count: int, reach: float, span: float) -> list[tuple[Point, float]]:
    """Return `count` points along an arc (or, now and then, an S), each with the direction of the curve there."""
    turn = rng.uniform(0, 2 * np.pi)
    angles = turn + np.linspace(-span / 2, span / 2, count) + rng.normal(0, 0.09, count)
    radii = reach * rng.uniform(0.88, 1.12, count)
    points = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    heading = angles + np.pi / 2
    if count >= 3 and rng.random() < 0.3:  # S: the last stretch turns back through the middle
        points[-1] = 0.25 * points[0] + 0.15 * points[-1]
        heading[-1] = turn + rng.uniform(0, np.pi)
    points -= points.mean(axis=0) * rng.uniform(0.5, 0.95)
    return [((float(p[0]), float(p[1])), float(h)) for p, h in zip(points, heading, strict=True)]


def _lobed(patch: Patch, lobes: list[Lobe], strand_px: float) -> Field:
    parts = [ellipse(patch.x, patch.y, at, axes, heading) for at, axes, heading in lobes]
    parts += [capsule(patch.x, patch.y, a[0], b[0], strand_px) for a, b in pairwise(lobes)]
    return union(parts, 5.0)


def neutrophil(rng: np.random.Generator, patch: Patch, radius: float) -> Field:
    """Draw three to five lobes in a row, joined by thin strands."""
    count = int(rng.choice([3, 4, 5], p=[0.50, 0.37, 0.13]))
    crowded = rng.random() < 0.25  # lobes folded over each other: fewer are seen than there are
    span = {3: 3.3, 4: 4.3, 5: 5.1}[count] * (rng.uniform(0.60, 0.75) if crowded else rng.uniform(0.85, 1.05))
    base = {3: 0.315, 4: 0.275, 5: 0.235}[count] * radius
    lobes: list[Lobe] = []
    for at, heading in _along_arc(rng, count, radius * rng.uniform(0.47, 0.57), span):
        size = base * rng.uniform(0.84, 1.16)
        lobes.append((at, (size * rng.uniform(1.0, 1.45), size * rng.uniform(0.80, 1.0)), heading))
    bent = _bent(rng, patch, radius * 0.040, radius * 0.42)
    return _lobed(bent, lobes, radius * rng.uniform(0.03, 0.08))


def eosinophil(rng: np.random.Generator, patch: Patch, radius: float) -> Field:
    """Draw two rounded lobes, as spectacles, pushed to one side; a third now and then."""
    count = 3 if rng.random() < 0.20 else 2
    turn, gap = rng.uniform(0, 2 * np.pi), radius * rng.uniform(0.70, 0.84)
    side = radius * rng.uniform(0.05, 0.30)
    base = radius * (0.36 if count == 2 else 0.27)
    lobes: list[Lobe] = []
    for place in np.linspace(-0.5, 0.5, count) * (1.0 if count == 2 else 1.45):
        along = place * gap
        across = side + rng.normal(0, 0.04) * radius + (0.25 * radius if abs(place) < 0.1 else 0.0)
        x = along * np.cos(turn) - across * np.sin(turn)
        y = along * np.sin(turn) + across * np.cos(turn)
        axes = (base * rng.uniform(1.0, 1.25), base * rng.uniform(0.84, 0.98))
        lobes.append(((float(x), float(y)), axes, turn + np.pi / 2 + float(rng.normal(0, 0.35))))
    bent = _bent(rng, patch, radius * 0.040, radius * 0.45)
    return _lobed(bent, lobes, radius * rng.uniform(0.05, 0.09))


def basophil(rng: np.random.Generator, patch: Patch, radius: float) -> Field:
    """Draw a broad, vaguely lobed nucleus; the granules will hide most of it."""
    lobes: list[Lobe] = [
        (at, (radius * rng.uniform(0.38, 0.48), radius * rng.uniform(0.32, 0.42)), heading)
        for at, heading in _along_arc(rng, int(rng.choice([2, 3])), radius * 0.36, rng.uniform(2.2, 3.4))
    ]
    return _lobed(_bent(rng, patch, radius * 0.05, radius * 0.4), lobes, radius * 0.24)


def lymphocyte(rng: np.random.Generator, patch: Patch, radius: float) -> Field:
    """Draw a round nucleus nearly as large as the cell, slightly dented now and then."""
    bent = _bent(rng, patch, radius * 0.035, radius * 0.7)
    large = radius > LARGE_LYMPHOCYTE_PX  # large lymphocytes have room for cytoplasm, and look like monocytes
    share = rng.uniform(0.66, 0.82) if large else 0.80 + 0.15 * rng.beta(1.6, 1.4)
    off = radius * (1 - share) * rng.uniform(0.2, 0.85)
    turn = rng.uniform(0, 2 * np.pi)
    at = (float(off * np.cos(turn)), float(off * np.sin(turn)))
    axes = (radius * share * 1.02, radius * share * rng.uniform(0.93, 1.0))
    body = ellipse(bent.x, bent.y, at, axes, rng.uniform(0, np.pi))
    if rng.random() < (0.6 if large else 0.3):
        away = turn + np.pi + rng.normal(0, 0.4)
        dent = (float(at[0] + radius * 1.12 * np.cos(away)), float(at[1] + radius * 1.12 * np.sin(away)))
        body = -union([-body, ellipse(bent.x, bent.y, dent, (radius * 0.36, radius * 0.36), 0.0)], 16.0)
    return body


def monocyte(rng: np.random.Generator, patch: Patch, radius: float) -> Field:
    """Draw a large kidney, horseshoe or folded nucleus."""
    bent = _bent(rng, patch, radius * 0.055, radius * 0.42)
    kidney = rng.random() < 0.65
    turn = rng.uniform(0, 2 * np.pi)
    span = rng.uniform(1.0, 2.4) if kidney else rng.uniform(2.5, 3.4)
    thick = radius * (rng.uniform(0.46, 0.55) if kidney else rng.uniform(0.34, 0.41))
    reach = radius * (rng.uniform(0.30, 0.38) if kidney else rng.uniform(0.42, 0.48))
    angles = turn + np.linspace(-span / 2, span / 2, 5)
    points = reach * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points -= points.mean(axis=0) * rng.uniform(0.6, 0.95)
    widths = thick * rng.uniform(0.88, 1.10, 4)
    parts = [
        capsule(bent.x, bent.y, (float(a[0]), float(a[1])), (float(b[0]), float(b[1])), float(width))
        for (a, b), width in zip(pairwise(points), widths, strict=True)
    ]
    return union(parts, 12.0)
