"""How often the 95 % limits of differences between counts hold a known truth, at 100 to 400 cells."""

from __future__ import annotations

import numpy as np
import pytest

from buffycoat.differential.compare import _difference, _paired_difference
from buffycoat.differential.limits import percent
from tests.simulated import Tally, trials

pytestmark = [pytest.mark.slow, pytest.mark.coverage]
SETS = 1500


@pytest.mark.parametrize("cells", [100, 200, 400])
@pytest.mark.parametrize("only", [(0.05, 0.05), (0.08, 0.0), (0.06, 0.01), (0.15, 0.10)])
def test_a_difference_on_the_same_cells(cells: int, only: tuple[float, float]) -> None:
    """0.95 to 0.97. Limits given how many cells are named differently: 0.45 to 0.83 where most go one way."""
    rng, tally = np.random.default_rng(1), Tally()
    for first, second, _ in rng.multinomial(cells, [*only, 1 - sum(only)], trials(SETS)).tolist():
        limits = _paired_difference(first, second, cells, 0.95).interval
        tally.add("difference", limits, 100 * (only[1] - only[0]))
    tally.check("difference")


@pytest.mark.parametrize("cells", [100, 400])
@pytest.mark.parametrize("shares", [(0.6, 0.5), (0.05, 0.02), (0.01, 0.0)])
def test_a_difference_of_independent_counts(cells: int, shares: tuple[float, float]) -> None:
    """0.95 to 1.00: put together from exact limits, too often where a cell or two are to be expected, never short."""
    rng, tally = np.random.default_rng(2), Tally()
    for _ in range(trials(SETS)):
        one, other = (percent(int(rng.binomial(cells, share)), cells) for share in shares)
        tally.add("difference", _difference(one, other).interval, 100 * (shares[1] - shares[0]))
    few = cells * shares[1] < 10
    tally.check("difference", least=0.95, most=1.0 if few else 0.97)
