"""The corrected resampled t-test against SciPy's plain one, and in a study with repeats."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import ttest_1samp

from buffycoat.evaluate.compare import compare_all, holm
from buffycoat.evaluate.held_out import held_out
from buffycoat.evaluate.overlap import by_fold, corrected_t_test
from tests.evaluate.evaluation_cases import CLASSES, cells_of, predictions_of, spelt


@pytest.mark.parametrize("seed", range(3))
def test_without_overlap_it_is_the_plain_t_test(seed: int) -> None:
    apart = np.random.default_rng(seed).normal(0.02, 0.03, 12)
    found, theirs = corrected_t_test(apart, 0.0), ttest_1samp(apart, 0)
    assert found is not None
    assert (found.statistic, found.p_value) == pytest.approx((theirs.statistic, theirs.pvalue))
    limits = theirs.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((limits.low, limits.high))


def test_overlap_widens_it_by_the_ratio_of_the_variances() -> None:
    apart = np.random.default_rng(5).normal(0.02, 0.03, 25)
    plain, corrected = corrected_t_test(apart, 0.0), corrected_t_test(apart, 0.25)
    assert plain is not None and corrected is not None
    assert plain.statistic / corrected.statistic == pytest.approx(np.sqrt((1 / 25 + 0.25) * 25))
    assert corrected.p_value > plain.p_value


def test_folds_without_spread_are_not_tested() -> None:
    assert corrected_t_test([0.1, 0.1, 0.1], 0.25) is None
    assert corrected_t_test([0.1], 0.25) is None


def tables(answers: dict[str, list[str]], cells: pl.DataFrame, repeats: int) -> pl.DataFrame:
    return pl.concat(
        predictions_of(cells, spelt(text), model=name, repeat=repeat, folds=4)
        for name, of in answers.items()
        for repeat, text in enumerate(of[:repeats])
    )


def test_repeats_are_compared_by_fold_and_must_agree_before_anything_is_settled() -> None:
    cells = cells_of(spelt("nnee" * 10))
    noisy = ["n" * 40, "nnee" * 4 + "n" * 24, "n" * 24 + "nnee" * 4]
    answers = {"a": ["nnee" * 10] * 3, "b": noisy}
    models = held_out(tables(answers, cells, 3), cells, CLASSES)
    (found,) = compare_all(list(models.values()), {"a": "a", "b": "b"})
    assert found.resampled is not None
    lead, ratio = by_fold(models["a"], models["b"])
    assert ratio == pytest.approx(10 / 30)
    by_hand = corrected_t_test(lead, 1 / 3)
    assert by_hand is not None and found.resampled.p_value == pytest.approx(by_hand.p_value)
    assert found.resampled.p_adjusted == pytest.approx(holm([by_hand.p_value])[0])
    assert found.resampled.method.endswith("on 12 folds")
    assert found.p_adjusted < 0.05
    assert found.settled == (by_hand.p_value < 0.05)


def test_repeated_hold_outs_count_the_rows_that_were_trained_on() -> None:
    """One fold a repeat: the held-out rows alone do not say how many were trained on."""
    cells = cells_of(spelt("nnee" * 10))
    answers = {"a": ["nnee" * 10] * 3, "b": ["n" * 40, "nnee" * 4 + "n" * 24, "n" * 24 + "nnee" * 4]}
    models = held_out(
        pl.concat(
            predictions_of(cells, spelt(text), model=name, repeat=repeat)
            for name, of in answers.items()
            for repeat, text in enumerate(of)
        ),
        cells,
        CLASSES,
    )
    assert by_fold(models["a"], models["b"])[1] is None
    trained = {(repeat, 0): 160 for repeat in range(3)}
    assert by_fold(models["a"], models["b"], trained)[1] == pytest.approx(40 / 160)
    (unknown,) = compare_all(list(models.values()), {"a": "a", "b": "b"})
    assert unknown.resampled is None
    (found,) = compare_all(list(models.values()), {"a": "a", "b": "b"}, trained)
    by_hand = corrected_t_test([0.5, 0.3, 0.3], 0.25)
    assert found.resampled is not None and by_hand is not None
    assert found.resampled.p_value == pytest.approx(by_hand.p_value)
    assert (found.resampled.interval.low, found.resampled.interval.high) == pytest.approx((by_hand.low, by_hand.high))


def test_one_run_of_folds_is_tested_beside_and_decided_by_the_cells() -> None:
    cells = cells_of(spelt("nnee" * 10))
    wrong = "nnee" * 4 + "nnnn" * 6
    models = held_out(tables({"a": ["nnee" * 10], "b": [wrong]}, cells, 1), cells, CLASSES)
    (found,) = compare_all(list(models.values()), {"a": "a", "b": "b"})
    lead, ratio = by_fold(models["a"], models["b"])
    by_hand = corrected_t_test(lead, ratio or 0)
    assert found.resampled is not None and by_hand is not None and len(lead) == 4
    assert found.resampled.p_value == pytest.approx(by_hand.p_value)
    assert not found.resampled.decides and found.settled and found.p_adjusted < 0.05


def test_two_folds_of_one_run_share_no_training_rows() -> None:
    cells = cells_of(spelt("nnee" * 10))
    wrong = spelt("nnee" * 4 + "nnnn" * 6)
    both = [
        predictions_of(cells, spelt("nnee" * 10), model="a", folds=2),
        predictions_of(cells, wrong, model="b", folds=2),
    ]
    (found,) = compare_all(list(held_out(pl.concat(both), cells, CLASSES).values()), {"a": "a", "b": "b"})
    assert found.resampled is None
