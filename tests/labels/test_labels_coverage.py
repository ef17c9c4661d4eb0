"""How often the 95 % limits of the share of wrong labels hold what the method finds in endlessly many cells."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from buffycoat.labels.confident import confident_classes, estimate_joint, thresholds, wrong_shares
from buffycoat.labels.shares import wrong_estimates
from tests.evaluate.test_coverage_in_groups import AMPLE, REAL, cells_of
from tests.labels.flips import flipped, simulated

pytestmark = pytest.mark.slow
TRIALS = 300
Numbers = NDArray[np.int64]


def _said(true: Numbers, noise: float, skill: float, rng: np.random.Generator) -> tuple[Numbers, NDArray[np.float64]]:
    return flipped(true, noise, rng), simulated(true, rng, skill)


@pytest.mark.parametrize(
    ("noise", "skill", "groups"),
    [(0.05, 6.0, REAL), (0.2, 6.0, REAL), (0.1, 4.0, REAL), (0.2, 4.0, REAL), (0.05, 5.0, AMPLE)],
)
def test_shares_of_wrong_labels(noise: float, skill: float, groups: tuple[tuple[int, ...], ...]) -> None:
    """All: 0.93 to 0.97, up to 0.98 at 5 % noise. Of a class: exact, up to 1.00 (a bootstrap: 0.60 among 33 cells)."""
    group, true = cells_of(groups)
    labels, odds = _said(cells_of(groups * 100)[1], noise, skill, np.random.default_rng(1))
    truth = wrong_shares(estimate_joint(odds, labels))
    rng, held = np.random.default_rng(2), np.zeros(5)
    for _ in range(TRIALS):
        labels, odds = _said(true, noise, skill, rng)
        confident = confident_classes(odds, thresholds(odds, labels))
        found = wrong_estimates(estimate_joint(odds, labels), labels, confident, group)
        limits = [(one.interval.low or 0.0, 1.0 if one.interval.high is None else one.interval.high) for one in found]
        held += [low <= share <= high for (low, high), share in zip(limits, truth, strict=True)]
    noise_of_trials = 2 * np.sqrt(0.95 * 0.05 / TRIALS)
    assert held.min() / TRIALS >= 0.93 - noise_of_trials, held / TRIALS
    assert held[0] / TRIALS <= (0.98 if noise == 0.05 else 0.97) + noise_of_trials, held / TRIALS


@pytest.mark.parametrize(("skill", "least"), [(6.0, 0.93), (4.0, 0.75)])
def test_the_share_found_is_the_share_flipped_only_where_probabilities_are_good(skill: float, least: float) -> None:
    """Where networks know the cells less well, hard cells count as wrong, and the estimate is too high: 0.8 to 0.9."""
    group, true = cells_of(REAL)
    rng, held = np.random.default_rng(3), 0
    for _ in range(TRIALS):
        labels, odds = _said(true, 0.1, skill, rng)
        confident = confident_classes(odds, thresholds(odds, labels))
        limits = wrong_estimates(estimate_joint(odds, labels), labels, confident, group)[0].interval
        assert limits.low is not None and limits.high is not None
        held += limits.low <= 0.1 <= limits.high
    assert least - 2 * np.sqrt(0.95 * 0.05 / TRIALS) <= held / TRIALS <= 0.98, held / TRIALS
