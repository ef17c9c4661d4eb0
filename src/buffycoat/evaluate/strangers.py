"""How well pictures that are no cells of the study are told from those that are, from stored scores.

Sources: DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988) 837 (variance of the area); limits on the logit scale,
Pepe (2003).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtri

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
    lost, right, groups, above, items = [], [], [], [], []
    for place, fold in enumerate(folds):
        ordered = np.sort(fold.strangers)
        wall = ordered[int(np.floor((1 - DETECTED) * len(ordered) + 1e-9))]
        lost.append(fold.cells >= wall)
        right.append(fold.right)
        groups.append(fold.groups)
        others = [other.cells for k, other in enumerate(folds) if k != place] or [fold.cells]
        above.append(fold.strangers > threshold_at(np.concatenate(others), KEPT))
        items.append(fold.items)
    kind = UnlikeKind(
        name=name,
        pictures=len(np.unique(np.concatenate(items))),
        auroc=auroc(folds),
        lost=share_of(np.concatenate(lost), np.concatenate(groups), np.concatenate(right)),
    )
    return kind, share_of(np.concatenate(above), np.concatenate(items))


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
    spread = float(np.sqrt(_variance(*of_cells, value) + _variance(*of_strangers, value)))
    reach = float(ndtri((1 + LEVEL) / 2)) * spread / (value * (1 - value))
    low, high = (float(expit(logit(value) + sign * reach)) for sign in (-1, 1))
    return Estimate(value=value, interval=interval(low, high, LEVEL, "DeLong, on the logit scale"))


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
