"""How often the 95 % limits of differences between counts hold a known truth, at 100 to 400 cells."""

from __future__ import annotations

import numpy as np
import pytest

from buffycoat.differential.compare import _difference, _paired_difference
from buffycoat.differential.limits import percent
from buffycoat.records.base import Interval

pytestmark = pytest.mark.slow
TRIALS = 1500
NOISE = 2 * np.sqrt(0.95 * 0.05 / TRIALS)


def _holds(limits: Interval, truth: float) -> bool:
    assert limits.low is not None and limits.high is not None
    return limits.low - 1e-9 <= truth <= limits.high + 1e-9


@pytest.mark.parametrize("cells", [100, 200, 400])
@pytest.mark.parametrize("only", [(0.05, 0.05), (0.08, 0.0), (0.06, 0.01), (0.15, 0.10)])
def test_a_difference_on_the_same_cells(cells: int, only: tuple[float, float]) -> None:
    """0.94 to 0.97. Limits given how many cells are named differently: 0.45 to 0.83 where most go one way."""
    rng, held = np.random.default_rng(1), 0
    for _ in range(TRIALS):
        first, second, _ = rng.multinomial(cells, [*only, 1 - sum(only)])
        held += _holds(_paired_difference(int(first), int(second), cells, 0.95).interval, 100 * (only[1] - only[0]))
    assert 0.93 - NOISE <= held / TRIALS <= 0.97 + NOISE, held / TRIALS


@pytest.mark.parametrize("cells", [100, 400])
@pytest.mark.parametrize("shares", [(0.6, 0.5), (0.05, 0.02), (0.01, 0.0)])
def test_a_difference_of_independent_counts(cells: int, shares: tuple[float, float]) -> None:
    """0.95 to 1.00: put together from exact limits, too often where a cell or two are to be expected, never short."""
    rng, held = np.random.default_rng(2), 0
    for _ in range(TRIALS):
        one, other = (percent(int(rng.binomial(cells, share)), cells) for share in shares)
        held += _holds(_difference(one, other).interval, 100 * (shares[1] - shares[0]))
    few = cells * shares[1] < 10
    assert 0.95 - NOISE <= held / TRIALS <= (1.0 if few else 0.97 + NOISE), held / TRIALS
