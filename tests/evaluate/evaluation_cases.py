"""Small studies written out by hand, for the tests of evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

CLASSES = ("neutrophil", "eosinophil", "lymphocyte")


def cells_of(labels: Sequence[str], groups: Sequence[str | None] | None = None) -> pl.DataFrame:
    """Return a table of cells c000, c001 … with these labels; each its own group unless groups are given."""
    ids = [f"c{number:03d}" for number in range(len(labels))]
    return pl.DataFrame(
        {"cell_id": ids, "label": list(labels), "group": ids if groups is None else list(groups)},
        schema={"cell_id": pl.String, "label": pl.String, "group": pl.String},
    )


def predictions_of(
    cells: pl.DataFrame,
    answers: Sequence[str],
    *,
    model: str = "net",
    repeat: int = 0,
    folds: int = 1,
    certainty: float = 0.8,
) -> pl.DataFrame:
    """Return predictions that answer so, one per cell in order, dealt out to folds in turn."""
    rest = (1 - certainty) / (len(CLASSES) - 1)
    return pl.DataFrame(
        {
            "model": [model] * len(answers),
            "repeat": [repeat] * len(answers),
            "fold": [number % folds for number in range(len(answers))],
            "cell_id": cells.get_column("cell_id"),
            "label": cells.get_column("label"),
            **{f"p_{name}": [certainty if answer == name else rest for answer in answers] for name in CLASSES},
        }
    )


def spelt(letters: str) -> list[str]:
    """Return class names from their first letters: ``"nnel"``."""
    return [next(name for name in CLASSES if name[0] == letter) for letter in letters]
