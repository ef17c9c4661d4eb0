"""Schemas of the tables that pass between rooms, and one function that holds a table to its schema."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from buffycoat.errors import DataError

BOX = ("x0", "y0", "x1", "y1")
"""Columns of a box in pixels of the image as displayed (EXIF rotation applied); x1 and y1 are exclusive."""

CELLS: Mapping[str, pl.DataType] = {
    "cell_id": pl.String(),  # unique and stable: the image's name without its ending, "#2" for a second cell
    "image": pl.String(),  # relative to the data set's root, with forward slashes; null: the row has no image
    "x0": pl.Int32(),
    "y0": pl.Int32(),
    "x1": pl.Int32(),
    "y1": pl.Int32(),
    "label": pl.String(),  # taxonomy spelling; null: no single label can be read off the row
    "label_raw": pl.String(),  # as the source wrote it; null: nothing was written
    "label_count": pl.Int32(),  # cells named by label_raw: 0, 1, 2 …
    "group": pl.String(),  # all that was photographed from one cell, slide or patient: never parted by a split
    "source": pl.String(),  # file and row the record came from, as "labels.csv:12"
    "excluded_by": pl.String(),  # the rule that took the row out, or null
    "fold": pl.Int32(),  # held-out fold in the first repeat, or null
}
"""``cells.parquet``: one row per labelled cell, the excluded ones included."""

SPLITS: Mapping[str, pl.DataType] = {
    "repeat": pl.Int32(),
    "fold": pl.Int32(),
    "cell_id": pl.String(),
    "role": pl.String(),  # "train", "validation" (inner, from training rows) or "test"
}
"""``splits.parquet``: one row per repeat × fold × cell that has a part in it."""

HISTORY: Mapping[str, pl.DataType] = {
    "model": pl.String(),
    "repeat": pl.Int32(),
    "fold": pl.Int32(),
    "epoch": pl.Int32(),  # from 1
    "train_loss": pl.Float64(),
    "train_accuracy": pl.Float64(),
    "validation_loss": pl.Float64(),
    "validation_accuracy": pl.Float64(),
    "learning_rate": pl.Float64(),
    "seconds": pl.Float64(),
}
"""``history.csv``: one row per model × repeat × fold × epoch."""

PREDICTIONS: Mapping[str, pl.DataType] = {
    "model": pl.String(),
    "repeat": pl.Int32(),
    "fold": pl.Int32(),
    "cell_id": pl.String(),
    "label": pl.String(),
}
"""``predictions.parquet``: one row per model × repeat × fold × held-out cell; then ``p_<class>`` (float64, in
the order of the study's classes, summing to one)."""


_ANEW = "Delete it and run the same command again; it is made anew."


def prediction_columns(classes: tuple[str, ...]) -> dict[str, pl.DataType]:
    """Return the whole schema of ``predictions.parquet`` for these classes."""
    return {**PREDICTIONS, **{f"p_{name}": pl.Float64() for name in classes}}


def conform(table: pl.DataFrame, schema: Mapping[str, pl.DataType], what: str) -> pl.DataFrame:
    """Return `table` with the schema's columns first, in order and cast; further columns are kept after them.

    Raises
    ------
    DataError
        A column is missing, or holds what cannot be cast. All faults are named together.
    """
    faults = [f"column {name!r} is missing" for name in schema if name not in table.columns]
    columns: list[pl.Series] = []
    for name, kind in schema.items():
        if name not in table.columns:
            continue
        try:
            columns.append(table.get_column(name).cast(kind, strict=True))
        except pl.exceptions.PolarsError:
            faults.append(f"column {name!r} should hold {kind}, found {table.schema[name]}")
    if faults:
        raise DataError(f"{what}: {'; '.join(faults)}.")
    extra = [table.get_column(name) for name in table.columns if name not in schema]
    return pl.DataFrame(columns + extra)


def read_history(path: Path) -> pl.DataFrame:
    """Read ``history.csv``.

    Raises
    ------
    DataError
        The file is missing, damaged, or of another shape.
    """
    try:
        table = pl.read_csv(path, schema_overrides=dict(HISTORY))
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.") from error
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path} cannot be read: {error}", hint=_ANEW) from error
    return conform(table, HISTORY, str(path))


def read_table(path: Path, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Read a Parquet file that must follow `schema`.

    Raises
    ------
    DataError
        The file is missing, damaged, or of another shape.
    """
    try:
        table = pl.read_parquet(path)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.") from error
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path} cannot be read: {error}", hint=_ANEW) from error
    return conform(table, schema, str(path))
