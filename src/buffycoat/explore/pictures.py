"""The two views of a cell: its whole field at a common size, and its crop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from buffycoat.errors import ImageError
from buffycoat.imaging.crops import CropStore
from buffycoat.imaging.decode import image_size, read_image
from buffycoat.imaging.frame import frame
from buffycoat.records.documents import FrameSpec

FIELD_WIDTH_PX = 320
_TALLEST = 4.0  # strips beyond 4:1 are no photographs of fields


def common_size(paths: Iterable[Path]) -> tuple[int, int]:
    """Return (width, height) to bring fields to: 320 px wide, in the shape that most of them have.

    Files that cannot be read are passed over; 4:3 when none can.
    """
    shapes: Counter[int] = Counter()
    for path in paths:
        try:
            width, height = image_size(path)
        except ImageError:
            continue
        shapes[round(FIELD_WIDTH_PX * min(_TALLEST, max(1 / _TALLEST, height / width)))] += 1
    if not shapes:
        return FIELD_WIDTH_PX, FIELD_WIDTH_PX * 3 // 4
    most = max(shapes.values())
    return FIELD_WIDTH_PX, min(height for height, n in shapes.items() if n == most)


def read_field(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a field as uint8 RGB of `size` (width, height), decoded no larger than that takes.

    Raises
    ------
    ImageError
        It cannot be read.
    """
    width, height = image_size(path)
    reduce = next((step for step in (8, 4, 2) if width // step >= size[0] and height // step >= size[1]), 1)
    return resized(read_image(path, reduce=reduce), size)


def resized(rgb: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a picture at `size` (width, height); unchanged where it has that size."""
    if (rgb.shape[1], rgb.shape[0]) == size:
        return rgb
    shrinking = rgb.shape[1] >= size[0] and rgb.shape[0] >= size[1]
    how = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(rgb, size, interpolation=how), np.uint8)


class Crops:
    """Crops by cell: from the store, or cut here for rows that were left out before the store was made.

    Parameters
    ----------
    store
        May hold all rows or only those that cleaning left.
    root
        Folder of the data set.
    spec
        How the store's crops were framed.
    """

    def __init__(self, store: CropStore, root: Path, spec: FrameSpec) -> None:
        self.side_px = int(store.images.shape[1]) if store.images.shape[0] else spec.stored_px
        self._images = store.images
        self._rows: dict[str, int | None] = dict(zip(store.index["cell_id"], store.index["row"], strict=True))
        self._root = root
        self._spec = spec.model_copy(update={"stored_px": self.side_px})

    def read(self, cell: dict[str, Any]) -> NDArray[np.uint8] | None:
        """Return the crop of a row of ``cells``, uint8 (S, S, 3), or None when it has none.

        Raises
        ------
        ImageError
            It is not in the store, and its image cannot be read.
        """
        if cell["cell_id"] in self._rows:
            row = self._rows[cell["cell_id"]]
            return None if row is None else self._stored(row)
        box = tuple(cell[side] for side in ("x0", "y0", "x1", "y1"))
        return frame(read_image(self._root / cell["image"]), self._spec, None if None in box else box).crop

    def _stored(self, row: int) -> NDArray[np.uint8]:
        """Read one crop without touching the map: mapped pages would count as memory of this process."""
        images, filename = self._images, getattr(self._images, "filename", None)
        if filename is None:
            return np.array(images[row])
        shape = images.shape[1:]
        size = int(np.prod(shape))
        offset = int(getattr(images, "offset", 0)) + row * size
        return np.fromfile(filename, np.uint8, size, offset=offset).reshape(shape)
