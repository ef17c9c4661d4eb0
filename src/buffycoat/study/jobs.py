"""The folds of a study as jobs: rows, network, choices, and the folder each leaves its files in."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from buffycoat.clean.weights import sampling_weights
from buffycoat.files import fingerprint
from buffycoat.imaging.crops import CropStore
from buffycoat.records.tables import CELLS, SPLITS, read_table
from buffycoat.study.folder import StudyFolder
from buffycoat.study.record import StudyRecord
from buffycoat.train.batches import Rows
from buffycoat.train.fold import FoldJob

ROLES = ("train", "validation", "test")


def fold_jobs(folder: StudyFolder, record: StudyRecord, *, tensorboard: bool = False) -> Iterator[FoldJob]:
    """Yield the job of every network, repeat and fold of a study that was prepared."""
    cells = read_table(folder / "cells.parquet", CELLS)
    splits = read_table(folder / "splits.parquet", SPLITS).join(cells.select("cell_id", "label"), on="cell_id")
    crops = CropStore.open(folder / "crops")
    place = {name: index for index, name in enumerate(record.classes)}
    for model in record.models:
        for (repeat, fold), part in splits.sort("repeat", "fold", "cell_id").group_by(
            "repeat", "fold", maintain_order=True
        ):
            rows = {}
            for role in ROLES:
                chosen = part.filter(pl.col("role") == role)
                ids = chosen.get_column("cell_id").to_list()
                labels = np.array([place[label] for label in chosen.get_column("label")], dtype=np.int64)
                rows[role] = Rows(crops.rows(ids), labels, tuple(ids))
            training = [record.classes[label] for label in rows["train"].labels]
            yield FoldJob(
                network=record.config.network(model),
                weights=record.config.start_of(model),
                config=record.config.train[model],
                classes=record.classes,
                rows=rows,
                sampling=sampling_weights(record.config.recipe, training),
                stored_side_px=record.frame.side_px,
                data_hash=fingerprint([record.data.content_hash, record.frame.model_dump()]),
                seed=record.seed,
                repeat=int(repeat),
                fold=int(fold),
                folder=folder.fold(model, int(repeat), int(fold)),
                tensorboard=tensorboard,
                start=record.weights.get(model),
            )
