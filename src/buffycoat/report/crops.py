"""The crops of a study as a report needs them: one picture by its cell, and how each was framed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from buffycoat.imaging.crops import INDEX, CropStore


@dataclass(frozen=True)
class Crops:
    """Crops by cell.

    Attributes
    ----------
    index
        One row per cell: ``cell_id``, ``row`` (null without a crop), ``framing``, ``found``, ``fault``.
    images
        uint8 array (N, S, S, 3), RGB, memory-mapped; None where the study keeps no crops.
    """

    index: pl.DataFrame
    images: NDArray[np.uint8] | None
    rows: dict[str, int]

    @classmethod
    def open(cls, folder: Path) -> Crops:
        """Open the folder; an absent one gives a store without crops."""
        if not folder.is_dir():
            return cls(index=pl.DataFrame(schema=INDEX), images=None, rows={})
        store = CropStore.open(folder)
        kept = store.index.filter(pl.col("row").is_not_null())
        rows = dict(zip(kept["cell_id"].to_list(), kept["row"].to_list(), strict=True))
        return cls(index=store.index, images=store.images, rows=rows)

    def picture(self, cell_id: str) -> NDArray[np.uint8] | None:
        """Return the crop of a cell as (S, S, 3) RGB, or None where it has none."""
        row = self.rows.get(cell_id)
        return None if row is None or self.images is None else np.asarray(self.images[row])
