"""Two models trained with several seeds: what difference to expect of both trained anew, tested on other cells.

The difference is that of the means over the seeds, on the first split's cells. Its variance is that of the cells, in
pairs and by groups, and that of each model's training. A cell that changes its answer by itself from seed to seed moves
the means, too, and so is counted with the cells; training adds what moves many cells together.

How far training moves an accuracy is measured fold by fold. Every fold's training has a seed of its own, so that
trainings of different folds differ independently: five folds trained twice are five pairs of trainings, not one. No
two models are taken to vary alike: with variances pooled over models whose deviations are as 1 to 3, limits held the
truth in 0.89 to 0.99 of simulated sets, with each model's own in 0.94 to 0.98
(``tests/evaluate/test_retrained_coverage.py``).

Sources: Satterthwaite, Biometrics Bull. 2 (1946) 110 (degrees of freedom of a sum of variances); one pair more either
way, as in Bonett and Price (see :mod:`~buffycoat.evaluate.intervals`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from buffycoat.evaluate.held_out import HeldOut, Numbers, held_out
from buffycoat.evaluate.intervals import LEVEL
from buffycoat.evaluate.shares import group_sums

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trainings:
    """Which cells of the first split a model has right, trained with each seed.

    Attributes
    ----------
    model
        Its name.
    cell, group, fold
        Shape ``(n,)``, as in :class:`~buffycoat.evaluate.held_out.HeldOut`; sorted by cell.
    right
        Shape ``(n, seeds)``: 1 where right, the study's own training first.
    """

    model: str
    cell: Numbers
    group: Numbers
    fold: Numbers
    right: Floats

    @classmethod
    def of(cls, held: HeldOut, others: pl.DataFrame, cells: pl.DataFrame, classes: Sequence[str]) -> Trainings:
        """Return a model's trainings, on the cells that all of them were asked.

        Parameters
        ----------
        held
            Its held-out predictions.
        others
            ``seeds.parquet``: its predictions after training with other seeds, with the column ``take``; none of a
            model that was trained once.
        """
        found = cls.once(held)
        for _, part in others.filter(pl.col("model") == held.model).sort("take").group_by("take", maintain_order=True):
            found = found._beside(cls.once(held_out(part.drop("take"), cells, classes)[held.model]))
        return found

    @classmethod
    def once(cls, held: HeldOut) -> Trainings:
        """Return the study's own training on the first split."""
        first = held.take(held.repeat == 0)
        first = first.take(np.argsort(first.cell, kind="stable"))
        return cls(held.model, first.cell, first.group, first.fold, first.right.astype(np.float64)[:, np.newaxis])

    @property
    def seeds(self) -> int:
        """How often each fold was trained."""
        return int(self.right.shape[1])

    def take(self, rows: Numbers) -> Trainings:
        """Return some of the cells."""
        return Trainings(self.model, self.cell[rows], self.group[rows], self.fold[rows], self.right[rows])

    def _beside(self, other: Trainings) -> Trainings:
        _, mine, theirs = np.intersect1d(self.cell, other.cell, return_indices=True)
        both, right = self.take(mine), other.take(theirs).right
        return Trainings(self.model, both.cell, both.group, both.fold, np.concatenate([both.right, right], axis=1))


@dataclass(frozen=True)
class Retrained:
    """The difference of two models, both trained anew.

    Attributes
    ----------
    value
        Mean accuracy of the first over its seeds minus that of the second.
    low, high
        Its limits.
    seeds
        Trainings of each fold, of the first and of the second; a model trained once is taken as it is.
    from_cells, from_training
        Variance of the difference that cells tell (answers that change by themselves among it), and what training adds.
    degrees
        Of the t distribution.
    """

    value: float
    low: float
    high: float
    seeds: tuple[int, int]
    from_cells: float
    from_training: float
    degrees: float
    p_value: float


def retrained(first: Trainings, second: Trainings, level: float = LEVEL) -> Retrained | None:
    """Return the difference to expect of two models trained anew; None with one seed of both, or one group of cells."""
    _, mine, theirs = np.intersect1d(first.cell, second.cell, return_indices=True)
    pair = (first.take(mine), second.take(theirs))
    group, rows, groups = pair[0].group, len(mine), len(np.unique(pair[0].group))
    seeds = (first.seeds, second.seeds)
    if max(seeds) < 2 or groups < 2:
        return None
    lead = pair[0].right.mean(axis=1) - pair[1].right.mean(axis=1)
    value = float(lead.mean())
    sums = group_sums((lead - value)[:, np.newaxis], group)[:, 0]
    # One cell more either way: few that set the models apart leave their number uncertain, none leave it unknown.
    between = (float((sums**2).sum()) * groups / (groups - 1) + 2) / (rows + 2) ** 2
    parts = [_of_training(one) for one in pair]
    single = sum(part.single / part.seeds for part in parts)
    added = sum(part.shared / part.seeds for part in parts)
    cells = max(between - single, 0.0)
    total = cells + single + added
    scatter = cells**2 / (groups - 1)
    scatter += sum(((part.single + part.shared) / part.seeds) ** 2 / part.degrees for part in parts if part.degrees)
    degrees = total**2 / scatter if scatter > 0 else groups - 1.0
    middle, error = value * rows / (rows + 2), float(np.sqrt(total))
    reach = float(stdtrit(degrees, (1 + level) / 2)) * error
    return Retrained(
        value=value,
        low=max(middle - reach, -1.0),
        high=min(middle + reach, 1.0),
        seeds=seeds,
        from_cells=cells + single,
        from_training=added,
        degrees=degrees,
        p_value=2 * float(stdtr(degrees, -abs(middle) / error)),
    )


@dataclass(frozen=True)
class _Training:
    """Variance of an accuracy from one training to the next, on the same cells."""

    seeds: int
    degrees: int  # that tell it
    single: float  # what cells that change their answer by themselves (with their group) make of it
    shared: float  # what is beyond that: cells that change together


def _of_training(model: Trainings) -> _Training:
    if model.seeds < 2:
        return _Training(model.seeds, 0, 0.0, 0.0)
    names, place = np.unique(model.fold, return_inverse=True)
    rows, groups = len(place), len(np.unique(model.group))
    size = np.bincount(place)[:, np.newaxis]
    of_fold = group_sums(model.right, place) / size  # accuracy by fold and seed
    variance = float(((size[:, 0] / rows) ** 2) @ of_fold.var(axis=1, ddof=1))
    moved = (of_fold - of_fold.mean(axis=1, keepdims=True))[place]
    left = group_sums(model.right - model.right.mean(axis=1, keepdims=True) - moved, model.group)
    few = groups / max(groups - len(names), 1)
    single = float((left**2).sum()) / (model.seeds - 1) / rows**2 * few
    return _Training(model.seeds, len(names) * (model.seeds - 1), single, max(variance - single, 0.0))
