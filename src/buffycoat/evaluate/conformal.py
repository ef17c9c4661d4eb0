"""Prediction sets that hold the true class as often as promised, class by class.

Sources: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World (2005), label-conditional conformal
prediction; Sadinle, Lei and Wasserman, J. Am. Stat. Assoc. 114 (2019) 223 (the score one minus probability); Dunn,
Wasserman and Ramdas, J. Am. Stat. Assoc. 118 (2023) 2491 (rows that come in groups).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from buffycoat.evaluate.held_out import worth

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


def class_thresholds(
    probabilities: ArrayLike, labels: ArrayLike, level: float = LEVEL, groups: ArrayLike | None = None
) -> Floats:
    """Return for each class the largest 1 − p at which it still belongs into a set.

    Parameters
    ----------
    probabilities
        Shape ``(n, C)``, of rows that the model was not trained on.
    labels
        Shape ``(n,)``: class numbers from 0.
    level
        Share of each class's cells whose set shall hold the class, at least, on average over such samples of rows.
    groups
        Shape ``(n,)``: rows with the same number are photographs of one cell, or hang together otherwise; each counts
        as a part of one. By default every row counts as one.

    Returns
    -------
    NDArray
        Shape ``(C,)``: the ⌈(m + 1) · level⌉-th smallest score of the class's m rows; :data:`ALWAYS` where m is too
        small for that. Of m groups, the smallest score that rows worth (m + 1) · level groups do not exceed.
    """
    odds, true = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    units = np.arange(len(true)) if groups is None else np.asarray(groups)
    thresholds = np.full(odds.shape[1], ALWAYS)
    for place in range(odds.shape[1]):
        of = np.flatnonzero(true == place)
        order = np.argsort(1 - odds[of, place], kind="stable")
        reached = np.cumsum(worth(units[of])[order])
        enough = np.flatnonzero(reached >= (len(np.unique(units[of])) + 1) * level - 1e-9)
        if len(enough):
            thresholds[place] = 1 - odds[of[order[enough[0]]], place]
    return thresholds


def levels_of(rows: NDArray[np.int64], level: float = LEVEL) -> Floats:
    """Return the quantile that each class's threshold is among its `rows` rows, on average over samples of them."""
    rank = np.ceil((rows + 1) * level - 1e-9)
    found: Floats = np.where(rank <= rows, rank / (rows + 1), 1.0)
    return found


def threshold_draws(
    probabilities: ArrayLike, labels: ArrayLike, groups: ArrayLike, levels: Floats, *, draws: int, seed: int
) -> Floats:
    """Return the thresholds that other samples of such rows would have set, shape ``(draws, C)``.

    The share of a class's cells below its threshold is beta distributed, whatever the scores are like; where that share
    lies among the scores at hand is read off them. Beyond the largest score nothing is known: thresholds there are
    spread as far again as the largest lies from the next.

    Parameters
    ----------
    probabilities, labels
        Of the rows that set the thresholds.
    groups
        Shape ``(n,)``: a class's independent units.
    levels
        Shape ``(C,)``, from :func:`levels_of`.
    """
    odds, true = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    generator = np.random.default_rng(seed)
    found = np.full((draws, odds.shape[1]), ALWAYS)
    for place, quantile in enumerate(levels):
        of = true == place
        units = len(np.unique(np.asarray(groups)[of]))
        if quantile >= 1 or not units:
            continue
        shares = generator.beta(quantile * (units + 1), (1 - quantile) * (units + 1), draws)
        scores = np.sort(np.append(1 - odds[of, place], 0.0))
        scores = np.append(scores, min(2 * scores[-1] - scores[-2], ALWAYS))
        found[:, place] = np.interp(shares, np.linspace(0, 1, len(scores)), scores)
    return found


def prediction_sets(probabilities: ArrayLike, thresholds: ArrayLike) -> NDArray[np.bool_]:
    """Return which classes are in each row's set, bool ``(n, C)``; a set may be empty: nothing seen was like it."""
    sets: NDArray[np.bool_] = 1 - np.asarray(probabilities, dtype=np.float64) <= np.asarray(thresholds)
    return sets
