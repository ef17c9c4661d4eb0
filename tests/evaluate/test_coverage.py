"""How often 95 % limits hold a known truth, in settings like the studies': n of 326 and 66, shares of 0.85 and 0.98.

A limit should hold it in 0.93 to 0.97 of the sets. Exact limits may do so more often, never less: a share of few cells
takes few values, and limits that hold for every share are wide for most (0.98 of 66 cells is one error or two). That
is stated, not mended: limits that are right on average are wrong where it matters.
"""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from buffycoat.evaluate.calibration import expected_calibration_error
from buffycoat.evaluate.compare import Paired
from buffycoat.evaluate.error_limits import calibration_error
from buffycoat.evaluate.held_out import HeldOut
from buffycoat.evaluate.intervals import clustered_interval, exact_interval
from buffycoat.evaluate.overlap import corrected_t_test
from buffycoat.evaluate.shares import Means
from buffycoat.records.base import Interval

pytestmark = pytest.mark.slow
TRIALS = 600
NOISE = 2 * np.sqrt(0.95 * 0.05 / TRIALS)  # two standard errors of the simulated share
Floats = NDArray[np.float64]


def coverage(draw: Callable[[np.random.Generator], Interval], truth: float, trials: int = TRIALS) -> float:
    rng, held = np.random.default_rng(20), 0
    for _ in range(trials):
        limits = draw(rng)
        assert limits.low is not None and limits.high is not None
        held += limits.low - 1e-12 <= truth <= limits.high + 1e-12
    return held / trials


@pytest.mark.parametrize(("n", "most"), [(326, 0.98), (66, 1.0)])
@pytest.mark.parametrize("share", [0.85, 0.98])
def test_exact_limits_of_independent_cells(n: int, share: float, most: float) -> None:
    found = coverage(lambda rng: exact_interval(int(rng.binomial(n, share)), n), share, 3000)
    assert 0.95 - 0.008 <= found <= most


def _clustered(rng: np.random.Generator, sizes: NDArray[np.int64], share: float, alike: float) -> Interval:
    """Limits from groups whose cells err together: a beta distribution of chances with this correlation."""
    much = (1 - alike) / alike
    chance = rng.beta(share * much, (1 - share) * much, len(sizes))
    return clustered_interval(rng.binomial(sizes, chance), sizes)


@pytest.mark.parametrize(
    ("groups", "size", "share", "alike"),
    [
        (326, 5, 0.85, 0.6),  # five repeats of 326 cells
        (326, 5, 0.98, 0.6),
        (66, 5, 0.85, 0.6),
        (66, 5, 0.98, 0.6),
        (109, 3, 0.85, 0.4),  # three photographs of each cell
        (109, 3, 0.98, 0.4),
        (22, 3, 0.85, 0.4),
        (22, 3, 0.98, 0.4),
    ],
)
def test_limits_of_cells_in_groups(groups: int, size: int, share: float, alike: float) -> None:
    sizes = np.full(groups, size)
    found = coverage(lambda rng: _clustered(rng, sizes, share, alike), share)
    assert found >= 0.93 - NOISE
    if share * groups * size < groups * size - 10:  # ten errors and more are to be expected: not discrete any more
        assert found <= 0.97 + NOISE


def test_limits_of_cells_in_groups_of_unlike_sizes_fall_a_little_short() -> None:
    """Few large groups among many of one cell, errors strongly shared: 0.92 to 0.95, the worst that was found."""
    rng = np.random.default_rng(3)
    sizes = rng.choice([1, 1, 1, 2, 4, 8], size=120)
    found = [coverage(lambda r, s=share: _clustered(r, sizes, s, 0.4), share) for share in (0.85, 0.98)]  # type: ignore[misc]
    assert min(found) >= 0.90 - NOISE


@pytest.mark.parametrize("n", [326, 66])
def test_limits_of_mean_scores(n: int) -> None:
    """Log losses are skewed: mostly near nought, a few large."""
    rng = np.random.default_rng(4)

    def scores(generator: np.random.Generator, count: int) -> Floats:
        return -np.log(generator.beta(6, 1, count) * np.where(generator.random(count) < 0.1, 0.3, 1.0))

    truth = float(scores(rng, 2_000_000).mean())

    def draw(generator: np.random.Generator) -> Interval:
        return Means(scores(generator, n)[:, None], np.arange(n), seed=0, replicates=1000)[0].interval

    found = coverage(draw, truth)
    assert 0.93 - (0.015 if n == 66 else 0) - NOISE <= found <= 0.97 + NOISE  # 66 skewed values: 0.92 to 0.94


def _held(rng: np.random.Generator, n: int, sharpness: float) -> HeldOut:
    shares = np.array([0.57, 0.27, 0.1, 0.06])
    true = rng.choice(4, size=n, p=shares)
    logits = rng.normal(0, 1, (n, 4))
    logits[np.arange(n), true] += 2.2
    odds = softmax((2.2 * logits + np.log(shares)) * sharpness, axis=1)
    place, none = np.arange(n), np.zeros(n, dtype=np.int64)
    return HeldOut("net", none, none, place, place, true.astype(np.int64), odds.argmax(axis=1).astype(np.int64), odds)


@pytest.mark.parametrize("n", [326, 66])
@pytest.mark.parametrize("sharpness", [1.0, 1.5, 2.5])
def test_limits_of_the_calibration_error(n: int, sharpness: float) -> None:
    """At sharpness 1 probabilities are perfect and the truth is 0: a bootstrap never holds it."""
    many = _held(np.random.default_rng(5), 300_000, sharpness)
    few = many.take(np.arange(500))
    assert calibration_error(few, seed=0).value == pytest.approx(expected_calibration_error(few.odds, few.true))
    truth = 0.0 if sharpness == 1 else expected_calibration_error(many.odds, many.true)
    found = coverage(lambda rng: calibration_error(_held(rng, n, sharpness), seed=0).interval, truth, 120)
    most = 0.995 if sharpness == 1 else 0.98  # found: 0.99, and 0.93 to 0.97; at 0 the lower limit alone can miss it
    assert 0.93 - 2 * np.sqrt(0.95 * 0.05 / 120) <= found <= most


@pytest.mark.parametrize("n", [326, 66])
def test_limits_of_a_paired_difference(n: int) -> None:
    def draw(rng: np.random.Generator) -> Interval:
        kind = rng.choice(4, size=n, p=[0.78, 0.07, 0.04, 0.11])  # both right, first alone, second alone, neither
        place, none = np.arange(n), np.zeros(n, dtype=np.int64)
        models = []
        for right in ((kind == 0) | (kind == 1), (kind == 0) | (kind == 2)):
            answer = np.where(right, 0, 1)
            models.append(HeldOut("m", none, none, place, place, none, answer, np.eye(2)[answer]))
        return Paired(models[0], models[1]).difference().interval

    assert 0.93 - NOISE <= coverage(draw, 0.03) <= 0.97 + NOISE


def test_the_corrected_t_test_rarely_finds_a_difference_that_is_none() -> None:
    """Repeated cross-validation by simulation: models that differ by the luck of their training sets alone.

    Every cell has been seen by four of five trainings of a repeat; folds that share training cells share their luck.
    The correction takes folds to be correlated by 0.2, a fifth of the cells being held out; here they are by 0.18.
    """
    rng, rejected, plain, trials = np.random.default_rng(6), 0, 0, 400
    for _ in range(trials):
        luck = rng.normal(0, 1, 326)  # what having seen a cell is worth to the difference of the models
        folds = []
        for _ in range(5):
            order = rng.permutation(326)
            for fold in range(5):
                held = order[fold::5]
                seen = np.setdiff1d(order, held)
                trained = 0.03 * luck[seen].sum() / np.sqrt(326)
                folds.append(trained + rng.choice([-1, 0, 1], size=len(held), p=[0.08, 0.84, 0.08]).mean())
        found, without = corrected_t_test(folds, 1 / 4), corrected_t_test(folds, 0.0)
        assert found is not None and without is not None
        rejected += found.p_value < 0.05
        plain += without.p_value < 0.05
    assert rejected / trials < 0.08
    assert plain / trials > 0.2
