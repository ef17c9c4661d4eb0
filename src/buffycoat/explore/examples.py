"""Examples of each class: cells drawn at random, with small pictures, so that a report need not decode anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from buffycoat.explore.drawing import example_candidates
from buffycoat.explore.looking import Account, Cell, Picture
from buffycoat.explore.pictures import resized

CELL_PX = 112
FIELD_WIDTH_PX = 160


@dataclass(frozen=True)
class Examples:
    """The examples of one class: cell ids, and in the same order the small pictures of cells and of fields."""

    cell_ids: list[str] = field(default_factory=list)
    cells: list[Picture] = field(default_factory=list)
    fields: list[Picture] = field(default_factory=list)


def draw_examples(
    rows: pl.DataFrame,
    name: str,
    most: int,
    seed: int,
    *,
    crop: Callable[[Cell], Picture | None],
    whole: Callable[[Cell], Picture | None],
    account: Account,
) -> Examples:
    """Return up to `most` examples of class `name`, from as many groups as possible; unreadable ones are passed over.

    Parameters
    ----------
    rows
        Rows with one cell and an image.
    crop, whole
        Give a cell's crop and its field.
    """
    found = Examples()
    for cell in example_candidates(rows.filter(pl.col("label") == name), name, seed).iter_rows(named=True):
        if len(found.cell_ids) == most:
            break
        close = account.read(cell, crop)
        far = None if close is None else account.read(cell, whole)
        if close is None or far is None:
            continue
        found.cell_ids.append(cell["cell_id"])
        found.cells.append(resized(close, (CELL_PX, CELL_PX)))
        height = round(FIELD_WIDTH_PX * far.shape[0] / far.shape[1])
        found.fields.append(resized(far, (FIELD_WIDTH_PX, height)))
    return found
