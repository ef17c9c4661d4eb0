"""Confident learning: from out-of-fold probabilities to the joint distribution of given and true labels.

Source: Northcutt, Jiang and Chuang, J. Artif. Intell. Res. 70 (2021) 1373. A cell counts as one of class j where its
probability of j reaches what the cells labelled j have on average; counts by given and confident class, scaled to the
labels there are, estimate how often which label stands for which class.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

NOBODY = -1
"""The confident class of a cell that reaches no class's threshold."""
_SAME = 1e-9  # of probabilities that should be equal and were added up in another order


def thresholds(probabilities: Floats, labels: Numbers, weights: Floats | None = None) -> Floats:
    """Return each class's mean probability among the cells labelled so, shape ``(C,)``; infinite without cells.

    Parameters
    ----------
    probabilities
        Out of fold, shape ``(n, C)``.
    labels
        Given, shape ``(n,)``, class numbers from 0.
    weights
        How often each cell counts, shape ``(n,)``; once if not given.
    """
    n, classes = probabilities.shape
    counted = np.ones(n) if weights is None else weights
    own = probabilities[np.arange(n), labels]
    total = np.bincount(labels, counted, classes)
    summed = np.bincount(labels, counted * own, classes)
    return np.asarray(np.where(total > 0, summed / np.maximum(total, 1e-300), np.inf), np.float64)


def confident_classes(probabilities: Floats, limits: Floats) -> Numbers:
    """Return each cell's likeliest class among those whose threshold it reaches; :data:`NOBODY` where it reaches none.

    Examples
    --------
    >>> confident_classes(np.array([[0.4, 0.6], [0.5, 0.5], [0.9, 0.1]]), np.array([0.8, 0.55])).tolist()
    [1, -1, 0]
    """
    reached = np.where(probabilities >= limits - _SAME, probabilities, -1.0)
    best = reached.argmax(axis=1)
    return np.where(reached.max(axis=1) >= 0, best, NOBODY)


def confident_joint(labels: Numbers, confident: Numbers, classes: int, weights: Floats | None = None) -> Floats:
    """Count cells by given label (row) and confident class (column), shape ``(C, C)``."""
    sure = confident != NOBODY
    counted = np.ones(len(labels)) if weights is None else weights
    flat = np.bincount(labels[sure] * classes + confident[sure], counted[sure], classes**2)
    return np.asarray(flat, np.float64).reshape(classes, classes)


def joint(counts: Floats, given: Floats) -> Floats:
    """Return the estimated share of cells by given (row) and true class (column), shape ``(C, C)``, summing to one.

    Parameters
    ----------
    counts
        From :func:`confident_joint`.
    given
        How many cells bear each label, shape ``(C,)``: every row is scaled to it. A label none of whose cells is
        confident is taken as right.
    """
    rows = counts.sum(axis=1)
    shares = np.where(rows[:, None] > 0, counts / np.maximum(rows, 1e-300)[:, None], np.eye(len(given)))
    scaled = shares * given[:, None]
    found: Floats = scaled / scaled.sum()
    return found


def estimate_joint(probabilities: Floats, labels: Numbers, weights: Floats | None = None) -> Floats:
    """Return :func:`joint` straight from probabilities and labels."""
    classes = probabilities.shape[1]
    confident = confident_classes(probabilities, thresholds(probabilities, labels, weights))
    given = np.bincount(labels, np.ones(len(labels)) if weights is None else weights, classes)
    return joint(confident_joint(labels, confident, classes, weights), np.asarray(given, np.float64))


def wrong_shares(found: Floats) -> Floats:
    """Return from a joint the share of wrong labels in all, then among those of each class, shape ``(1 + C,)``."""
    right, given = np.diagonal(found), found.sum(axis=1)
    by_class = np.where(given > 0, 1 - right / np.maximum(given, 1e-300), np.nan)
    return np.concatenate([[1 - right.sum()], by_class])
