"""Estimates of the share of wrong labels, with limits.

A class's estimate is a plain share: of its cells that are confident of any class, those confident of another one. So it
gets exact limits, at the effective number of cells where they come in groups; all classes' together get theirs from
these. A bootstrap's hold the truth of small classes in 0.60 to 0.87 of simulated sets: resampling a class in which no
label looks wrong never draws one that does.
"""

from __future__ import annotations

import numpy as np

from buffycoat.evaluate.intervals import LEVEL, effective_number, interval, mid_p, mover_mean
from buffycoat.evaluate.shares import Flags, group_sums, share_of
from buffycoat.labels.confident import NOBODY, Floats, Numbers, wrong_shares
from buffycoat.records.documents import Estimate

METHOD = (
    "confident learning on out-of-fold probabilities; exact binomial among each class's confident cells (at the "
    "effective number of cells where they come in groups); for all, MOVER from the classes' mid-P limits"
)


def wrong_estimates(joint: Floats, labels: Numbers, confident: Numbers, groups: Numbers) -> tuple[Estimate, ...]:
    """Return the estimated share of wrong labels in all, then among those of each class.

    Parameters
    ----------
    joint
        From :func:`~buffycoat.labels.confident.joint`.
    labels, confident, groups
        Shape ``(n,)``.
    """
    shares = wrong_shares(joint)
    given = joint.sum(axis=1)
    occurs = given > 0
    values = np.maximum(shares[1:], 0.0)  # rounding leaves shares of nothing a hair below it
    suspected, sure = confident != labels, confident != NOBODY
    by_class = [
        Estimate(
            value=float(values[place]) if occurs[place] else None,
            interval=share_of(suspected, groups, sure & (labels == place)).interval,
        )
        for place in range(len(joint))
    ]
    ends = np.array(
        [_mid_p(float(values[place]), groups, suspected, sure & (labels == place)) for place in range(len(joint))]
    )
    low, high = mover_mean(values[occurs], ends[occurs, 0], ends[occurs, 1], weights=given[occurs])
    in_all = interval(max(low, 0.0), min(high, 1.0), LEVEL, METHOD)
    return (Estimate(value=max(float(shares[0]), 0.0), interval=in_all), *by_class)


def _mid_p(share: float, groups: Numbers, suspected: Flags, of: Flags) -> tuple[float, float]:
    """Return the mid-P limits of a class's share; where nothing can be said, all that a share can be."""
    counts = group_sums(np.stack([suspected[of], np.ones(int(of.sum()))], axis=1), groups[of])
    number = effective_number(counts[:, 0], counts[:, 1])
    if not np.isfinite(number):
        return 0.0, 1.0
    low, high = mid_p(share * number, number)
    return float(low), float(high)
