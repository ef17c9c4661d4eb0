"""Shape of nucleus and cell: size, roundness, lobes, and how the nucleus lies in the cell.

Sources: roundness 4πA/P² and solidity (area over that of the convex hull) as usual in image analysis (Russ, The Image
Processing Handbook, 7th ed., 2016); eccentricity from second moments (Teague, J. Opt. Soc. Am. 70 (1980) 920); lobes
as separate peaks of the distance to the outline, since a neutrophil's lobes are joined by threads thinner than
themselves.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from buffycoat.morphology.parts import Mask, Parts

_WAIST = 0.78  # a lobe ends where the nucleus is narrower than this share of the lobe
_LEVELS = 24  # at which the landscape is cut
_LEAST_LOBE = 0.35  # of the thickest lobe's radius; thinner peaks are bays and threads


def shape(parts: Parts) -> dict[str, float]:
    """Return the measurements of shape.

    Returns
    -------
    dict
        See :data:`buffycoat.morphology.columns.COLUMNS` for each name's meaning and unit.
    """
    nucleus, body = _Figure(parts.nucleus), _Figure(parts.body)
    depth = _depth(parts.nucleus)
    inside = depth[parts.nucleus > 0]
    cell_radius = (body.area / np.pi) ** 0.5
    away = float(np.hypot(nucleus.centre[0] - body.centre[0], nucleus.centre[1] - body.centre[1]))
    one = parts.red.area_px
    lobes, parts_n = count_lobes(parts.nucleus), int(cv2.connectedComponents(parts.nucleus)[0]) - 1
    radius = (nucleus.area / np.pi) ** 0.5
    return {
        "nucleus_area_px": nucleus.area,
        "cell_area_px": body.area,
        "cytoplasm_area_px": float(parts.cytoplasm.sum()),
        "nucleus_area_rbc": nucleus.area / one if one else float("nan"),
        "cell_area_rbc": body.area / one if one else float("nan"),
        "nucleus_cell_ratio": nucleus.area / body.area,
        "nucleus_lobes": float(lobes),
        "nucleus_pieces": float(parts_n),
        "nucleus_roundness": nucleus.roundness,
        "nucleus_solidity": nucleus.solidity,
        "nucleus_eccentricity": nucleus.eccentricity,
        "nucleus_thickness": float(inside.max()) / radius,
        "nucleus_mean_depth": 3 * float(inside.mean()) / radius,
        "nucleus_indentation": nucleus.indentation / radius,
        "nucleus_hole_share": nucleus.holes / nucleus.area,
        "nucleus_off_centre": away / cell_radius,
        "cell_roundness": body.roundness,
        "cell_solidity": body.solidity,
        "cell_eccentricity": body.eccentricity,
    }


def count_lobes(nucleus: Mask) -> int:
    """Return the lobes of a nucleus: parts that a waist clearly narrower than both parts from another.

    The distance to the outline is a landscape whose peaks are the lobes; a peak counts where one has to go down
    below :data:`_WAIST` of its height to reach a higher one.

    Parameters
    ----------
    nucleus
        uint8 (h, w), 0 or 1.
    """
    x, y, w, h = cv2.boundingRect(nucleus)
    piece = np.pad(nucleus[y : y + h, x : x + w] * np.uint8(255), 2)
    # Half the size is enough for lobes, and smooths the outline's steps.
    small = cv2.resize(piece, ((w + 5) // 2, (h + 5) // 2), interpolation=cv2.INTER_AREA)
    depth = _depth((cv2.GaussianBlur(small, (0, 0), 0.8) > 127).astype(np.uint8))
    deepest = float(depth.max())
    if deepest <= 0:
        return 0
    peaks: list[tuple[float, NDArray[np.bool_]]] = []
    alive = np.zeros(depth.shape, np.bool_)  # pixels of peaks already counted
    for level in np.linspace(deepest, _WAIST * _LEAST_LOBE * deepest, _LEVELS):
        count, cores, stats, _ = cv2.connectedComponentsWithStats((depth >= level).astype(np.uint8))
        for k in range(1, count):
            x, y, w, h, _area = stats[k]
            window = (slice(y, y + h), slice(x, x + w))
            core = cores[window] == k
            if (alive[window] & core).any():
                continue
            height = float(depth[window][core].max())
            if height >= _LEAST_LOBE * deepest and level <= _WAIST * height:
                peaks.append((height, core))
                alive[window] |= core
    return len(peaks)


def _depth(mask: Mask) -> NDArray[np.float32]:
    """Return each pixel's distance to the outline, px; beyond the window the mask does not go on."""
    return np.asarray(cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, 5), np.float32)[1:-1, 1:-1]


class _Figure:
    """Area, centre and outline of a mask that may be of several pieces."""

    def __init__(self, mask: Mask) -> None:
        moments = cv2.moments(mask, binaryImage=True)
        self.area = float(moments["m00"])
        self.centre = (moments["m10"] / self.area, moments["m01"] / self.area)
        self._moments = moments
        outlines, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        parents = tree.reshape(-1, 4)[:, 3]  # −1: no parent, an outer outline
        outer = [outline for outline, parent in zip(outlines, parents, strict=True) if parent < 0]
        self.holes = float(sum(cv2.contourArea(o) for o, parent in zip(outlines, parents, strict=True) if parent >= 0))
        self._perimeter = float(sum(cv2.arcLength(_smoothed(outline), closed=True) for outline in outer))
        self._hull = cv2.convexHull(np.concatenate(outer))
        self._outlines = outer

    @property
    def roundness(self) -> float:
        """4πA/P², 1 for a disc; of several pieces the perimeters are added."""
        return min(1.0, 4 * np.pi * (self.area + self.holes) / max(self._perimeter, 1e-6) ** 2)

    @property
    def solidity(self) -> float:
        """Area over that of the convex hull round all pieces."""
        # A hull through pixel centres leaves out half a pixel all round.
        hull = cv2.contourArea(self._hull) + 0.5 * cv2.arcLength(self._hull, closed=True) + 1
        return float(min(1.0, self.area / hull))

    @property
    def eccentricity(self) -> float:
        """Of the ellipse with the same second moments: 0 for a disc, 1 for a line."""
        across, down, both = (self._moments[name] / self.area for name in ("mu20", "mu02", "mu11"))
        root = float(np.sqrt(((across - down) / 2) ** 2 + both**2))
        long, short = (across + down) / 2 + root, (across + down) / 2 - root
        return float(np.sqrt(max(0.0, 1 - short / long))) if long > 0 else 0.0

    @property
    def indentation(self) -> float:
        """How deep the deepest bay of the largest piece cuts in from its convex hull, px."""
        outline = max(self._outlines, key=cv2.contourArea)
        if len(outline) < 4:
            return 0.0
        hull = np.sort(cv2.convexHull(outline, returnPoints=False), axis=0)[::-1]
        defects = cv2.convexityDefects(outline, hull)
        return 0.0 if defects is None else float(defects.reshape(-1, 4)[:, 3].max()) / 256


def _smoothed(outline: NDArray[Any]) -> NDArray[np.float32]:
    """Return an outline averaged over five points: the steps of pixels would lengthen it."""
    points = outline.reshape(-1, 2).astype(np.float32)
    if len(points) < 8:
        return points
    around = np.concatenate([points[-2:], points, points[:2]])
    return np.asarray(sum(around[k : k + len(points)] for k in range(5)) / 5, np.float32)
