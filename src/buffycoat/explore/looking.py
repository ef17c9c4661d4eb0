"""Going through pictures one at a time, counting them and keeping account of those that cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from buffycoat.errors import ImageError
from buffycoat.explore.statistics import PictureStatistics
from buffycoat.records.documents import Fault

Progress = Callable[[int, int], None]
Picture = NDArray[np.uint8]
Cell = dict[str, Any]
"""A row of the table of cells."""

_LISTED = 1000


class Account:
    """What has been looked at, and the files that could not be.

    Parameters
    ----------
    total
        Pictures to look at.
    on_progress
        Called with (done, total) after each.
    """

    def __init__(self, total: int, on_progress: Progress | None) -> None:
        self._faults: dict[str, str] = {}
        self._done, self._total, self._on_progress = 0, total, on_progress

    def read(self, cell: Cell, picture: Callable[[Cell], Picture | None]) -> Picture | None:
        """Return a cell's picture, or None (and remember why) when it cannot be read."""
        try:
            return picture(cell)
        except ImageError as error:
            self._faults.setdefault(cell["image"], error.reason)
            return None

    def step(self) -> None:
        """One picture more is done."""
        self._done += 1
        if self._on_progress is not None:
            self._on_progress(self._done, self._total)

    @property
    def faulty(self) -> int:
        """Files that could not be read."""
        return len(self._faults)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The first thousand of them, by name."""
        listed = sorted(self._faults.items())[:_LISTED]
        return tuple(Fault(file=name, problem=why, action="left out of the exploration") for name, why in listed)


def look(
    rows: Mapping[str, pl.DataFrame], size: tuple[int, int], picture: Callable[[Cell], Picture | None], account: Account
) -> dict[str, PictureStatistics]:
    """Return the statistics of each class's pictures, all of `size` (width, height)."""
    found = {name: PictureStatistics(size[1], size[0]) for name in rows}
    for name, table in rows.items():
        for cell in table.iter_rows(named=True):
            rgb = account.read(cell, picture)
            if rgb is not None:
                found[name].add(rgb)
            account.step()
    return found
