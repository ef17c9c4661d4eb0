"""Holding a table of splits to what makes its results honest."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from buffycoat.errors import DataError
from buffycoat.records.tables import SPLITS, conform

ROLES = ("train", "validation", "test")


_MADE_ANEW = "Delete splits.parquet and run the same command again; it is made anew."


def check_splits(splits: pl.DataFrame, cells: pl.DataFrame, *, hint: str = _MADE_ANEW, may_part: bool = False) -> None:
    """Refuse splits that would make a result look better than it is, or that cannot be trained on.

    Parameters
    ----------
    splits
        :data:`buffycoat.records.tables.SPLITS`.
    cells
        The cells they speak of, with label and group.
    hint
        What to do about a fault.
    may_part
        Whether groups on two sides are left for the caller to judge.

    Raises
    ------
    DataError
        Groups on two sides of a fold (named), a cell held out twice in one repeat, a cell with two roles, an
        unknown role or cell, a cell that was left out, a fold without training or held-out rows, or a training
        part without a class that is held out. All faults are named together.
    """
    table = conform(splits, SPLITS, "the splits")
    wrong = _known(table, cells)
    if wrong:
        raise DataError(f"the splits do not fit the table of cells: {'; '.join(wrong)}.")
    own = pl.format("cell\0{}", "cell_id")
    known = cells.select("cell_id", "label", pl.col("group").fill_null(own).alias("group"))
    joined = table.join(known, on="cell_id", how="left")
    faults = [*_doubled(table), *([] if may_part else _parted(joined)), *_lacking(joined)]
    if faults:
        raise DataError(
            f"the splits cannot be trusted: {'; '.join(faults)}.",
            hint=hint,
        )


def _known(table: pl.DataFrame, cells: pl.DataFrame) -> list[str]:
    faults = []
    roles = table.filter(~pl.col("role").is_in(ROLES) | pl.col("role").is_null()).get_column("role").unique().to_list()
    if roles:
        faults.append(f"unknown roles {_shown(sorted(map(repr, roles)))} (known: {', '.join(ROLES)})")
    strange = table.join(cells, on="cell_id", how="anti").get_column("cell_id").unique().sort().to_list()
    if strange:
        faults.append(f"cells that are not in the table: {_shown(strange)}")
    left_out = cells.filter(pl.col("excluded_by").is_not_null()).select("cell_id")
    out = table.join(left_out, on="cell_id", how="semi").get_column("cell_id").unique().sort().to_list()
    if out:
        faults.append(f"cells that cleaning left out: {_shown(out)}")
    if table.is_empty():
        faults.append("there are no rows")
    return faults


def _doubled(table: pl.DataFrame) -> list[str]:
    faults = []
    several = table.filter(pl.struct("repeat", "fold", "cell_id").is_duplicated())
    if not several.is_empty():
        faults.append(f"cells with more than one row in a fold: {_cells(several)}")
    tests = table.filter(pl.col("role") == "test").unique(["repeat", "fold", "cell_id"])
    twice = tests.filter(pl.struct("repeat", "cell_id").is_duplicated())
    if not twice.is_empty():
        faults.append(f"cells held out more than once in one repeat: {_cells(twice)}")
    return faults


def _parted(joined: pl.DataFrame) -> list[str]:
    sides = joined.group_by("repeat", "fold", "group").agg(pl.col("role").n_unique(), pl.col("cell_id").first())
    parted = sides.filter(pl.col("role") > 1)
    # A cell without a group that has two roles is named as a doubled cell already.
    names = parted.filter(~pl.col("group").str.starts_with("cell\0")).get_column("group").unique().sort().to_list()
    return [f"{len(names)} groups stand on two sides: {_shown(names)}"] if names else []


def _lacking(joined: pl.DataFrame) -> list[str]:
    faults: list[str] = []
    for (repeat, fold), part in joined.group_by("repeat", "fold", maintain_order=True):
        where = f"repeat {repeat}, fold {fold}"
        roles = set(part.get_column("role"))
        faults.extend(f"{where} has no {role} rows" for role in ("train", "test") if role not in roles)
        if {"train", "test"} <= roles:
            trained = part.filter(pl.col("role") == "train").get_column("label")
            missing = sorted(set(part.get_column("label").drop_nulls()) - set(trained.drop_nulls()))
            if missing:
                faults.append(f"{where} has no training rows of {_shown(missing)}")
    return faults


def _cells(table: pl.DataFrame) -> str:
    return _shown(table.get_column("cell_id").unique().sort().to_list())


def _shown(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
