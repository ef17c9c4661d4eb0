"""How often the desk's 95 % limits hold a known truth, at the numbers of slides and cells a desk has."""

from __future__ import annotations

import numpy as np
import pytest

from buffycoat.review.agreement import kappa
from buffycoat.review.pooled import pooled
from tests.simulated import Tally, trials

pytestmark = [pytest.mark.slow, pytest.mark.coverage]
SETS = 600


@pytest.mark.parametrize(("slides", "most"), [(3, 1.0), (12, 0.97), (60, 0.97)])
@pytest.mark.parametrize("share", [0.85, 0.96])
def test_a_share_pooled_over_slides(slides: int, most: float, share: float) -> None:
    """0.94 to 0.95, of three slides 0.96 to 0.97. Without regard to slides: 0.68 to 0.72; resampling twelve: 0.89."""
    rng, tally = np.random.default_rng(1), Tally()
    much = (1 - 0.02) / 0.02  # cells of a slide err together: correlation 0.02
    for _ in range(trials(SETS)):
        sizes = rng.choice([100, 100, 200], slides)
        right = rng.binomial(sizes, rng.beta(share * much, (1 - share) * much, slides))
        tally.add("share", pooled(list(zip(right.tolist(), sizes.tolist(), strict=True))).interval, share)
    tally.check("share", most=most)


_CALLED = np.array(
    [
        [0, 0.7, 0.1, 0.15, 0.05],
        [0.9, 0, 0.05, 0.04, 0.01],
        [0.3, 0.1, 0, 0.55, 0.05],
        [0.3, 0.1, 0.55, 0, 0.05],
        [0.4, 0.3, 0.2, 0.1, 0],
    ]
)


@pytest.mark.parametrize("cells", [100, 200, 500])
@pytest.mark.parametrize("agreed", [0.7, 0.92, 0.98])
def test_kappa(cells: int, agreed: float) -> None:
    """0.94 to 0.98; normal limits: 0.91 where the readers agree on 98 of 100."""
    shares = np.array([0.6, 0.28, 0.07, 0.04, 0.01])
    chances = np.diag(shares) * agreed + (1 - agreed) * shares[:, None] * _CALLED
    chance = float(chances.sum(axis=1) @ chances.sum(axis=0))
    truth = (float(np.trace(chances)) - chance) / (1 - chance)
    rng, tally = np.random.default_rng(2), Tally()
    for _ in range(trials(SETS)):
        tally.add("kappa", kappa(rng.multinomial(cells, chances.ravel()).reshape(5, 5)).interval, truth)
    few = cells * (1 - agreed) < 5  # two to four disagreements: a share takes few values
    tally.check("kappa", most=0.98 if few else 0.97)
