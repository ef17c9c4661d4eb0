"""Probabilities for rows of the store, as the table that evaluation reads."""

from __future__ import annotations

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from buffycoat.records.tables import conform, prediction_columns
from buffycoat.train.batches import CropBatches, InOrder, Rows
from buffycoat.train.module import Classifier

BATCH_SIZE = 64


def predict(
    classifier: Classifier, images: NDArray[np.uint8], rows: Rows, *, classes: int, bf16: bool
) -> NDArray[np.float64]:
    """Return (n, classes) probabilities of the rows, in their order."""
    if not len(rows):
        return np.zeros((0, classes), np.float64)
    batches = CropBatches(images, rows)
    with torch.autocast(classifier.device.type, torch.bfloat16, enabled=bf16):
        parts = [classifier.probabilities(batches[places][0]).numpy() for places in InOrder(len(rows), BATCH_SIZE)]
    return np.concatenate(parts)


def as_table(
    probabilities: NDArray[np.float64], rows: Rows, classes: tuple[str, ...], model: str, repeat: int, fold: int
) -> pl.DataFrame:
    """Return rows of ``predictions.parquet``."""
    count = len(rows)
    table = pl.DataFrame(
        {
            "model": [model] * count,
            "repeat": [repeat] * count,
            "fold": [fold] * count,
            "cell_id": list(rows.cell_ids),
            "label": [classes[place] for place in rows.labels],
            **{f"p_{name}": probabilities[:, place] for place, name in enumerate(classes)},
        }
    )
    return conform(table, prediction_columns(classes), "predictions")
