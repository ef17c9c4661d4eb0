"""All measurements of one cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from buffycoat.imaging.find import Box
from buffycoat.morphology.colour import colour
from buffycoat.morphology.parts import parts_of
from buffycoat.morphology.shape import shape
from buffycoat.morphology.texture import texture


def measure(rgb: NDArray[np.uint8], box: Box | None = None, *, single: bool = False) -> dict[str, float | None] | None:
    """Measure the leukocyte of a field; None where none is found.

    Parameters
    ----------
    rgb
        uint8 (H, W, 3), the field.
    box
        Where the cell lies, px of the field, if known; otherwise the most prominent leukocyte is measured.
    single
        The photograph shows one cell, cut from its field.

    Returns
    -------
    dict
        By the names of :data:`buffycoat.morphology.columns.COLUMNS`; None where a figure is undefined (no red cells
        to compare with, say).
    """
    parts = parts_of(rgb, box, single=single)
    if parts is None:
        return None
    found = {**shape(parts), **colour(parts), **texture(parts)}
    return {name: float(value) if np.isfinite(value) else None for name, value in found.items()} | {
        "cut_by_border": float(parts.touches_border)
    }
