"""What every reader of data returns: one table of labelled cells and the faults found on the way."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import polars as pl

from buffycoat import taxonomy
from buffycoat.data.rows import Row
from buffycoat.files import sha256
from buffycoat.records.documents import DataSummary, Fault
from buffycoat.records.tables import CELLS

_READERS = 8  # threads that read images to hash them: most of the time they wait for the disk
_PIECE = 256  # images a thread takes at a time

GIVEN_SPLIT = "given_split"
"""Extra column of sets that come with their own split: "train", "test", or null."""


@dataclass(frozen=True)
class DataSet:
    """A set of labelled cells, as read and before any cleaning.

    Attributes
    ----------
    name
        What to call it in a report: ``"bccd"``, or the folder's name.
    root
        The folder that the column ``image`` is relative to.
    cells
        One row per labelled cell (schema :data:`buffycoat.records.tables.CELLS`), the unusable ones included;
        after it ``given_split`` where the set comes with its own split.
    faults
        Everything found wrong, with file and row, and what was done about it.
    synthetic
        Whether the program drew the images itself.
    remarks
        What the user should be told about how the data were read; no fault of theirs.
    """

    name: str
    root: Path
    cells: pl.DataFrame
    faults: tuple[Fault, ...]
    synthetic: bool
    description: str
    citation: str | None = None
    licence: str | None = None
    remarks: tuple[str, ...] = field(default=())

    def summary(self) -> DataSummary:
        """Return what a study keeps about its data; the hash changes when a label, a group or an image does."""
        return DataSummary(
            name=self.name,
            root=str(self.root),
            synthetic=self.synthetic,
            description=self.description,
            citation=self.citation,
            licence=self.licence,
            files=self.cells.get_column("image").n_unique() - int(self.cells.get_column("image").has_nulls()),
            content_hash=self._content_hash,
        )

    @cached_property
    def _content_hash(self) -> str:
        return content_hash(self.cells, self.root)  # once: every image is read for it

    def counts(self) -> dict[str, int]:
        """Return how many rows with an image name one cell of each label, in the project's order.

        Rows that name two cells or more follow under ``"two cells"``, those that name none under
        ``"unlabelled"``, rows that repeat or contradict others or have a bad box under ``"left out"``, and rows
        without an image under ``"no image"``; together they are all the rows.
        """
        with_image = self.cells.filter(pl.col("image").is_not_null())
        there = with_image.filter(pl.col("excluded_by").is_null())
        single = there.filter(pl.col("label").is_not_null() & (pl.col("label_count") == 1))
        found = dict(single.group_by("label").len().iter_rows())
        counts = {name: int(found[name]) for name in taxonomy.order(found)}
        several = there.filter(pl.col("label_count") > 1).height
        rest = {
            "two cells": several,
            "unlabelled": there.height - single.height - several,
            "left out": with_image.height - there.height,
            "no image": self.cells.height - with_image.height,
        }
        return counts | {name: n for name, n in rest.items() if n}


def cells_table(rows: Sequence[Row], *, given_split: bool = False) -> pl.DataFrame:
    """Return the rows as the table of cells; ``excluded_by`` says which reading left out, ``fold`` is still empty.

    Raises
    ------
    ValueError
        Two rows share a ``cell_id``: a defect of the reader, not of the data.
    """
    boxes = [row.box or (None, None, None, None) for row in rows]
    columns: dict[str, list[object]] = {
        "cell_id": [row.cell_id for row in rows],
        "image": [row.image for row in rows],
        **{name: [box[i] for box in boxes] for i, name in enumerate(("x0", "y0", "x1", "y1"))},
        "label": [row.label for row in rows],
        "label_raw": [row.label_raw for row in rows],
        "label_count": [row.label_count for row in rows],
        "group": [row.group for row in rows],
        "source": [row.source for row in rows],
        "excluded_by": [row.excluded_by for row in rows],
        "fold": [None] * len(rows),
    }
    schema = dict(CELLS)
    if given_split:
        columns[GIVEN_SPLIT] = [row.given_split for row in rows]
        schema[GIVEN_SPLIT] = pl.String()
    table = pl.DataFrame(columns, schema=schema)
    if table.get_column("cell_id").n_unique() != table.height:
        raise ValueError("cell_id is not unique")
    return table


def content_hash(cells: pl.DataFrame, root: Path) -> str:
    """Return the SHA-256 (hex) of what was read: the table, and the name, size and bytes of every image.

    The place of the folder, the cleaning and the split do not enter. 100,000 images of 10 kB take four seconds
    of one core.
    """
    digest = hashlib.sha256()
    read = [name for name in cells.columns if name not in ("excluded_by", "fold", "source")]
    for row in cells.select(read).iter_rows():
        digest.update(json.dumps(row, ensure_ascii=True).encode())
        digest.update(b"\n")
    images = cells.get_column("image").drop_nulls().unique(maintain_order=True)
    for image, (size, hashed) in zip(images, _read(images.to_list(), root), strict=True):
        digest.update(f"{image}\0{size}\n{hashed}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _read(images: Sequence[str], root: Path) -> Iterator[tuple[int, str]]:
    """Yield the size and the hash of each image, in order, several read at once."""

    def piece(start: int) -> list[tuple[int, str]]:
        return [_size_and_hash(root / image) for image in images[start : start + _PIECE]]

    with ThreadPoolExecutor(_READERS) as pool:
        for found in pool.map(piece, range(0, len(images), _PIECE)):
            yield from found


def _size_and_hash(path: Path) -> tuple[int, str]:
    """Return what an image adds to the hash: -1 for one that is missing, no hash for one that is empty."""
    try:
        size = path.stat().st_size
    except OSError:
        return -1, ""
    try:
        return size, sha256(path) if size else ""
    except OSError:  # it may be seen but not read; the crop stage reports it by name
        return size, "unreadable"
