"""How many sets are simulated, and how often their 95 % limits hold the known truth.

The tests that ask so carry the marker ``coverage``. The numbers of sets they draw by themselves find gross faults; to
tell 0.93 from 0.92, multiply them, and read the shares off the output::

    BUFFYCOAT_TRIALS_TIMES=10 pytest -m coverage -rP -o timeout=0
"""

from __future__ import annotations

import os
import sys

import numpy as np

from buffycoat.records.base import Interval

TIMES = "BUFFYCOAT_TRIALS_TIMES"
"""By what every number of simulated sets is multiplied; 1 where it is not set."""
_SAME = 1e-12  # limits of a share may be the truth but for rounding


def trials(number: int) -> int:
    """Return how many sets to simulate: `number`, times :data:`TIMES`.

    Raises
    ------
    ValueError
        The variable holds no positive integer.
    """
    given = os.environ.get(TIMES, "1")
    if not (given.isascii() and given.isdigit() and int(given) > 0):
        raise ValueError(f"{TIMES} is {given!r}; expected a positive integer, such as 10, or leave it unset for 1.")
    return number * int(given)


def noise(number: int) -> float:
    """Return two standard errors of a share of 0.95 among `number` simulated sets."""
    return 2 * float(np.sqrt(0.95 * 0.05 / number))


class Tally:
    """How often limits held the truth, figure by figure."""

    def __init__(self) -> None:
        self.held: dict[str, list[bool]] = {}
        self._told: set[str] = set()

    def add(self, name: str, limits: Interval | tuple[float, float], truth: float) -> None:
        """Count one set's limits of a figure; limits that are undefined are an error of the simulation."""
        low, high = (limits.low, limits.high) if isinstance(limits, Interval) else limits
        assert low is not None and high is not None, (
            f"{name}: undefined limits in set {len(self.held.get(name, [])) + 1}"
        )
        self.held.setdefault(name, []).append(bool(low - _SAME <= truth <= high + _SAME))

    def share(self, name: str) -> float:
        """Return in what share of the sets the limits held the truth; what was counted is printed (``pytest -rP``)."""
        # All at once: the first figure out of bounds ends its test, and the others are to be read all the same.
        for each, held in self.held.items():
            if each not in self._told:
                sys.stdout.write(f"{each}: held in {np.mean(held):.3f} of {len(held)}\n")
        self._told.update(self.held)
        return float(np.mean(self.held[name]))

    def check(self, name: str, least: float = 0.93, most: float = 0.97) -> None:
        """Fail where the share is below `least` or above `most` by more than the :func:`noise` of the simulation."""
        share, number = self.share(name), len(self.held[name])
        low, high = least - noise(number), most + noise(number)
        assert low <= share <= high, f"{name}: held in {share:.3f} of {number}, not in {low:.3f} to {high:.3f}"
