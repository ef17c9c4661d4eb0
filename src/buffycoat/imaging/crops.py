"""Making the crops of a study, once: epochs never decode a JPEG again."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from buffycoat.errors import DataError, ImageError, OutputError
from buffycoat.files import output_error
from buffycoat.imaging.crop_store import INDEX, JOURNAL, PIXELS, CropStore
from buffycoat.imaging.decode import read_image
from buffycoat.imaging.find import Box
from buffycoat.imaging.folder_lock import alone_in
from buffycoat.imaging.frame import frame
from buffycoat.imaging.journal import Journal, JournalError
from buffycoat.records.documents import FrameSpec
from buffycoat.settings import usable_cores

_VERSION = 2  # raised whenever decoding, finding or framing gives other pixels: older stores are then made anew
_CHUNK = 64  # crops per line of the journal: what an interruption can cost

__all__ = ["INDEX", "CropItem", "CropStore", "build_crops", "fingerprint"]

_logger = logging.getLogger("buffycoat")


@dataclass(frozen=True, slots=True)
class CropItem:
    """One cell to frame: its name, its photograph, and its box in it where it is known."""

    cell_id: str
    path: Path
    box: Box | None = None


def build_crops(
    items: Sequence[CropItem],
    spec: FrameSpec,
    folder: Path,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> CropStore:
    """Frame every item once and keep the crops; what is there already, and sound, is used.

    Parameters
    ----------
    items
        Cells to frame; their names must be distinct. An image that cannot be read becomes a row with its fault.
    spec
        How to frame.
    folder
        Where the crops are kept. Interrupted at any point, the same call goes on where it stopped. Crops of
        other items, changed files or another framing are replaced.
    on_progress
        Called with (done, all) after each piece of work.
    workers
        Threads; by default one per usable core.

    Raises
    ------
    DataError
        Two items have the same name.
    OutputError
        The folder is read-only, full, or being written by another process.
    """
    _refuse_repeated(items)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    with alone_in(folder):
        journal = _resume(items, spec, folder)
        todo = [chunk for chunk in range(_chunks(len(items))) if chunk not in journal.chunks]
        if todo:
            _build(items, spec, folder, journal, todo, on_progress=on_progress, workers=workers or usable_cores())
        elif on_progress is not None:
            on_progress(len(items), len(items))
        return CropStore.open(folder)


def _resume(items: Sequence[CropItem], spec: FrameSpec, folder: Path) -> Journal:
    """Return the journal of what is done and sound; a new one when the store is of something else."""
    path, pixels = folder / JOURNAL, folder / PIXELS
    header = {
        "version": _VERSION,
        "n": len(items),
        "side_px": spec.stored_px,
        "chunk": _CHUNK,
        "fingerprint": fingerprint(items, spec),
    }
    try:
        journal = Journal.read(path)
    except JournalError as error:
        if path.exists():
            _logger.warning("%s; all crops are made anew", error.what)
        return _begin(path, pixels, header)
    if journal.header != header:
        _logger.info("the crops in %s are of other images or another framing; they are made anew", folder)
        return _begin(path, pixels, header)
    if journal.damaged:
        _logger.warning("%s: %d damaged lines; their crops are made anew", path, journal.damaged)
    bad = [chunk for chunk, crc in _checksums(pixels, journal) if crc != journal.chunks[chunk]["crc"]]
    if bad:
        _logger.warning("%s: %d of %d pieces are damaged and made anew", pixels, len(bad), _chunks(len(items)))
    for chunk in bad:
        journal.drop(chunk)
    return journal


def _begin(path: Path, pixels: Path, header: dict[str, Any]) -> Journal:
    try:
        path.unlink(missing_ok=True)  # first: a journal must never describe pixels that are gone
        pixels.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(path, error) from error
    return Journal.create(path, header)


def _build(
    items: Sequence[CropItem],
    spec: FrameSpec,
    folder: Path,
    journal: Journal,
    todo: list[int],
    *,
    on_progress: Callable[[int, int], None] | None,
    workers: int,
) -> None:
    side = spec.stored_px
    crop_bytes = side * side * 3
    path = folder / PIXELS
    done = sum(len(entry["records"]) for entry in journal.chunks.values())
    try:
        _refuse_full(folder, len(todo) * _CHUNK * crop_bytes)
        path.touch()
        # Plain writes, not a memory map: mapped pages would count as this process's memory.
        with path.open("r+b") as stream, ThreadPoolExecutor(workers) as pool:
            stream.truncate(len(items) * crop_bytes)
            for chunk in todo:
                first = chunk * _CHUNK
                piece = items[first : first + _CHUNK]
                made = list(pool.map(lambda item: _make(item, spec), piece))
                content = b"".join(bytes(crop_bytes) if crop is None else crop.tobytes() for crop, _ in made)
                stream.seek(first * crop_bytes)
                stream.write(content)
                stream.flush()
                records = [
                    [item.cell_id, None if crop is None else first + k, *facts]
                    for k, (item, (crop, facts)) in enumerate(zip(piece, made, strict=True))
                ]
                journal.append(chunk, zlib.crc32(content), records)
                done += len(piece)
                if on_progress is not None:
                    on_progress(done, len(items))
    except OSError as error:
        raise output_error(path, error) from error


def _make(item: CropItem, spec: FrameSpec) -> tuple[NDArray[np.uint8] | None, list[Any]]:
    """Return an item's crop and the rest of its record: framing, found, x0, y0, x1, y1, fault."""
    try:
        framed = frame(read_image(item.path), spec, item.box)
    except ImageError as error:
        return None, ["none", 0, None, None, None, None, error.reason]
    return framed.crop, [framed.framing, framed.found, *(framed.box or (None,) * 4), None]


def fingerprint(items: Sequence[CropItem], spec: FrameSpec) -> str:
    """Return a hash of everything the crops depend on: names, paths, sizes and times of the files, boxes, framing."""
    digest = hashlib.sha256(spec.model_dump_json().encode())
    for item in items:
        try:
            status = item.path.stat()
            state = [status.st_size, status.st_mtime_ns]
        except OSError:
            state = []
        digest.update(json.dumps([item.cell_id, str(item.path), item.box, state]).encode())
    return digest.hexdigest()


def _checksums(pixels: Path, journal: Journal) -> Iterator[tuple[int, int]]:
    side = int(journal.header["side_px"])
    try:
        with pixels.open("rb") as stream:
            for chunk, entry in sorted(journal.chunks.items()):
                stream.seek(chunk * _CHUNK * side * side * 3)
                yield chunk, zlib.crc32(stream.read(len(entry["records"]) * side * side * 3))
    except FileNotFoundError:
        yield from ((chunk, -1) for chunk in sorted(journal.chunks))


def _chunks(n: int) -> int:
    return -(-n // _CHUNK)


def _refuse_repeated(items: Sequence[CropItem]) -> None:
    seen: set[str] = set()
    for item in items:
        if item.cell_id in seen:
            raise DataError(f"Two cells are called {item.cell_id!r}; names must be distinct.")
        seen.add(item.cell_id)


def _refuse_full(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OutputError(
            f"cannot write {folder}: the crops need {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free",
            hint="Free some room, or choose another --out.",
        )
