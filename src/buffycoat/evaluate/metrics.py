"""Figures of merit from confusion matrices; undefined is NaN here and None in documents, never 0.

Every function takes counts of shape ``(…, K, K)``, rows the true class and columns the predicted one, so that one
matrix and five thousand bootstrap replicates go through the same lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Counts = NDArray[Any]
Values = NDArray[np.float64]


def confusion(true: ArrayLike, predicted: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Return the confusion matrix, shape ``(classes, classes)``, of two lists of class numbers from 0."""
    flat = np.asarray(true, dtype=np.int64) * classes + np.asarray(predicted, dtype=np.int64)
    return np.bincount(flat, minlength=classes * classes).reshape(classes, classes)


def share(part: ArrayLike, whole: ArrayLike) -> Values:
    """Return part / whole, NaN where the whole is nothing."""
    below = np.asarray(whole, dtype=np.float64)
    above = np.asarray(part, dtype=np.float64)
    found: Values = np.divide(above, below, out=np.full(np.broadcast(above, below).shape, np.nan), where=below > 0)
    return found


def tallies(matrix: Counts) -> tuple[Counts, Counts, Counts, Counts]:
    """Return true positives, false positives, false negatives and true negatives, each ``(…, K)``."""
    hit = np.diagonal(matrix, axis1=-2, axis2=-1)
    called = matrix.sum(axis=-2)
    actual = matrix.sum(axis=-1)
    total = matrix.sum(axis=(-2, -1))[..., np.newaxis]
    return hit, called - hit, actual - hit, total - called - actual + hit


def shares(matrix: Counts) -> dict[str, tuple[Counts, Counts]]:
    """Return numerator and denominator, each ``(…, K)``, of the per-class figures that are shares of cells."""
    hit, false_hit, missed, rejected = tallies(matrix)
    return {
        "sensitivity": (hit, hit + missed),
        "specificity": (rejected, rejected + false_hit),
        "precision": (hit, hit + false_hit),
    }


def accuracy(matrix: Counts) -> Values:
    """Return the share of cells on the diagonal, shape ``(…)``."""
    return share(np.trace(matrix, axis1=-2, axis2=-1), matrix.sum(axis=(-2, -1)))


def sensitivity(matrix: Counts) -> Values:
    """Return the share found of each class (recall), shape ``(…, K)``; NaN for a class without cells."""
    return share(*shares(matrix)["sensitivity"])


def specificity(matrix: Counts) -> Values:
    """Return the share of the other classes' cells not called this class, shape ``(…, K)``."""
    return share(*shares(matrix)["specificity"])


def precision(matrix: Counts) -> Values:
    """Return the share of the cells called this class that are of it, shape ``(…, K)``; NaN where none is called so."""
    return share(*shares(matrix)["precision"])


def f1(matrix: Counts) -> Values:
    """Return 2·TP / (2·TP + FP + FN), shape ``(…, K)``; NaN where the class neither occurs nor is named."""
    hit, false_hit, missed, _ = tallies(matrix)
    return share(2 * hit, 2 * hit + false_hit + missed)


def balanced_accuracy(matrix: Counts) -> Values:
    """Return the mean sensitivity over the classes that have cells, shape ``(…)`` (as scikit-learn does)."""
    found = sensitivity(matrix)
    present = np.isfinite(found)
    return share(np.where(present, found, 0).sum(axis=-1), present.sum(axis=-1))


def _macro(figure: Callable[[Counts], Values]) -> Callable[[Counts], Values]:
    def mean(matrix: Counts) -> Values:
        averaged: Values = figure(matrix).mean(axis=-1)  # NaN as soon as one class's figure is undefined
        return averaged

    return mean


OVERALL: Mapping[str, Callable[[Counts], Values]] = MappingProxyType(
    {
        "accuracy": accuracy,
        "balanced_accuracy": balanced_accuracy,
        "macro_sensitivity": _macro(sensitivity),
        "macro_specificity": _macro(specificity),
        "macro_precision": _macro(precision),
        "macro_f1": _macro(f1),
    }
)
"""One figure per matrix. A macro average is the plain mean over all classes, undefined if one of them is."""

PER_CLASS: Mapping[str, Callable[[Counts], Values]] = MappingProxyType(
    {"sensitivity": sensitivity, "specificity": specificity, "precision": precision, "f1": f1}
)
"""One figure per matrix and class."""
