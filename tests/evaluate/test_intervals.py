"""Intervals, held against SciPy, printed tables, and simulated truth."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import binom, binomtest, bootstrap
from scipy.stats import t as student

from buffycoat.evaluate import metrics
from buffycoat.evaluate.intervals import (
    GroupBootstrap,
    clopper_pearson,
    correlation_of_shares,
    effective_number,
    exact_interval,
    mid_p,
    mover_mean,
    paired_limits,
)
from tests.simulated import TIMES, Tally, trials


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.9, 0.95]))
@settings(deadline=None)
def test_exact_limits_are_scipys(counted: tuple[int, int], level: float) -> None:
    right, n = counted
    theirs = binomtest(right, n).proportion_ci(confidence_level=level, method="exact")
    np.testing.assert_allclose(clopper_pearson(right, n, level), (theirs.low, theirs.high), atol=1e-9)


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(deadline=None)
def test_mid_p_limits_are_where_scipys_binomial_says(counted: tuple[int, int]) -> None:
    right, n = counted

    def beyond(chance: float) -> float:
        return float(binom.sf(right, n, chance) + binom.pmf(right, n, chance) / 2)

    low = 0.0 if right == 0 else brentq(lambda chance: beyond(chance) - 0.025, 0, 1)
    high = 1.0 if right == n else brentq(lambda chance: beyond(chance) - 0.975, 0, 1)
    np.testing.assert_allclose(mid_p(right, n), (low, high), atol=1e-9)


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        # accuracies published on 35 and 71 held-out images
        (6, 35, 0.066, 0.336),
        (28, 35, 0.631, 0.916),
        (32, 35, 0.769, 0.982),
        (66, 71, 0.843, 0.977),
        # differential limits as laboratories' tables print them
        (0, 100, 0.000, 0.036),
        (5, 100, 0.016, 0.113),
        (50, 100, 0.398, 0.602),
        (10, 200, 0.024, 0.090),
        (100, 200, 0.429, 0.571),
        (20, 400, 0.031, 0.076),
    ],
)
def test_exact_limits_are_those_of_the_tables(right: int, n: int, low: float, high: float) -> None:
    found = exact_interval(right, n)
    assert found.low == pytest.approx(low, abs=5.01e-4) and found.high == pytest.approx(high, abs=5.01e-4)


def test_a_share_of_nothing_has_no_limits() -> None:
    found = exact_interval(0, 0)
    assert found.low is None and found.high is None and "undefined" in found.method


def _share(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    return counts[..., 0] / counts[..., 1]


def test_the_bootstrap_agrees_with_scipys_bca() -> None:
    generator = np.random.default_rng(3)
    size = generator.integers(1, 9, 60)
    right = generator.binomial(size, 0.8)
    counts = np.stack([right, size], axis=1)
    ours = GroupBootstrap(counts, replicates=20_000, seed=1).interval(_share)
    theirs = bootstrap(
        (right, size),
        lambda a, b, axis=-1: a.sum(axis=axis) / b.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=20_000,
        rng=np.random.default_rng(2),
        method="BCa",
    ).confidence_interval
    assert ours is not None and "BCa" in ours.method
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=3e-3)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=5, max_size=30), st.randoms())
@settings(max_examples=30, deadline=None)
def test_the_order_of_the_groups_does_not_matter(pairs: list[tuple[int, int]], random: Random) -> None:
    counts = [[right, right + wrong + 1] for right, wrong in pairs]
    shuffled = random.sample(counts, len(counts))
    first, second = (GroupBootstrap(np.array(of), replicates=200, seed=4).interval(_share) for of in (counts, shuffled))
    assert first == second


def test_the_bootstrap_is_the_same_for_the_same_seed_and_names_it() -> None:
    counts = np.array([[1, 1]] * 8 + [[0, 1]] * 4)
    first, again, other = (GroupBootstrap(counts, replicates=300, seed=seed) for seed in (7, 7, 8))
    assert first.interval(_share) == again.interval(_share)
    found = other.interval(_share)
    assert found is not None
    assert found.method == "cluster bootstrap over 12 groups, BCa, 300 replicates, seed 8"


def test_where_all_groups_are_alike_resampling_says_that_it_cannot_tell() -> None:
    assert GroupBootstrap(np.array([[2, 2]] * 9), replicates=100, seed=0).interval(_share) is None


def test_copies_of_one_cell_do_not_narrow_the_interval() -> None:
    """Thirty photographs of each of 12 cells are 12 cells."""
    once = np.array([[1, 1]] * 9 + [[0, 1]] * 3)
    few, many = (GroupBootstrap(once * times, replicates=4000, seed=0).interval(_share) for times in (1, 30))
    assert few is not None and many is not None
    assert (few.low, few.high) == pytest.approx((many.low, many.high))


def test_many_unlike_groups_are_resampled_in_pieces() -> None:
    generator = np.random.default_rng(0)
    counts = np.stack([generator.integers(0, 10**6, 3000), np.full(3000, 10**6)], axis=1)
    found = GroupBootstrap(counts, replicates=3000, seed=0).interval(_share)
    assert found is not None and found.low is not None and found.high is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.2887 / np.sqrt(3000), rel=0.1)


def test_the_limits_of_a_mean_of_one_are_its_own() -> None:
    assert mover_mean(np.array([0.8]), np.array([0.7]), np.array([0.85])) == pytest.approx((0.7, 0.85))


def test_the_limits_of_a_mean_take_in_weights_and_what_goes_together() -> None:
    values, low, high = np.array([0.8, 0.6]), np.array([0.7, 0.5]), np.array([0.9, 0.7])
    assert mover_mean(values, low, high) == pytest.approx((0.7 - 0.1 / np.sqrt(2), 0.7 + 0.1 / np.sqrt(2)))
    assert mover_mean(values, low, high, correlation=np.ones((2, 2))) == pytest.approx((0.6, 0.8))
    assert mover_mean(values, low, high, weights=np.array([1.0, 0.0])) == pytest.approx((0.7, 0.9))


def test_shares_of_the_same_groups_go_together_as_their_simulation_does() -> None:
    generator = np.random.default_rng(2)
    size = generator.integers(1, 4, (40, 2)).astype(np.float64)

    def drawn() -> NDArray[np.float64]:
        chance = generator.beta(4, 1, 40)  # of both shares: a group is hard or easy
        return generator.binomial(size.astype(int), chance[:, None]).astype(np.float64)

    sets = [drawn() for _ in range(2000)]
    shares = np.array([right.sum(axis=0) / size.sum(axis=0) for right in sets])
    estimated = np.mean([correlation_of_shares(right, size)[0, 1] for right in sets[:400]])
    assert estimated == pytest.approx(np.corrcoef(shares.T)[0, 1], abs=0.05)


def test_paired_limits_are_those_done_by_hand() -> None:
    """Bentur et al. (2009) as in Fagerland et al., Stat. Med. 33 (2014) 2850: 1 and 7 of 21 change."""
    reach = 1.959964 * np.sqrt((10 / 23 - (6 / 23) ** 2) / 23)
    assert paired_limits(1, 7, 21) == pytest.approx((-6 / 23 - reach, -6 / 23 + reach), abs=1e-6)
    assert paired_limits(7, 1, 21) == pytest.approx((6 / 23 - reach, 6 / 23 + reach), abs=1e-6)
    assert paired_limits(20, 0, 20)[1] == 1


# Chances of each (true, predicted) pair: 326 cells shared out as in the 410-image set, errors as networks make them.
_CHANCES = np.diag([0.52, 0.23, 0.098, 0.055])
_CHANCES[0, 1] = _CHANCES[1, 0] = 0.0385
_CHANCES[2, 3] = _CHANCES[3, 2] = 0.01
_CHANCES = _CHANCES / _CHANCES.sum()


@pytest.mark.slow
@pytest.mark.coverage
@pytest.mark.parametrize("cells_per_group", [1, 4])
def test_95_percent_limits_hold_the_truth_as_often_as_they_say(cells_per_group: int) -> None:
    """0.95. Simulated sets whose truth is known; a group's cells are of one class and share their fate."""
    generator = np.random.default_rng(10 + cells_per_group)
    figures = {name: metrics.OVERALL[name] for name in ("accuracy", "macro_specificity", "macro_f1")}
    truth = {name: float(figure(_CHANCES * 1e6)) for name, figure in figures.items()}
    mean_sensitivity = float(metrics.OVERALL["macro_sensitivity"](_CHANCES * 1e6))
    tally = Tally()
    for seed in range(trials(600)):
        drawn = generator.multinomial(326, _CHANCES.ravel())
        groups = np.repeat(np.eye(16, dtype=np.int64), drawn, axis=0) * cells_per_group
        resampled = GroupBootstrap(groups, replicates=1000, seed=seed)
        for name, figure in figures.items():
            found = resampled.interval(lambda counts, f=figure: f(counts.reshape(*counts.shape[:-1], 4, 4)))  # type: ignore[misc]
            assert found is not None
            tally.add(name, found, truth[name])
        matrix = drawn.reshape(4, 4)
        right, support = np.diag(matrix), matrix.sum(axis=1)
        tally.add("macro_sensitivity", mover_mean(right / support, *mid_p(right, support)), mean_sensitivity)
    for name in tally.held:
        tally.check(name)


def test_the_count_of_simulated_sets_is_multiplied_and_tells_where_limits_hold_too_seldom(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(TIMES, raising=False)
    assert trials(400) == 400
    monkeypatch.setenv(TIMES, "3")
    assert trials(400) == 1200
    tally = Tally()
    for number in range(1000):
        tally.add("often", (0.1, 0.3 if number % 20 else 0.15), 0.2)
        tally.add("seldom", (0.1, 0.3 if number % 10 else 0.15), 0.2)
        tally.add("always", (0.1, 0.2), 0.2)
    tally.check("often")
    assert capsys.readouterr().out == "".join(
        f"{name}: held in {share} of 1000\n"
        for name, share in [("often", "0.950"), ("seldom", "0.900"), ("always", "1.000")]
    )
    for name, share in [("seldom", "0.900"), ("always", "1.000")]:
        with pytest.raises(AssertionError, match=rf"{name}: held in {share} of 1000, not in 0\.916 to 0\.984"):
            tally.check(name)


@pytest.mark.parametrize("given", ["0", "-2", "1.5", "ten", "", " 3", "²"])
def test_simulated_sets_are_multiplied_by_a_positive_integer_only(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TIMES, given)
    with pytest.raises(ValueError, match=r"BUFFYCOAT_TRIALS_TIMES is .*; expected a positive integer"):
        trials(400)


def test_the_effective_number_is_that_of_a_cluster_robust_variance() -> None:
    """The variance of a share of cells in groups, by statsmodels' sandwich estimator."""
    rng = np.random.default_rng(5)
    group = rng.integers(0, 40, 160)
    right = (rng.random(160) < 0.6 + 0.3 * rng.standard_normal(40)[group]).astype(float)
    fit = sm.OLS(right, np.ones(160)).fit(cov_type="cluster", cov_kwds={"groups": group})
    names, number = np.unique(group, return_inverse=True)
    sizes, hits = np.bincount(number), np.bincount(number, weights=right)
    share = right.mean()
    fewer = (student.ppf(0.975, 159) / student.ppf(0.975, len(names) - 1)) ** 2
    expected = share * (1 - share) / float(fit.bse[0]) ** 2 * fewer
    assert expected < 160
    assert effective_number(hits, sizes) == pytest.approx(expected, rel=1e-9)
