"""Scoring pictures that are no cells of the study with the networks of its folds, after training."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from buffycoat.errors import UsageError
from buffycoat.evaluate.strangers import CELL, COLUMNS
from buffycoat.evaluate.unlike import fit_unlike
from buffycoat.export.fold_features import FoldNetwork
from buffycoat.export.unlike_graph import COMPONENTS
from buffycoat.files import fingerprint, write_json, write_parquet
from buffycoat.imaging.crop_store import CropStore
from buffycoat.records.tables import CELLS, conform, read_table
from buffycoat.study.controls import controls, write_sheets
from buffycoat.study.folder import StudyFolder
from buffycoat.study.record import StudyRecord
from buffycoat.study.watch import Watcher
from buffycoat.train.fold import FoldJob

SCORES = "unlike.parquet"
"""Held-out cells and strangers with their scores: see :data:`buffycoat.evaluate.strangers.COLUMNS`."""

_KEY = "unlike.json"
_VERSION = 1  # raised whenever the same networks give other scores


def score_strangers(
    folder: StudyFolder, record: StudyRecord, jobs: Iterable[FoldJob], root: Path, watch: Watcher
) -> None:
    """Score held-out cells and strangers with every fold network of the first repeat that has not been asked yet.

    Parameters
    ----------
    jobs
        Finished folds.
    root
        Folder of the study's images.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    asked = [job for job in jobs if job.repeat == 0]
    watch.stage("Showing the networks what is no cell of theirs")
    made: dict[str, NDArray[np.uint8]] = {}
    crops = CropStore.open(folder / "crops")
    cells = read_table(folder / "cells.parquet", CELLS)
    for place, job in enumerate(asked, 1):
        key = fingerprint([_VERSION, job.key(), COMPONENTS])
        if not _is_done(job.folder, key):
            if not made:
                made = controls(cells, root, record.frame, crops, record.classes, record.seed)
                write_sheets(folder / "controls", made)
            try:
                write_parquet(job.folder / SCORES, _scores(job, crops, made))
            except UsageError as error:  # a network that cannot be taken apart: said, and left out
                watch.say(f"{job.network.title} cannot be asked: {error.what}", warning=True)
                write_parquet(job.folder / SCORES, pl.DataFrame(schema=COLUMNS))
            write_json(job.folder / _KEY, {"key": key})
        watch.count(place, len(asked))
    tables = [conform(pl.read_parquet(job.folder / SCORES), COLUMNS, SCORES) for job in asked]
    write_parquet(folder / SCORES, pl.concat(tables))


def _is_done(folder: Path, key: str) -> bool:
    try:
        found = json.loads((folder / _KEY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(found.get("key") == key) and (folder / SCORES).is_file()


def _scores(job: FoldJob, crops: CropStore, made: dict[str, NDArray[np.uint8]]) -> pl.DataFrame:
    network = FoldNetwork(job)
    train, test = job.rows["train"], job.rows["test"]
    features, _ = network.look(crops.images[train.crops])
    known = fit_unlike(features, train.labels, components=COMPONENTS)
    features, answers = network.look(crops.images[test.crops])
    parts = [_rows(job, CELL, list(test.cell_ids), (answers == test.labels).tolist(), known.score(features))]
    for kind, pictures in made.items():
        features, _ = network.look(pictures)
        items = [f"{kind} {number}" for number in range(len(pictures))]
        parts.append(_rows(job, kind, items, [None] * len(items), known.score(features)))
    return pl.concat(parts)


def _rows(
    job: FoldJob, kind: str, items: list[str], right: list[bool] | list[None], scores: NDArray[np.float64]
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "model": [job.network.name] * len(items),
            "repeat": [job.repeat] * len(items),
            "fold": [job.fold] * len(items),
            "kind": [kind] * len(items),
            "item": items,
            "right": right,
            "score": scores,
        },
        schema=COLUMNS,
    )
