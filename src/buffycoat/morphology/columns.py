"""What each measurement is: its name (as a column of ``cells.parquet``), unit and meaning.

Lengths and areas are in pixels of a field brought to 640 px wide (a photograph of a single cell: to 256 px), "rbc"
is the area of the field's own red cells, "od" optical density (:mod:`buffycoat.morphology.optics`), 1 a plain ratio.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import polars as pl


@dataclass(frozen=True, slots=True)
class Column:
    """One measurement.

    Attributes
    ----------
    unit
        "px" (length), "px²", "rbc", "od", "od/px", "n" (a count) or "1" (a ratio).
    meaning
        What it is, in a line.
    """

    unit: str
    meaning: str


_SHAPE = {
    "nucleus_area_px": Column("px²", "Area of the nucleus."),
    "cell_area_px": Column("px²", "Area of the whole cell."),
    "cytoplasm_area_px": Column("px²", "Area of the cytoplasm that is stained."),
    "nucleus_area_rbc": Column("rbc", "Area of the nucleus over that of a red cell of the field."),
    "cell_area_rbc": Column("rbc", "Area of the cell over that of a red cell of the field."),
    "nucleus_cell_ratio": Column("1", "Area of the nucleus over that of the cell."),
    "nucleus_lobes": Column("n", "Lobes: parts of the nucleus that a waist parts from another."),
    "nucleus_pieces": Column("n", "Pieces of the nucleus that hang together."),
    "nucleus_roundness": Column("1", "4π × area / perimeter²; 1 is a disc."),
    "nucleus_solidity": Column("1", "Area over that of the convex hull."),
    "nucleus_eccentricity": Column("1", "Of the ellipse with the same moments: 0 a disc, 1 a line."),
    "nucleus_thickness": Column("1", "Radius of the largest disc inside, over that of a disc of the same area."),
    "nucleus_mean_depth": Column("1", "Mean distance to the outline, over that in a disc of the same area."),
    "nucleus_indentation": Column("1", "Depth of the deepest bay, over the radius of a disc of the same area."),
    "nucleus_hole_share": Column("1", "Area of the holes (of a ring-shaped nucleus) over that of the nucleus."),
    "nucleus_off_centre": Column("1", "Distance of the nucleus's centre from the cell's, over the cell's radius."),
    "cell_roundness": Column("1", "4π × area / perimeter² of the cell."),
    "cell_solidity": Column("1", "Area of the cell over that of its convex hull."),
    "cell_eccentricity": Column("1", "Eccentricity of the cell."),
    "cut_by_border": Column("n", "1 where the photograph's border cuts the cell, else 0."),
}

_MOMENTS = {
    "mean_od": Column("od", "Mean optical density in {channel} of the {part}."),
    "sd_od": Column("od", "Standard deviation of the density in {channel} of the {part}."),
    "skewness": Column("1", "Skewness of the density in {channel} of the {part}."),
}

_HUES = {
    "redness": Column("1", "Median redness ((blue − red) / green density) of the {part}, minus that of red cells."),
    "redness_q10": Column("1", "Its 10th percentile."),
    "redness_q90": Column("1", "Its 90th percentile."),
    "eosin_share": Column("1", "Share of the {part} about as red and as dense as red cells."),
    "blueness": Column("1", "Median of (green − blue) / green density of the {part}: 1 where all blue passes."),
    "density_rbc": Column("1", "Median density in green of the {part} over that of red cells."),
}

_GRAIN = {
    "grain": Column("od", "Granularity of the {part}: {band} structures in the density in green."),
    "red_grain": Column("od", "Granularity of the {part}: {band} structures in blue minus red density."),
}


def _described() -> dict[str, Column]:
    found = dict(_SHAPE)
    for part in ("nucleus", "cytoplasm"):
        for moment, column in _MOMENTS.items():
            for channel in ("red", "green", "blue"):
                meaning = column.meaning.format(part=part, channel=channel)
                found[f"{part}_{channel}_{moment}"] = Column(column.unit, meaning)
    found["nucleus_redness"] = Column("1", _HUES["redness"].meaning.format(part="nucleus"))
    for part, words in (("cytoplasm", "cytoplasm"), ("near", "cytoplasm next to the nucleus")):
        for name, column in _HUES.items():
            found[f"{part}_{name}"] = Column(column.unit, column.meaning.format(part=words))
    for part in ("nucleus", "cytoplasm"):
        for what, column in _GRAIN.items():
            for band, size in (("fine", "fine (2 px)"), ("middle", "middling (4 px)"), ("coarse", "coarse (8 px)")):
                meaning = column.meaning.format(part=part, band=size)
                found[f"{part}_{what}_{band}_od"] = Column(column.unit, meaning)
    found["nucleus_edge_od"] = Column("od/px", "Mean step of density across the nucleus's outline: low out of focus.")
    return found


COLUMNS = MappingProxyType(_described())
"""Every measurement by its name, in the order of the columns."""

SCHEMA: dict[str, pl.DataType] = {name: pl.Float32() for name in COLUMNS}
"""The columns of ``cells.parquet``; null where no cell was found, or the figure is undefined there."""
