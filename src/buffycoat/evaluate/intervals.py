"""Confidence intervals: exact for shares of cells, MOVER for means of shares, a cluster bootstrap for all else.

Where cells come in groups, the exact limits are those at the effective number of cells.

Sources: Clopper and Pearson, Biometrika 26 (1934) 404; Lancaster, J. Am. Stat. Assoc. 56 (1961) 223 (mid-P); Korn and
Graubard, Surv. Methodol. 24 (1998) 193 (the effective number); Efron, J. Am. Stat. Assoc. 82 (1987) 171 (BCa); Zou and
Donner, Stat. Med. 27 (2008) 1693, and Zou, Psychol. Methods 12 (2007) 399 (MOVER: limits of a mean from the limits of
its parts, and of parts that go together); Bonett and Price, J. Educ. Behav. Stat. 37 (2012) 479 (paired difference).
How often each holds the truth: ``tests/evaluate/test_coverage.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincinv, ndtr, ndtri, stdtrit

from buffycoat.records.documents import Interval

LEVEL = 0.95
EXACT = "exact binomial (Clopper–Pearson)"
PAIRED = "paired difference of shares (Bonett–Price)"

_DRAWS_AT_ONCE = 4_000_000  # 32 MB of drawn counts
_SAME = 1e-12
_HALVINGS = 50

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


def mid_p(right: ArrayLike, n: ArrayLike, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Return the mid-P limits of a binomial share, `n` above 0: right on average, where exact ones are never short.

    They stand for the parts of a mean: what exact limits of each part have too much would add up there.

    Examples
    --------
    >>> low, high = mid_p(32, 35)
    >>> f"{low:.3f} to {high:.3f}"
    '0.784 to 0.978'
    """
    hits, total = np.broadcast_arrays(np.asarray(right, dtype=np.float64), np.asarray(n, dtype=np.float64))
    some, not_all = hits > _SAME, hits < total - _SAME
    counted, left = np.where(some, hits, 1), np.where(not_all, total - hits, 1)

    def reached(chance: Floats) -> Floats:
        """Return P(X > hits) + P(X = hits) / 2."""
        at_least = np.where(some, betainc(counted, total - hits + 1, chance), 1.0)
        more = np.where(not_all, betainc(hits + 1, left, chance), 0.0)
        return np.asarray((at_least + more) / 2)

    tail = (1 - level) / 2
    tails = np.array([tail, 1 - tail]).reshape(2, *[1] * hits.ndim)  # both limits are sought at once
    low, high = np.zeros((2, *hits.shape)), np.ones((2, *hits.shape))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = reached(middle) < tails
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    found = (low + high) / 2
    return np.where(some, found[0], 0.0), np.where(not_all, found[1], 1.0)


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
        the number of groups where every group has the same share, or one cell. NaN for fewer than two groups.
    """
    hits, cells = np.asarray(right, dtype=np.float64), np.asarray(size, dtype=np.float64)
    groups, total = len(cells), float(cells.sum())
    if groups < 2:
        return float("nan")
    if total == groups:
        return total
    mean = float(hits.sum()) / total
    spread = float(((hits - mean * cells) ** 2).sum()) * groups / (groups - 1) / total**2
    if spread <= _SAME or not 0 < mean < 1:
        return float(groups)
    return min(total, mean * (1 - mean) / spread * fewer(total, groups, level))


def fewer(total: float, groups: int, level: float = LEVEL) -> float:
    """Return by what factor few groups tell less than their spread says, since that spread is itself uncertain.

    Student's t at the number of cells over Student's t at the number of groups, squared (Korn and Graubard).
    """
    tail = (1 - level) / 2
    return float(stdtrit(total - 1, tail) / stdtrit(groups - 1, tail)) ** 2


def clustered_interval(
    right: ArrayLike, size: ArrayLike, level: float = LEVEL, *, besides: float = 0.0, of: str = ""
) -> Interval:
    """Return the limits of a share of cells that come in groups: exact binomial at the effective number of cells.

    Parameters
    ----------
    right, size
        As in :func:`effective_number`.
    besides
        Variance of the share that comes from elsewhere than the choice of these cells.
    of
        What it comes from, in words.

    By simulation (``benchmarks/coverage.py``) it holds the truth in 0.92 to 0.99 of the sets, the cluster bootstrap in
    0.88 to 0.99 of the same ones: with few groups, or shares near 1, resampling finds too little spread.
    """
    hits, cells = np.asarray(right, dtype=np.float64), np.asarray(size, dtype=np.float64)
    hits, cells = hits[cells > 0], cells[cells > 0]
    number = effective_number(hits, cells, level)
    if not np.isfinite(number):
        return Interval(low=None, high=None, level=level, method="undefined: one group of cells")
    total, counted = float(cells.sum()), float(hits.sum())
    if besides > 0:
        near = (counted + 0.5) / (total + 1)  # a share of 0 or 1 would have no variance to add to
        number = near * (1 - near) / (near * (1 - near) / number + besides)
    low, high = clopper_pearson(number * counted / total, number, level)
    method = f"{EXACT} at the effective number of cells ({len(cells)} groups: {number:.3g}; Korn–Graubard)"
    method += f", {of} included" if besides > 0 else ""
    return interval(float(low), float(high), level, method)


def interval(low: float, high: float, level: float, method: str) -> Interval:
    """Return an interval document; limits that are not finite are undefined."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return Interval(low=None, high=None, level=level, method=f"undefined ({method})")
    return Interval(low=low, high=high, level=level, method=method)


def mover_mean(
    values: Floats,
    low: Floats,
    high: Floats,
    *,
    weights: Floats | None = None,
    correlation: Floats | None = None,
) -> tuple[float, float]:
    """Return limits for the mean of estimates, each with its own limits (MOVER).

    Parameters
    ----------
    values, low, high
        Shape ``(k,)``.
    weights
        Shape ``(k,)``, summing to one; equal by default.
    correlation
        Shape ``(k, k)``, of the estimates; they are independent by default.
    """
    share = np.full(len(values), 1 / len(values)) if weights is None else weights
    together = np.eye(len(values)) if correlation is None else correlation
    mean = float(share @ values)
    below, above = share * (values - low), share * (high - values)
    reach = [float(np.sqrt(np.maximum(side @ together @ side, 0.0))) for side in (below, above)]
    return mean - reach[0], mean + reach[1]


def paired_limits(first_only: float, second_only: float, n: float, level: float = LEVEL) -> tuple[float, float]:
    """Return limits of the difference between two shares of the same `n` cells (Bonett and Price).

    Parameters
    ----------
    first_only, second_only
        Cells that only one of the two counts; effective numbers need not be whole.

    Examples
    --------
    >>> low, high = paired_limits(8, 2, 100)
    >>> f"{low:.3f} to {high:.3f}"
    '-0.007 to 0.124'
    """
    ahead, behind = (first_only + 1) / (n + 2), (second_only + 1) / (n + 2)
    apart = ahead - behind
    reach = float(ndtri((1 + level) / 2)) * float(np.sqrt((ahead + behind - apart**2) / (n + 2)))
    return max(apart - reach, -1.0), min(apart + reach, 1.0)


def correlation_of_shares(right: Floats, size: Floats) -> Floats:
    """Return how shares go together that are counted in the same groups, shape ``(k, k)``.

    Parameters
    ----------
    right, size
        Shape ``(groups, k)``: what each group adds to each share's numerator and denominator.
    """
    shares = right.sum(axis=0) / size.sum(axis=0)
    apart = right - shares * size
    together = apart.T @ apart
    spread = np.sqrt(np.diagonal(together))
    product = np.outer(spread, spread)
    found: Floats = np.divide(together, product, out=np.zeros_like(product), where=product > _SAME)
    np.fill_diagonal(found, 1.0)
    return found


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
