"""Prediction sets that hold the true class as often as promised, class by class.

Sources: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World (2005), label-conditional conformal
prediction; Sadinle, Lei and Wasserman, J. Am. Stat. Assoc. 114 (2019) 223 (the score one minus probability).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

LEVEL = 0.90
ALWAYS = 1.0
"""Threshold of a class with too few rows to set one by: its score 1 − p never exceeds it, so every set has it."""


def fewest_rows(level: float = LEVEL) -> int:
    """Return how many rows of a class it takes to promise this level without always naming the class.

    Examples
    --------
    >>> fewest_rows(0.90), fewest_rows(0.95)
    (9, 19)
    """
    return int(np.ceil(level / (1 - level) - 1e-9))


def class_thresholds(probabilities: ArrayLike, labels: ArrayLike, level: float = LEVEL) -> Floats:
    """Return for each class the largest 1 − p at which it still belongs into a set.

    Parameters
    ----------
    probabilities
        Shape ``(n, C)``, of rows that the model was not trained on.
    labels
        Shape ``(n,)``: class numbers from 0.
    level
        Share of each class's cells whose set shall hold the class, at least, on average over such samples of rows.

    Returns
    -------
    NDArray
        Shape ``(C,)``: the ⌈(m + 1) · level⌉-th smallest score of the class's m rows; :data:`ALWAYS` where m is too
        small for that.
    """
    odds, true = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    thresholds = np.full(odds.shape[1], ALWAYS)
    for place in range(odds.shape[1]):
        scores = np.sort(1 - odds[true == place, place])
        rank = int(np.ceil((len(scores) + 1) * level - 1e-9))
        if rank <= len(scores):
            thresholds[place] = scores[rank - 1]
    return thresholds


def prediction_sets(probabilities: ArrayLike, thresholds: ArrayLike) -> NDArray[np.bool_]:
    """Return which classes are in each row's set, bool ``(n, C)``; a set may be empty: nothing seen was like it."""
    sets: NDArray[np.bool_] = 1 - np.asarray(probabilities, dtype=np.float64) <= np.asarray(thresholds)
    return sets
