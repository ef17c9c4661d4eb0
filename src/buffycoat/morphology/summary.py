"""How each class measures: medians and quartiles, and how well one measurement alone tells a class from the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import rankdata

from buffycoat.morphology.columns import COLUMNS

SHOWN = (
    *("nucleus_area_px", "cell_area_px", "nucleus_cell_ratio", "nucleus_lobes", "nucleus_roundness"),
    *("nucleus_solidity", "cytoplasm_density_rbc", "cytoplasm_blueness", "cytoplasm_grain_coarse_od"),
)
"""The measurements a report shows: those a haematologist would name."""


@dataclass(frozen=True, slots=True)
class Spread:
    """One measurement in one class: the 10th, 25th, 50th, 75th and 90th percentile of `n` cells."""

    n: int
    percentiles: tuple[float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Summary:
    """One measurement over the classes.

    Attributes
    ----------
    name, unit, meaning
        See :data:`buffycoat.morphology.columns.COLUMNS`.
    spreads
        By class, in the order given; a class without a measured cell has none.
    tells
        The class that the measurement alone tells best from the others.
    area
        How well: the area under its ROC curve, 0.5 by chance, 1 without fault.
    """

    name: str
    unit: str
    meaning: str
    spreads: dict[str, Spread]
    tells: str
    area: float


def summarise(cells: pl.DataFrame, classes: Sequence[str], names: Sequence[str] = SHOWN) -> list[Summary]:
    """Summarise measurements of the cells that cleaning kept.

    Parameters
    ----------
    cells
        ``cells.parquet``.
    classes
        To compare, in their order.
    names
        Of the measurements.

    Returns
    -------
    list[Summary]
        One per measurement that is there and known in two classes at least; empty for a study without measurements.
    """
    kept = cells.filter(pl.col("excluded_by").is_null() & pl.col("label").is_in(list(classes)))
    found = []
    for name in names:
        if name not in kept.columns:
            continue
        known = kept.filter(pl.col(name).is_not_null())
        values = known.get_column(name).cast(pl.Float64).to_numpy()
        labels = known.get_column("label").to_numpy()
        spreads = {one: _spread(values[labels == one]) for one in classes if (labels == one).any()}
        if len(spreads) < 2:
            continue
        areas = {one: area_under_roc(values, labels == one) for one in spreads}
        tells = max(areas, key=lambda one: abs(areas[one] - 0.5))
        best = max(areas[tells], 1 - areas[tells])
        found.append(Summary(name, COLUMNS[name].unit, COLUMNS[name].meaning, spreads, tells, best))
    return found


def area_under_roc(values: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Return the chance that a positive cell has the larger value than another, ties counting half."""
    here, there = int(positive.sum()), int((~positive).sum())
    ranks = rankdata(values)
    return float((ranks[positive].sum() - here * (here + 1) / 2) / (here * there))


def _spread(values: NDArray[np.float64]) -> Spread:
    ends = [float(value) for value in np.percentile(values, (10, 25, 50, 75, 90))]
    return Spread(len(values), (ends[0], ends[1], ends[2], ends[3], ends[4]))
