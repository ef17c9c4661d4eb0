"""One pass over all files: what each is like, and which show the same cell. Kept in the cache by the files' state."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import polars as pl

from buffycoat import settings
from buffycoat.audit.copies import Copy, find_copies
from buffycoat.audit.picture import Look, look_at
from buffycoat.data.dataset import DataSet
from buffycoat.data.identical import identical_files
from buffycoat.errors import DataError, OutputError
from buffycoat.files import fingerprint, write_json, write_parquet
from buffycoat.records.audit import CopyPair
from buffycoat.records.tables import read_table

METHOD = 3
"""Raised whenever looking or comparing could give another answer."""

SCANNED: dict[str, pl.DataType] = {
    "image": pl.String(),
    "problem": pl.String(),  # why it cannot be read, or null
    "width": pl.Int32(),
    "height": pl.Int32(),
    "light": pl.Float64(),
    "dark": pl.Float64(),
    "spread": pl.Float64(),
    "blank": pl.Boolean(),
    "saturated": pl.Float64(),
    "sharpness": pl.Float64(),
    "red": pl.Float64(),  # of the empty background, as the next two
    "green": pl.Float64(),
    "blue": pl.Float64(),
    "contrast": pl.Float64(),
    "leukocytes": pl.Int32(),
}
"""One row per file, sorted by name; the measures are those of :class:`buffycoat.audit.measure.Measures`."""

_AHEAD = 256

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Scan:
    """What one pass over the files found."""

    files: pl.DataFrame
    pairs: tuple[CopyPair, ...]


def scan(data: DataSet, *, on_progress: Progress | None = None, on_compare: Progress | None = None) -> Scan:
    """Look at every file of a data set once and compare all with all; what was looked at before is remembered.

    Parameters
    ----------
    on_progress
        Called with (done, all) while files are looked at.
    on_compare
        Called with (done, all) while they are compared.
    """
    images = sorted(data.cells.get_column("image").drop_nulls().unique().to_list())
    place = settings.cache_dir() / "audit" / _key(images, data.root)
    known = _remembered(place)
    if known is not None:
        return known
    found = _scan(images, data.root, on_progress, on_compare)
    try:
        write_parquet(place / "files.parquet", found.files)
        write_json(place / "pairs.json", [pair.model_dump(mode="json") for pair in found.pairs])
    except OutputError:
        return found  # a cache that cannot be written costs time, nothing else
    return found


def _key(images: Sequence[str], root: Path) -> str:
    states: list[list[object]] = []
    for image in images:
        try:
            status = (root / image).stat()
            states.append([image, status.st_size, status.st_mtime_ns])
        except OSError:
            states.append([image])
    return fingerprint([METHOD, states])


def _remembered(place: Path) -> Scan | None:
    try:
        files = read_table(place / "files.parquet", SCANNED)
        pairs = json.loads((place / "pairs.json").read_text(encoding="utf-8"))
        return Scan(files, tuple(CopyPair.model_validate(pair) for pair in pairs))
    except (OSError, ValueError, DataError):  # never made, or damaged: it is made anew
        return None


def _scan(images: Sequence[str], root: Path, on_progress: Progress | None, on_compare: Progress | None) -> Scan:
    paths = [root / image for image in images]
    same = identical_files(paths)
    first_of = {place: places[0] for places in same for place in places}
    leaders = [place for place in range(len(images)) if first_of.get(place, place) == place]
    report = on_progress or (lambda _done, _all: None)
    looks: list[Look] = []
    for look in _looked_at([paths[place] for place in leaders]):
        looks.append(look)
        if len(looks) % 32 == 0 or len(looks) == len(leaders):
            report(len(looks), len(leaders))
    copies = find_copies(looks, [paths[place] for place in leaders], on_progress=on_compare)
    pairs = [
        CopyPair(
            first=images[places[0]], second=images[other], kind="identical", similarity=1, turned_deg=0, mirrored=False
        )
        for places in same
        for other in places[1:]
    ]
    pairs += [_named(copy, [images[place] for place in leaders]) for copy in copies]
    by_leader = dict(zip(leaders, looks, strict=True))
    rows = [_row(image, by_leader[first_of.get(place, place)]) for place, image in enumerate(images)]
    return Scan(pl.DataFrame(rows, schema=SCANNED, orient="row"), tuple(pairs))


def _looked_at(paths: Sequence[Path]) -> Iterator[Look]:
    """Yield the looks in order, a few hundred ahead at most: pictures never pile up."""
    waiting = iter(paths)
    with ThreadPoolExecutor(settings.usable_cores()) as pool:
        while piece := list(islice(waiting, _AHEAD)):
            yield from pool.map(look_at, piece)


def _named(copy: Copy, images: Sequence[str]) -> CopyPair:
    return CopyPair(
        first=images[copy.first],
        second=images[copy.second],
        kind="picture" if copy.kind == "picture" else "cell",
        similarity=round(min(copy.similarity, 1.0), 4),
        turned_deg=round(copy.turned_deg, 2),
        mirrored=copy.mirrored,
    )


def _row(image: str, look: Look) -> tuple[object, ...]:
    measured = look.measures
    if measured is None:
        return (image, look.problem, *[None] * (len(SCANNED) - 2))
    return (
        *(image, look.problem, look.width, look.height, measured.light, measured.dark, measured.spread, look.blank),
        *(measured.saturated, measured.sharpness, *measured.background, measured.contrast),
        len(look.cells),
    )
