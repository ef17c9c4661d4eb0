"""The study's cells as a user's program will see them: cut from the photographs by the predictor's own functions.

What is measured for the card goes the way that users' photographs go, decoding and finding included, and not by the
crops that the study stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from buffycoat.errors import DataError, ImageError
from buffycoat.imaging.decode import read_image
from buffycoat.imaging.view import View
from buffycoat.predict.items import Item
from buffycoat.predict.look import Looked, boxed, look
from buffycoat.predict.results import Box
from buffycoat.settings import usable_cores

Picture = NDArray[np.uint8]

_OTHER_PICTURE = 12.0  # grey levels of mean difference: resampling gives one or two, another place far more


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the study: its photograph, and its box where the data give one."""

    cell_id: str
    path: Path
    box: Box | None


@dataclass(frozen=True)
class Seen:
    """The cells' views.

    Attributes
    ----------
    views
        uint8 (n, S, S, 3), on disk.
    elsewhere
        How many cells the finder does not find where the study framed them: their views were cut there.
    levels
        Median over the cells of the mean difference (grey levels) to the view of the stored crop.
    """

    views: NDArray[np.uint8]
    elsewhere: int
    levels: float


def see(
    cells: Sequence[Cell],
    stored: NDArray[np.uint8],
    view: View,
    file: Path,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> Seen:
    """Return the views of the cells, cut from their photographs.

    Parameters
    ----------
    stored
        uint8 (n, S, S, 3): the study's crops of the same cells, to see that the photographs are still those.
    file
        Where the views are kept while they are needed; a memory-mapped file.

    Raises
    ------
    DataError
        A photograph is gone or cannot be read, or the photographs are not those of the study.
    """
    side = view.input_px
    views = np.memmap(file, np.uint8, "w+", shape=(len(cells), side, side, 3))
    apart, elsewhere = np.zeros(len(cells)), 0
    with ThreadPoolExecutor(usable_cores()) as pool:
        wanted = (view.stored(crop) for crop in stored)
        for place, (seen, away, found) in enumerate(pool.map(partial(_see, view), cells, wanted)):
            views[place], apart[place] = seen, away
            elsewhere += not found
            if on_progress is not None:
                on_progress(place + 1, len(cells))
    levels = float(np.median(apart))
    if levels > _OTHER_PICTURE:
        raise DataError(
            f"The photographs in {cells[0].path.parent} are not those of the study: their cells differ from the "
            f"stored crops by {levels:.0f} grey levels.",
            hint="Run the study again on these photographs.",
        )
    return Seen(views, elsewhere, levels)


def _see(view: View, cell: Cell, wanted: Picture) -> tuple[Picture, float, bool]:
    """Return the view of a cell, its mean difference to the study's, and whether the finder found it there."""
    looked = look(Item(cell.cell_id, cell.path), view)
    if looked.error is not None:
        raise DataError(
            f"{cell.path} cannot be read any more: {looked.error}.",
            hint="The study's photographs are needed to measure the bundle the way it is used.",
        )
    apart = [_difference(found, wanted) for found in looked.views]
    place = _boxed(looked, cell.box) if cell.box else (int(np.argmin(apart)) if apart else None)
    if place is not None and (cell.box or apart[place] <= _OTHER_PICTURE):
        return looked.views[place], apart[place], True
    if cell.box is None:
        return wanted, min(apart, default=2 * _OTHER_PICTURE), False
    try:
        found = boxed(cell.cell_id, read_image(cell.path), [cell.box], view).views[0]
    except ImageError as error:
        raise DataError(f"{cell.path} cannot be used any more: {error.reason}.") from error
    return found, _difference(found, wanted), False


def _difference(found: Picture, wanted: Picture) -> float:
    return float(np.abs(found.astype(np.float32) - wanted).mean())


def _boxed(looked: Looked, wanted: Box) -> int | None:
    """Return which of the cells found lies in the middle of a box; None where none does."""
    if looked.framing == "whole":
        return 0
    x, y = (wanted[0] + wanted[2]) / 2, (wanted[1] + wanted[3]) / 2
    away = [max(abs((box[0] + box[2]) / 2 - x), abs((box[1] + box[3]) / 2 - y)) for box in looked.boxes]
    if not away:
        return None
    best = int(np.argmin(away))
    return best if away[best] <= max(wanted[2] - wanted[0], wanted[3] - wanted[1]) / 4 else None
