"""How far a model's probabilities may be trusted: calibration, prediction sets and withheld answers, measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from buffycoat.evaluate import calibration
from buffycoat.evaluate.abstention import WITHHOLD_ALL, choose_threshold, risk_coverage
from buffycoat.evaluate.aside import (
    OWN_VALIDATION,
    VALIDATION,
    by_other_rows,
    calibrated,
    has_other_folds,
    threshold_source,
)
from buffycoat.evaluate.chance import THRESHOLD, THRESHOLDS, answered_variance, set_draws, setters, size_interval
from buffycoat.evaluate.conformal import ALWAYS, LEVEL, class_thresholds, prediction_sets
from buffycoat.evaluate.error_limits import calibration_error
from buffycoat.evaluate.held_out import HeldOut
from buffycoat.evaluate.shares import Means, share_of
from buffycoat.records.base import Estimate
from buffycoat.records.trust import (
    Abstention,
    Calibration,
    ClassSets,
    CurvePoint,
    PredictionSets,
    ReliabilityRow,
    Trust,
)

ERROR_RATE = 0.05
"""Share of the answers that may be wrong, unless another is asked for."""
CERTAIN = 0.9
_MOST_POINTS = 200


def trust(
    held: HeldOut,
    validation: HeldOut | None,
    *,
    classes: Sequence[str],
    seed: int,
    replicates: int,
    level: float = LEVEL,
    error_rate: float = ERROR_RATE,
) -> Trust | None:
    """Return how far a model's probabilities may be trusted, measured on held-out rows.

    Parameters
    ----------
    held
        The model's held-out predictions.
    validation
        Its predictions of inner validation rows, each by its own fold's network; None where there are none.
    classes
        The study's classes.
    seed, replicates
        Of the bootstrap.
    level
        Of the prediction sets.
    error_rate
        Share of the answers that may be wrong.

    Returns
    -------
    Trust | None
        None without validation rows: then nothing may be fitted.
    """
    if validation is None or not len(validation.cell):
        return None
    after, inner, temperatures = calibrated(held, validation)
    whole = calibration.cautious_temperature(calibration.log_of(validation.odds), validation.true)
    # A model used outside the study has one temperature; its thresholds come from all held-out rows.
    outside = replace(held, odds=calibration.rescale(held.odds, whole))
    sets = _sets(after, inner, outside, classes, level, seed=seed)
    withheld = _abstention(after, inner, outside, error_rate, seed=seed)
    if sets is None or withheld is None:
        return None
    return Trust(
        model=held.model,
        calibration=_calibration(held, after, validation, temperatures, whole, seed=seed, replicates=replicates),
        sets=sets,
        abstention=withheld,
    )


def _calibration(
    before: HeldOut,
    after: HeldOut,
    validation: HeldOut,
    temperatures: tuple[float, ...],
    whole: float,
    *,
    seed: int,
    replicates: int,
) -> Calibration:
    both = (before, after)
    scores = [score(held.odds, held.true) for score in _SCORES for held in both]
    means = Means(np.stack(scores, axis=1), before.group, seed=seed, replicates=replicates)
    return Calibration(
        temperatures=temperatures,
        temperature=whole,
        rows=len(validation.cell),
        source=VALIDATION if has_other_folds(before) else OWN_VALIDATION,
        error_before=calibration_error(before, seed=seed),
        error_after=calibration_error(after, seed=seed),
        error_by_chance=calibration.chance_calibration_error(after.odds, groups=after.group, seed=seed),
        brier_before=means[0],
        brier_after=means[1],
        log_loss_before=means[2],
        log_loss_after=means[3],
        bins_before=_rows(before),
        bins_after=_rows(after),
    )


_SCORES = (calibration.brier_scores, calibration.log_losses)


def _rows(held: HeldOut) -> tuple[ReliabilityRow, ...]:
    return tuple(
        ReliabilityRow(low=one.low, high=one.high, count=one.count, right=one.right, confidence=one.confidence)
        for one in calibration.reliability(held.odds, held.true)
    )


def _sets(
    held: HeldOut,
    inner: HeldOut,
    outside: HeldOut,
    classes: Sequence[str],
    level: float,
    *,
    seed: int,
) -> PredictionSets | None:
    thresholds = by_other_rows(held, inner, lambda rows: class_thresholds(rows.odds, rows.true, level, rows.group))
    if thresholds is None:
        return None
    sets = prediction_sets(held.odds, thresholds)
    covered: NDArray[np.bool_] = sets[np.arange(len(sets)), held.true]
    size = sets.sum(axis=1)
    own = class_thresholds(outside.odds, outside.true, level, outside.group)
    drawn = set_draws(held, inner, level, seed=seed)

    def share(part: NDArray[np.bool_], draws: NDArray[np.bool_]) -> Estimate:
        return share_of(part, held.group, besides=float(draws.mean(axis=1).var()), of=THRESHOLDS)

    return PredictionSets(
        level=level,
        source=threshold_source(held),
        covered=share_of(covered, held.group),
        size=Estimate(value=float(size.mean()), interval=size_interval(size, held, drawn, level)),
        single=share(size == 1, drawn == 1),
        empty=share(size == 0, drawn == 0),
        classes=tuple(
            ClassSets(
                name=name,
                covered=share_of(covered, held.group, held.true == place),
                threshold=float(own[place]),
                always=bool((thresholds[:, place] >= ALWAYS).any()),
            )
            for place, name in enumerate(classes)
        ),
    )


def _abstention(held: HeldOut, inner: HeldOut, outside: HeldOut, error_rate: float, *, seed: int) -> Abstention | None:
    def choose(rows: HeldOut) -> NDArray[np.float64]:
        return np.array([choose_threshold(rows.odds, rows.true, error_rate, rows.group)])

    thresholds = by_other_rows(held, inner, choose)
    if thresholds is None:
        return None
    sure, wrong = calibration.confidences(held.odds), ~calibration.verdicts(held.odds, held.true)
    answered = sure >= thresholds[:, 0]
    rows, _ = setters(held, inner)
    varies = answered_variance(sure, rows.odds, rows.true, rows.group, error_rate, seed=seed)
    certain = np.zeros(len(sure), dtype=np.bool_)
    certain[np.argsort(-sure, kind="stable")[: max(1, round(CERTAIN * len(sure)))]] = True
    threshold = choose_threshold(outside.odds, outside.true, error_rate, outside.group)
    return Abstention(
        error_rate=error_rate,
        source=threshold_source(held),
        groups=_fewest_groups(held, inner),
        threshold=min(threshold, WITHHOLD_ALL),
        answered=share_of(answered, held.group, besides=varies, of=THRESHOLD),
        wrong=share_of(wrong, held.group, answered),
        certain_share=CERTAIN,
        certain_accuracy=share_of(~wrong, held.group, certain),
        curve=_curve(held),
    )


def _fewest_groups(held: HeldOut, inner: HeldOut) -> int:
    """Return by how many groups of cells a fold's threshold was set, where these are fewest."""
    counted = by_other_rows(held, inner, lambda rows: np.array([float(len(np.unique(rows.group)))]))
    return 0 if counted is None else int(counted.min())


def _curve(held: HeldOut) -> tuple[CurvePoint, ...]:
    curve = risk_coverage(held.odds, held.true)
    places = np.unique(np.linspace(0, len(curve.risk) - 1, min(_MOST_POINTS, len(curve.risk))).round().astype(int))
    return tuple(CurvePoint(coverage=float(curve.coverage[k]), risk=float(curve.risk[k])) for k in places)
