"""How many cells would be enough: to settle a difference between models, and to narrow an interval.

Sources: Connor, Biometrics 43 (1987) 207 (number of pairs for McNemar's test); the non-central t distribution; Clopper
and Pearson (see :mod:`~buffycoat.evaluate.intervals`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import nctdtrinc, ndtri, stdtrit

from buffycoat.evaluate.held_out import HeldOut
from buffycoat.evaluate.intervals import LEVEL, clopper_pearson, effective_number
from buffycoat.evaluate.retrained import Retrained
from buffycoat.evaluate.shares import group_sums
from buffycoat.records.evidence import ResampledTest, SampleSize, Target

POWER = 0.8
HALF_WIDTHS = (0.05, 0.025)
"""Half-widths worth planning for."""
MOST = 1_000_000


def pairs_needed(first_only: float, second_only: float, *, alpha: float, power: float = POWER) -> float:
    """Return how many cells let McNemar's test find a difference like this.

    Parameters
    ----------
    first_only, second_only
        Shares of cells that one model alone has right.
    alpha, power
        Chances of finding a difference where there is none, and of finding this one.

    Examples
    --------
    >>> round(pairs_needed(0.10, 0.05, alpha=0.05))
    469
    """
    apart, differ = first_only - second_only, first_only + second_only
    if apart == 0:
        return math.inf
    wanted = -float(ndtri(alpha / 2)) * math.sqrt(differ) + float(ndtri(power)) * math.sqrt(differ - apart**2)
    return wanted**2 / apart**2


def images_needed(first: HeldOut, second: HeldOut, *, alpha: float) -> int | None:
    """Return about how many images would settle which model is better, were the difference as large as it looks.

    Rows of one group tell less than as many of their own: the number is raised by what grouping costs here. It is
    rounded up to two digits; None where the models are right equally often, or beyond a million.
    """
    lead = first.right.astype(np.float64) - second.right.astype(np.float64)
    total = len(lead)
    needed = pairs_needed(float(np.mean(lead > 0)), float(np.mean(lead < 0)), alpha=alpha)
    sums = group_sums(np.stack([lead, np.ones(total)], axis=1), first.group)
    between = float(((sums[:, 0] - lead.mean() * sums[:, 1]) ** 2).sum()) / total
    within = float(lead.var())
    cells = len(np.unique(first.cell))
    needed *= (between / within if within > 0 else 1.0) * cells / total
    if not needed <= MOST:
        return None
    return rounded_up(max(needed, cells + 1))


def images_for_t_test(found: ResampledTest, cells: int, *, alpha: float) -> float:
    """Return about how many images would let the corrected t-test over as many folds find a difference like this.

    Its variance is taken to fall as cells are added, that of training along with it: where training itself decides
    much, more are needed, or more repeats.

    Parameters
    ----------
    found
        The test on the cells there are.
    cells
        Their number.
    """
    if not found.statistic:
        return math.inf
    wanted = _statistic_wanted(found.degrees, alpha)
    return cells * max((wanted / found.statistic) ** 2, 1.0)


def _statistic_wanted(degrees: float, alpha: float) -> float:
    """Return the t statistic that the truth must have for a test to find it as often as :data:`POWER` says."""
    critical = -float(stdtrit(degrees, alpha / 2))
    return float(nctdtrinc(degrees, 1 - POWER, critical))


def images_with_training(found: Retrained, cells: int, *, alpha: float) -> float:
    """Return about how many images would let limits that count the chance of training leave out nought.

    More cells leave what training adds as it is: infinite where so few seeds are too few on any number of cells.

    Parameters
    ----------
    found
        The difference on the cells there are.
    cells
        Their number.
    """
    wanted = _statistic_wanted(found.degrees, alpha)
    left = (found.value / wanted) ** 2 - found.from_training
    return cells * max(found.from_cells / left, 1.0) if left > 0 else math.inf


def rounded_up(value: float) -> int:
    """Return a number rounded up to two digits.

    Examples
    --------
    >>> rounded_up(861.2), rounded_up(1201), rounded_up(7)
    (870, 1300, 7)
    """
    step: int = 10 ** max(0, math.floor(math.log10(value)) - 1)
    return math.ceil(value / step - 1e-9) * step


def cells_for(share: float, half_width: float, level: float = LEVEL) -> int:
    """Return the fewest independent cells at which the exact interval of this share is so narrow.

    Parameters
    ----------
    share
        The share as measured, 0–1; it need not be a whole number of cells.
    half_width
        Half the distance from the lower to the upper limit.

    Examples
    --------
    >>> cells_for(0.5, 0.05), cells_for(0.9, 0.05)
    (402, 158)
    """

    def wide(cells: int) -> bool:
        low, high = clopper_pearson(share * cells, cells, level)
        return float(high - low) / 2 > half_width

    most = 1
    while wide(most):
        most *= 2
    least = most // 2
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (middle, most) if wide(middle) else (least, middle)
    return most


def sample_sizes(
    held: HeldOut, classes: Sequence[str], half_widths: Sequence[float] = HALF_WIDTHS
) -> tuple[SampleSize, ...]:
    """Return for a model's accuracy and each class's sensitivity how many cells an interval of some width takes."""
    found = []
    distinct = len(np.unique(held.cell))
    for name, of in [(None, np.ones(len(held.true), dtype=bool))] + [
        (name, held.true == place) for place, name in enumerate(classes)
    ]:
        right, cells = held.right[of], len(np.unique(held.cell[of]))
        if cells < 2:
            continue
        share = float(right.mean())
        counts = group_sums(np.stack([right, np.ones_like(right)], axis=1).astype(np.float64), held.group[of])
        number = effective_number(counts[:, 0], counts[:, 1])
        if not number > 0:
            continue
        low, high = clopper_pearson(share * number, number)
        worth = max(number, 1.0) / cells  # independent cells that one more cell counts for
        targets = []
        for half_width in half_widths:
            needed = rounded_up(max(cells_for(share, half_width) / worth, 1))
            targets.append(Target(half_width=half_width, cells=needed, in_all=rounded_up(needed * distinct / cells)))
        found.append(
            SampleSize(
                model=held.model,
                figure="accuracy" if name is None else "sensitivity",
                name=name,
                share=share,
                cells=cells,
                half_width=float(high - low) / 2,
                targets=tuple(targets),
            )
        )
    return tuple(found)
