"""Calibration against scikit-learn, SciPy and what must hold for any probabilities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from buffycoat.evaluate import calibration

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def drawn(seed: int, n: int = 300, classes: int = 4, sharpness: float = 1.0) -> tuple[Floats, Labels, Floats]:
    """Return probabilities, labels drawn from the true ones, and the true ones: sharpness 1 is calibrated."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, classes))
    true = softmax(logits, axis=1)
    labels = np.array([rng.choice(classes, p=row) for row in true], dtype=np.int64)
    return softmax(logits * sharpness, axis=1), labels, true


def test_the_temperature_undoes_a_known_sharpening() -> None:
    odds, labels, _ = drawn(1, n=20_000, sharpness=2.5)
    assert calibration.fit_temperature(np.log(odds), labels) == pytest.approx(2.5, rel=0.04)


@pytest.mark.parametrize("seed", range(4))
def test_the_temperature_is_the_one_another_optimiser_finds(seed: int) -> None:
    odds, labels, _ = drawn(seed, n=60, sharpness=1.7)
    logs = np.log(odds)

    def loss(x: Floats) -> float:
        return -float(log_softmax(logs / np.exp(x[0]), axis=1)[np.arange(60), labels].mean())

    found = minimize(loss, [0.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12})
    assert calibration.fit_temperature(logs, labels) == pytest.approx(float(np.exp(found.x[0])), rel=1e-4)


@given(st.integers(0, 10_000), st.floats(0.3, 4))
@settings(max_examples=30, deadline=None)
def test_the_cautious_temperature_lies_between_none_and_the_best_and_is_hardly_worse(seed: int, sharp: float) -> None:
    odds, labels, _ = drawn(seed, n=80, sharpness=sharp)
    logs = np.log(odds)
    best, cautious = calibration.fit_temperature(logs, labels), calibration.cautious_temperature(logs, labels)
    assert min(1, best) - 1e-9 <= cautious <= max(1, best) + 1e-9
    first, second = (calibration.log_losses(calibration.rescale(odds, t), labels) for t in (best, cautious))
    apart = second - first
    assert apart.mean() <= apart.std(ddof=1) / np.sqrt(80) + 1e-9


def test_with_many_rows_caution_costs_nothing() -> None:
    odds, labels, _ = drawn(9, n=20_000, sharpness=2.5)
    assert calibration.cautious_temperature(np.log(odds), labels) == pytest.approx(2.5, rel=0.06)
    calm, labels, _ = drawn(9, n=60, sharpness=1.0)
    assert calibration.cautious_temperature(np.log(calm), labels) == pytest.approx(1.0, abs=0.12)


def test_logits_and_log_probabilities_give_the_same_temperature() -> None:
    odds, labels, _ = drawn(5, n=100)
    shift = np.random.default_rng(0).normal(size=(100, 1))
    first = calibration.fit_temperature(np.log(odds), labels)
    assert calibration.fit_temperature(np.log(odds) + shift, labels) == pytest.approx(first, rel=1e-5)


def test_few_rows_all_right_do_not_ask_for_certainty() -> None:
    odds = np.array([[0.6, 0.4]] * 5)
    temperature = calibration.fit_temperature(np.log(odds), [0] * 5)
    assert temperature == pytest.approx(calibration.LOWEST, rel=1e-3)
    assert calibration.fit_temperature(np.zeros((0, 2)), []) == 1.0


@given(st.integers(0, 10_000), st.floats(0.2, 5))
@settings(max_examples=30, deadline=None)
def test_rescaled_rows_are_probabilities_in_the_same_order(seed: int, temperature: float) -> None:
    odds, _, _ = drawn(seed, n=20)
    scaled = calibration.rescale(odds, temperature)
    assert np.allclose(scaled.sum(axis=1), 1)
    assert np.array_equal(scaled.argmax(axis=1), odds.argmax(axis=1))
    assert np.allclose(calibration.rescale(scaled, 1 / temperature), odds, atol=1e-6) or scaled.min() < 1e-9


def test_certain_zeros_stay_finite() -> None:
    odds = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert np.isfinite(calibration.rescale(odds, 2.0)).all()
    assert calibration.log_loss(odds, [1, 1]) == pytest.approx(-np.log(calibration.TINY) / 2)


@pytest.mark.parametrize("classes", [2, 4])
def test_scores_agree_with_scikit_learn(classes: int) -> None:
    odds, labels, _ = drawn(7, classes=classes)
    assert calibration.log_loss(odds, labels) == pytest.approx(
        sklearn_log_loss(labels, odds, labels=list(range(classes)))
    )
    expected = brier_score_loss(labels, odds, scale_by_half=False, labels=list(range(classes)))
    assert calibration.brier(odds, labels) == pytest.approx(expected)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_calibration_error_agrees_with_scikit_learns_curve(sharpness: float) -> None:
    odds, labels, _ = drawn(11, n=301, sharpness=sharpness)
    sure, right = odds.max(axis=1), odds.argmax(axis=1) == labels
    found = calibration.reliability(odds, labels, bins=10)
    share_right, mean_sure = calibration_curve(right, sure, n_bins=10, strategy="quantile")
    assert np.allclose([one.confidence for one in found], mean_sure)
    assert np.allclose([one.right / one.count for one in found], share_right)
    weights = np.array([one.count for one in found]) / 301
    expected = float(weights @ np.abs(share_right - mean_sure))
    assert calibration.expected_calibration_error(odds, labels, bins=10) == pytest.approx(expected)


def test_bins_hold_about_equally_many_rows() -> None:
    odds, labels, _ = drawn(12, n=326)
    counts = [one.count for one in calibration.reliability(odds, labels)]
    assert len(counts) == calibration.BINS
    assert sum(counts) == 326
    assert max(counts) - min(counts) <= 2


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_the_order_of_rows_decides_nothing(seed: int) -> None:
    odds, labels, _ = drawn(seed, n=50)
    odds = np.round(odds, 1) + 1e-3  # many ties
    order = np.random.default_rng(seed).permutation(50)
    first = calibration.expected_calibration_error(odds, labels)
    assert calibration.expected_calibration_error(odds[order], labels[order]) == pytest.approx(first)


def test_equal_confidences_share_one_bin() -> None:
    odds = np.tile([0.75, 0.25], (40, 1))
    labels = np.array([0] * 30 + [1] * 10)
    assert len(calibration.reliability(odds, labels)) == 1
    assert calibration.expected_calibration_error(odds, labels) == pytest.approx(0)


def test_the_error_of_perfect_probabilities_is_what_simulation_says() -> None:
    errors = []
    for seed in range(60):
        odds, labels, _ = drawn(seed, n=200)
        errors.append(calibration.expected_calibration_error(odds, labels))
    odds, _, _ = drawn(999, n=200)
    assert calibration.chance_calibration_error(odds, seed=1) == pytest.approx(float(np.mean(errors)), rel=0.12)


def test_answers_to_one_cell_share_their_luck() -> None:
    """Asked three times, the same cells show the error of the cells, not that of three times as many."""
    odds, _, _ = drawn(999, n=200)
    once = calibration.chance_calibration_error(odds, seed=1)
    thrice = np.tile(odds, (3, 1))
    again = calibration.chance_calibration_error(thrice, groups=np.tile(np.arange(200), 3), seed=1)
    assert again == pytest.approx(once, rel=0.02)
    assert calibration.chance_calibration_error(thrice, seed=1) < 0.7 * once
