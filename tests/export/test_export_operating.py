"""Thresholds keep their promises on cells they were not set with, and no figure is measured on its own tuning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from buffycoat.bundle.answer import rescale, softmax
from buffycoat.evaluate.calibration import expected_calibration_error
from buffycoat.evaluate.intervals import EXACT, exact_interval
from buffycoat.export.measure import result
from buffycoat.export.operating import LEVELS, RATES, Asked, operating_point, stated_rate

CLASSES = ("neutrophil", "eosinophil", "lymphocyte")


def asked(count: int, seed: int, *, sharp: float = 1.0, folds: int = 5, apart: bool = True) -> Asked:
    """Return answers of networks whose logits are right but `sharp` times too large; a third are validation rows."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2.0, (count, 3))
    odds = softmax(logits)
    label = np.array([rng.choice(3, p=row) for row in odds])
    return Asked(
        fold=np.arange(count) % folds,
        test=np.arange(count) // folds % 3 > 0,
        label=label,
        group=np.arange(count) if apart else np.arange(count) // 2,
        probabilities=softmax(logits * sharp),
        unlikeness=rng.chisquare(8, count) ** 0.5,
    )


def point(rows: Asked, **options: float):  # type: ignore[no-untyped-def]
    found = result(rows, rows.probabilities, CLASSES, "network")
    return operating_point(rows, found, error_rate=options.get("error_rate", 0.1), seed=7)


@pytest.mark.slow
def test_an_overconfident_network_is_softened_and_then_calibrated() -> None:
    rows = asked(6000, 1, sharp=3.0)
    found = point(rows)
    assert found.temperature == pytest.approx(3.0, rel=0.1)
    assert found.ece < 0.03 < found.ece_before
    assert 0.5 * found.ece < found.ece_by_chance < 2 * found.ece
    held = rows.take(rows.test)
    by_hand = expected_calibration_error(rescale(held.probabilities, found.temperature), held.label)
    assert found.ece == pytest.approx(by_hand, abs=0.01)


def test_the_temperature_comes_from_validation_rows_alone() -> None:
    rows = asked(3000, 2)
    spoilt = np.where(rows.test[:, None], np.eye(3)[(rows.label + 1) % 3] * 0.8 + 0.2 / 3, rows.probabilities)
    assert point(replace(rows, probabilities=spoilt)).temperature == point(rows).temperature


@pytest.mark.slow
def test_conformal_sets_hold_the_true_class_as_often_as_promised() -> None:
    found = point(asked(9000, 3, sharp=2.0))
    for level in LEVELS:
        assert found.expected.coverage[level].value == pytest.approx(float(level), abs=0.02)
    sizes = [found.expected.set_size[level] for level in LEVELS]
    assert sizes == sorted(sizes)


@pytest.mark.slow
def test_the_stated_error_rate_is_kept_where_it_can_be_had() -> None:
    found = point(asked(9000, 4), error_rate=0.1)
    assert found.expected.error_rate.value == pytest.approx(0.1, abs=0.015)
    share = found.expected.unidentified
    assert share.value is not None
    assert 0.1 < share.value < 0.9
    assert share.numerator == round(share.value * (share.denominator or 0))


@pytest.mark.slow
def test_other_rates_are_stored_as_if_each_had_been_stated() -> None:
    rows = asked(3000, 12)
    found = point(rows, error_rate=0.2)
    assert tuple(found.other_rates) == RATES
    for rate, kept in found.other_rates.items():
        alone = point(rows, error_rate=float(rate))
        assert kept.certain_threshold == alone.certain_threshold
        assert kept.unidentified == alone.expected.unidentified
        assert kept.error_rate == alone.expected.error_rate
    withheld = [kept.unidentified.value or 0 for kept in found.other_rates.values()]
    assert withheld == sorted(withheld, reverse=True)
    assert withheld[0] > withheld[-1] > (found.expected.unidentified.value or 0)


@pytest.mark.parametrize(("right", "rate"), [(890, 0.09), (500, 0.38), (998, 0.01), (1000, 0.01), (960, 0.03)])
def test_where_no_rate_is_stated_a_quarter_of_the_errors_is_to_go(right: int, rate: float) -> None:
    rows = asked(1000, 11)
    said = np.where(np.arange(1000) < right, rows.label, (rows.label + 1) % 3)
    rows = replace(rows, test=np.ones(1000, np.bool_))
    assert stated_rate(result(rows, np.eye(3)[said], CLASSES, "network")) == rate


def test_where_it_cannot_everything_is_withheld() -> None:
    rng = np.random.default_rng(5)
    rows = asked(300, 5)
    found = point(replace(rows, label=rng.integers(0, 3, 300)), error_rate=0.01)
    assert found.certain_threshold > 1
    assert found.expected.unidentified.value == 1.0
    assert found.expected.error_rate.value is None


@pytest.mark.slow
def test_nearly_all_held_out_cells_are_alike() -> None:
    rows = asked(6000, 6)
    found = point(rows)
    assert np.mean(rows.unlikeness[rows.test] > found.unlike_threshold) == pytest.approx(0.01, abs=0.002)
    assert found.expected.unlike.value == pytest.approx(0.01, abs=0.006)


def test_no_fold_is_judged_by_thresholds_set_on_it() -> None:
    """One fold's cells are all farther away: by thresholds of the others they are unlike, all of them."""
    rows = asked(1000, 7)
    far = replace(rows, unlikeness=rows.unlikeness + 1000.0 * (rows.fold == 2))
    assert point(far).expected.unlike.value == pytest.approx(0.2, abs=0.02)


def test_one_fold_takes_its_thresholds_from_validation_rows() -> None:
    rows = asked(3000, 8, folds=1)
    found = point(rows)
    assert found.expected.coverage["0.90"].value == pytest.approx(0.9, abs=0.03)
    spoilt = replace(rows, unlikeness=np.where(rows.test, 1e6, rows.unlikeness))
    assert point(spoilt).unlike_threshold == found.unlike_threshold
    assert point(spoilt).expected.unlike.value == 1.0


def test_limits_are_exact_and_take_in_groups_and_the_threshold() -> None:
    alone, in_pairs = (point(asked(900, 9, apart=apart)).expected for apart in (True, False))
    assert alone.error_rate.interval.method == EXACT
    assert "groups" in in_pairs.error_rate.interval.method and in_pairs.error_rate.interval.method.startswith(EXACT)
    assert alone.unidentified.interval.method.endswith("the chance of the threshold included")
    shown, counted = (
        alone.unidentified.interval,
        exact_interval(alone.unidentified.numerator or 0, alone.unidentified.denominator or 0),
    )
    assert None not in (shown.low, shown.high, counted.low, counted.high)
    assert shown.low < counted.low and counted.high < shown.high


def test_a_class_with_few_cells_is_in_every_set() -> None:
    rows = asked(400, 10)
    few = replace(rows, label=np.where(np.arange(400) < 8, 2, np.minimum(rows.label, 1)))
    assert point(few).conformal["0.90"][2] == 1.0
