"""Drawing stratified parts out of rows whose groups must not be parted."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from buffycoat.errors import DataError

_ATTEMPTS = 20


@dataclass(frozen=True)
class Rows:
    """Rows to be split: parallel lists in an order that does not depend on the table's.

    Attributes
    ----------
    cell_ids, labels, groups
        One entry per row. A row without a group is a group of its own.
    """

    cell_ids: list[str]
    labels: NDArray[np.str_]
    groups: NDArray[np.str_]

    @classmethod
    def of(cls, table: pl.DataFrame) -> Rows:
        """Read the rows from a table of cells (in the table's order)."""
        own = pl.format("cell\0{}", "cell_id")
        return cls(
            table.get_column("cell_id").to_list(),
            np.array(table.get_column("label").to_list(), dtype=np.str_),
            np.array(table.select(pl.col("group").fill_null(own)).to_series().to_list(), dtype=np.str_),
        )

    def __len__(self) -> int:
        return len(self.cell_ids)

    def take(self, mask: NDArray[np.bool_]) -> Rows:
        """Return the rows under the mask."""
        return Rows([self.cell_ids[row] for row in np.flatnonzero(mask)], self.labels[mask], self.groups[mask])

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The distinct labels, alphabetically."""
        return tuple(str(name) for name in np.unique(self.labels))

    @cached_property
    def trivial(self) -> bool:
        """Whether every row is a group of its own."""
        return len(np.unique(self.groups)) == len(self)

    @cached_property
    def table(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows by group and class (groups × classes), and each row's group number."""
        names, number = np.unique(self.groups, return_inverse=True)
        column = np.searchsorted(np.array(self.classes), self.labels)
        counts = np.zeros((len(names), len(self.classes)), dtype=np.int64)
        np.add.at(counts, (number, column), 1)
        return counts, number

    def groups_by_class(self) -> dict[str, int]:
        """Return how many groups hold each class."""
        counts, _ = self.table
        return dict(zip(self.classes, (counts > 0).sum(axis=0).tolist(), strict=True))


def choose_part(rows: Rows, share: float, seed: Sequence[int], *, needs: int, least: int) -> NDArray[np.bool_]:
    """Choose whole groups that make up `share` of every class, as nearly as the groups allow.

    Groups are met in random order, and each is taken if that brings the counts of the classes nearer to their
    share. Where every row is its own group this is exact: the share of each class,
    rounded.

    Parameters
    ----------
    rows
        The rows to choose from.
    share
        Of each class, between 0 and 1.
    seed
        Numbers that name this draw.
    needs
        A class held by at least so many groups gets one of them into the part even where its share rounds to none.
    least
        Groups of each class that must stay behind.

    Returns
    -------
    NDArray[np.bool_]
        Shape ``(len(rows),)``: True for the rows chosen.
    """
    generator = np.random.default_rng(np.random.SeedSequence(list(seed)))
    if rows.trivial:
        return _choose_rows(rows, share, generator, needs=needs, least=least)
    counts, number = rows.table
    totals = counts.sum(axis=0)
    relative = counts / totals
    # Not heavy groups first, though that would balance better: the part would be made of them, and held-out cells
    # would hang together more than the others do.
    order = generator.permutation(len(counts))
    chosen = np.zeros(len(counts), dtype=bool)
    have = np.zeros(counts.shape[1])
    behind = (counts > 0).sum(axis=0)

    def take(group: int) -> None:
        nonlocal have, behind
        chosen[group] = True
        have = have + relative[group]
        behind = behind - (counts[group] > 0)

    def spare(group: int) -> bool:
        return bool(np.all((behind - (counts[group] > 0) >= least)[counts[group] > 0]))

    for group in order:
        nearer = np.sum((have + relative[group] - share) ** 2) < np.sum((have - share) ** 2) - 1e-12
        if nearer and spare(group):
            take(group)
    held = (counts > 0).sum(axis=0)
    for column in np.flatnonzero((have <= 0) & (held >= needs)):
        if have[column] > 0:  # an earlier class's group brought it along
            continue
        options = [group for group in order if counts[group, column] and not chosen[group] and spare(group)]
        if options:
            take(min(options, key=lambda group: counts[group].sum()))
    result: NDArray[np.bool_] = chosen[number]
    return result


def _choose_rows(
    rows: Rows, share: float, generator: np.random.Generator, *, needs: int, least: int
) -> NDArray[np.bool_]:
    """Choose exactly the rounded share of every class where every row is a group of its own."""
    chosen = np.zeros(len(rows), dtype=bool)
    for name in rows.classes:
        members = generator.permutation(np.flatnonzero(rows.labels == name))
        wanted = round(share * len(members))
        if len(members) >= needs:
            wanted = max(wanted, 1)
        chosen[members[: max(min(wanted, len(members) - least), 0)]] = True
    return chosen


def folds_of(rows: Rows, folds: int, seed: Sequence[int]) -> Iterator[NDArray[np.bool_]]:
    """Yield the held-out rows of each fold: stratified, groups whole, every row held out once.

    Raises
    ------
    DataError
        No draw was found in which every training part holds every class and every fold some rows.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    kind = StratifiedKFold if rows.trivial else StratifiedGroupKFold
    for attempt in range(_ATTEMPTS):
        state = int(np.random.SeedSequence([*seed, attempt]).generate_state(1)[0])
        splitter: Any = kind(n_splits=folds, shuffle=True, random_state=state)
        with warnings.catch_warnings():
            # Classes of fewer rows than folds were refused before; of fewer groups likewise.
            warnings.simplefilter("ignore", UserWarning)
            parts = [test for _, test in splitter.split(np.zeros(len(rows)), rows.labels, rows.groups)]
        masks = [np.isin(np.arange(len(rows)), test) for test in parts]
        if all(mask.any() and len(np.unique(rows.labels[~mask])) == len(rows.classes) for mask in masks):
            yield from masks
            return
    raise DataError(
        f"the groups are too unequal for {folds} folds: in every draw tried some training part lacked a class.",
        hint="Use fewer folds, or a hold-out.",
    )
