"""How often 95 % limits of a share hold a known truth: exact, at the effective number, and by cluster bootstrap.

Prints the table of docs/results/honest.md; about two minutes on one core: ``python benchmarks/coverage.py``
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from buffycoat.evaluate.intervals import GroupBootstrap, clopper_pearson, clustered_interval
from buffycoat.records.base import Interval

TRIALS = 1000
SETTINGS = (
    ("cells of their own", 1, 0.0),
    ("three photographs of each cell", 3, 0.4),
    ("five repeats of each cell", 5, 0.6),
)


def bootstrap(right: NDArray[np.int64], size: NDArray[np.int64]) -> tuple[float, float]:
    """Return BCa limits; where all groups are alike, exact ones with groups for cells."""
    counts = np.stack([right, size], axis=1)
    found = GroupBootstrap(counts, replicates=1000, seed=0).interval(lambda sums: sums[..., 0] / sums[..., 1])
    if found is None or found.low is None or found.high is None:
        low, high = clopper_pearson(len(right), len(right))
        return float(low), float(high)
    return found.low, found.high


def effective(right: NDArray[np.int64], size: NDArray[np.int64]) -> tuple[float, float]:
    """Return the limits that the reports give."""
    found: Interval = clustered_interval(right, size)
    return found.low or 0.0, found.high or 1.0


def held(share: float, groups: int, size: int, alike: float) -> list[str]:
    """Return, for both methods, how often they hold the share, and their mean width."""
    rng = np.random.default_rng(1)
    sizes = np.full(groups, size)
    much = (1 - alike) / alike if alike else 1.0
    hits, widths = np.zeros(2), np.zeros(2)
    for _ in range(TRIALS):
        chance = rng.beta(share * much, (1 - share) * much, groups) if alike else share
        right = rng.binomial(sizes, chance)
        for place, limits in enumerate((effective(right, sizes), bootstrap(right, sizes))):
            hits[place] += limits[0] - 1e-12 <= share <= limits[1] + 1e-12
            widths[place] += limits[1] - limits[0]
    return [f"{hit:.3f} ({width:.3f})" for hit, width in zip(hits / TRIALS, widths / TRIALS, strict=True)]


def main() -> None:
    print("| rows | share | groups | exact, effective number | cluster bootstrap, BCa |\n|---|--:|--:|--:|--:|")
    for name, size, alike in SETTINGS:
        for total in (326, 66):
            groups = total if size != 3 else total // 3
            for share in (0.85, 0.98):
                print(f"| {name} | {share} | {groups} | {' | '.join(held(share, groups, size, alike))} |", flush=True)


if __name__ == "__main__":
    main()
