"""What the photographs of every group are like apart from their cells: the table that shortcuts are judged by.

The independent unit is the group, and within it the class: photographs of one cell share its light.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from buffycoat import taxonomy
from buffycoat.files import no_formula, write_csv
from buffycoat.records.audit import MEASURED, GroupMeasures

FILE = "audit-groups.csv"
"""The table beside ``audit.json``."""

_PLACES = 4  # levels are known to a hundredth at best, sharpness and contrast to a thousandth


@dataclass(frozen=True)
class Kind:
    """A measure with its columns (one, or the three channels of a colour)."""

    name: str
    title: str
    unit: str
    columns: tuple[str, ...]


KINDS = (
    Kind("background-colour", "Colour of the empty background", "blue minus red, levels", ("red", "green", "blue")),
    Kind("brightness", "Brightness of the empty background", "level of green, 0–255", ("green",)),
    Kind("sharpness", "Sharpness", "finest structure over edges", ("sharpness",)),
    Kind("contrast", "Contrast of the field", "deviation over background", ("contrast",)),
    Kind("size", "Size of the photograph", "px, width", ("width",)),
)
COLUMNS = ("red", "green", "blue", "sharpness", "contrast")
"""Measures from which the class is guessed in :mod:`buffycoat.audit.background`."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Units:
    """Groups as units: mean measures of the photographs of one class and group.

    Attributes
    ----------
    labels
        Class of each unit.
    groups
        Group of each unit; a group whose photographs bear several labels makes one unit of each.
    images
        Photographs in each unit.
    values
        By column name, float64 (units,).
    """

    labels: NDArray[np.str_]
    groups: NDArray[np.str_]
    images: NDArray[np.int64]
    values: dict[str, Floats]

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the project's order."""
        return taxonomy.order(self.labels.tolist())

    @classmethod
    def of(cls, measured: GroupMeasures) -> Units:
        """Return the units of a table that an audit kept."""
        return cls(
            np.array(measured.label, np.str_),
            np.array(measured.group, np.str_),
            np.array(measured.images, np.int64),
            {column: np.array(getattr(measured, column), np.float64) for column in MEASURED},
        )

    def kept(self) -> GroupMeasures:
        """Return the table as an audit keeps it."""
        return GroupMeasures(
            group=tuple(self.groups.tolist()),
            label=tuple(self.labels.tolist()),
            images=tuple(self.images.tolist()),
            **{column: tuple(np.round(self.values[column], _PLACES).tolist()) for column in MEASURED},
        )


def units_of(cells: pl.DataFrame, files: pl.DataFrame) -> Units:
    """Gather the units: photographs with one labelled class, that can be read and are not blank."""
    lit = files.filter(pl.col("problem").is_null() & ~pl.col("blank"))
    labelled = cells.filter(
        (pl.col("label_count") == 1) & pl.col("label").is_not_null() & pl.col("image").is_not_null()
    )
    one = labelled.group_by("image").agg(
        pl.col("label").first(), pl.col("group").first(), pl.col("label").n_unique().alias("_labels")
    )
    table = (
        one.filter(pl.col("_labels") == 1)
        .join(lit.select("image", *MEASURED), on="image")
        .group_by("label", "group")
        .agg(pl.len().alias("images"), *(pl.col(column).cast(pl.Float64).mean() for column in MEASURED))
        .sort("group", "label")
    )
    return Units(
        np.array(table.get_column("label").to_list(), np.str_),
        np.array(table.get_column("group").to_list(), np.str_),
        table.get_column("images").to_numpy().astype(np.int64),
        {column: table.get_column(column).to_numpy() for column in MEASURED},
    )


def shown(kind: Kind, units: Units) -> Floats:
    """Return what stands for a measure in tables and drawings, float64 (units,): of a colour, blue minus red."""
    return units.values["blue"] - units.values["red"] if len(kind.columns) == 3 else units.values[kind.columns[0]]


def varies(kind: Kind, units: Units) -> bool:
    """Say whether a measure differs between any two units."""
    return any(np.ptp(units.values[column]) > 1e-9 for column in kind.columns)


def write_table(measured: GroupMeasures, path: Path) -> None:
    """Write the table as CSV, one row a group and class; names that a spreadsheet would run as formulas are quoted.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    kinds = {"group": pl.String, "label": pl.String, "images": pl.Int64, **dict.fromkeys(MEASURED, pl.Float64)}
    names = {name: [no_formula(text) for text in getattr(measured, name)] for name in ("group", "label")}
    write_csv(path, pl.DataFrame(measured.model_dump() | names, schema=kinds))
