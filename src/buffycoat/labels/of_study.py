"""The labels of a study folder, and the cells of whatever a user names."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from buffycoat.data.load import load
from buffycoat.errors import DataError
from buffycoat.labels.audit import audit_labels
from buffycoat.labels.overrides import ADDED
from buffycoat.records.documents import Results
from buffycoat.records.labels import LabelAudit
from buffycoat.records.tables import CELLS, prediction_columns, read_table

FILE = "labels.json"
LEAKED = (
    "LEAKING SPLIT: the models had been trained on copies of cells they judge here, so that wrong labels look right to "
    "them, and these figures are too low."
)


def write_labels(study: Path) -> LabelAudit:
    """Audit the labels of a study from its stored predictions, and write ``labels.json``.

    Raises
    ------
    DataError
        It is no finished study, or its predictions cannot be trusted.
    OutputError
        The folder cannot be written.
    """
    if not (study / "results.json").is_file():
        raise DataError(
            f"{study} holds no finished study.", hint="Give the folder that `buffycoat study … --out FOLDER` wrote."
        )
    results = Results.read(study / "results.json")
    columns = prediction_columns(results.classes)
    validation = study / "validation.parquet"
    found = audit_labels(
        read_table(study / "predictions.parquet", columns),
        read_table(validation, columns) if validation.is_file() else None,
        read_table(study / "cells.parquet", CELLS),
        classes=results.classes,
        titles={model.model: model.title for model in results.models},
    )
    if results.leaked:
        found = found.model_copy(update={"leaked": results.leaked, "sentence": f"{LEAKED} {found.sentence}"})
    found.write(study / FILE)
    return found


def labels_of(study: Path) -> LabelAudit:
    """Return ``labels.json`` of a study, made now where an older study has none.

    Raises
    ------
    DataError
        It is no finished study, or a file is damaged.
    """
    path = study / FILE
    return LabelAudit.read(path) if path.is_file() else write_labels(study)


def cells_of(what: str, *, data_dir: Path | None = None) -> pl.DataFrame:
    """Return the cells of a data set or a study as they were before any change by hand.

    Raises
    ------
    UsageError, DataError, FetchError
        Neither is called so, or it cannot be read.
    """
    folder = Path(what)
    if not (folder / "study.json").is_file():
        return load(what, data_dir=data_dir).cells
    cells = read_table(folder / "cells.parquet", CELLS)
    if not set(ADDED) <= set(cells.columns):
        return cells
    changed = pl.col("label_by").is_not_null()
    return cells.with_columns(label=pl.when(changed).then("label_before").otherwise("label")).drop(ADDED)
