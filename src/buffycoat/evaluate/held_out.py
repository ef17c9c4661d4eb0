"""Held-out predictions of one model as arrays of numbers, in an order of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from buffycoat.errors import DataError

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class HeldOut:
    """One model's held-out predictions, sorted by repeat, fold and ``cell_id``.

    Attributes
    ----------
    model
        Its name.
    repeat, fold
        Shape ``(n,)``.
    cell, group
        Numbers that stand for ``cell_id`` and group, the same in all tables of a study; shape ``(n,)``.
    true, predicted
        Class numbers from 0, shape ``(n,)``. The class predicted is the one with the largest probability, the
        first of them where several are equal.
    odds
        Probabilities, shape ``(n, K)``.
    """

    model: str
    repeat: Numbers
    fold: Numbers
    cell: Numbers
    group: Numbers
    true: Numbers
    predicted: Numbers
    odds: NDArray[np.float64]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.odds.shape[1])

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which predictions name the true class, shape ``(n,)``."""
        verdict: NDArray[np.bool_] = self.true == self.predicted
        return verdict

    @property
    def independent(self) -> bool:
        """Whether every prediction is about a group of its own: then shares are binomial."""
        return len(np.unique(self.group)) == len(self.group)

    def take(self, rows: NDArray[np.bool_] | Numbers) -> HeldOut:
        """Return some of the rows."""
        names = ("repeat", "fold", "cell", "group", "true", "predicted", "odds")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def answering(self, name: str, answers: Mapping[tuple[int, int], int]) -> HeldOut:
        """Return the same rows with one answer per repeat and fold, as if a model always gave it."""
        folds = zip(self.repeat.tolist(), self.fold.tolist(), strict=True)
        predicted = np.array([answers[fold] for fold in folds], dtype=np.int64)
        return replace(self, model=name, predicted=predicted, odds=np.eye(self.classes)[predicted])

    def group_counts(self) -> Numbers:
        """Return each group's confusion matrix, flat: shape ``(groups, K·K)``."""
        return sum_by(self.group, self.true * self.classes + self.predicted, self.classes**2)


def worth(group: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return what each row counts where all rows of a group together count as one: shape ``(n,)``."""
    _, number, size = np.unique(group, return_inverse=True, return_counts=True)
    counts: NDArray[np.float64] = (1 / size)[number]
    return counts


def sum_by(group: Numbers, column: Numbers, columns: int) -> Numbers:
    """Count (group, column) pairs: shape ``(distinct groups, columns)``."""
    names, number = np.unique(group, return_inverse=True)
    flat = np.bincount(number * columns + column, minlength=len(names) * columns)
    return flat.reshape(len(names), columns)


def held_out(predictions: pl.DataFrame, cells: pl.DataFrame, classes: Sequence[str]) -> dict[str, HeldOut]:
    """Return each model's predictions (validated before) as arrays."""
    own = pl.format("cell\0{}", "cell_id")
    groups = cells.select("cell_id", group=pl.col("group").fill_null(own)).with_columns(
        cell=pl.col("cell_id").rank("dense"), group=pl.col("group").rank("dense")
    )
    number = {name: place for place, name in enumerate(classes)}
    table = (
        predictions.join(groups, on="cell_id", how="left")
        .sort("model", "repeat", "fold", "cell_id")
        .with_columns(
            true=pl.col("label").replace_strict(number, return_dtype=pl.Int64),
        )
    )
    found: dict[str, HeldOut] = {}
    for (model,), part in table.group_by("model", maintain_order=True):
        odds = part.select([f"p_{name}" for name in classes]).to_numpy().astype(np.float64)
        columns = {
            name: part.get_column(name).to_numpy().astype(np.int64) for name in ("repeat", "fold", "cell", "group")
        }
        found[str(model)] = HeldOut(
            model=str(model),
            **columns,
            true=part.get_column("true").to_numpy(),
            predicted=odds.argmax(axis=1).astype(np.int64),
            odds=odds,
        )
    return found


def largest_classes(splits: pl.DataFrame, cells: pl.DataFrame, classes: Sequence[str]) -> dict[tuple[int, int], str]:
    """Return the largest class among each fold's training rows (the inner validation rows among them).

    Of equally large classes the first in the study's order is taken.

    Raises
    ------
    DataError
        No training row of a fold is of the study's classes.
    """
    place = {name: number for number, name in enumerate(classes)}
    table = (
        splits.filter(pl.col("role") != "test")
        .join(cells.select("cell_id", "label"), on="cell_id", how="left")
        .filter(pl.col("label").is_in(list(classes)))
        .group_by("repeat", "fold", "label")
        .len()
        .with_columns(place=pl.col("label").replace_strict(place, return_dtype=pl.Int64))
        .sort("repeat", "fold", "len", "place", descending=[False, False, True, False])
        .group_by("repeat", "fold", maintain_order=True)
        .first()
    )
    if table.is_empty():
        raise DataError("the splits hold no training rows of the study's classes.")
    return {(repeat, fold): label for repeat, fold, label in table.select("repeat", "fold", "label").iter_rows()}
