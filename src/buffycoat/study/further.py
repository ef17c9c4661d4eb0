"""Trainings beyond the comparison: the same folds with other seeds, and on smaller shares of the training rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from buffycoat.clean.weights import sampling_weights
from buffycoat.files import write_parquet
from buffycoat.records.tables import CELLS, prediction_columns, read_table
from buffycoat.study.folder import StudyFolder
from buffycoat.study.record import StudyRecord
from buffycoat.train.batches import Rows
from buffycoat.train.fold import FoldJob
from buffycoat.train.seeds import derive

SEEDS = "seeds.parquet"
"""Held-out predictions of the first repeat after training with other seeds, with the column ``take`` from 1."""
LEARNING = "learning.parquet"
"""The same after training on smaller shares, with the columns ``share`` and ``training_cells``."""


@dataclass(frozen=True)
class Further:
    """A job, and what sets it apart from the comparison's: another seed (`take`) or a share of the training rows."""

    job: FoldJob
    take: int = 0
    share: float = 1.0

    @property
    def words(self) -> str:
        """What sets it apart, to stand behind the fold's number; nothing for a training of the comparison itself."""
        if self.take:
            return f", seed {self.take + 1}"
        return f", {self.share:.0%} of the training cells" if self.share < 1 else ""


def further_jobs(folder: StudyFolder, record: StudyRecord, jobs: Iterable[FoldJob]) -> Iterator[Further]:
    """Yield the further trainings that a study asks for; none by default."""
    config = record.config
    if config.train_seeds == 1 and not config.learning_curve:
        return
    cells = read_table(folder / "cells.parquet", CELLS)
    own = pl.format("cell\0{}", "cell_id")
    groups = dict(cells.select("cell_id", pl.col("group").fill_null(own)).iter_rows())
    for job in jobs:
        if job.repeat:
            continue
        for take in range(1, config.train_seeds):
            again = replace(job, seed=derive(job.seed, "take", take), folder=job.folder / f"seed{take}")
            yield Further(again, take=take)
        for share in config.learning_curve:
            yield Further(_smaller(job, share, groups, record), share=share)


def _smaller(job: FoldJob, share: float, groups: dict[str, str], record: StudyRecord) -> FoldJob:
    """Return the job on a share of its training rows: of every class as many groups in proportion, at least one.

    A smaller share is part of every larger one.
    """
    rows = job.rows["train"]
    keep = np.zeros(len(rows), dtype=np.bool_)
    for label in np.unique(rows.labels):
        of = np.flatnonzero(rows.labels == label)
        names = sorted({groups[rows.cell_ids[k]] for k in of}, key=lambda name: derive(job.seed, "learning", name))
        chosen = set(names[: max(1, round(share * len(names)))])
        keep[[k for k in of if groups[rows.cell_ids[k]] in chosen]] = True
    places = np.flatnonzero(keep)
    fewer = Rows(rows.crops[places], rows.labels[places], tuple(rows.cell_ids[k] for k in places))
    training = [record.classes[label] for label in fewer.labels]
    return replace(
        job,
        rows={**job.rows, "train": fewer},
        sampling=sampling_weights(record.config.recipe, training),
        folder=job.folder / f"share{share:g}",
    )


def gather_further(folder: StudyFolder, further: Iterable[Further]) -> None:
    """Put the predictions of the further trainings together; files of an earlier wish are removed."""
    columns = prediction_columns(StudyRecord.read(folder / "study.json").classes)
    seeds, learning = [], []
    for one in further:
        table = read_table(one.job.folder / "predictions.parquet", columns)
        if one.take:
            seeds.append(table.with_columns(take=pl.lit(one.take, pl.Int32)))
        else:
            size = pl.lit(len(one.job.rows["train"]), pl.Int32)
            learning.append(table.with_columns(share=pl.lit(one.share), training_cells=size))
    for name, tables in ((SEEDS, seeds), (LEARNING, learning)):
        if tables:
            write_parquet(folder / name, pl.concat(tables))
        else:
            (folder / name).unlink(missing_ok=True)
