"""Variance of training against that of cells: known truth, and another implementation's parts."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from buffycoat.evaluate.held_out import held_out
from buffycoat.evaluate.intervals import exact_interval
from buffycoat.evaluate.spread import learning_points, part_variance, spread_of
from tests.evaluate.evaluation_cases import CLASSES, cells_of, predictions_of, spelt


def test_the_parts_are_those_of_a_two_way_layout() -> None:
    rng = np.random.default_rng(1)
    right = (rng.random((60, 4)) < rng.beta(4, 1, 60)[:, None]).astype(float)
    found = part_variance(right, np.arange(60), "net", "Net")
    long = pd.DataFrame(
        {"cell": np.repeat(np.arange(60), 4), "seed": np.tile(np.arange(4), 60), "right": right.ravel()}
    )
    parts = anova_lm(ols("right ~ C(cell) + C(seed)", long).fit())
    mean = parts["sum_sq"] / parts["df"]
    assert found.deviation.value == pytest.approx(np.sqrt(mean["C(seed)"] / 60))
    assert found.from_cells == pytest.approx(np.sqrt((mean["C(cell)"] - mean["Residual"]) / 4 / 60))
    assert found.accuracies == pytest.approx(right.mean(axis=0))


def test_known_shares_are_found_on_average() -> None:
    rng = np.random.default_rng(2)
    shares, deviations = [], []
    for _ in range(300):
        chance = rng.beta(8, 2, 300)[:, None] + rng.normal(0, 0.03, 4)  # every training is better or worse by 0.03
        right = (rng.random((300, 4)) < np.clip(chance, 0, 1)).astype(float)
        found = part_variance(right, np.arange(300), "net", "Net")
        shares.append(found.share)
        deviations.append((found.deviation.value or 0) ** 2)
    expected = 0.03**2 + float(np.mean((chance * (1 - chance)).clip(0))) / 300
    assert np.mean(deviations) == pytest.approx(expected, rel=0.15)
    assert 0.5 < np.mean(shares) < 0.95


def test_seeds_that_agree_leave_nothing_to_training() -> None:
    right = np.repeat((np.arange(50) % 5 > 0).astype(float)[:, None], 3, axis=1)
    found = part_variance(right, np.arange(50), "net", "Net")
    assert found.deviation.value == pytest.approx(0) and found.share == pytest.approx(0)
    assert found.from_cells == pytest.approx(np.sqrt(0.16 / 49))
    assert 0.02 < (found.deviation.interval.high or 0) < 0.04, "one cell of fifty may yet change"


def test_equal_accuracies_do_not_mean_that_training_moves_nothing() -> None:
    """Two seeds, five mistakes each, none in common: the accuracy is not known to the last digit."""
    right = np.ones((60, 2))
    right[:5, 0] = right[5:10, 1] = 0
    found = part_variance(right, np.arange(60), "net", "Net")
    assert found.accuracies[0] == found.accuracies[1]
    assert found.deviation.value == pytest.approx(np.sqrt(10 / 2 / 59 / 60))
    exact = exact_interval(55, 60)
    assert found.interval.low is not None and exact.low is not None and found.interval.low <= exact.low
    assert found.interval.high is not None and exact.high is not None and found.interval.high >= exact.high
    assert found.share_interval is not None and (found.share_interval.high or 0) > 0.5
    assert found.sentence.endswith("So few seeds hardly tell.")
    faultless = part_variance(np.ones((300, 2)), np.arange(300), "net", "Net")
    assert faultless.interval.low == pytest.approx(exact_interval(300, 300).low)


def test_it_is_read_off_stored_predictions() -> None:
    cells = cells_of(spelt("nnee" * 10))
    own = predictions_of(cells, spelt("nnee" * 10), folds=2)
    again = [
        predictions_of(cells, spelt("nnee" * 9 + said), folds=2).with_columns(take=pl.lit(take, pl.Int32))
        for take, said in ((1, "nnnn"), (2, "nenn"))
    ]
    held = held_out(own, cells, CLASSES)["net"]
    found = spread_of(held, pl.concat(again), cells, CLASSES, "Net")
    assert found is not None and found.seeds == 3
    assert found.accuracies == pytest.approx((1, 38 / 40, 37 / 40))
    assert found.sentence.startswith("Trained with 3 seeds, Net reached accuracies from 0.925 to 1.000")
    assert spread_of(held, pl.concat(again).clear(), cells, CLASSES, "Net") is None


def test_a_learning_curve_ends_with_the_study_itself() -> None:
    cells = cells_of(spelt("nnee" * 10))
    own = predictions_of(cells, spelt("nnee" * 10), folds=2)
    half = predictions_of(cells, spelt("nnen" * 10), folds=2)
    smaller = half.with_columns(share=pl.lit(0.5), training_cells=pl.lit(9, pl.Int32))
    held = held_out(own, cells, CLASSES)["net"]
    first, last = learning_points(held, smaller, cells, CLASSES, 20.0)
    assert (first.share, first.training_cells, first.accuracy.value) == (0.5, 9, 0.75)
    assert (last.share, last.training_cells, last.accuracy.value) == (1.0, 20.0, 1.0)
    assert [one.value for one in first.sensitivity] == [1.0, 0.5, None]
    assert learning_points(held, smaller.clear(), cells, CLASSES, 20.0) == []


def test_folds_of_their_own_seeds_tell_how_far_training_moves_an_accuracy() -> None:
    """Every fold's accuracy varies by itself: their variances add up, and five folds twice are five degrees."""
    rng = np.random.default_rng(4)
    fold = np.repeat(np.arange(5), [10, 20, 30, 20, 20])
    right = (rng.random((100, 2)) < 0.8 - 0.1 * (fold % 2)[:, None] * [0, 1]).astype(np.float64)
    found = part_variance(right, np.arange(100), "net", "Net", fold)
    by_fold = [right[fold == k].mean(axis=0).var(ddof=1) * (np.mean(fold == k)) ** 2 for k in range(5)]
    moved = right - np.stack([right[fold == k].mean(axis=0) for k in fold])
    single = ((moved - moved.mean(axis=1, keepdims=True)) ** 2).sum() / 95 / 100
    variance = max(sum(by_fold), single)
    low, high = (np.sqrt(5 * variance / stats.chi2.ppf(tail, 5)) for tail in (0.975, 0.025))
    assert found.deviation.value == pytest.approx(np.sqrt(variance))
    assert (found.deviation.interval.low, found.deviation.interval.high) == pytest.approx((low, high))
    together = part_variance(right, np.arange(100), "net", "Net")
    assert together.deviation.interval.high is not None and together.deviation.interval.high > 2 * high
