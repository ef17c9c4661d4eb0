"""Counting: from the predictions of the folds to ``results.json``; again, too, long after the training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from buffycoat.errors import DataError
from buffycoat.evaluate.results import evaluate
from buffycoat.evaluate.trust import ERROR_RATE
from buffycoat.files import is_file, write_csv, write_parquet
from buffycoat.labels.of_study import write_labels
from buffycoat.labels.overrides import corrections_remark
from buffycoat.records.documents import BaselineCard, NetworkCard, Results
from buffycoat.records.tables import CELLS, SPLITS, prediction_columns, read_history, read_table
from buffycoat.study.folder import StudyFolder
from buffycoat.study.record import StudyRecord
from buffycoat.study.splitting import leaked


def gather(folder: StudyFolder, networks: Iterable[Path], others: Iterable[Path]) -> None:
    """Put the files of the folds together: predictions, validation predictions and history.

    Parameters
    ----------
    networks, others
        The folders of trained folds, and of folds without a history.
    """
    columns = prediction_columns(StudyRecord.read(folder / "study.json").classes)
    parts = list(networks)
    for name in ("predictions.parquet", "validation.parquet"):
        write_parquet(folder / name, pl.concat([read_table(part / name, columns) for part in (*parts, *others)]))
    write_csv(
        folder / "history.csv",
        pl.concat([read_history(part / "history.csv") for part in parts]),
    )


def count(
    folder: StudyFolder, *, error_rate: float | None = None, half_widths: Sequence[float] | None = None
) -> Results:
    """Count every figure from the stored predictions, and write ``results.json`` and the label suspects.

    Parameters
    ----------
    error_rate
        Share of the answers that may be wrong where uncertain ones are withheld; by default the study's own, or 0.05.
    half_widths
        Of the intervals for which the cells needed are told; by default the study's own.

    Raises
    ------
    DataError
        It is no study folder, no model has finished, or a file is missing or damaged.
    """
    if not is_file(folder / "study.json"):
        raise DataError(
            f"{folder.path} is not a study folder: it holds no study.json.",
            hint="Give the folder that `buffycoat study … --out FOLDER` wrote.",
        )
    record = StudyRecord.read(folder / "study.json")
    columns = prediction_columns(record.classes)
    predictions = read_table(folder / "predictions.parquet", columns)
    cells = read_table(folder / "cells.parquet", CELLS)
    models = [*record.models, *sorted(set(predictions.get_column("model")) - set(record.models))]
    validation = folder / "validation.parquet"
    told = record.config.error_rate if error_rate is None else error_rate
    results = evaluate(
        predictions,
        cells,
        majority=read_table(folder / "splits.parquet", SPLITS),
        classes=record.classes,
        titles={model: _title(folder, model) for model in models},
        baselines=[model for model in models if is_file(_baseline(folder, model))],
        synthetic=record.data.synthetic,
        seed=record.seed,
        protocol=record.protocol,
        validation=read_table(validation, columns) if is_file(validation) else None,
        unlike=_table(folder, "unlike.parquet"),
        seeds=_table(folder, "seeds.parquet"),
        learning=_table(folder, "learning.parquet"),
        error_rate=ERROR_RATE if told is None else told,
        half_widths=half_widths or record.config.half_widths,
        leaked=leaked(folder, allowed=record.config.split.leaks == "allow"),
    )
    by_hand = corrections_remark(cells)
    if by_hand:
        results = results.model_copy(update={"remarks": (*results.remarks, by_hand)})
    results.write(folder / "results.json")
    write_labels(folder.path)
    return results


def _table(folder: StudyFolder, name: str) -> pl.DataFrame | None:
    """Return a table that a study may have or not."""
    return read_table(folder / name, {}) if is_file(folder / name) else None


def _baseline(folder: StudyFolder, model: str) -> Path:
    return folder.path / "models" / model / "baseline.json"


def _title(folder: StudyFolder, model: str) -> str:
    """Return a model's title from its card, or its name where it has none."""
    if is_file(_baseline(folder, model)):
        return BaselineCard.read(_baseline(folder, model)).title
    card = folder.card(model)
    return NetworkCard.read(card).title if is_file(card) else model
