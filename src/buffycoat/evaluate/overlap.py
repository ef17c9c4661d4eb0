"""Two models over repeated cross-validation, whose folds overlap and so are not independent.

Sources: Nadeau and Bengio, Mach. Learn. 52 (2003) 239 (the corrected resampled t-test); Bouckaert and Frank, PAKDD
2004 (over repeated cross-validation).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from buffycoat.evaluate.held_out import HeldOut
from buffycoat.evaluate.intervals import LEVEL

METHOD = "corrected resampled t-test (Nadeau–Bengio)"


@dataclass(frozen=True)
class Resampled:
    """What the test found."""

    statistic: float
    degrees: int
    p_value: float
    low: float
    high: float


def corrected_t_test(differences: ArrayLike, test_to_train: float, level: float = LEVEL) -> Resampled | None:
    """Test whether the mean of differences by fold is nought.

    Parameters
    ----------
    differences
        Shape ``(J,)``: the difference of two models in each fold of each repeat.
    test_to_train
        Held-out rows of a fold over its training rows: how much the variance is raised above 1/J, since training
        sets share rows.

    Returns
    -------
    Resampled | None
        None for fewer than two folds, or where all differences are equal but for rounding.

    Examples
    --------
    >>> found = corrected_t_test([0.02, 0.05, 0.01, 0.04, 0.03], 1 / 4)
    >>> round(found.statistic, 3), round(found.p_value, 3)
    (2.828, 0.047)
    """
    apart = np.asarray(differences, dtype=np.float64)
    count = len(apart)
    if count < 2 or np.ptp(apart) < 1e-12:
        return None
    error = float(np.sqrt((1 / count + test_to_train) * apart.var(ddof=1)))
    mean, degrees = float(apart.mean()), count - 1
    reach = -float(stdtrit(degrees, (1 - level) / 2)) * error
    return Resampled(
        statistic=mean / error,
        degrees=degrees,
        p_value=2 * float(stdtr(degrees, -abs(mean / error))),
        low=mean - reach,
        high=mean + reach,
    )


def by_fold(
    first: HeldOut, second: HeldOut, training: Mapping[tuple[int, int], int] | None = None
) -> tuple[NDArray[np.float64], float | None]:
    """Return the difference in accuracy by repeat and fold, and held-out over training rows, averaged.

    Parameters
    ----------
    first, second
        The same rows in the same order.
    training
        Rows that were trained on, by (repeat, fold), inner validation rows not among them. Without it they are taken to
        be those of the repeat that are not held out; the ratio is None where there are none: a hold-out does not say.
    """
    keys = np.stack([first.repeat, first.fold], axis=1)
    names, number = np.unique(keys, axis=0, return_inverse=True)
    rows = np.bincount(number)
    lead = np.bincount(number, weights=first.right.astype(float) - second.right.astype(float)) / rows
    in_repeat = {int(repeat): int(rows[names[:, 0] == repeat].sum()) for repeat in np.unique(names[:, 0])}
    ratios = []
    for held, (repeat, fold) in zip(rows.tolist(), names.tolist(), strict=True):
        trained = in_repeat[repeat] - held if training is None else training.get((repeat, fold), 0)
        if not trained:
            return lead, None
        ratios.append(held / trained)
    return lead, float(np.mean(ratios))
