"""Withholding answers: against counting by hand, and the stated rate by simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import softmax

from buffycoat.evaluate.abstention import WITHHOLD_ALL, choose_threshold, fewest_answers, risk_coverage


def drawn(seed: int, n: int, places: int = 15) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    odds = np.round(softmax(rng.normal(0, 2, (n, 3)), axis=1), places)
    labels = np.array([rng.choice(3, p=row / row.sum()) for row in odds], dtype=np.int64)
    return odds, labels


@given(st.integers(0, 10_000), st.sampled_from([1, 15]))
@settings(max_examples=40, deadline=None)
def test_every_point_is_what_counting_says(seed: int, places: int) -> None:
    odds, labels = drawn(seed, 40, places)
    curve = risk_coverage(odds, labels)
    assert np.all(np.diff(curve.threshold) < 0)
    assert curve.coverage[-1] == 1
    for coverage, risk, threshold in zip(curve.coverage, curve.risk, curve.threshold, strict=True):
        answered = odds.max(axis=1) >= threshold
        assert coverage == pytest.approx(answered.mean())
        assert risk == pytest.approx((odds.argmax(axis=1) != labels)[answered].mean())


def test_the_area_is_the_mean_of_selective_risks() -> None:
    odds, labels = drawn(3, 200)
    wrong = (odds.argmax(axis=1) != labels)[np.argsort(-odds.max(axis=1))]
    expected = np.mean(np.cumsum(wrong) / np.arange(1, 201))
    assert risk_coverage(odds, labels).area == pytest.approx(expected)


@given(st.integers(0, 10_000), st.sampled_from([0.01, 0.05, 0.1, 0.3, 0.9]))
@settings(max_examples=40, deadline=None)
def test_the_threshold_is_the_lowest_that_keeps_the_rate(seed: int, rate: float) -> None:
    odds, labels = drawn(seed, 60)
    sure, wrong = odds.max(axis=1), odds.argmax(axis=1) != labels
    found = choose_threshold(odds, labels, rate)

    def fits(threshold: float) -> bool:
        answered = sure >= threshold
        return bool(answered.any() and (wrong[answered].sum() + 1) / (answered.sum() + 1) <= rate)

    allowed = [threshold for threshold in sure if fits(threshold)]
    if not allowed:
        assert found == WITHHOLD_ALL
    elif fits(0):
        assert found == 0
    else:
        assert found == min(allowed)


def test_photographs_of_one_cell_count_as_one_answer() -> None:
    odds, labels = drawn(4, 60)
    groups = np.arange(60).repeat(5)
    once = choose_threshold(odds, labels, 0.1)
    assert choose_threshold(odds.repeat(5, axis=0), labels.repeat(5), 0.1, groups) == once
    sure, right = np.array([[0.9, 0.1]]).repeat(200, axis=0), np.zeros(200, dtype=np.int64)
    assert choose_threshold(sure, right, 0.05) == 0
    assert choose_threshold(sure, right, 0.05, np.arange(200) // 20) == WITHHOLD_ALL, "ten cells promise no 5 %"
    assert fewest_answers(0.05) == 19


@pytest.mark.parametrize("rate", [0.02, 0.05, 0.1])
def test_the_rate_is_kept_on_other_rows_on_average(rate: float) -> None:
    answered = errors = 0
    rng = np.random.default_rng(8)
    for _ in range(150):
        labels = rng.choice(4, size=860, p=[0.57, 0.27, 0.1, 0.06])
        logits = rng.normal(0, 1, (860, 4))
        logits[np.arange(860), labels] += 2.2
        odds = softmax(1.3 * logits, axis=1)
        threshold = choose_threshold(odds[:260], labels[:260], rate)
        said = odds[260:].max(axis=1) >= threshold
        answered += int(said.sum())
        errors += int((odds[260:].argmax(axis=1) != labels[260:])[said].sum())
    assert answered > 30_000
    assert 0.8 * rate < errors / answered < 1.02 * rate
