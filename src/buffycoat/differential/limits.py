"""Shares of a count with their exact limits, in percent and in cells per litre.

Source: Clopper and Pearson, Biometrika 26 (1934) 404. These are the limits that laboratories know from the tables
called Rümke's. They cover the chance of counting so few cells of so many, and nothing else.
"""

from __future__ import annotations

from buffycoat.evaluate.intervals import EXACT, exact_interval, interval
from buffycoat.records.documents import Estimate, Interval

LEVEL = 0.95
NOT_ASSESSED = "not assessed: the classifier does not know this type"


def percent(count: int, denominator: int, level: float = LEVEL) -> Estimate:
    """Return `count` of `denominator` cells in percent; undefined where the denominator is 0.

    Examples
    --------
    >>> limits = percent(5, 100).interval
    >>> f"{limits.low:.1f} to {limits.high:.1f}"
    '1.6 to 11.3'
    """
    value = 100 * count / denominator if denominator else None
    return Estimate(
        value=value,
        interval=scaled(exact_interval(count, denominator, level), 100),
        numerator=count,
        denominator=denominator,
    )


def not_assessed(level: float = LEVEL) -> Estimate:
    """Return the share of a type that could not have been found."""
    return Estimate(value=None, interval=Interval(low=None, high=None, level=level, method=NOT_ASSESSED))


def absolute(share: Estimate, wbc: float) -> Estimate:
    """Return cells of a type, 10⁹/L, from its percentage and the leukocyte count, which is taken as exact."""
    limits = share.interval
    method = f"{limits.method}, times the leukocyte count taken as exact"
    if share.value is None or limits.low is None or limits.high is None:
        return Estimate(value=None, interval=Interval(low=None, high=None, level=limits.level, method=limits.method))
    return Estimate(
        value=share.value * wbc / 100,
        interval=interval(limits.low * wbc / 100, limits.high * wbc / 100, limits.level, method),
    )


def scaled(limits: Interval, factor: float) -> Interval:
    """Return an interval with both limits multiplied."""
    if limits.low is None or limits.high is None:
        return limits
    return Interval(low=limits.low * factor, high=limits.high * factor, level=limits.level, method=limits.method)


__all__ = ["EXACT", "LEVEL", "absolute", "not_assessed", "percent", "scaled"]
