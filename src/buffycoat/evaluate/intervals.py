"""Confidence intervals: exact for shares of cells, MOVER for means of shares, a cluster bootstrap for all else.

Where cells come in groups, the exact limits are those at the effective number of cells.

Sources: Clopper and Pearson, Biometrika 26 (1934) 404; Korn and Graubard, Surv. Methodol. 24 (1998) 193 (the effective
number); Efron, J. Am. Stat. Assoc. 82 (1987) 171 (BCa); Zou and Donner, Stat. Med. 27 (2008) 1693 (MOVER: limits of a
mean from the limits of its parts). How often each holds the truth: ``tests/evaluate/test_coverage.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, ndtr, ndtri, stdtrit

from buffycoat.records.documents import Interval

LEVEL = 0.95
EXACT = "exact binomial (Clopper–Pearson)"

_DRAWS_AT_ONCE = 4_000_000  # 32 MB of drawn counts
_SAME = 1e-12

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]


def clopper_pearson(right: ArrayLike, n: ArrayLike, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Return the exact limits of a binomial share; NaN where `n` is 0. Effective numbers need not be whole.

    Examples
    --------
    >>> low, high = clopper_pearson(32, 35)
    >>> f"{low:.3f} to {high:.3f}"
    '0.769 to 0.982'
    """
    hits, total = np.broadcast_arrays(np.asarray(right, dtype=np.float64), np.asarray(n, dtype=np.float64))
    tail = (1 - level) / 2
    # Outside 0 < hits < n a parameter is 0; the limit there is known and the placeholder 1 is never used.
    low = np.where(hits > 0, betaincinv(np.where(hits > 0, hits, 1), total - hits + 1, tail), 0.0)
    high = np.where(hits < total, betaincinv(hits + 1, np.where(hits < total, total - hits, 1), 1 - tail), 1.0)
    undefined = total <= 0
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)


def exact_interval(right: int, n: int, level: float = LEVEL) -> Interval:
    """Return the Clopper–Pearson interval of `right` out of `n` independent cells."""
    low, high = clopper_pearson(right, n, level)
    return interval(float(low), float(high), level, EXACT)


def effective_number(right: ArrayLike, size: ArrayLike, level: float = LEVEL) -> float:
    """Return how many independent cells would tell as much about a share as these groups of cells.

    Parameters
    ----------
    right, size
        Shape ``(groups,)``: cells counted and all cells of each group, every size above 0.
    level
        Of the interval to be made: few groups are fewer still, since their spread is itself uncertain.

    Returns
    -------
    float
        p (1 − p) / variance, the variance of the share being that between groups, and at most the number of cells;
        the number of groups where every group has the same share. NaN for fewer than two groups.
    """
    hits, cells = np.asarray(right, dtype=np.float64), np.asarray(size, dtype=np.float64)
    groups, total = len(cells), float(cells.sum())
    if groups < 2:
        return float("nan")
    mean = float(hits.sum()) / total
    spread = float(((hits - mean * cells) ** 2).sum()) * groups / (groups - 1) / total**2
    if spread <= _SAME or not 0 < mean < 1:
        return float(groups)
    tail = (1 - level) / 2
    fewer = float(stdtrit(total - 1, tail) / stdtrit(groups - 1, tail)) ** 2
    return min(total, mean * (1 - mean) / spread * fewer)


def clustered_interval(right: ArrayLike, size: ArrayLike, level: float = LEVEL) -> Interval:
    """Return the limits of a share of cells that come in groups: exact binomial at the effective number of cells.

    By simulation (``benchmarks/coverage.py``) it holds the truth in 0.92 to 0.99 of the sets, the cluster bootstrap in
    0.88 to 0.99 of the same ones: with few groups, or shares near 1, resampling finds too little spread.
    """
    hits, cells = np.asarray(right, dtype=np.float64), np.asarray(size, dtype=np.float64)
    hits, cells = hits[cells > 0], cells[cells > 0]
    number = effective_number(hits, cells, level)
    if not np.isfinite(number):
        return Interval(low=None, high=None, level=level, method="undefined: one group of cells")
    low, high = clopper_pearson(number * float(hits.sum()) / float(cells.sum()), number, level)
    method = f"{EXACT} at the effective number of cells ({len(cells)} groups: {number:.3g}; Korn–Graubard)"
    return interval(float(low), float(high), level, method)


def interval(low: float, high: float, level: float, method: str) -> Interval:
    """Return an interval document; limits that are not finite are undefined."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return Interval(low=None, high=None, level=level, method=f"undefined ({method})")
    return Interval(low=low, high=high, level=level, method=method)


def mover_mean(values: Floats, low: Floats, high: Floats) -> tuple[float, float]:
    """Return limits for the mean of independent estimates, each with its own limits (MOVER)."""
    count = len(values)
    mean = float(values.mean())
    return (
        mean - float(np.sqrt(np.sum((values - low) ** 2))) / count,
        mean + float(np.sqrt(np.sum((high - values) ** 2))) / count,
    )


class GroupBootstrap:
    """Resampling of whole groups.

    A group's part in any figure is its row of counts. Groups with the same row are interchangeable, so drawing
    groups is drawing how often each distinct row occurs: one multinomial draw per replicate, small whatever the
    number of groups.

    Parameters
    ----------
    counts
        Shape ``(groups, columns)``: what each group adds to each count or sum.
    replicates
        Number of resamples.
    seed
        The same seed and the same groups, in any order, give the same replicates.
    level
        Confidence level.
    """

    def __init__(self, counts: NDArray[np.int64] | Floats, *, replicates: int, seed: int, level: float = LEVEL) -> None:
        self.level = level
        self.groups = len(counts)
        rows, self._times = np.unique(counts, axis=0, return_counts=True)
        self._rows = rows.astype(np.float64)
        self._total = self._times @ self._rows
        generator = np.random.default_rng(seed)
        at_once = max(1, _DRAWS_AT_ONCE // len(rows))
        self._resampled = np.concatenate(
            [
                generator.multinomial(self.groups, self._times / self.groups, size=min(at_once, replicates - done))
                @ self._rows
                for done in range(0, replicates, at_once)
            ]
        )
        self._named = f"cluster bootstrap over {self.groups} groups, {{}}, {replicates} replicates, seed {seed}"

    def interval(self, statistic: Statistic) -> Interval | None:
        """Return the limits of a figure, or None where resampling cannot tell.

        Parameters
        ----------
        statistic
            From summed counts, shape ``(…, columns)``, to the figure, shape ``(…)``; NaN where undefined.

        Returns
        -------
        Interval | None
            Bias-corrected and accelerated (BCa) limits; plain percentiles where leaving out one group makes the
            figure undefined. None where the figure is undefined, is so in more than a tenth of the replicates, or
            is the same in all of them (then the resamples say nothing of its uncertainty).
        """
        value = float(statistic(self._total[np.newaxis])[0])
        found = statistic(self._resampled)
        defined = found[np.isfinite(found)]
        if not np.isfinite(value) or len(defined) < 0.9 * len(found) or np.ptp(defined) < _SAME:
            return None
        tails = np.array([(1 - self.level) / 2, (1 + self.level) / 2])
        left_out = statistic(self._total - self._rows)
        corrected = _bca(tails, value, defined, left_out, self._times)
        low, high = np.quantile(defined, tails if corrected is None else corrected)
        method = self._named.format("percentile" if corrected is None else "BCa")
        return interval(float(low), float(high), self.level, method)


def _bca(tails: Floats, value: float, found: Floats, left_out: Floats, times: NDArray[np.int64]) -> Floats | None:
    """Return the BCa levels that take the place of the tails, or None where they are undefined."""
    if not np.all(np.isfinite(left_out)):
        return None
    below = (np.sum(found < value - _SAME) + 0.5 * np.sum(np.abs(found - value) <= _SAME)) / len(found)
    if not 0 < below < 1:
        return None
    apart = np.average(left_out, weights=times) - left_out
    spread = float(times @ apart**2)
    acceleration = float(times @ apart**3) / (6 * spread**1.5) if spread > 0 else 0.0
    bias = ndtri(below)
    shifted = bias + ndtri(tails)
    stretch = 1 - acceleration * shifted
    if not np.all(stretch > 0):  # beyond the correction's reach: a handful of very unlike groups
        return None
    levels: Floats = ndtr(bias + shifted / stretch)
    return levels
