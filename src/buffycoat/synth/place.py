"""Where things lie in a field: leukocytes apart or touching, red cells round them, platelets in between."""

from __future__ import annotations

import numpy as np

Point = tuple[float, float]
Disc = tuple[Point, float]


def leukocytes(
    rng: np.random.Generator, radii: list[float], width: int, height: int, *, touching: bool, at_border: bool
) -> list[Point]:
    """Return a centre for each leukocyte: apart from each other where there is room, in the order given."""
    if not radii:
        return []
    best: list[Point] = []
    least = np.inf
    for _ in range(40):
        centres = [_first(rng, radii[0], width, height, at_border=at_border)]
        overlap = 0.0
        for index in range(1, len(radii)):
            centre, gap = _next(rng, centres, radii, index, width, height, touching=touching)
            overlap += max(0.0, -gap)
            centres.append(centre)
        if overlap < least:
            best, least = centres, overlap
        if least <= 0.5:
            break
    return best


def _first(rng: np.random.Generator, radius: float, width: int, height: int, *, at_border: bool) -> Point:
    cut = at_border or rng.random() < 0.10
    if not cut:
        return _within(rng, radius, width, height)
    x, y = _within(rng, radius, width, height)
    depth = radius * rng.uniform(0.15, 0.80)  # how far inside the border the centre lies
    side = int(rng.integers(4))
    return ((depth, y), (width - depth, y), (x, depth), (x, height - depth))[side]


def _within(rng: np.random.Generator, radius: float, width: int, height: int) -> Point:
    margin_x, margin_y = min(radius * 1.05, width / 2), min(radius * 1.05, height / 2)
    return float(rng.uniform(margin_x, width - margin_x)), float(rng.uniform(margin_y, height - margin_y))


def _next(
    rng: np.random.Generator,
    centres: list[Point],
    radii: list[float],
    index: int,
    width: int,
    height: int,
    *,
    touching: bool,
) -> tuple[Point, float]:
    """Return a place for cell `index` and the gap (px) to its nearest neighbour; negative when they overlap."""
    best, widest = centres[0], -np.inf
    for _ in range(24):
        if touching:
            beside = int(rng.integers(len(centres)))
            reach, turn = (radii[beside] + radii[index]) * 0.94, rng.uniform(0, 2 * np.pi)
            spot = (centres[beside][0] + reach * float(np.cos(turn)), centres[beside][1] + reach * float(np.sin(turn)))
            inside = min(spot[0], spot[1], width - spot[0], height - spot[1]) - radii[index] * 0.6
            slack = (radii[beside] + radii[index]) * 0.06 + 0.5
        else:
            spot, inside, slack = _within(rng, radii[index], width, height), 0.0, 0.0
        gaps = [
            float(np.hypot(spot[0] - c[0], spot[1] - c[1])) - radii[index] - r
            for c, r in zip(centres, radii[: len(centres)], strict=True)
        ]
        gap = min(min(gaps) + slack, inside if touching else np.inf)
        if gap > widest:
            best, widest = spot, gap
        if touching and gap >= -0.5:
            break
        if not touching and gap > 12:
            break
    return best, float(widest)


def red_cells(rng: np.random.Generator, leukocytes: list[Disc], width: int, height: int) -> list[Disc]:
    """Return the red cells of a field: single ones, overlapping ones and short chains, with room for leukocytes."""
    size = rng.normal(51.5, 2.2)  # mean radius of this field, px
    wanted = int(rng.integers(13, 29) * width * height / (640 * 480)) + 1
    clumping = rng.uniform(0.1, 0.75)
    laid: list[Disc] = []
    for _ in range(wanted * 6):
        if len(laid) >= wanted:
            break
        radius = float(np.clip(rng.normal(size, 3.6), size * 0.72, size * 1.2))
        chained = bool(laid) and rng.random() < clumping
        if chained:
            (x, y), other = laid[int(rng.integers(len(laid)))]
            reach, turn = (radius + other) * rng.uniform(0.5, 0.97), rng.uniform(0, 2 * np.pi)
            spot = (x + reach * float(np.cos(turn)), y + reach * float(np.sin(turn)))
        else:
            spot = (float(rng.uniform(-30, width + 30)), float(rng.uniform(-30, height + 30)))
        if _room(spot, radius, leukocytes, 0.90) and _room(spot, radius, laid, 0.45 if chained else 0.93):
            laid.append((spot, radius))
    return laid


def platelets(
    rng: np.random.Generator, leukocytes: list[Disc], reds: list[Disc], width: int, height: int
) -> list[Disc]:
    """Return the platelets: none to a few, sometimes in a small group, seldom on a red cell."""
    laid: list[Disc] = []
    for _ in range(int(rng.poisson(2.2 * width * height / (640 * 480)))):
        x, y = float(rng.uniform(0, width)), float(rng.uniform(0, height))
        for _ in range(1 if rng.random() < 0.8 else int(rng.integers(2, 5))):
            spot = (x + float(rng.normal(0, 16)), y + float(rng.normal(0, 16)))
            radius = float(rng.uniform(7.5, 17.5))
            free = _room(spot, radius, reds, 0.85) or rng.random() < 0.15
            if free and _room(spot, radius, leukocytes, 1.02) and _room(spot, radius, laid, 0.8):
                laid.append((spot, radius))
    return laid


def _room(spot: Point, radius: float, others: list[Disc], share: float) -> bool:
    """Tell whether a disc keeps at least `share` of the sum of radii from every other."""
    return all(
        np.hypot(spot[0] - other[0][0], spot[1] - other[0][1]) >= share * (radius + other[1]) for other in others
    )
