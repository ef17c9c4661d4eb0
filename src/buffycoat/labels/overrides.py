"""The override file: corrected labels that the next study honours, every change with name, reason and day.

A CSV, one row per change, oldest first. Nothing is ever taken out: a second thought about a cell is a further row.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from buffycoat.data.dataset import DataSet
from buffycoat.errors import DataError, did_you_mean
from buffycoat.files import fingerprint, write_text
from buffycoat.labels.sheet import UNCLEAR, Correction, read_sheet
from buffycoat.taxonomy import CLASS_NAMES

COLUMNS = ("cell_id", "image", "label", "corrected", "by", "why", "when")
ADDED = ("label_before", "label_by", "label_why", "label_when")
"""Columns added to the table of cells: the label as the data had it, who changed it, why and when; null elsewhere."""

_SHOWN = 8


def read_overrides(path: Path) -> tuple[Correction, ...]:
    """Read an override file, the oldest change first.

    Raises
    ------
    DataError
        It is missing, or no such file.
    """
    return tuple(read_sheet(path)[0])


def write_overrides(changes: Sequence[Correction], path: Path) -> None:
    """Write an override file in one step.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in changes:
        labels = [one.label or UNCLEAR, one.corrected or UNCLEAR]
        writer.writerow([one.cell_id, one.image, *labels, one.by, one.why, one.when])
    write_text(path, stream.getvalue())


def digest(changes: Sequence[Correction]) -> str:
    """Return a short name for the whole of the changes, the same for the same changes."""
    return fingerprint([[one.cell_id, one.corrected, one.by, one.why, one.when] for one in changes])[:16]


def corrected(cells: pl.DataFrame, changes: Sequence[Correction]) -> pl.DataFrame:
    """Return the table of cells with the changes made, in their order, and the columns :data:`ADDED`.

    ``label_raw`` stays as the source wrote it; ``label_before`` keeps the label as it was read.

    Parameters
    ----------
    cells
        ``cells.parquet`` or a data set's; not changed.

    Raises
    ------
    DataError
        A cell is unknown, names no single cell, bears another label than the change says, or would get an unknown
        class; all such changes are named together.
    """
    rows = cells.select("cell_id", "label", "label_count").iter_rows()
    known = {cell: (label, count or 0) for cell, label, count in rows}
    classes = {*CLASS_NAMES, *(label for label, _ in known.values() if label)}
    now = {cell: label for cell, (label, _) in known.items()}
    last: dict[str, Correction] = {}
    faults: list[str] = []
    hints: list[str] = []
    for one in changes:
        if one.cell_id not in known:
            faults.append(f"there is no cell {one.cell_id!r}")
            hints.append(did_you_mean(one.cell_id, known))
        elif known[one.cell_id][1] > 1:
            faults.append(f"{one.cell_id} is a field whose label names several cells")
        elif now[one.cell_id] != one.label:
            faults.append(f"{one.cell_id} is labelled {now[one.cell_id]}, not {one.label}")
        elif one.corrected is not None and one.corrected not in classes:
            faults.append(f"{one.cell_id}: there is no class {one.corrected!r}")
            hints.append(did_you_mean(one.corrected, classes))
        else:
            now[one.cell_id] = one.corrected
            last[one.cell_id] = one
    if faults:
        more = "; …" if len(faults) > _SHOWN else ""
        raise DataError(
            f"{len(faults)} of {len(changes)} label changes do not fit the data: {'; '.join(faults[:_SHOWN])}{more}.",
            hint=" ".join(dict.fromkeys(filter(None, hints))) or "Are these corrections of this data set?",
        )
    return _with(cells, last)


def _with(cells: pl.DataFrame, last: dict[str, Correction]) -> pl.DataFrame:
    made = pl.DataFrame(
        [(one.cell_id, one.corrected, one.by, one.why, one.when) for one in last.values()],
        schema={"cell_id": pl.String, "_label": pl.String, **dict.fromkeys(("_by", "_why", "_when"), pl.String)},
        orient="row",
    )
    joined = cells.join(made, on="cell_id", how="left", maintain_order="left")
    changed = pl.col("_by").is_not_null()
    return joined.with_columns(
        pl.when(changed).then("_label").otherwise("label").alias("label"),
        pl.when(changed).then("label").alias("label_before"),
        pl.col("_by").alias("label_by"),
        pl.col("_why").alias("label_why"),
        pl.col("_when").alias("label_when"),
    ).drop("_label", "_by", "_why", "_when")


def with_overrides(data: DataSet, changes: Sequence[Correction]) -> DataSet:
    """Return a data set with the changes made and a remark that says so.

    Raises
    ------
    DataError
        As :func:`corrected`.
    """
    cells = corrected(data.cells, changes)
    return replace(data, cells=cells, remarks=(*data.remarks, corrections_remark(cells)))


def corrections_remark(cells: pl.DataFrame) -> str:
    """Say how many labels were changed by hand, by whom, and what that does to the figures; empty: none."""
    if "label_by" not in cells.columns:
        return ""
    made = cells.filter(pl.col("label_by").is_not_null())
    if made.is_empty():
        return ""
    people = ", ".join(sorted(set(made.get_column("label_by").to_list())))
    return (
        f"{made.height} {'label was' if made.height == 1 else 'labels were'} corrected by hand ({people}). Where the "
        "cells were chosen because models disagreed with their labels, every figure here is flattered: compare only "
        "studies with the same corrections."
    )
