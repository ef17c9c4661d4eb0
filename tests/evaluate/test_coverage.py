"""How often 95 % limits hold a known truth, in settings like the studies': n of 326 and 66, shares of 0.85 and 0.98.

A limit should hold it in 0.93 to 0.97 of the sets. Exact limits may do so more often, never less: a share of few cells
takes few values, and limits that hold for every share are wide for most (0.98 of 66 cells is one error or two). That
is stated, not mended: limits that are right on average are wrong where it matters.
"""

from collections.abc import Callable
from functools import cache

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
from tests.simulated import Tally, trials

pytestmark = [pytest.mark.slow, pytest.mark.coverage]
SETS = 600
Floats = NDArray[np.float64]


# Limits that are drawn themselves are drawn anew for every set: one seed for all would be measured with its own luck.
def coverage(draw: Callable[[np.random.Generator], Interval], truth: float, name: str, sets: int = SETS) -> Tally:
    rng, tally = np.random.default_rng(20), Tally()
    for _ in range(trials(sets)):
        tally.add(name, draw(rng), truth)
    return tally


@pytest.mark.parametrize(("n", "most"), [(326, 0.98), (66, 1.0)])
@pytest.mark.parametrize("share", [0.85, 0.98])
def test_exact_limits_of_independent_cells(n: int, share: float, most: float) -> None:
    tally = coverage(lambda rng: exact_interval(int(rng.binomial(n, share)), n), share, "exact", 3000)
    tally.check("exact", least=0.95, most=most)
    assert tally.share("exact") <= most


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
    """0.95 to 0.96, 0.99 where two errors are to be expected; 0.92 of 66 cells in five repeats with a share of 0.98."""
    sizes = np.full(groups, size)
    tally = coverage(lambda rng: _clustered(rng, sizes, share, alike), share, "share")
    many = (1 - share) * groups * size > 10  # so many errors are to be expected: not discrete any more
    few = groups == 66 and share == 0.98  # seven errors in 66 groups, most of them together
    tally.check("share", least=0.92 if few else 0.93, most=0.97 if many else 1.0)


def test_limits_of_cells_in_groups_of_unlike_sizes() -> None:
    """Few large groups among many of one cell, errors strongly shared: 0.95, and 0.94 of a share of 0.98."""
    rng = np.random.default_rng(3)
    sizes = rng.choice([1, 1, 1, 2, 4, 8], size=120)
    for share in (0.85, 0.98):
        tally = coverage(lambda r, s=share: _clustered(r, sizes, s, 0.4), share, f"share of {share}")  # type: ignore[misc]
        tally.check(f"share of {share}", most=1.0)


@pytest.mark.parametrize("n", [326, 66])
def test_limits_of_mean_scores(n: int) -> None:
    """Log losses are skewed, mostly near nought, a few large: 0.95 all the same."""
    rng = np.random.default_rng(4)

    def scores(generator: np.random.Generator, count: int) -> Floats:
        return -np.log(generator.beta(6, 1, count) * np.where(generator.random(count) < 0.1, 0.3, 1.0))

    truth = float(scores(rng, 2_000_000).mean())

    def draw(generator: np.random.Generator) -> Interval:
        own, seed = scores(generator, n)[:, None], int(generator.integers(2**32))
        return Means(own, np.arange(n), seed=seed, replicates=1000)[0].interval

    coverage(draw, truth, "log loss").check("log loss")


def _held(rng: np.random.Generator, n: int, sharpness: float) -> HeldOut:
    shares = np.array([0.57, 0.27, 0.1, 0.06])
    true = rng.choice(4, size=n, p=shares)
    logits = rng.normal(0, 1, (n, 4))
    logits[np.arange(n), true] += 2.2
    odds = softmax((2.2 * logits + np.log(shares)) * sharpness, axis=1)
    place, none = np.arange(n), np.zeros(n, dtype=np.int64)
    return HeldOut("net", none, none, place, place, true.astype(np.int64), odds.argmax(axis=1).astype(np.int64), odds)


@cache
def _true_error(sharpness: float) -> float:
    """Return the calibration error of endlessly many cells."""
    many = _held(np.random.default_rng(5), 300_000, sharpness)
    few = many.take(np.arange(500))
    assert calibration_error(few, seed=0).value == pytest.approx(expected_calibration_error(few.odds, few.true))
    return 0.0 if sharpness == 1 else expected_calibration_error(many.odds, many.true)


@pytest.mark.parametrize("n", [326, 66])
@pytest.mark.parametrize("sharpness", [1.0, 1.5, 2.5])
def test_limits_of_the_calibration_error(n: int, sharpness: float) -> None:
    """0.94 to 0.96; 0.97 at sharpness 1, where probabilities are perfect: the truth is 0, and no bootstrap holds it."""

    def draw(rng: np.random.Generator) -> Interval:
        return calibration_error(_held(rng, n, sharpness), seed=int(rng.integers(2**32))).interval

    name = "calibration error"
    tally = coverage(draw, _true_error(sharpness), name, 300)
    most = 0.995 if sharpness == 1 else 0.98  # at 0 the lower limit alone can miss it
    tally.check(name, most=most)
    assert tally.share(name) <= most


@pytest.mark.parametrize("n", [326, 66])
def test_limits_of_a_paired_difference(n: int) -> None:
    """0.95 of 326 cells, 0.97 of 66."""

    def draw(rng: np.random.Generator) -> Interval:
        kind = rng.choice(4, size=n, p=[0.78, 0.07, 0.04, 0.11])  # both right, first alone, second alone, neither
        place, none = np.arange(n), np.zeros(n, dtype=np.int64)
        models = []
        for right in ((kind == 0) | (kind == 1), (kind == 0) | (kind == 2)):
            answer = np.where(right, 0, 1)
            models.append(HeldOut("m", none, none, place, place, none, answer, np.eye(2)[answer]))
        return Paired(models[0], models[1]).difference().interval

    coverage(draw, 0.03, "difference").check("difference")


def test_the_corrected_t_test_rarely_finds_a_difference_that_is_none() -> None:
    """Repeated cross-validation by simulation: models that differ by the luck of their training sets alone.

    Every cell has been seen by four of five trainings of a repeat; folds that share training cells share their luck.
    The correction takes folds to be correlated by 0.2, a fifth of the cells being held out; here they are by 0.18. Its
    limits hold nought in 0.96 of the sets, those that are not corrected in 0.58.
    """
    rng, tally = np.random.default_rng(6), Tally()
    for _ in range(trials(400)):
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
        # A difference of nought is outside the limits where the p value is below 0.05.
        tally.add("corrected", (found.low, found.high), 0.0)
        tally.add("not corrected", (without.low, without.high), 0.0)
    assert tally.share("corrected") > 0.92
    assert tally.share("not corrected") < 0.8
