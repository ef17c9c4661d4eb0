"""From what the user typed to a data set: a name, a folder, or a table."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from buffycoat.data import bccd, csv_table, folders, kaggle, named, walk
from buffycoat.data.dataset import DataSet
from buffycoat.data.named import Progress
from buffycoat.errors import DataError, UsageError, did_you_mean
from buffycoat.files import exists, is_folder


def load(
    what: str, *, data_dir: Path | None = None, download: bool = True, on_progress: Progress | None = None
) -> DataSet:
    """Return the data set that `what` names.

    Parameters
    ----------
    what
        ``"bccd"``; ``"synthetic"``, ``"synthetic:N"`` or ``"synthetic:N@SEED"``; or the path of a folder (the
        Kaggle set, either half or both, however deep; one folder per class; a folder with ``labels.csv``) or of
        a CSV table. A folder that bears one of the names is given as ``./bccd``.
    data_dir
        Where named sets live; else ``BUFFYCOAT_DATA``, else the user's cache.
    download
        Whether a named set may be fetched.
    on_progress
        Called with (done, total) while files are fetched, drawn or compared.

    Raises
    ------
    UsageError
        No set and no folder is called so.
    DataError
        What is there cannot be used: empty, unreadable, one class only, no table in it.
    FetchError
        A named set is not here and could not be fetched.
    """
    if what == bccd.NAME:
        return named.load_bccd(data_dir, download=download, on_progress=on_progress)
    drawn = named.parse_synthetic(what)
    if drawn is not None:
        return named.load_synthetic(*drawn, data_dir, on_progress=on_progress)
    if not what.strip():
        raise UsageError(
            "The name of the data is empty.", hint="Give bccd, synthetic, a folder or a CSV table; . is this folder."
        )
    path = Path(what).expanduser()
    try:
        there, is_file = path.exists(), path.is_file()
    except OSError as error:  # no permission on the way, or a name too long
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not there:
        raise _unknown(what, path)
    if not walk.is_text(what):
        raise DataError(f"{walk.as_text(what)}: this name is no text.", hint="Rename it: it is to stand in reports.")
    data = _read_file(path) if is_file else _read_folder(path, on_progress)
    labels = (
        data.cells.filter(pl.col("image").is_not_null() & pl.col("excluded_by").is_null())
        .get_column("label")
        .drop_nulls()
        .unique()
    )
    if len(labels) == 0:
        raise DataError(f"{path} holds no image with a label.")
    if len(labels) == 1:
        raise DataError(
            f"{path} holds one class only ({labels[0]}); telling cells apart takes at least two.",
            hint="Is this one class folder of a larger set? Then give the folder above.",
        )
    return data


def _read_file(path: Path) -> DataSet:
    if path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        raise DataError(
            f"{path} is a file; a folder or a CSV table was expected.",
            hint="An archive must be unpacked first.",
        )
    if "category" in (name.casefold() for name in csv_table.names(path)) and is_folder(path.parent / bccd.IMAGES):
        return bccd.read(path.parent)  # the original set, pointed at by its table
    return csv_table.read(path)


def _read_folder(path: Path, on_progress: Progress | None) -> DataSet:
    walk.listing(path)  # a folder that may not be read says so, instead of looking empty
    halves = kaggle.find(path)
    if halves is not None:
        return kaggle.read(halves, on_progress=on_progress)
    table = csv_table.find(path)
    return folders.read(path) if table is None else csv_table.read(table, with_classes=True)


def _unknown(what: str, path: Path) -> DataError | UsageError:
    parent = path.parent
    try:
        near = [entry.name for entry in parent.iterdir() if not entry.name.startswith(".")] if is_folder(parent) else []
    except OSError:
        near = []
    if path.name == what:  # a bare word: it may have been meant as a name
        choices = [*named.NAMES, *near]
        known = f"Known names: {', '.join(named.NAMES)}; anything else must be a folder or a CSV table."
        offer = did_you_mean(what, choices)
        return UsageError(
            f"There is no data set and no folder {what!r}.",
            hint=f"{offer} {known}" if offer.startswith("Did") else known,
        )
    if not exists(parent):
        return DataError(f"{path} does not exist; nor does {parent}.")
    offer = did_you_mean(path.name, near)
    return DataError(f"{path} does not exist.", hint=offer if offer.startswith("Did") else f"In {parent}: {offer}")
