"""How unlike the training cells a picture is: the distance of its features from the nearest class.

Features are brought to length one first. A picture that excites a network little has short features, and so lies near
every mean: by plain distances red cells were *more* like training cells than held-out cells were (area under the curve
0.44 to 0.54 for ResNet-18, 0.09 to 0.32 for AlexNet; with unit length 0.92 to 0.97 and 0.82 to 0.99).

Sources: Mueller and Hein, ICML 2025 (unit length); Lee et al., NeurIPS 2018 (class-conditional Mahalanobis distance,
one covariance for all classes); Ledoit and Wolf, J. Multivar. Anal. 88 (2004) 365 (shrinkage, where features outnumber
cells).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

SMALLEST = 1e-12
SHORTEST = 1e-6
"""Features shorter than this are not stretched to length one: there is nothing in them."""


@dataclass(frozen=True)
class Unlike:
    """The training cells' features at length one, summed up: a mean per class and one shrunken covariance.

    Attributes
    ----------
    means
        Shape ``(C, F)``; classes without cells are left out.
    directions
        Shape ``(F, K)``, orthonormal: the directions in which cells of one class differ.
    scales
        Shape ``(K,)``: one over the standard deviation along each.
    rest
        One over the standard deviation along every other direction.
    """

    means: Floats
    directions: Floats
    scales: Floats
    rest: float

    @cached_property
    def whitening(self) -> Floats:
        """The matrix ``(F, F)`` that makes the covariance round; a score is the least ``|(unit(x) − mean) @ it|``."""
        along = (self.directions * (self.scales - self.rest)) @ self.directions.T
        return along + self.rest * np.eye(len(along))

    def score(self, features: ArrayLike) -> Floats:
        """Return how far each row of features ``(n, F)`` is from the nearest class, shape ``(n,)``, 0 or more."""
        rows = unit(features)
        nearest = np.full(len(rows), np.inf)
        for mean in self.means:
            apart = rows - mean
            along = apart @ self.directions
            beside = apart - along @ self.directions.T
            nearest = np.minimum(
                nearest, ((along * self.scales) ** 2).sum(axis=1) + self.rest**2 * (beside**2).sum(axis=1)
            )
        found: Floats = np.sqrt(nearest)
        return found


def unit(features: ArrayLike) -> Floats:
    """Return the rows of features ``(n, F)`` at length one."""
    rows = np.asarray(features, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    stretched: Floats = rows / np.maximum(lengths, SHORTEST)
    return stretched


def fit_unlike(features: ArrayLike, labels: ArrayLike, *, components: int | None = None) -> Unlike:
    """Sum up the training cells' features.

    Parameters
    ----------
    features
        Shape ``(n, F)``: pooled features, before the head.
    labels
        Shape ``(n,)``: class numbers from 0.
    components
        Directions kept apart, the widest first; the others share one mean variance. By default as many as the cells
        span.

    Raises
    ------
    ValueError
        Fewer than two rows, or every row equals its class's mean.
    """
    rows, classes = unit(features), np.asarray(labels)
    if len(rows) < 2:
        raise ValueError("two rows of features or more are needed")
    names, number = np.unique(classes, return_inverse=True)
    means = np.stack([rows[number == place].mean(axis=0) for place in range(len(names))])
    apart = rows - means[number]
    shrinkage = ledoit_wolf_shrinkage(apart)
    _, values, vectors = np.linalg.svd(apart, full_matrices=False)
    variances = values**2 / len(rows)
    width = rows.shape[1]
    mean_variance = float(variances.sum() / width)
    if mean_variance <= SMALLEST:
        raise ValueError("all rows of a class have the same features")
    shrunken = (1 - shrinkage) * variances + shrinkage * mean_variance
    kept = int(np.sum(variances > SMALLEST * variances[0]))
    kept = min(kept, width if components is None else components)
    left = width - kept
    others = float(shrunken[kept:].sum()) + shrinkage * mean_variance * (width - len(shrunken))
    floor = SMALLEST * mean_variance
    return Unlike(
        means=means,
        directions=vectors[:kept].T,
        scales=1 / np.sqrt(np.maximum(shrunken[:kept], floor)),
        rest=float(1 / np.sqrt(max(others / left if left else 1.0, floor))),
    )


def ledoit_wolf_shrinkage(centred: Floats) -> float:
    """Return how far (0–1) the covariance of centred rows ``(n, F)`` should be drawn towards a round one.

    Never makes an F × F matrix: the sums over it are had from the n × n products of the rows.
    """
    count, width = centred.shape
    products = centred @ centred.T
    mean = float(np.trace(products)) / (count * width)
    squared = float((products**2).sum()) / count**2  # squared Frobenius norm of the covariance
    distance = squared - mean**2 * width
    noise = (float((np.diagonal(products) ** 2).sum()) / count - squared) / count
    return 1.0 if distance <= 0 else float(np.clip(noise / distance, 0.0, 1.0))


def threshold_at(scores: ArrayLike, share_kept: float = 0.99) -> float:
    """Return the score up to which a picture counts as known, so that this share of such cells does.

    Parameters
    ----------
    scores
        Shape ``(n,)``, of cells that were not trained on: training cells lie closer than others ever will.
    share_kept
        The share of cells like these that shall be kept.

    Returns
    -------
    float
        The ⌈(n + 1) · share⌉-th smallest score, or the largest where there are too few.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    if not len(ordered):
        raise ValueError("no scores to set a threshold by")
    rank = int(np.ceil((len(ordered) + 1) * share_kept - 1e-9))
    return float(ordered[min(rank, len(ordered)) - 1])
