"""The classical baseline of a study: the same folds as the networks, the same files, no network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from buffycoat.files import fingerprint, write_json, write_parquet
from buffycoat.morphology.classify import INNER_FOLDS, PENALTIES, WIDTHS, MeasurementClassifier
from buffycoat.morphology.columns import COLUMNS, SCHEMA
from buffycoat.records.documents import BaselineCard
from buffycoat.records.tables import CELLS, SPLITS, conform, prediction_columns, read_table
from buffycoat.study.folder import StudyFolder
from buffycoat.study.record import StudyRecord
from buffycoat.study.watch import Watcher
from buffycoat.train.seeds import derive

NAME = "measurements"
"""Name of the baseline in files."""
TITLE = "Measurements + logistic regression"
"""Its title for people."""

_VERSION = 1  # raised whenever the classifier gives other probabilities from the same measurements
_DONE = "done.json"
_FILES = (("validation", "validation.parquet"), ("test", "predictions.parquet"))

CARD = BaselineCard(
    name=NAME,
    title=TITLE,
    idea="No network: nucleus and cytoplasm are measured as a haematologist describes them, and a logistic regression "
    "weighs the measurements. It sees no picture, only sizes, shapes, lobes, colours and granularity, so a network "
    "that does no better has learned nothing beyond what can be measured with a ruler and a colour chart.",
    method="Measurements are standardised and carried into the features of a Gaussian kernel, so that boundaries "
    "between classes may curve; a logistic regression in which every class counts alike gives the probabilities. "
    f"The kernel's width ({', '.join(map(str, WIDTHS))}) and the penalty ({', '.join(f'{c:g}' for c in PENALTIES)}) "
    f"are chosen by {INNER_FOLDS}-fold grouped cross-validation inside each fold's training rows.",
    measurements=len(COLUMNS),
    reference="Kernel features: Williams and Seeger, NIPS 13 (2000) 682. Nucleus features with a support-vector "
    "machine reached 0.942 within this set: Sci. Rep. 11 (2021) 19428.",
)


@dataclass(frozen=True)
class _Fold:
    repeat: int
    fold: int
    rows: pl.DataFrame  # cell_id, role, label, group and the measurements
    folder: Path
    key: str

    def is_done(self) -> bool:
        try:
            found = json.loads((self.folder / _DONE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return bool(found.get("key") == self.key) and all((self.folder / name).is_file() for _, name in _FILES)


def run(folder: StudyFolder, watch: Watcher) -> None:
    """Fit the baseline on every fold that has none yet, and write its predictions and its card.

    Parameters
    ----------
    folder
        A prepared study: cells with measurements, and splits.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    record = StudyRecord.read(folder / "study.json")
    folds = list(_folds(folder, record))
    watch.stage("Measuring against the classical baseline")
    for place, fold in enumerate(folds, 1):
        if not fold.is_done():
            _fit(fold, record)
        watch.count(place, len(folds))
    CARD.write(folder.path / "models" / NAME / "baseline.json")


def parts(folder: StudyFolder, record: StudyRecord) -> list[Path]:
    """Return the folders that hold the baseline's predictions; none where the study has no baseline."""
    if not record.config.baseline:
        return []
    splits = read_table(folder / "splits.parquet", SPLITS)
    return [folder.fold(NAME, *fold) for fold in sorted(set(splits.select("repeat", "fold").iter_rows()))]


def _folds(folder: StudyFolder, record: StudyRecord) -> Iterator[_Fold]:
    cells = read_table(folder / "cells.parquet", {**CELLS, **SCHEMA})
    own = pl.format("cell\0{}", "cell_id")
    measured = cells.select("cell_id", "label", pl.col("group").fill_null(own), *SCHEMA)
    splits = read_table(folder / "splits.parquet", SPLITS).join(measured, on="cell_id", how="left")
    for (repeat, fold), rows in splits.sort("repeat", "fold", "cell_id").group_by(
        "repeat", "fold", maintain_order=True
    ):
        key = fingerprint([_VERSION, record.classes, record.seed, repeat, fold, rows.rows()])
        yield _Fold(int(repeat), int(fold), rows, folder.fold(NAME, int(repeat), int(fold)), key)


def _fit(fold: _Fold, record: StudyRecord) -> None:
    (fold.folder / _DONE).unlink(missing_ok=True)
    train = fold.rows.filter(pl.col("role") == "train")
    place = {name: number for number, name in enumerate(record.classes)}
    labels = np.array([place[label] for label in train.get_column("label")], dtype=np.int64)
    seed = derive(record.seed, NAME, fold.repeat, fold.fold)
    model = MeasurementClassifier(len(record.classes), seed)
    model.fit(_measurements(train), labels, train.get_column("group").to_numpy())
    for role, name in _FILES:
        rows = fold.rows.filter(pl.col("role") == role)
        odds = model.probabilities(_measurements(rows))
        table = rows.select(pl.lit(NAME).alias("model"), "repeat", "fold", "cell_id", "label").with_columns(
            **{f"p_{label}": pl.Series(odds[:, k], dtype=pl.Float64) for k, label in enumerate(record.classes)}
        )
        write_parquet(fold.folder / name, conform(table, prediction_columns(record.classes), name))
    write_json(fold.folder / _DONE, {"key": fold.key, "width": model.width, "penalty": model.penalty})


def _measurements(rows: pl.DataFrame) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return rows.select(pl.col(list(SCHEMA)).cast(pl.Float64).fill_null(float("nan"))).to_numpy()
