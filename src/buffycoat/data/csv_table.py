"""A CSV table of labelled images: ``image,label[,group][,split][,x0,y0,x1,y1]``."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath

from buffycoat import taxonomy
from buffycoat.data import csv_file
from buffycoat.data.dataset import DataSet, cells_table
from buffycoat.data.folders import SPLITS
from buffycoat.data.identical import join_identical
from buffycoat.data.labels import looks_like, read_label
from buffycoat.data.rows import BAD_BOX, Box, Row, number_repeats, settle_repeats, stems
from buffycoat.data.walk import as_text, images_below, listing
from buffycoat.errors import DataError
from buffycoat.files import is_file
from buffycoat.records.documents import Fault
from buffycoat.records.tables import BOX

MARKER = "SYNTHETIC.json"
"""Stands beside a table whose images the program drew itself."""


def find(folder: Path) -> Path | None:
    """Return the table in a folder: ``labels.csv``, or the only CSV file that has the columns image and label."""
    if is_table(folder / "labels.csv"):
        return folder / "labels.csv"
    tables = [path for path in sorted(folder.glob("*.csv")) if is_table(path)]
    return tables[0] if len(tables) == 1 else None


def names(path: Path) -> list[str]:
    """Return the column names of a table as written."""
    return csv_file.header(path)


def is_table(path: Path) -> bool:
    """Return whether a file is a CSV table with the columns image and label."""
    return {"image", "label"} <= {name.casefold() for name in csv_file.header(path)}


def read(path: Path, *, with_classes: bool = False) -> DataSet:
    """Read a table; images are looked for beside it, or where an absolute path says.

    A row whose image is missing or whose box is no box stays, and is named among the faults.

    Parameters
    ----------
    with_classes
        Also name among the faults the images that no row names and that lie in folders called like a class beside
        the table: somebody may have meant those.

    Raises
    ------
    DataError
        The file cannot be read, lacks a column, has no rows, or names no image that is there.
    """
    names = [name.casefold() for name in csv_file.header(path)]
    csv_file.columns(names, ("image", "label"), path)
    boxed = [name for name in BOX if name in names]
    if boxed and len(boxed) < 4:
        csv_file.columns(names, BOX, path)
    root = path.parent
    rows: list[Row] = []
    faults: list[Fault] = []
    for line, record in csv_file.records(path):
        row, problems = _row(record, root, f"{path.name}:{line}", boxed=bool(boxed))
        rows.append(row)
        faults += [Fault(file=path.name, row=line, problem=what, action=action) for what, action in problems]
    if not rows:
        raise DataError(f"{path} has no rows below its header.")
    faults += _slips(rows, path)
    if all(row.image is None for row in rows):
        raise DataError(
            f"{path}: none of the {len(rows)} images it names is there.",
            hint=f"Paths are read from the folder of the table, {root}. First fault: row {faults[0].row}: "
            f"{faults[0].problem}.",
        )
    _name(rows)
    faults += settle_repeats(rows)
    faults += join_identical(rows, root)
    if with_classes:
        faults += _unnamed(rows, path)
    marker = _marker(root)
    return DataSet(
        name=root.name if path.name == "labels.csv" else path.stem,
        root=root,
        cells=cells_table(rows, given_split=any(row.given_split for row in rows)),
        faults=tuple(sorted(faults, key=lambda fault: (fault.row is None, fault.row or 0))),
        synthetic=marker is not None,
        description=f"A table of {len(rows)} labelled cells."
        if marker is None
        else f"SYNTHETIC: drawn by the program, no photographs (n={marker.get('n')}, seed={marker.get('seed')}).",
        citation=None if marker is None else "Drawn by Buffycoat.",
        licence=None if marker is None else "Apache-2.0, as the program",
    )


def _unnamed(rows: list[Row], path: Path) -> list[Fault]:
    used = {row.image for row in rows}
    folders, _ = listing(path.parent)
    return [
        Fault(
            file=as_text(image), problem=f"no row of {path.name} names it", action="left out: the table is what is read"
        )
        for folder in folders
        if taxonomy.canonical(folder) in taxonomy.CLASS_NAMES
        for image in images_below(path.parent / folder, f"{folder}/")
        if image not in used
    ]


def _slips(rows: list[Row], path: Path) -> list[Fault]:
    """Name the labels that look like slips of a known type, each once, by its first row."""
    places: dict[str, list[int]] = {}
    for row in rows:
        if row.label is not None and row.label not in taxonomy.CLASS_NAMES:
            places.setdefault(row.label, []).append(int(row.source.rpartition(":")[2]))
    return [
        Fault(
            file=path.name,
            row=lines[0],
            problem=f"label {label!r} looks like {like!r}" + (f" ({len(lines)} rows)" if len(lines) > 1 else ""),
            action="kept as a class of its own: correct it if it is a slip",
        )
        for label, lines in places.items()
        if (like := looks_like(label)) is not None
    ]


def _row(record: Mapping[str, str], root: Path, source: str, *, boxed: bool) -> tuple[Row, list[tuple[str, str]]]:
    problems: list[tuple[str, str]] = []
    written = record.get("image", "").strip()
    image = _locate(written, root)
    if not written:
        problems.append(("no image is named", "kept, without an image"))
    elif image is None:
        problems.append((f"there is no image {written!r}", "kept, without an image"))
    label = read_label(record.get("label"))
    if label.raw is None:
        problems.append((f"no label for {written!r}", "kept, without a label"))
    beyond = record.get(csv_file.BEYOND)
    if beyond:
        problems.append((f"more columns than the header names: {beyond!r}", "what is beyond is not read"))
    box: Box | None = None
    wrong: str | None = None
    if boxed:
        box, wrong = _box([record.get(name, "").strip() for name in BOX])
        if wrong:
            problems.append((wrong, "left out: which cell is meant cannot be known"))
    split = record.get("split", "").strip().casefold()
    if split and split not in SPLITS:
        problems.append((f"split should be train or test, found {split!r}", "read as not given"))
    row = Row(
        image=image,
        label=label.label,
        label_raw=label.raw,
        label_count=label.count,
        source=source,
        group=record.get("group", "").strip(),
        box=box,
        given_split=SPLITS.get(split),
        excluded_by=BAD_BOX if wrong else None,
    )
    row.cell_id = image or written.replace("\\", "/") or source
    return row, problems


def _locate(written: str, root: Path) -> str | None:
    """Return the image relative to `root`, with forward slashes (``../`` where it lies elsewhere), or None."""
    if not written or "\0" in written:
        return None
    for name in (written, PureWindowsPath(written).as_posix()):  # a table made on Windows
        path = root / Path(name).expanduser() if name.startswith("~") else root / name
        if os.path.isfile(path):  # noqa: PTH113 (10⁵ times; and never raises)
            try:
                return Path(os.path.relpath(path, root)).as_posix()
            except ValueError:  # another drive
                return path.as_posix()
    return None


def _box(written: list[str]) -> tuple[Box | None, str | None]:
    if not any(written):
        return None, None
    shown = ",".join(written)
    try:
        values = [float(value) for value in written]
    except ValueError:
        return None, f"the box {shown!r} should be four numbers x0,y0,x1,y1"
    if not all(math.isfinite(value) and abs(value) < 2**31 for value in values):
        return None, f"the box {shown!r} should be four numbers x0,y0,x1,y1"
    x0, y0, x1, y1 = (round(value) for value in values)
    if x0 >= x1 or y0 >= y1:
        return None, f"the box {shown!r} is empty: x0 < x1 and y0 < y1 are needed"
    if x1 <= 0 or y1 <= 0:
        return None, f"the box {shown!r} lies outside the image"
    return (x0, y0, x1, y1), None


def _name(rows: list[Row]) -> None:
    """Give each row its name, and those without a group one of their image."""
    bare = stems([row.cell_id for row in rows])
    for row, name, unique in zip(rows, bare, number_repeats(bare), strict=True):
        row.cell_id = unique
        row.group = row.group or name


def _marker(root: Path) -> dict[str, object] | None:
    path = root / MARKER
    if not is_file(path):
        return None
    try:
        marker = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # damaged, yet it says what matters
    return marker if isinstance(marker, dict) else {}
