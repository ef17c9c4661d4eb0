"""Temperature and thresholds for a bundle, and how good its answers then are: from held-out predictions alone.

The thresholds that are stored come from all held-out cells. What they achieve is measured fold by fold with
thresholds set without that fold's cells, so that no figure is measured on the cells it was tuned on. The
temperature comes from inner validation rows only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from buffycoat.bundle.answer import rescale
from buffycoat.evaluate.abstention import choose_threshold
from buffycoat.evaluate.calibration import (
    brier,
    cautious_temperature,
    chance_calibration_error,
    expected_calibration_error,
    log_loss,
    log_of,
)
from buffycoat.evaluate.chance import THRESHOLD, answered_variance
from buffycoat.evaluate.conformal import class_thresholds, prediction_sets
from buffycoat.evaluate.shares import share_of
from buffycoat.evaluate.unlike import threshold_at
from buffycoat.records.card import CardExpectation, OperatingPoint, StatedRate
from buffycoat.records.documents import ModelResult

LEVELS = ("0.80", "0.90", "0.95")
"""Levels for which conformal thresholds are stored."""
RATES = ("0.02", "0.05", "0.10")
"""Error rates for which thresholds are stored besides the one that is kept."""
UNLIKE_KEPT = 0.99

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Asked:
    """What the fold networks said of cells they had not learned from, in one repeat of the study.

    Attributes
    ----------
    fold
        (n,), whose network was asked.
    test
        bool (n,): held out of the fold; the others are its inner validation rows.
    label, group
        (n,) numbers.
    probabilities
        (n, C), mean over the views, not calibrated.
    unlikeness
        (n,), mean over the views.
    """

    fold: Numbers
    test: NDArray[np.bool_]
    label: Numbers
    group: Numbers
    probabilities: Floats
    unlikeness: Floats

    def take(self, rows: NDArray[np.bool_]) -> Asked:
        """Return some of the rows."""
        return Asked(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class _Measured:
    """Held-out cells with probabilities and verdicts made without them."""

    held: Asked
    calibrated: Floats
    answered: dict[float, NDArray[np.bool_]]  # by stated error rate
    unlike: NDArray[np.bool_]
    sets: dict[str, NDArray[np.bool_]]


def operating_point(asked: Asked, result: ModelResult, *, error_rate: float, seed: int) -> OperatingPoint:
    """Return temperature, thresholds and what they achieve.

    Parameters
    ----------
    result
        Of the held-out cells, for accuracy and its intervals.
    error_rate
        Share of the answers that may be wrong: the uncertain are left unidentified until it is met.
    """
    temperature = _temperature(asked.take(~asked.test))
    measured = _measure(asked, (error_rate, *map(float, RATES)))
    held, calibrated = measured.held, measured.calibrated
    # With one fold there are no other held-out cells to set thresholds by, but the validation rows.
    pool = held if len(np.unique(held.fold)) > 1 else asked.take(~asked.test)
    odds = calibrated if pool is held else rescale(pool.probabilities, temperature)
    right = calibrated.argmax(1) == held.label
    truth = np.arange(len(held.label)), held.label

    def kept(rate: float) -> StatedRate:
        answered = measured.answered[rate]
        varies = answered_variance(calibrated.max(1), odds, pool.label, pool.group, rate, seed=seed)
        return StatedRate(
            certain_threshold=choose_threshold(odds, pool.label, rate, pool.group),
            unidentified=share_of(~answered, held.group, besides=varies, of=THRESHOLD),
            error_rate=share_of(~right, held.group, answered),
        )

    own = kept(error_rate)
    return OperatingPoint(
        temperature=temperature,
        error_rate=error_rate,
        certain_threshold=own.certain_threshold,
        conformal={level: _stored(class_thresholds(odds, pool.label, float(level), pool.group)) for level in LEVELS},
        unlike_threshold=threshold_at(pool.unlikeness, UNLIKE_KEPT),
        unlike_kept=UNLIKE_KEPT,
        accuracy=result.accuracy,
        balanced_accuracy=result.balanced_accuracy,
        ece=expected_calibration_error(calibrated, held.label),
        ece_before=expected_calibration_error(held.probabilities, held.label),
        ece_by_chance=chance_calibration_error(calibrated, groups=held.group, seed=seed),
        brier=brier(calibrated, held.label),
        log_loss=log_loss(calibrated, held.label),
        expected=CardExpectation(
            unidentified=own.unidentified,
            error_rate=own.error_rate,
            coverage={level: share_of(sets[truth], held.group) for level, sets in measured.sets.items()},
            set_size={level: float(sets.sum(1).mean()) for level, sets in measured.sets.items()},
            unlike=share_of(measured.unlike, held.group),
        ),
        other_rates={rate: kept(float(rate)) for rate in RATES},
    )


def stated_rate(result: ModelResult) -> float:
    """Return the error rate to keep where none is stated: three quarters of all answers' errors, in whole percent.

    A rate fixed for all networks is out of reach for some, which then answer nothing, and idle for others. A quarter
    fewer errors is had by withholding the few cells that are clearly doubtful.

    Examples
    --------
    An accuracy of 0.89 gives 0.09; one of 0.999 gives 0.01.
    """
    wrong = 1 - (result.accuracy.value or 0.0)
    return max(1, math.ceil(75 * wrong - 1e-9)) / 100


def _temperature(rows: Asked) -> float:
    return cautious_temperature(log_of(rows.probabilities), rows.label)


def _measure(asked: Asked, rates: Sequence[float]) -> _Measured:
    """Calibrate each fold's held-out cells, and judge them by thresholds, without any row of their groups."""
    held, inner = asked.take(asked.test), asked.take(~asked.test)
    folds = np.unique(held.fold).tolist()
    calibrated = np.zeros_like(held.probabilities)
    for fold in folds:
        own = held.fold == fold
        others = inner.take(~np.isin(inner.group, held.group[own]))
        calibrated[own] = rescale(held.probabilities[own], _temperature(others))
    answered = {rate: np.zeros(len(held.label), np.bool_) for rate in rates}
    unlike = np.zeros(len(held.label), np.bool_)
    sets = {level: np.zeros_like(calibrated, np.bool_) for level in LEVELS}
    for fold in folds:
        own = held.fold == fold
        if len(folds) > 1:
            odds, others = calibrated[~own], held.take(~own)
        else:
            odds, others = rescale(inner.probabilities, _temperature(inner)), inner
        unlike[own] = held.unlikeness[own] > threshold_at(others.unlikeness, UNLIKE_KEPT)
        for rate, given in answered.items():
            given[own] = calibrated[own].max(1) >= choose_threshold(odds, others.label, rate, others.group)
        for level, found in sets.items():
            thresholds = class_thresholds(odds, others.label, float(level), others.group)
            found[own] = prediction_sets(calibrated[own], thresholds)
    return _Measured(held, calibrated, answered, unlike, sets)


def _stored(thresholds: Floats) -> tuple[float, ...]:
    return tuple(np.clip(thresholds, 0, 1).tolist())
