"""One drawn field: red cells, platelets, and the leukocytes asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from buffycoat.errors import UsageError, did_you_mean
from buffycoat.synth import place
from buffycoat.synth.camera import photograph
from buffycoat.synth.fields import Patch, tint
from buffycoat.synth.leukocytes import RADIUS_PX, draw_leukocyte, draw_radius
from buffycoat.synth.red_cells import platelet, red_cell
from buffycoat.synth.stain import draw_stain
from buffycoat.taxonomy import canonical


@dataclass(frozen=True, slots=True)
class DrawnCell:
    """One leukocyte of a drawn field.

    Attributes
    ----------
    label
        Its type, in the taxonomy's spelling.
    box
        The whole cell, (x0, y0, x1, y1) px, x1 and y1 exclusive, cut at the field's border.
    nucleus_mask
        Its nucleus as far as it is seen, shape (H, W) of the field.
    """

    label: str
    box: tuple[int, int, int, int]
    nucleus_mask: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Smear:
    """A drawn field.

    Attributes
    ----------
    rgb
        The photograph, uint8, shape (H, W, 3).
    cells
        The leukocytes, in the order asked for.
    """

    rgb: NDArray[np.uint8]
    cells: tuple[DrawnCell, ...]


def draw_field(
    rng: np.random.Generator,
    types: Sequence[str],
    *,
    width: int = 640,
    height: int = 480,
    touching: bool = False,
    at_border: bool = False,
) -> Smear:
    """Draw one field of a stained smear.

    Parameters
    ----------
    rng
        The only source of chance: the same state draws the same field.
    types
        One leukocyte each; empty for a field without any.
    width, height
        Size of the photograph in px; the scale of the cells stays that of the 410-image set.
    touching
        Lay the leukocytes against each other.
    at_border
        Let the field's border cut the (first) leukocyte.

    Raises
    ------
    UsageError
        A type is not one of the five.

    Examples
    --------
    >>> field = draw_field(np.random.default_rng(7), ["neutrophil", "lymphocyte"])
    >>> field.rgb.shape, [cell.label for cell in field.cells]
    ((480, 640, 3), ['neutrophil', 'lymphocyte'])
    """
    labels = [canonical(name) for name in types]
    for name, label in zip(types, labels, strict=True):
        if label not in RADIUS_PX:
            raise UsageError(f"cannot draw a leukocyte of type {name!r}.", hint=did_you_mean(name, RADIUS_PX))
    stain = draw_stain(rng)
    blur_px = float(np.clip(rng.lognormal(0.35, 0.42), 0.6, 3.6))
    radii = [draw_radius(rng, label) for label in labels]
    centres = place.leukocytes(rng, radii, width, height, touching=touching, at_border=at_border)

    hollow_share = rng.beta(1.3, 0.9)
    thickness = np.zeros((height, width), dtype=np.float32)
    white = list(zip(centres, radii, strict=True))
    reds = place.red_cells(rng, white, width, height)
    for centre, radius in reds:
        patch = Patch.around(centre, radius * 1.52)
        windows = patch.windows(height, width)
        if windows is not None:
            thickness[windows[0]] += red_cell(rng, patch, radius, hollow_share)[windows[1]]
    # Cells pressed together spread; three on top of each other are not three times as dark.
    thickness *= np.float32(1.38) / (1 + np.float32(0.44) * np.maximum(thickness, 0))
    density = tint(thickness, stain.red_cell)

    for centre, radius in place.platelets(rng, white, reds, width, height):
        patch = Patch.around(centre, radius * 1.9)
        windows = patch.windows(height, width)
        if windows is not None:
            density[windows[0]] += tint(platelet(rng, patch, radius)[windows[1]], stain.platelet)

    cells: list[DrawnCell] = []
    for label, centre, radius in zip(labels, centres, radii, strict=True):
        patch = Patch.around(centre, radius * 1.45)
        windows = patch.windows(height, width)
        if windows is None:
            raise UsageError(f"a field of {width}×{height} px is too small for a {label}.")
        here, there = windows
        drawn = draw_leukocyte(rng, patch, label, radius, stain)
        density[here] *= tint(1 - np.float32(0.93) * drawn.cover[there], np.ones(3, dtype=np.float32))
        density[here] += drawn.density[there]
        for earlier in cells:  # a cell laid over another hides its nucleus there
            earlier.nucleus_mask[here] &= ~drawn.cell[there]
        nucleus = np.zeros((height, width), dtype=bool)
        nucleus[here] = drawn.nucleus[there]
        cells.append(DrawnCell(label, _box(drawn.cell[there], here), nucleus))
    return Smear(photograph(rng, density, stain, blur_px), tuple(cells))


def _box(cell: NDArray[np.bool_], window: tuple[slice, slice]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(cell.any(axis=1)), np.flatnonzero(cell.any(axis=0))
    top, left = int(window[0].start), int(window[1].start)
    return left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]) + 1, top + int(rows[-1]) + 1
