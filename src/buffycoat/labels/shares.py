"""Estimates of the share of wrong labels, with limits.

A class's estimate is a plain share: of its cells that are confident of any class, those confident of another one. So it
gets exact limits, at the effective number of cells where they come in groups; all classes' together get theirs from
these. A bootstrap's hold the truth of small classes in 0.60 to 0.87 of simulated sets: resampling a class in which no
label looks wrong never draws one that does.
"""

from __future__ import annotations

import numpy as np

from buffycoat.evaluate.intervals import LEVEL, interval, mover_mean
from buffycoat.evaluate.shares import share_of
from buffycoat.labels.confident import NOBODY, Floats, Numbers, wrong_shares
from buffycoat.records.documents import Estimate, Interval

METHOD = (
    "confident learning on out-of-fold probabilities; exact binomial among each class's confident cells (at the "
    "effective number of cells where they come in groups); for all, MOVER from the classes' limits"
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
    sure = confident != NOBODY
    by_class = [share_of(confident != labels, groups, sure & (labels == place)).interval for place in range(len(joint))]
    given = joint.sum(axis=1)
    occurs = given > 0
    # Rounding leaves shares of nothing a hair below it.
    values = np.maximum(shares[1:], 0.0)
    ends = np.array([_ends(limits) for limits in by_class])
    low, high = mover_mean(values[occurs], ends[occurs, 0], ends[occurs, 1], weights=given[occurs])
    in_all = interval(max(low, 0.0), min(high, 1.0), LEVEL, METHOD)
    return (
        Estimate(value=max(float(shares[0]), 0.0), interval=in_all),
        *(
            Estimate(value=float(value) if there else None, interval=limits)
            for value, there, limits in zip(values, occurs, by_class, strict=True)
        ),
    )


def _ends(limits: Interval) -> tuple[float, float]:
    """Return the limits; without any, all that a share can be."""
    return 0.0 if limits.low is None else limits.low, 1.0 if limits.high is None else limits.high
