"""The nuclei of the five types, as signed distances (px, positive inside)."""

from __future__ import annotations

import numpy as np

from buffycoat.synth.fields import Field, Patch, capsule, ellipse, smooth_noise, union

Point = tuple[float, float]


def _bent(rng: np.random.Generator, patch: Patch, radius: float, bend: float, scale: float) -> tuple[Field, Field]:
    """Return the patch's coordinates, bent smoothly so that no outline is a perfect curve."""
    shape = patch.x.shape
    amount = np.float32(radius * bend)
    x = patch.x + amount * smooth_noise(rng, shape, radius * scale)
    y = patch.y + amount * smooth_noise(rng, shape, radius * scale)
    return x, y


def _along_arc(rng: np.random.Generator, count: int, reach: float, span: float) -> list[tuple[Point, float]]:
    """Return `count` points along an arc (or, now and then, an S), each with the direction of the curve there."""
    turn = rng.uniform(0, 2 * np.pi)
    angles = turn + np.linspace(-span / 2, span / 2, count) + rng.normal(0, 0.10, count)
    radii = reach * rng.uniform(0.86, 1.12, count)
    points = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    heading = angles + np.pi / 2
    if count >= 3 and rng.random() < 0.3:  # S: the last stretch turns back through the middle
        points[-1] = 0.25 * points[0] + 0.15 * points[-1]
        heading[-1] = turn + rng.uniform(0, np.pi)
    points -= points.mean(axis=0) * rng.uniform(0.45, 0.9)
    return [((float(p[0]), float(p[1])), float(h)) for p, h in zip(points, heading, strict=True)]


def _lobed(
    rng: np.random.Generator,
    patch: Patch,
    radius: float,
    spots: list[tuple[Point, float]],
    sizes: list[Point],
    strand: float,
) -> Field:
    x, y = _bent(rng, patch, radius, 0.055, 0.30)
    lobes = [ellipse(x, y, at, axes, heading) for (at, heading), axes in zip(spots, sizes, strict=True)]
    strands = [capsule(x, y, a[0], b[0], strand) for a, b in zip(spots[:-1], spots[1:], strict=True)]
    return union([*lobes, *strands], 4.0)


def neutrophil(rng: np.random.Generator, patch: Patch, radius: float) -> Field:
    """Three to five lobes in a row, joined by thin strands."""
    count = int(rng.choice([3, 4, 5], p=[0.48, 0.37, 0.15]))
    spots = _along_arc(
        rng, count, radius * rng.uniform(0.46, 0.56), {3: 3.3, 4: 4.3, 5: 5.1}[count] * rng.uniform(0.85, 1.05)
    )
    base = {3: 0.27, 4: 0.235, 5: 0.205}[count] * radius
    sizes = []
    for _ in range(count):
        size = base * rng.uniform(0.86, 1.16)
        sizes.append((size * rng.uniform(1.0, 1.28), size * rng.uniform(0.86, 1.02)))
    return _lobed(rng, patch, radius, spots, sizes, radius * rng.uniform(0.03, 0.055))


def eosinophil(rng: np.random.Generator, patch: Patch, radius: float) -> Field:
    """Two rounded lobes, as spectacles, pushed to one side; a third now and then."""
    count = 3 if rng.random() < 0.10 else 2
    turn, gap = rng.uniform(0, 2 * np.pi), radius * rng.uniform(0.66, 0.80)
    side = radius * rng.uniform(0.05, 0.30)
    spots: list[tuple[Point, float]] = []
    for place in np.linspace(-0.5, 0.5, count) * (1.0 if count == 2 else 1.5):
        along, across = place * gap, side + rng.normal(0, 0.04) * radius + (0.25 * radius if abs(place) < 0.1 else 0)
        x = along * np.cos(turn) - across * np.sin(turn)
        y = along * np.sin(turn) + across * np.cos(turn)
        spots.append(((float(x), float(y)), turn + np.pi / 2 + rng.normal(0, 0.35)))
    base = radius * (0.335 if count == 2 else 0.26)
    sizes = [(base * rng.uniform(1.0, 1.28), base * rng.uniform(0.84, 0.98)) for _ in range(count)]
    return _lobed(rng, patch, radius, spots, sizes, radius * rng.uniform(0.04, 0.07))


def basophil(rng: np.random.Generator, patch: Patch, radius: float) -> Field:
    """A broad, vaguely lobed nucleus, mostly hidden by the granules."""
    spots = _along_arc(rng, int(rng.choice([2, 3])), radius * 0.36, rng.uniform(2.2, 3.4))
    sizes = [(radius * rng.uniform(0.36, 0.46), radius * rng.uniform(0.30, 0.40)) for _ in spots]
    return _lobed(rng, patch, radius, spots, sizes, radius * 0.22)


def lymphocyte(rng: np.random.Generator, patch: Patch, radius: float) -> Field:
    """Round and nearly as large as the cell; slightly dented now and then."""
    x, y = _bent(rng, patch, radius, 0.045, 0.6)
    share = rng.uniform(0.80, 0.90)
    off = radius * (1 - share) * rng.uniform(0.1, 0.75)
    turn = rng.uniform(0, 2 * np.pi)
    at = (float(off * np.cos(turn)), float(off * np.sin(turn)))
    body = ellipse(x, y, at, (radius * share * 1.03, radius * share * rng.uniform(0.92, 1.0)), rng.uniform(0, np.pi))
    if rng.random() < 0.3:
        away = turn + np.pi + rng.normal(0, 0.4)
        dent = (float(at[0] + radius * 1.12 * np.cos(away)), float(at[1] + radius * 1.12 * np.sin(away)))
        body = -union([-body, ellipse(x, y, dent, (radius * 0.38, radius * 0.38), 0.0)], 14.0)
    return body


def monocyte(rng: np.random.Generator, patch: Patch, radius: float) -> Field:
    """A large kidney, horseshoe or folded nucleus."""
    x, y = _bent(rng, patch, radius, 0.075, 0.42)
    kind = rng.random()
    turn = rng.uniform(0, 2 * np.pi)
    span = rng.uniform(1.5, 2.3) if kind < 0.55 else rng.uniform(2.4, 3.4)
    thick = radius * (rng.uniform(0.36, 0.44) if kind < 0.55 else rng.uniform(0.27, 0.33))
    reach = radius * (rng.uniform(0.28, 0.38) if kind < 0.55 else rng.uniform(0.40, 0.47))
    angles = turn + np.linspace(-span / 2, span / 2, 5)
    points = reach * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points -= points.mean(axis=0) * rng.uniform(0.5, 0.9)
    widths = thick * rng.uniform(0.88, 1.12, 5)
    parts = [
        capsule(x, y, (float(a[0]), float(a[1])), (float(b[0]), float(b[1])), float(w))
        for a, b, w in zip(points[:-1], points[1:], widths, strict=False)
    ]
    return union(parts, 12.0)
