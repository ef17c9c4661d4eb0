"""How much of an accuracy's spread comes from the seed of training, and how much from the cells.

The same folds trained with several seeds are a table of cells by seeds. Its variances are parted as in a two-way
layout with random cells and seeds: training moves the accuracy of all cells together or of single ones; both show in
how far the seeds' accuracies lie apart. What is left of the cells' differences is that of another sample of cells.

Every fold's training has a seed of its own, so that the trainings of different folds differ independently. How far an
accuracy moves is measured fold by fold, then: five folds trained twice are five pairs of trainings, not one.

Two or three accuracies often lie closer together than they should, and may be equal by chance. How often single cells
change their answer from seed to seed tells a least value, since cells that change by themselves move the accuracy, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import chdtri, stdtrit

from buffycoat.evaluate.held_out import HeldOut, held_out
from buffycoat.evaluate.intervals import LEVEL, clopper_pearson, interval
from buffycoat.evaluate.retrained import Trainings
from buffycoat.evaluate.shares import group_sums, share_of
from buffycoat.records.base import Estimate
from buffycoat.records.evidence import LearningPoint, Spread

Floats = NDArray[np.float64]

METHOD = "chi-squared for a standard deviation"
_WIDE = 0.5
_SAME = 1e-20
_TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
UNMOVED = "no cell changed: exact, from the share of cells that might have"


def spread_of(
    held: HeldOut, others: pl.DataFrame, cells: pl.DataFrame, classes: Sequence[str], title: str
) -> Spread | None:
    """Return how much training again moves a model's accuracy, or None with one seed.

    Parameters
    ----------
    held
        The model's held-out predictions.
    others
        ``seeds.parquet``: its predictions after training with other seeds, with the column ``take``.
    """
    trained = Trainings.of(held, others, cells, classes)
    if trained.seeds < 2 or len(np.unique(trained.group)) < 2:
        return None
    return part_variance(trained.right, trained.group, held.model, title, trained.fold)


def part_variance(
    right: Floats, group: NDArray[np.int64], model: str, title: str, fold: NDArray[np.int64] | None = None
) -> Spread:
    """Part the variance of an accuracy into that of training and that of cells.

    Parameters
    ----------
    right
        Shape ``(cells, seeds)``: 1 where right.
    group
        Shape ``(cells,)``; two groups at least.
    fold
        Shape ``(cells,)``: cells of one fold were answered by one network of each seed. None: all of them were.
    """
    cells, seeds = right.shape
    accuracies = right.mean(axis=0)
    mean = right.mean(axis=1)
    names, place = np.unique(np.zeros(cells, np.int64) if fold is None else fold, return_inverse=True)
    size = np.bincount(place)
    of_fold = group_sums(right, place) / size[:, np.newaxis]
    moved = of_fold - of_fold.mean(axis=1, keepdims=True)
    residual = right - mean[:, np.newaxis] - moved[place]
    noise = float((residual**2).sum()) / (max(cells - len(names), 1) * (seeds - 1))
    trainings = len(names) * (seeds - 1)  # degrees of freedom
    training = max(float((size / cells) ** 2 @ of_fold.var(axis=1, ddof=1)), noise / cells)
    sums = group_sums(np.stack([mean - mean.mean()], axis=1), group)[:, 0]
    groups = len(sums)
    between = float((sums**2).sum()) * groups / (groups - 1) / cells**2
    # The seeds' mean of a cell still holds a share of the noise of single trainings.
    from_cells = max(between - noise / seeds / cells, 0.0)
    total = training + from_cells
    deviation = _deviation(training, trainings, cells)
    # Few seeds, few degrees of freedom: Satterthwaite's for the sum of two variances.
    scatter = training**2 / trainings + from_cells**2 / (groups - 1)
    degrees = total**2 / scatter if scatter > 0 else groups - 1.0
    reach = float(stdtrit(degrees, (1 + LEVEL) / 2)) * float(np.sqrt(total))
    value = float(accuracies[0])
    alone = share_of(right[:, 0] > 0, group).interval  # more to vary never tells more
    limits = interval(
        min(max(0.0, value - reach), 1.0 if alone.low is None else alone.low),
        max(min(1.0, value + reach), alone.high or 0.0),
        LEVEL,
        f"Student's t at {degrees:.3g} degrees of freedom, cells and training together",
    )
    part = training / total if total else 0.0
    few, many = (between * (groups - 1) / float(chdtri(groups - 1, tail)) for tail in _TAILS)
    few = max(few - noise / seeds / cells, 0.0)  # `many` keeps it: what is certain is that cells make up no more
    ends = zip((deviation.interval.low, deviation.interval.high), (many, few), strict=True)
    least, most = ((end or 0.0) ** 2 / max((end or 0.0) ** 2 + other, _SAME) for end, other in ends)
    return Spread(
        model=model,
        seeds=seeds,
        accuracies=tuple(accuracies.tolist()),
        deviation=deviation,
        from_cells=float(np.sqrt(from_cells)),
        share=part,
        share_interval=interval(least, most, LEVEL, f"from the limits of the deviation ({deviation.interval.method})"),
        interval=limits,
        sentence=(
            f"Trained with {seeds} seeds, {title} reached accuracies from {accuracies.min():.3f} to "
            f"{accuracies.max():.3f}: training itself makes up about {100 * part:.0f} % of the variance of its "
            f"accuracy ({100 * least:.0f} to {100 * most:.0f} %), the choice of cells the rest."
            + (" So few seeds hardly tell." if most - least > _WIDE else "")
        ),
    )


def _deviation(training: float, degrees: int, cells: int) -> Estimate:
    """Return the standard deviation from training to training with its limits."""
    if training > _SAME:
        low, high = (float(np.sqrt(degrees * training / chdtri(degrees, tail))) for tail in _TAILS)
        return Estimate(value=float(np.sqrt(training)), interval=interval(low, high, LEVEL, METHOD))
    # Two answers of a cell that differ with probability q have the variance q / 2.
    might = float(clopper_pearson(0, cells, LEVEL)[1])
    return Estimate(value=0.0, interval=interval(0.0, float(np.sqrt(might / 2 / cells)), LEVEL, UNMOVED))


def learning_points(
    held: HeldOut, others: pl.DataFrame, cells: pl.DataFrame, classes: Sequence[str], training_cells: float
) -> list[LearningPoint]:
    """Return a model's learning curve, smallest share first, the whole training set last; empty where not measured.

    Parameters
    ----------
    others
        ``learning.parquet``: its predictions after training on smaller shares, with the columns ``share`` and
        ``training_cells``.
    training_cells
        Mean over the folds, of the whole training set.
    """
    rows = others.filter(pl.col("model") == held.model)
    if rows.is_empty():
        return []
    points = []
    for (share,), part in rows.sort("share").group_by("share", maintain_order=True):
        found = held_out(part.drop("share", "training_cells"), cells, classes)[held.model]
        per_fold = part.unique(["repeat", "fold"]).get_column("training_cells").mean()
        points.append(_point(found, float(share), float(per_fold or 0.0)))  # type: ignore[arg-type]
    return [*points, _point(held.take(held.repeat == 0), 1.0, training_cells)]


def _point(held: HeldOut, share: float, training_cells: float) -> LearningPoint:
    return LearningPoint(
        model=held.model,
        share=share,
        training_cells=training_cells,
        accuracy=share_of(held.right, held.group),
        sensitivity=tuple(share_of(held.right, held.group, held.true == place) for place in range(held.classes)),
    )
