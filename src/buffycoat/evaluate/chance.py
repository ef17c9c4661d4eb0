"""What the choice of a threshold adds to the uncertainty of a figure that is counted with it.

Thresholds come from few rows: another such set would have set others. The share of cells whose set holds the true class
hardly moves with them, for that is what they are set by; how many classes a set names, and how many cells are answered,
does. On sets like the 410-image one, limits that count only the cells hold the mean size of a set in 0.28 to 0.44.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from buffycoat.evaluate.abstention import choose_threshold
from buffycoat.evaluate.conformal import levels_of, prediction_sets, threshold_draws
from buffycoat.evaluate.held_out import HeldOut
from buffycoat.evaluate.intervals import LEVEL, interval
from buffycoat.evaluate.shares import group_sums
from buffycoat.records.documents import Interval

Floats = NDArray[np.float64]

DRAWS = 300
THRESHOLD = "the chance of the threshold"
THRESHOLDS = "the chance of the thresholds"
"""What limits that count it say that they include."""


def setters(held: HeldOut, inner: HeldOut) -> tuple[HeldOut, NDArray[np.int64]]:
    """Return the rows of one repeat that set thresholds, and how many of each class set each fold's, ``(folds, C)``."""
    once = held.take(held.repeat == held.repeat.min())
    folds = np.unique(once.fold)
    if len(folds) < 2:
        rows = inner.take(inner.repeat == held.repeat.min())
        return rows, np.bincount(rows.true, minlength=held.classes)[np.newaxis]
    others = [np.bincount(once.true[once.fold != fold], minlength=held.classes) for fold in folds]
    return once, np.stack(others).astype(np.int64)


def set_draws(held: HeldOut, inner: HeldOut, level: float, *, seed: int) -> NDArray[np.int64]:
    """Return how many classes every row's set would name under other thresholds, shape ``(draws, n)``.

    Parameters
    ----------
    held, inner
        Held-out and inner validation rows, at their fold's temperature.
    """
    rows, counts = setters(held, inner)
    thresholds = threshold_draws(
        rows.odds, rows.true, rows.group, levels_of(counts, level).mean(axis=0), draws=DRAWS, seed=seed
    )
    return np.stack([prediction_sets(held.odds, one).sum(axis=1) for one in thresholds])


def size_interval(size: NDArray[np.int64], held: HeldOut, drawn: NDArray[np.int64], level: float) -> Interval:
    """Return the limits of the mean number of classes in a set: normal on the scale of logarithms.

    Sets that hold the true class for a share of the cells name at least as many classes: below `level` no limit makes
    sense.
    """
    mean = float(size.mean())
    method = "normal on the scale of logarithms, the chance of the cells and of the thresholds together"
    sums = group_sums((size - mean)[:, np.newaxis].astype(np.float64), held.group)[:, 0]
    if len(sums) < 2 or mean == 0:
        return interval(np.nan, np.nan, LEVEL, method)
    cells = float((sums**2).sum()) * len(sums) / (len(sums) - 1) / len(size) ** 2
    reach = float(ndtri((1 + LEVEL) / 2)) * float(np.sqrt(cells + drawn.mean(axis=1).var())) / mean
    low, high = mean * float(np.exp(-reach)), mean * float(np.exp(reach))
    return interval(max(low, min(level, mean)), min(high, held.classes), LEVEL, method)


def answered_variance(
    sure: Floats, odds: Floats, labels: NDArray[np.int64], groups: NDArray[np.int64], error_rate: float, *, seed: int
) -> float:
    """Return how the share of cells answered varies with the threshold, over resamples of the rows that set it.

    Parameters
    ----------
    sure
        Shape ``(n,)``: the largest probability of each cell that may be answered.
    odds, labels, groups
        Of the rows that set the threshold, resampled by group.
    """
    names, number = np.unique(groups, return_inverse=True)
    generator = np.random.default_rng(seed)
    shares = []
    for _ in range(DRAWS):
        times = generator.multinomial(len(names), np.full(len(names), 1 / len(names)))[number]
        taken = np.repeat(np.arange(len(number)), times)
        # A group drawn twice is two groups: each of its rows carries the number of its turn.
        turn = np.arange(len(taken)) - np.repeat(np.cumsum(times) - times, times)
        units = number[taken] + turn * len(names)
        shares.append(float(np.mean(sure >= choose_threshold(odds[taken], labels[taken], error_rate, units))))
    return float(np.var(shares))
