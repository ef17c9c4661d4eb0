"""How well pictures that are no cells of the study are told from those that are, from stored scores.

Sources: DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988) 837 (variance of the area); limits on the logit scale,
Pepe (2003), with Satterthwaite's degrees of freedom, for strangers may be few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import bdtr, expit, logit, stdtrit

from buffycoat.evaluate.intervals import EXACT, LEVEL, exact_interval, interval
from buffycoat.evaluate.shares import share_of
from buffycoat.evaluate.unlike import threshold_at
from buffycoat.records.base import Estimate, Interval
from buffycoat.records.trust import Unlike, UnlikeKind

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

CELL = "cell"
"""Kind of the held-out cells in ``unlike.parquet``; every other kind is of strangers."""
KEPT = 0.99
DETECTED = 0.95
SCORE = "the distance of the network's features from the nearest class of training cells (Mahalanobis, shrunken)"
COLUMNS = {
    "model": pl.String(),
    "repeat": pl.Int32(),
    "fold": pl.Int32(),
    "kind": pl.String(),  # CELL, or what the picture shows
    "item": pl.String(),  # cell_id, or the picture's number in its kind
    "right": pl.Boolean(),  # whether the network names the cell rightly; null for strangers
    "score": pl.Float64(),  # higher: more unlike the training cells
}
"""``unlike.parquet``: one row per model, fold, and held-out cell or stranger."""


@dataclass(frozen=True)
class _Fold:
    """Scores of one fold: held-out cells, and the strangers of one kind."""

    cells: Floats
    groups: Numbers
    right: NDArray[np.bool_]
    strangers: Floats
    items: Numbers


def unlike_of(table: pl.DataFrame, cells: pl.DataFrame, model: str) -> Unlike | None:
    """Return how well each kind of stranger is told from a model's held-out cells, or None without scores.

    Parameters
    ----------
    table
        ``unlike.parquet``.
    cells
        The study's cells, for their groups.
    """
    own = pl.format("cell\0{}", "cell_id")
    groups = cells.select(item="cell_id", group=pl.col("group").fill_null(own)).with_columns(
        group=pl.col("group").rank("dense").cast(pl.Int64)
    )
    rows = table.filter(pl.col("model") == model).join(groups, on="item", how="left")
    kinds = [kind for kind in rows.get_column("kind").unique(maintain_order=True).to_list() if kind != CELL]
    if not kinds:
        return None
    found = [_kind(_folds(rows, kind), kind) for kind in kinds]
    return Unlike(score=SCORE, kept=KEPT, kinds=tuple(one for one, _ in found), detected=tuple(one for _, one in found))


def _folds(rows: pl.DataFrame, kind: str) -> list[_Fold]:
    folds = []
    number = {item: place for place, item in enumerate(rows.filter(pl.col("kind") == kind)["item"].unique().sort())}
    for _, part in rows.sort("repeat", "fold", "item").group_by("repeat", "fold", maintain_order=True):
        cells, others = part.filter(pl.col("kind") == CELL), part.filter(pl.col("kind") == kind)
        if cells.height and others.height:
            folds.append(
                _Fold(
                    cells.get_column("score").to_numpy(),
                    cells.get_column("group").to_numpy(),
                    cells.get_column("right").fill_null(value=False).to_numpy(),
                    others.get_column("score").to_numpy(),
                    np.array([number[item] for item in others.get_column("item")], dtype=np.int64),
                )
            )
    return folds


def _kind(folds: Sequence[_Fold], name: str) -> tuple[UnlikeKind, Estimate]:
    """Return one kind's figures, and the share of it that is above the threshold other folds' cells set."""
    above, items = [], []
    for place, fold in enumerate(folds):
        others = [other.cells for k, other in enumerate(folds) if k != place] or [fold.cells]
        above.append(fold.strangers > threshold_at(np.concatenate(others), KEPT))
        items.append(fold.items)
    kind = UnlikeKind(
        name=name,
        pictures=len(np.unique(np.concatenate(items))),
        auroc=auroc(folds),
        lost=_lost(folds, len(np.unique(np.concatenate(items)))),
    )
    return kind, share_of(np.concatenate(above), np.concatenate(items))


def _lost(folds: Sequence[_Fold], pictures: int) -> Estimate:
    """Return the share of rightly named cells beyond the score that :data:`DETECTED` of the strangers reach.

    That score is known only as well as there are strangers: its limits are scores of theirs (order statistics), and the
    two uncertainties are put together (MOVER). Fewer than 59 strangers set no lower limit to the score.
    """
    groups = np.concatenate([fold.groups[fold.right] for fold in folds])

    def beyond(rank: int) -> NDArray[np.bool_]:
        return np.concatenate([fold.cells[fold.right] >= _ranked(fold.strangers, rank) for fold in folds])

    found = share_of(beyond(int(np.floor((1 - DETECTED) * pictures + 1e-9)) + 1), groups)
    limits = found.interval
    if found.value is None or limits.low is None or limits.high is None:
        return found
    first, last = wall_ranks(pictures)
    most, least = float(beyond(first).mean()), float(beyond(last).mean())
    low = found.value - float(np.hypot(found.value - limits.low, found.value - least))
    high = found.value + float(np.hypot(limits.high - found.value, most - found.value))
    method = f"MOVER from {limits.method} and the strangers' order statistics ({first} and {last} of {pictures})"
    return found.model_copy(update={"interval": interval(max(low, 0.0), min(high, 1.0), LEVEL, method)})


def _ranked(scores: Floats, rank: int) -> float:
    """Return the score of a rank from 1, the smallest first; beyond them there is no limit."""
    if not 1 <= rank <= len(scores):
        return -np.inf if rank < 1 else np.inf
    return float(np.sort(scores)[rank - 1])


def wall_ranks(pictures: int) -> tuple[int, int]:
    """Return the ranks of the strangers between whose scores the one lies that 95 % of all strangers reach.

    Limits are mid-P: the binomial chance of the rank itself counts by half. 0, or one more than there are, stands for
    no limit.

    Examples
    --------
    >>> wall_ranks(60), wall_ranks(58), wall_ranks(3)
    ((1, 7), (0, 7), (0, 2))
    """
    up_to = np.concatenate([[0.0], bdtr(np.arange(pictures + 1), pictures, 1 - DETECTED)])
    halved = (up_to[:-1] + up_to[1:]) / 2  # of 0, 1, … strangers below the score
    tail = (1 - LEVEL) / 2
    return int(np.sum(halved <= tail)), int(np.sum(halved[1:] < 1 - tail)) + 1


def auroc(folds: Sequence[_Fold]) -> Estimate:
    """Return the chance that a stranger scores above a held-out cell of the same fold, with its limits.

    Each fold has a scale of its own, so scores are compared within folds only, and every cell counts alike. Cells of a
    group, and one stranger scored by several folds, are one unit each.
    """
    placed = [_placements(fold.cells, fold.strangers) for fold in folds]
    of_cells = _grouped(np.concatenate([cells for cells, _ in placed]), np.concatenate([f.groups for f in folds]))
    sizes = np.concatenate([np.full(len(fold.items), len(fold.cells)) for fold in folds])
    of_strangers = _grouped(
        np.concatenate([others for _, others in placed]), np.concatenate([f.items for f in folds]), sizes
    )
    value = float(np.average(of_cells[0], weights=of_cells[1]))
    units = min(len(of_cells[0]), len(of_strangers[0]))
    if units < 2:
        return Estimate(value=value, interval=Interval(low=None, high=None, method="undefined: one picture"))
    if not 1e-9 < value < 1 - 1e-9:
        limits = exact_interval(units if value > 0.5 else 0, units)
        return Estimate(value=value, interval=limits.model_copy(update={"method": f"{EXACT}, no pair out of order"}))
    parts = np.array([_variance(*of_cells, value), _variance(*of_strangers, value)])
    degrees = parts.sum() ** 2 / (parts**2 / (np.array([len(of_cells[0]), len(of_strangers[0])]) - 1)).sum()
    reach = float(stdtrit(degrees, (1 + LEVEL) / 2)) * float(np.sqrt(parts.sum())) / (value * (1 - value))
    low, high = (float(expit(logit(value) + sign * reach)) for sign in (-1, 1))
    return Estimate(value=value, interval=interval(low, high, LEVEL, "DeLong, on the logit scale, Student's t"))


def _placements(cells: Floats, strangers: Floats) -> tuple[Floats, Floats]:
    """Return for each cell the share of strangers above it, and for each stranger the share of cells below it."""

    def below(these: Floats, those: Floats) -> Floats:
        ordered = np.sort(those)
        ranks = np.searchsorted(ordered, these, "left") + np.searchsorted(ordered, these, "right")
        found: Floats = ranks / 2 / len(ordered)
        return found

    return 1 - below(cells, strangers), below(strangers, cells)


def _grouped(values: Floats, unit: Numbers, weights: Floats | Numbers | None = None) -> tuple[Floats, Floats]:
    """Return each unit's mean value and its weight."""
    weight = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    _, number = np.unique(unit, return_inverse=True)
    total = np.bincount(number, weights=weight).astype(np.float64)
    return np.bincount(number, weights=weight * values) / total, total


def _variance(values: Floats, weights: Floats, mean: float) -> float:
    """Return the variance of the weighted mean of independent units."""
    count = len(values)
    return float(((weights * (values - mean)) ** 2).sum() / weights.sum() ** 2 * count / (count - 1))
