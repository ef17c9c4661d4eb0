"""Pictures that are no cells of the study: red cells and empty background from its fields, other types, and noise.

A classifier knows only its classes and gives one of them to anything. These pictures are what it may meet instead;
how well they are told apart is measured, and nothing is trained on them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from buffycoat.errors import DataError
from buffycoat.files import write_bytes
from buffycoat.imaging.crop_store import CropStore
from buffycoat.imaging.decode import read_image
from buffycoat.imaging.find import Box, find_leukocytes
from buffycoat.imaging.frame import crop_square, frame, square_box
from buffycoat.records.documents import FrameSpec
from buffycoat.synth.leukocytes import RADIUS_PX
from buffycoat.synth.smear import draw_field

Picture = NDArray[np.uint8]

EACH = 60
"""Pictures of a kind."""
FEWEST = 3
RED = "red cells"
EMPTY = "empty background"
OTHER = "cells of other types"
DRAWN = "drawn cells of other types"
NOISE = "noise"

_TRIES = 40  # places looked at in a field
_STAINED = 0.12  # share of the light that a red cell takes away
_CLEAR = 0.07  # the most that empty background does
_PATCH = 0.15  # side of an empty patch over the field's width


def controls(
    cells: pl.DataFrame, root: Path, spec: FrameSpec, crops: CropStore, classes: tuple[str, ...], seed: int
) -> dict[str, Picture]:
    """Return pictures by kind, uint8 ``(n, S, S, 3)`` framed as the study's cells; kinds with too few are left out.

    Parameters
    ----------
    cells
        The study's cells, excluded ones among them.
    root
        Folder of their images.
    """
    rng = np.random.default_rng([seed, 3])
    found: dict[str, list[Picture]] = {RED: [], EMPTY: []}
    for rgb in _fields(cells, root, rng):
        boxes = [leukocyte.box for leukocyte in find_leukocytes(rgb)]
        for kind, picture in ((RED, _red(rgb, boxes, spec, rng)), (EMPTY, _empty(rgb, boxes, spec, rng))):
            if picture is not None and len(found[kind]) < EACH:
                found[kind].append(picture)
        if all(len(of) >= EACH for of in found.values()):
            break
    found[OTHER] = _others(cells, crops, classes)
    found[DRAWN] = _drawn(classes, spec, rng)
    found[NOISE] = list(_noise(rng, spec.stored_px))
    return {kind: np.stack(pictures) for kind, pictures in found.items() if len(pictures) >= FEWEST}


def write_sheets(folder: Path, made: dict[str, Picture]) -> None:
    """Write the pictures, a sheet for each kind, so that a person may see what was shown.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    for place, (kind, pictures) in enumerate(made.items()):
        columns = 10
        rows = [
            np.concatenate([*row, *[np.zeros_like(row[0])] * (columns - len(row))], axis=1)
            for row in _batches(pictures, columns)
        ]
        sheet = np.concatenate(rows)
        _, content = cv2.imencode(".jpg", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
        write_bytes(folder / f"{place}-{kind.replace(' ', '-')}.jpg", content.tobytes())


def _batches(pictures: Picture, size: int) -> Iterator[list[Picture]]:
    for start in range(0, len(pictures), size):
        yield list(pictures[start : start + size])


def _fields(cells: pl.DataFrame, root: Path, rng: np.random.Generator) -> Iterator[Picture]:
    """Yield fields in an order of their own; photographs of single cells have no room beside the cell."""
    names = cells.get_column("image").drop_nulls().unique().sort().to_list()
    for place in rng.permutation(len(names))[: 8 * EACH].tolist():
        try:
            rgb = read_image(root / names[place])
        except DataError:
            continue  # a fault of the data, said elsewhere
        yield rgb


def _stain(rgb: Picture) -> NDArray[np.float32]:
    """Return the share of green light taken away, against the clearest part of the field."""
    green = rgb[..., 1].astype(np.float32)
    return 1 - green / max(float(np.percentile(green, 97)), 1.0)


def _apart(one: Box, other: Box) -> bool:
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def _red(rgb: Picture, boxes: list[Box], spec: FrameSpec, rng: np.random.Generator) -> Picture | None:
    """Return a frame with a red cell in its middle and no leukocyte in it, or None."""
    height, width = rgb.shape[:2]
    side = max(1, round(spec.side_px * width / spec.reference_width_px))
    if side > min(height, width):
        return None
    stain = _stain(rgb)
    reach = max(2, side // 24)
    for _ in range(_TRIES):
        x = int(rng.integers(side // 2, width - side // 2 + 1))
        y = int(rng.integers(side // 2, height - side // 2 + 1))
        if not all(_apart(square_box(rgb.shape, (x, y), side), box) for box in boxes):
            continue
        if float(stain[y - reach : y + reach, x - reach : x + reach].mean()) > _STAINED:
            return crop_square(rgb, (x, y), side, spec.stored_px)
    return None


def _empty(rgb: Picture, boxes: list[Box], spec: FrameSpec, rng: np.random.Generator) -> Picture | None:
    """Return a frame filled with a clear patch of the field and its mirror images, or None."""
    height, width = rgb.shape[:2]
    side = max(8, round(_PATCH * width))
    stained = _stain(rgb) > _CLEAR
    best, clearest = None, 0.02
    for _ in range(_TRIES):
        x, y = int(rng.integers(0, width - side + 1)), int(rng.integers(0, height - side + 1))
        share = float(stained[y : y + side, x : x + side].mean())
        if share < clearest and all(_apart((x, y, x + side, y + side), box) for box in boxes):
            best, clearest = rgb[y : y + side, x : x + side], share
    if best is None:
        return None
    whole = max(side, round(spec.side_px * width / spec.reference_width_px))
    filled = np.pad(best, ((0, whole - side), (0, whole - side), (0, 0)), mode="symmetric")
    return crop_square(filled, (whole / 2, whole / 2), whole, spec.stored_px)


def _others(cells: pl.DataFrame, crops: CropStore, classes: tuple[str, ...]) -> list[Picture]:
    """Return photographs of labelled cells of other types, as cleaning left them out."""
    rows = cells.filter(
        pl.col("label").is_not_null() & ~pl.col("label").is_in(list(classes)) & pl.col("image").is_not_null()
    )
    framed = crops.index.filter(pl.col("fault").is_null() & (pl.col("framing") != "none"))
    ids = sorted(set(rows.get_column("cell_id")) & set(framed.get_column("cell_id")))[:EACH]
    return [np.asarray(crops.images[place]) for place in crops.rows(ids)]


def _drawn(classes: tuple[str, ...], spec: FrameSpec, rng: np.random.Generator) -> list[Picture]:
    """Return drawn cells of the types that the study does not know."""
    types = [name for name in RADIUS_PX if name not in classes]
    pictures: list[Picture] = []
    while types and len(pictures) < EACH:
        field = draw_field(rng, [types[len(pictures) % len(types)]])
        framed = frame(field.rgb, spec, field.cells[0].box).crop
        if framed is not None:
            pictures.append(framed)
    return pictures


def _noise(rng: np.random.Generator, side: int) -> Iterator[Picture]:
    """Yield noise: every other picture of single pixels, the others of soft clouds."""
    for place in range(EACH):
        noise = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
        if place % 2:
            soft = cv2.GaussianBlur(noise.astype(np.float32), (0, 0), side / 24)
            low, high = soft.min(axis=(0, 1)), soft.max(axis=(0, 1))
            noise = (255 * (soft - low) / (high - low)).astype(np.uint8)
        yield noise
