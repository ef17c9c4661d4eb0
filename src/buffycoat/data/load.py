"""From what the user typed to a data set: a name, a folder, or a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from buffycoat import settings
from buffycoat.data import bccd, csv_table, folders
from buffycoat.data.dataset import DataSet
from buffycoat.errors import DataError

Progress = Callable[[int, int], None]


def load(
    what: str,
    *,
    data_dir: Path | None = None,
    download: bool = True,  # noqa: ARG001
    on_progress: Progress | None = None,  # noqa: ARG001
) -> DataSet:
    """Return the data set that `what` names.

    Raises
    ------
    DataError
        The folder is missing, empty, or holds nothing that can be used.
    """
    if what == bccd.NAME:
        for place in settings.data_dirs(data_dir):
            found = bccd.find(place)
            if found is not None:
                return bccd.read(found)
        raise DataError("bccd was not found")
    path = Path(what).expanduser()
    if path.is_file():
        return csv_table.read(path)
    found = bccd.find(path)
    if found is not None:
        return bccd.read(found)
    table = csv_table.find(path)
    data = folders.read(path) if table is None else csv_table.read(table)
    if data.cells.filter(pl.col("image").is_not_null()).get_column("label").drop_nulls().n_unique() < 2:
        raise DataError(f"{what} holds one class only; telling cells apart takes two.")
    return data
