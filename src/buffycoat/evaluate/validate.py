"""Holding stored predictions to what every figure takes for granted."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from buffycoat.errors import DataError, did_you_mean
from buffycoat.records.tables import conform, prediction_columns

TOLERANCE = 1e-4
"""How far probabilities may be from summing to one: single precision, summed over a dozen classes."""


def validate_predictions(
    predictions: pl.DataFrame, cells: pl.DataFrame, classes: Sequence[str], *, held_out: bool = True
) -> pl.DataFrame:
    """Return the predictions in their schema, or refuse them.

    Parameters
    ----------
    predictions
        ``predictions.parquet``.
    cells
        The cells they are about.
    classes
        The study's classes, in its order.
    held_out
        Whether a cell may stand in one fold of a repeat only; validation rows may stand in several.

    Raises
    ------
    DataError
        A probability is missing, not finite or outside 0 to 1; a row's probabilities do not sum to one; a class
        or cell is unknown; a label is not the cell's; a cell stands twice in a model's fold or is held out in two
        folds of one repeat, be it by two models (then they had other splits). All faults
        are named together, each with its first rows.
    """
    table = conform(predictions, prediction_columns(tuple(classes)), "the predictions")
    strange = [name for name in table.columns if name.startswith("p_") and name.removeprefix("p_") not in classes]
    if strange:
        named = strange[0].removeprefix("p_")
        raise DataError(
            f"the predictions have columns of unknown classes: {', '.join(strange)}.", hint=did_you_mean(named, classes)
        )
    if table.is_empty():
        raise DataError("the predictions hold no rows.", hint="Train first; each finished fold adds its rows.")
    known = cells.select("cell_id", known=pl.lit(value=True), truth="label")
    table = table.with_row_index("row").join(known, on="cell_id", how="left", maintain_order="left")
    odds = [pl.col(f"p_{name}") for name in classes]
    finite = pl.all_horizontal(odd.is_not_null() & odd.is_finite() for odd in odds)
    within = pl.all_horizontal(odd.is_between(-1e-9, 1 + 1e-9) for odd in odds)
    off_one = (pl.sum_horizontal(odds) - 1).abs() > TOLERANCE
    in_classes = pl.col("label").is_in(list(classes)).fill_null(value=False)
    in_cells = pl.col("known").fill_null(value=False)
    once = ["model", "repeat", "fold", "cell_id"]
    checks = {
        "a probability is missing or not finite": ~finite,
        "a probability lies outside 0 to 1": finite & ~within,
        "the probabilities do not sum to one": finite & within & off_one,
        f"the label is none of {', '.join(classes)}": ~in_classes,
        "the cell is not in the table of cells": ~in_cells,
        "the label is not the cell's": in_cells
        & in_classes
        & (pl.col("label") != pl.col("truth")).fill_null(value=True),
        "the cell stands twice in one fold": pl.struct(once).is_duplicated(),
        "the cell is held out in two folds of one repeat": (
            pl.struct("model", "repeat", "cell_id").is_duplicated() & ~pl.struct(once).is_duplicated()
        ),
        "the cell is held out in another fold by another model": (
            (pl.col("fold").n_unique().over("repeat", "cell_id") > 1)
            & ~pl.struct("model", "repeat", "cell_id").is_duplicated()
        ),
        "model, repeat or fold is missing": pl.any_horizontal(pl.col("model", "repeat", "fold").is_null()),
    }
    if not held_out:
        checks = {what: wrong for what, wrong in checks.items() if "is held out" not in what}
    faults = []
    for what, wrong in checks.items():
        bad = table.filter(wrong)
        if not bad.is_empty():
            faults.append(f"{what} ({bad.height} rows: {_rows(bad)})")
    if faults:
        raise DataError(
            f"the predictions cannot be trusted: {'; '.join(faults)}.",
            hint="Delete predictions.parquet and run the same command again; it is made anew.",
        )
    return table.drop("row", "known", "truth")


def _rows(bad: pl.DataFrame, most: int = 3) -> str:
    shown = [
        f"row {row}, {model}, {cell}"
        for row, model, cell in bad.head(most).select("row", "model", "cell_id").iter_rows()
    ]
    return "; ".join(shown) + ("; …" if bad.height > most else "")
