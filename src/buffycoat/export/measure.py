"""The fold networks of a study, exported and asked about the cells they have not seen, through ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from buffycoat.evaluate.held_out import held_out
from buffycoat.evaluate.model import model_result
from buffycoat.export.folds import VIEWS, Made, Said, ask
from buffycoat.export.operating import Asked
from buffycoat.networks.names import NetworkSpec
from buffycoat.records.documents import ModelResult

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class FoldRows:
    """Rows of the table of cells, by part in a fold: places from 0."""

    fold: int
    train: Numbers
    validation: Numbers
    test: Numbers

    @property
    def unseen(self) -> Numbers:
        """Held-out rows, then inner validation rows."""
        return np.concatenate([self.test, self.validation])


@dataclass(frozen=True)
class FoldSaid:
    """What one fold's network said of its unseen rows."""

    rows: FoldRows
    by_views: Mapping[int, Said]
    before: Said | None  # in fp32, one view, where the network is int8
    apart: float  # largest difference between PyTorch and ONNX Runtime


def question(made: Made, rows: FoldRows, spec: NetworkSpec, pictures: NDArray[np.uint8]) -> FoldSaid:
    """Ask an exported fold network about its unseen rows, with every number of views."""
    seen = pictures[rows.unseen]
    return FoldSaid(
        rows=rows,
        by_views={views: ask(made.model, spec, seen, views) for views in VIEWS},
        before=None if made.model is made.whole else ask(made.whole, spec, seen, 1),
        apart=max(made.apart.values()),
    )


def gathered(said: Sequence[FoldSaid], views: int, labels: Numbers, groups: Numbers) -> Asked:
    """Return all folds' answers together."""
    unseen = np.concatenate([one.rows.unseen for one in said])
    return Asked(
        fold=np.concatenate([np.full(len(one.rows.unseen), one.rows.fold) for one in said]),
        test=np.concatenate([np.arange(len(one.rows.unseen)) < len(one.rows.test) for one in said]),
        label=labels[unseen],
        group=groups[unseen],
        probabilities=np.concatenate([one.by_views[views].probabilities for one in said]),
        unlikeness=np.concatenate([one.by_views[views].unlikeness for one in said]),
    )


def before(said: Sequence[FoldSaid]) -> NDArray[np.float64]:
    """Return the fp32 probabilities of the same rows, in the order of :func:`gathered`."""
    return np.concatenate([one.before.probabilities for one in said if one.before is not None])


def result(asked: Asked, odds: NDArray[np.float64], classes: Sequence[str], title: str) -> ModelResult:
    """Return accuracy and the rest over the held-out rows.

    Parameters
    ----------
    odds
        (n, C), for the rows of `asked`.
    """
    test = np.flatnonzero(asked.test)
    names = [f"cell{place:07d}" for place in test]
    labels = [classes[label] for label in asked.label[test]]
    table = pl.DataFrame(
        {
            "model": [title] * len(test),
            "repeat": [0] * len(test),
            "fold": asked.fold[test].tolist(),
            "cell_id": names,
            "label": labels,
            **{f"p_{name}": odds[test, place] for place, name in enumerate(classes)},
        }
    )
    cells = pl.DataFrame(
        {"cell_id": names, "label": labels, "group": [f"group{number}" for number in asked.group[test]]}
    )
    held = held_out(table, cells, classes)[title]
    return model_result(held, title=title, classes=classes)
