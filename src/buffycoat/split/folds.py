"""Who is trained on and who is held out: hold-out, repeated k-fold, or the split the data came with."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from buffycoat import taxonomy
from buffycoat.errors import DataError, UsageError, did_you_mean
from buffycoat.records.tables import SPLITS, conform
from buffycoat.split.check import check_splits
from buffycoat.split.draw import Rows, choose_part, folds_of

_log = logging.getLogger("buffycoat")

Scheme = Literal["holdout", "kfold", "given"]
SCHEMES: tuple[Scheme, ...] = ("holdout", "kfold", "given")
GIVEN_COLUMN = "given_split"
"""Column of the table of cells that says "train" or "test" where a data set comes with its own split."""


_ADVICE: dict[Scheme, str] = {
    "holdout": "Bring more images or groups, or change test_share or the recipe's drop_classes.",
    "kfold": "Bring more images or groups, or change folds or the recipe's drop_classes.",
    "given": "The split the data came with cannot be used as it is; use the scheme 'holdout' or 'kfold'.",
}


def make_splits(
    cells: pl.DataFrame,
    *,
    scheme: Scheme,
    folds: int = 5,
    repeats: int = 1,
    test_share: float = 0.2,
    validation_share: float = 0.15,
    seed: int,
    parted: Literal["drop", "keep"] = "drop",
) -> pl.DataFrame:
    """Return who plays which part in each repeat and fold.

    Stratified by class; no group stands on two sides; the inner validation rows are taken from the training
    rows. The seed decides, the order of the rows does not.

    Parameters
    ----------
    cells
        The cleaned table of cells; rows with ``excluded_by`` take no part.
    scheme
        ``"kfold"``: every cell held out once per repeat. ``"holdout"``: one stratified part held out per repeat.
        ``"given"``: the data set's own split, from the column ``given_split``; training rows whose group is held
        out too take no part, which is said in the log.
    folds
        Number of folds for ``"kfold"``.
    repeats
        How often the whole is done, each time drawn anew.
    test_share, validation_share
        Share of the rows held out (``"holdout"``), and share of the training rows set aside for early stopping
        (0: none).
    seed
        Any whole number from 0.
    parted
        What becomes of training rows whose group a given split holds out: left out, or kept for the caller to judge.

    Returns
    -------
    polars.DataFrame
        :data:`buffycoat.records.tables.SPLITS`, sorted by repeat, fold and ``cell_id``.

    Raises
    ------
    DataError
        One class only, fewer rows than folds, or a class with too few groups: each named, with advice.
    UsageError
        A share, number or scheme that makes no sense.
    """
    _check_request(scheme, folds, repeats, test_share, validation_share)
    if seed < 0:
        raise UsageError(f"the seed should be 0 or more, found {seed}.")
    table = _taking_part(cells)
    if scheme == "given":
        table = _kept_to_one_side(table, drop=parted == "drop")
    rows = Rows.of(table)
    _check_classes(rows, folds if scheme == "kfold" else 2, scheme)
    parts: list[pl.DataFrame] = []
    for repeat in range(repeats):
        held_out: Iterable[NDArray[np.bool_]]
        if scheme == "kfold":
            held_out = folds_of(rows, folds, (seed, repeat))
        elif scheme == "holdout":
            held_out = [choose_part(rows, test_share, (seed, repeat), needs=2, least=1)]
        else:
            held_out = [(table.get_column(GIVEN_COLUMN) == "test").to_numpy()]
        for fold, test in enumerate(held_out):
            role = np.full(len(rows), "train", dtype=object)
            role[test] = "test"
            training = ~test
            if validation_share > 0:
                # At least two groups of a class stay in training before one is set aside.
                inner = choose_part(rows.take(training), validation_share, (seed, repeat, fold + 1), needs=3, least=2)
                role[np.flatnonzero(training)[inner]] = "validation"
            parts.append(
                pl.DataFrame(
                    {"cell_id": rows.cell_ids, "role": pl.Series(role.tolist(), dtype=pl.String)}
                ).with_columns(repeat=pl.lit(repeat, pl.Int32), fold=pl.lit(fold, pl.Int32))
            )
    splits = conform(pl.concat(parts), SPLITS, "the splits").select(list(SPLITS)).sort("repeat", "fold", "cell_id")
    check_splits(splits, table, hint=_ADVICE[scheme], may_part=parted == "keep")
    return splits


def _kept_to_one_side(table: pl.DataFrame, *, drop: bool) -> pl.DataFrame:
    """Check the given split, and take out training rows whose group is held out: the held-out rows stay as given."""
    if GIVEN_COLUMN not in table.columns:
        raise DataError(
            "the data set does not come with a split of its own.", hint="Use the scheme 'holdout' or 'kfold'."
        )
    side = pl.col(GIVEN_COLUMN).cast(pl.String)
    strange = table.filter(~side.is_in(["train", "test"]).fill_null(value=False)).get_column("cell_id")
    if len(strange):
        raise DataError(
            f"{GIVEN_COLUMN} should say 'train' or 'test'; {len(strange)} rows say something else, "
            f"the first being {strange[0]}.",
            hint="Use the scheme 'holdout' or 'kfold', or mend the column.",
        )
    held_out = table.filter(side == "test").get_column("group").drop_nulls().unique()
    parted = table.filter((side == "train") & pl.col("group").is_in(held_out.to_list()))
    if parted.is_empty() or not drop:
        return table
    names = parted.get_column("group").unique().sort().to_list()
    _log.warning(
        "The given split has %d groups on both sides (%s); their %d training rows take no part.",
        len(names),
        ", ".join(names[:5]) + (", …" if len(names) > 5 else ""),
        parted.height,
    )
    return table.join(parted, on="cell_id", how="anti", maintain_order="left")


def _check_request(scheme: str, folds: int, repeats: int, test_share: float, validation_share: float) -> None:
    faults = []
    if scheme not in SCHEMES:
        raise UsageError(f"there is no way of splitting called {scheme!r}.", hint=did_you_mean(scheme, SCHEMES))
    if folds < 2:
        faults.append(f"folds should be 2 or more, found {folds}")
    if repeats < 1:
        faults.append(f"repeats should be 1 or more, found {repeats}")
    if not 0 < test_share < 1:
        faults.append(f"test_share should lie between 0 and 1, found {test_share}")
    if not 0 <= validation_share < 1:
        faults.append(f"validation_share should be 0 or more and below 1, found {validation_share}")
    if scheme == "given" and repeats > 1:
        faults.append("the given split cannot be repeated: there is only one of it")
    if faults:
        raise UsageError(f"the rows cannot be split so: {'; '.join(faults)}.")


def _taking_part(cells: pl.DataFrame) -> pl.DataFrame:
    """Return the rows not left out, in an order that is their own."""
    table = cells.filter(pl.col("excluded_by").is_null()).sort("cell_id")
    bare = table.filter(pl.col("label").is_null()).get_column("cell_id").to_list()
    if bare:
        raise DataError(
            f"{len(bare)} rows without a label would take part, the first being {bare[0]}.",
            hint="Clean the table first: even the recipe 'none' leaves such rows out.",
        )
    return table


def _check_classes(rows: Rows, folds: int, scheme: Scheme) -> None:
    if len(rows) == 0:
        raise DataError("no rows are left to split.", hint="See in cleaning.json which rule took them out.")
    classes = taxonomy.order(rows.classes)
    if len(classes) < 2:
        raise DataError(
            f"all {len(rows)} rows are of one class, {classes[0]}: there is nothing to tell apart.",
            hint="Check the labels, or the recipe's drop_classes.",
        )
    if scheme == "given":
        return
    what = f"{folds} folds" if scheme == "kfold" else "a hold-out"
    if len(rows) < folds:
        raise DataError(f"{len(rows)} rows are fewer than {folds} folds.", hint="Use fewer folds, or more images.")
    groups = rows.groups_by_class()
    short = [name for name in classes if groups[name] < folds]
    if not short:
        return
    named = ", ".join(f"{name} ({groups[name]})" for name in short)
    fewest = min(groups[name] for name in short)
    advice = f"Bring more, or leave such classes out with drop_classes={','.join(short)}"
    if scheme == "kfold" and fewest >= 2:
        advice += f", or use at most {fewest} folds"
    raise DataError(
        f"too few independent groups for {what}, which take {folds} of each class: {named}. "
        "A group is everything photographed from one cell, slide or patient, and is never parted.",
        hint=f"{advice}.",
    )
