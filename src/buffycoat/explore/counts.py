"""How many rows of each class there are."""

from __future__ import annotations

import polars as pl

from buffycoat import taxonomy

TWO_CELL = "two-cell"
UNLABELLED = "unlabelled"


def class_counts(cells: pl.DataFrame) -> dict[str, int]:
    """Return the number of rows by class, in the project's order.

    Rows whose label names two cells or more stand under ``"two-cell"``, those without a label under
    ``"unlabelled"``: each row counts once.

    Parameters
    ----------
    cells
        With the columns of ``records.tables.CELLS``.
    """
    kind = pl.when(pl.col("label_count").fill_null(0) >= 2).then(pl.lit(TWO_CELL))
    kinds = cells.select(kind.otherwise(pl.col("label").fill_null(UNLABELLED)).alias("kind"))
    found: dict[str, int] = dict(kinds.group_by("kind").len().iter_rows())
    return {name: found[name] for name in taxonomy.order(found)}


def one_cell_rows(cells: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that show one cell of a known class and have an image, excluded ones included, by cell id."""
    one = (pl.col("label_count").fill_null(1) < 2) & pl.col("label").is_not_null() & pl.col("image").is_not_null()
    return cells.filter(one).sort("cell_id")
