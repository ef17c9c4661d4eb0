"""The crops of a study on disk: one memory-mapped array and an index."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from buffycoat.errors import DataError
from buffycoat.imaging.journal import Journal, JournalError

PIXELS = "images.u8"
"""The crops, one after the other: bytes of a (N, S, S, 3) array."""

JOURNAL = "journal.jsonl"
"""What each crop is, and the checksums; see :mod:`buffycoat.imaging.journal`."""

INDEX: dict[str, pl.DataType] = {
    "cell_id": pl.String(),
    "row": pl.Int32(),
    "framing": pl.String(),
    "found": pl.Int32(),
    "x0": pl.Int32(),
    "y0": pl.Int32(),
    "x1": pl.Int32(),
    "y1": pl.Int32(),
    "fault": pl.String(),
}
"""Columns of :attr:`CropStore.index`, one row per item: ``row`` of its crop in ``images`` (null: no crop),
``framing`` ("cell", "whole", "boxed" or "none"), leukocytes ``found``, the crop's box in the field (px), and the
``fault`` of an image that could not be read (null: none)."""


class CropStore:
    """Crops on disk; nothing is read before it is asked for.

    Attributes
    ----------
    images
        uint8 (N, S, S, 3) RGB, memory-mapped read-only; one place per item, all zero where there is no crop.
    index
        One row per item, in the order given; see :data:`INDEX`.
    folder
        Where the store lives.
    """

    def __init__(self, folder: Path, images: NDArray[np.uint8], index: pl.DataFrame) -> None:
        self.folder = folder
        self.images = images
        self.index = index
        self._rows = dict(zip(index["cell_id"], index["row"], strict=True))

    @classmethod
    def open(cls, folder: Path) -> CropStore:
        """Open a finished store. Its pixels are not checked: :func:`build_crops` does that.

        Raises
        ------
        DataError
            There is no finished store in the folder, or it is damaged.
        """
        hint = "Run the same study again: what is missing or damaged is made anew."
        try:
            journal = Journal.read(folder / JOURNAL)
        except JournalError as error:
            raise DataError(f"{folder} holds no crops: {error.what}.", hint=hint) from error
        n, side = int(journal.header["n"]), int(journal.header["side_px"])
        chunks = range(-(-n // int(journal.header["chunk"])))
        missing = [chunk for chunk in chunks if chunk not in journal.chunks]
        if missing:
            raise DataError(f"The crops in {folder} are unfinished or damaged.", hint=hint)
        pixels = folder / PIXELS
        if n and (not pixels.is_file() or pixels.stat().st_size != n * side * side * 3):
            raise DataError(f"{pixels} is missing or of another size than its journal says.", hint=hint)
        shape = (n, side, side, 3)
        images = np.memmap(pixels, np.uint8, "r", shape=shape) if n else np.zeros(shape, np.uint8)
        records = [record for chunk in chunks for record in journal.chunks[chunk]["records"]]
        return cls(folder, images, pl.DataFrame(records, schema=INDEX, orient="row"))

    def rows(self, cell_ids: Iterable[str]) -> NDArray[np.int64]:
        """Return the rows of these cells in ``images``, in the order given.

        Raises
        ------
        DataError
            A cell is unknown or has no crop; the first few are named.
        """
        wanted = list(cell_ids)
        rows = [self._rows.get(cell_id) for cell_id in wanted]
        lacking = [cell_id for cell_id, row in zip(wanted, rows, strict=True) if row is None]
        if lacking:
            shown = ", ".join(lacking[:5]) + (", …" if len(lacking) > 5 else "")
            raise DataError(f"{len(lacking)} of {len(wanted)} cells have no crop: {shown}.")
        return np.array(rows, np.int64)
