"""Measuring all cells of a data set, once: what is there already, and still true, is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl

from buffycoat.errors import DataError, ImageError
from buffycoat.files import fingerprint, output_error, write_parquet
from buffycoat.imaging.crops import CropItem
from buffycoat.imaging.decode import read_image
from buffycoat.imaging.frame import is_single_cell
from buffycoat.morphology.columns import SCHEMA
from buffycoat.morphology.measure import measure
from buffycoat.records.tables import read_table
from buffycoat.settings import usable_cores

_VERSION = 1  # raised whenever finding or measuring gives other figures: older files are then made anew
_CHUNK = 256  # cells per file: what an interruption can cost
_TABLE = {"cell_id": pl.String(), **SCHEMA}


def measure_all(
    items: Sequence[CropItem],
    folder: Path,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> pl.DataFrame:
    """Measure every cell; keep the figures in `folder`, so that a second run reads them.

    Parameters
    ----------
    items
        The cells: name, photograph, and box where it is known.
    folder
        For the files of figures, 256 cells each. A file is named after all that decides it; others are removed.
    on_progress
        Called with (done, all).
    workers
        Threads; all usable cores if not given.

    Returns
    -------
    pl.DataFrame
        ``cell_id`` and the columns of :data:`buffycoat.morphology.columns.SCHEMA`, one row per item in their order;
        null where the image cannot be read, shows no leukocyte, or the figure is undefined.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    parts, names, done = [], set(), 0
    with ThreadPoolExecutor(workers or usable_cores()) as pool:
        for piece in _chunks(items):
            path = folder / f"{_name(piece)}.parquet"
            names.add(path.name)
            table = _kept(path, piece)
            if table is None:
                table = pl.DataFrame(list(pool.map(_row, piece)), schema=_TABLE, orient="row")
                write_parquet(path, table)
            parts.append(table)
            done += len(piece)
            if on_progress is not None:
                on_progress(done, len(items))
    for old in folder.glob("*.parquet"):
        if old.name not in names:
            old.unlink(missing_ok=True)
    return pl.concat(parts) if parts else pl.DataFrame(schema=_TABLE)


def _row(item: CropItem) -> dict[str, object]:
    try:
        rgb = read_image(item.path)
    except ImageError:  # named by the crops, which are made first
        return {"cell_id": item.cell_id}
    found = measure(rgb, item.box, single=item.box is None and is_single_cell(rgb))
    return {"cell_id": item.cell_id, **(found or {})}


def _chunks(items: Sequence[CropItem]) -> Iterator[Sequence[CropItem]]:
    for first in range(0, len(items), _CHUNK):
        yield items[first : first + _CHUNK]


def _name(items: Sequence[CropItem]) -> str:
    states: list[object] = [_VERSION, list(SCHEMA)]
    for item in items:
        try:
            status = item.path.stat()
            state = [status.st_size, status.st_mtime_ns]
        except OSError:
            state = []
        states.append([item.cell_id, str(item.path), item.box, state])
    return fingerprint(states)[:32]


def _kept(path: Path, items: Sequence[CropItem]) -> pl.DataFrame | None:
    if not path.is_file():
        return None
    try:
        table = read_table(path, _TABLE)
    except DataError:  # damaged: made anew
        return None
    return table if table.get_column("cell_id").to_list() == [item.cell_id for item in items] else None
