"""Smooth random fields and signed distances: what every drawn structure is made of.

Distances are in px and positive inside. Fields are float32 arrays of shape (height, width).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Patch:
    """A square of pixels round a centre that need not lie on the pixel grid, nor inside the field.

    Attributes
    ----------
    left, top
        Field coordinates of the first pixel; may be negative.
    x, y
        Distances of every pixel from the centre, in px, each of shape (side, side).
    """

    left: int
    top: int
    x: Field
    y: Field

    @classmethod
    def around(cls, centre: tuple[float, float], reach_px: float) -> Patch:
        """Return the patch that holds everything within `reach_px` of `centre`."""
        left, top = int(np.floor(centre[0] - reach_px)), int(np.floor(centre[1] - reach_px))
        side = int(np.ceil(2 * reach_px)) + 2
        x, y = np.meshgrid(
            np.arange(side, dtype=np.float32) + np.float32(left - centre[0]),
            np.arange(side, dtype=np.float32) + np.float32(top - centre[1]),
        )
        return cls(left, top, x, y)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in px."""
        return self.side, self.side

    @property
    def side(self) -> int:
        """Length of a side in px."""
        return int(self.x.shape[0])

    def windows(self, height: int, width: int) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
        """Return where the patch meets a field: slices of the field and of the patch; None when it does not."""
        y0, y1 = max(self.top, 0), min(self.top + self.side, height)
        x0, x1 = max(self.left, 0), min(self.left + self.side, width)
        if y0 >= y1 or x0 >= x1:
            return None
        field = (slice(y0, y1), slice(x0, x1))
        return field, (slice(y0 - self.top, y1 - self.top), slice(x0 - self.left, x1 - self.left))


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], scale_px: float) -> Field:
    """Return a smooth random field of mean about 0 and deviation about 1 whose features are `scale_px` apart."""
    height, width = shape
    step = scale_px / 2  # two grid points a feature, then blurred: round features, no trace of the grid
    rows, columns = int(height / step) + 4, int(width / step) + 4
    grid = cv2.GaussianBlur(rng.standard_normal((rows, columns), dtype=np.float32), (5, 5), 1.0)
    wide = cv2.resize(grid, (int(columns * step), int(rows * step)), interpolation=cv2.INTER_CUBIC)
    top, left = (int(step * offset) for offset in rng.uniform(1.0, 2.0, 2))
    return np.asarray(wide[top : top + height, left : left + width] * np.float32(3.6), dtype=np.float32)


def coverage(distance: Field, soft_px: float) -> Field:
    """Return how far each pixel is covered, 0 to 1, by a shape whose edge is `soft_px` wide."""
    t = np.clip(distance / np.float32(soft_px) + np.float32(0.5), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def ramp(value: Field, low: float, high: float) -> Field:
    """Return a smooth step: 0 below `low`, 1 above `high`."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def bump(value: Field, at: float, width: float) -> Field:
    """Return a bell of height 1 at `at`."""
    z = (value - np.float32(at)) / np.float32(width)
    return np.asarray(cv2.exp(-z * z), dtype=np.float32)


def ellipse(x: Field, y: Field, centre: tuple[float, float], axes: tuple[float, float], angle: float) -> Field:
    """Return the distance to an ellipse with half-axes `axes` turned by `angle` (radians); exact for a circle."""
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    dx, dy = x - np.float32(centre[0]), y - np.float32(centre[1])
    u, v = (dx * cos + dy * sin) / np.float32(axes[0]), (dy * cos - dx * sin) / np.float32(axes[1])
    return (1 - cv2.magnitude(u, v)) * np.float32(min(axes))


def capsule(x: Field, y: Field, start: tuple[float, float], end: tuple[float, float], radius: float) -> Field:
    """Return the distance to a thick line with round ends."""
    ax, ay = np.float32(start[0]), np.float32(start[1])
    bx, by = np.float32(end[0] - start[0]), np.float32(end[1] - start[1])
    length = max(float(bx * bx + by * by), 1e-6)
    along = np.clip(((x - ax) * bx + (y - ay) * by) / np.float32(length), 0, 1)
    return np.float32(radius) - cv2.magnitude(x - ax - along * bx, y - ay - along * by)


def union(parts: Sequence[Field], blend_px: float) -> Field:
    """Return the distance to the union of shapes; neighbours nearer than `blend_px` melt into each other."""
    whole = parts[0]
    for part in parts[1:]:
        mix = np.clip(1 - np.abs(whole - part) / np.float32(blend_px), 0, 1)
        whole = np.maximum(whole, part) + mix * mix * np.float32(blend_px / 4)
    return whole


def tint(amount: Field, colour: NDArray[np.float32]) -> Field:
    """Return `amount` times `colour` (3,) as an array of shape (height, width, 3).

    Plane by plane: NumPy's broadcasting over a last axis of three takes several times as long.
    """
    return np.asarray(cv2.merge([amount * np.float32(share) for share in colour]), dtype=np.float32)


def dots(
    shape: tuple[int, int],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    radius: NDArray[np.float64],
    level: NDArray[np.float64],
) -> Field:
    """Return anti-aliased discs at (x, y) px with the given radii (px) and levels (0 to 1); later ones on top."""
    canvas = np.zeros(shape, dtype=np.uint8)
    placed = np.round(np.stack([x, y, radius], axis=1) * 16).astype(int).tolist()
    levels = np.clip(level * 255, 0, 255).astype(int).tolist()
    for (px, py, pr), value in zip(placed, levels, strict=True):
        cv2.circle(canvas, (px, py), pr, value, -1, cv2.LINE_AA, 4)
    return canvas.astype(np.float32) * np.float32(1 / 255)
