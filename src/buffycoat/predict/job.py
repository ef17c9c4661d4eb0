"""One run of the command: sources in, a file out, and an account of it."""

from __future__ import annotations

import contextlib
import csv
import threading
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from buffycoat.errors import DataError
from buffycoat.files import output_error
from buffycoat.imaging.folder_lock import alone_in
from buffycoat.predict.archives import MARK
from buffycoat.predict.done import ANY_STAMP, Done, stamp
from buffycoat.predict.formats import Format, damaged, format_of
from buffycoat.predict.items import Item
from buffycoat.predict.parts import LEDGER, PartsFolder, refuse_unfinished
from buffycoat.predict.results import UNIDENTIFIED, PhotographResult
from buffycoat.predict.rows import Row, key, rows

_DAMAGE = (ValueError, KeyError, TypeError, AttributeError, IndexError, csv.Error)
"""What reading rows back raises where a file is no longer what was written."""

_PART_SECONDS = 10.0
_PART_ROWS = 5_000  # held as they are, some 2 kB each, until they are written

Engine = Callable[[Iterable[Item]], Iterator[PhotographResult]]
"""From items to one result each, in order."""


@dataclass(slots=True)
class Account:
    """What a run did.

    Attributes
    ----------
    photographs
        Answered in this run, the failed ones included.
    skipped
        Answered by an earlier run.
    failed
        That could not be read; the first few are in `faults`.
    sources_lost
        Of these, the files, folders and archives that could not even be opened.
    repeated
        Mentions of an input beyond its first.
    unasked
        Answered by earlier runs and not asked for in this one.
    pruned
        Whether the rows of those were dropped.
    """

    photographs: int = 0
    skipped: int = 0
    failed: int = 0
    sources_lost: int = 0
    cells: int = 0
    unidentified: int = 0
    without_cell: int = 0
    repeated: int = 0
    unasked: int = 0
    pruned: bool = False
    seconds: float = 0.0
    stopped: bool = False
    faults: list[tuple[str, str]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, result: PhotographResult) -> None:
        """Count one result."""
        self.photographs += 1
        if result.error is not None:
            self.failed += 1
            if len(self.faults) < 20:
                self.faults.append((result.image, result.error))
        elif not result.cells:
            self.without_cell += 1
        for cell in result.cells:
            self.cells += 1
            self.unidentified += cell.label == UNIDENTIFIED
            self.counts[cell.label] = self.counts.get(cell.label, 0) + 1


class Mentions:
    """Counts inputs given more than once, at eight bytes an input."""

    def __init__(self) -> None:
        self._keys = array("Q")

    def add(self, name: str) -> None:
        """Take one more name."""
        self._keys.append(key(name))

    def repeated(self) -> int:
        """Return how many mentions there were beyond the first of each name."""
        keys = np.frombuffer(self._keys, np.uint64)
        return len(keys) - len(np.unique(keys)) if len(keys) else 0


def to_file(
    items: Iterable[Item],
    engine: Engine,
    out: Path,
    *,
    classes: tuple[str, ...],
    model: str,
    resume: bool = False,
    overwrite: bool = False,
    prune: bool = False,
    sources: Iterable[str] = (),
    stop: threading.Event | None = None,
    on_result: Callable[[PhotographResult, Account], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Account:
    """Answer every item and write the answers to a file.

    Parameters
    ----------
    items
        Taken as they are needed.
    engine
        What answers them.
    out
        The file; its ending chooses the format. It appears, or is replaced, when all is done.
    classes, model
        For the columns.
    resume
        Go on with an unfinished run, or add to a finished file what it does not hold. Rows of what is not among the
        items stay.
    overwrite
        Drop an unfinished run.
    prune
        Drop the rows of what is not among the items, unless a source could not be opened: they may be of what is in it.
    sources
        What the items were found by; earlier faults under these names are of no more interest.
    stop
        Set by Ctrl-C: what is finished is kept, and the account says `stopped`.
    on_result
        Called with every result, after it was counted.

    Raises
    ------
    OutputError
        The file cannot be written, an unfinished run stands in its place, or another process writes it.
    DataError
        What is to be gone on with was made by another bundle or with other settings.
    """
    began = clock()
    form = format_of(out, classes)
    parts = PartsFolder(out, form)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(out, error) from error
    run = {"model": model, "format": form.ending}
    with alone_in(out.parent, f".{out.name}.lock"), _removing_lock(out):
        since = _prepare(parts, form, out, run, resume=resume, overwrite=overwrite)
        done = Done([part.inputs for part in parts.parts], since)
        for name in sources:
            done.forget_fault(name)
        account, mentions = Account(), Mentions()
        writer = _Writer(parts, model, clock)
        try:
            for result in engine(_not_done(items, done, account, mentions, writer, stop)):
                account.add(result)
                writer.add(result)
                if on_result is not None:
                    on_result(result, account)
        finally:
            writer.close()
        account.repeated = mentions.repeated()
        account.stopped = stop is not None and stop.is_set()
        if not account.stopped:
            # A source that could not be read (a disk that is not mounted) may hold what was answered before.
            account.unasked = done.unasked()
            account.pruned = prune and account.sources_lost == 0
            earlier = done.kept(unasked=not account.pruned)
            parts.join([*earlier, *[None] * (len(parts.parts) - len(earlier))])
    account.seconds = clock() - began
    return account


def _prepare(parts: PartsFolder, form: Format, out: Path, run: dict[str, Any], *, resume: bool, overwrite: bool) -> int:
    """Make the folder of parts ready; return when a finished file that is added to was written (ns, else 0)."""
    if parts.exists() and not overwrite:
        if not resume:
            raise refuse_unfinished(parts)
        parts.go_on(run)
        return out.stat().st_mtime_ns if out.exists() else 0
    parts.begin(run)
    if not (resume and out.exists()):
        return 0
    try:
        for piece in form.split(out):
            _refuse_other(out, piece, str(run["model"]))
            parts.add(piece, _known_by_name(piece))
    except _DAMAGE as error:
        parts.drop()
        raise damaged(out, error) from error
    except BaseException:
        parts.drop()
        raise
    return out.stat().st_mtime_ns


def _refuse_other(out: Path, piece: list[Row], model: str) -> None:
    other = {str(row.get("model")) for row in piece} - {model}
    if other:
        raise DataError(
            f"{out} was made by {min(other)}, this run is by {model}: one file holds one network's answers.",
            hint="Choose another --out, or leave out --resume to replace it.",
        )


def _known_by_name(piece: list[Row]) -> NDArray[Any]:
    entries: list[tuple[int, int, int, int]] = []
    last: Any = None
    for row in piece:
        again = row["image"] == last and str(row.get("cell") or "1") != "1"
        if again:
            name, known, count, failed = entries[-1]
            entries[-1] = (name, known, count + 1, failed)
        else:
            entries.append((key(row["image"]), int(ANY_STAMP), 1, int(bool(row.get("error")))))
        last = row["image"]
    return np.array(entries, LEDGER)


def _not_done(
    items: Iterable[Item],
    done: Done,
    account: Account,
    mentions: Mentions,
    writer: _Writer,
    stop: threading.Event | None,
) -> Iterator[Item]:
    for item in items:
        if stop is not None and stop.is_set():  # the engine asks only where it is handed something
            return
        mentions.add(item.name)
        if done.take(item):
            account.skipped += 1
            continue
        account.sources_lost += item.error is not None and MARK not in item.name
        writer.expect(stamp(item))
        yield item


class _Writer:
    """Gathers rows and writes a part every few seconds."""

    def __init__(self, parts: PartsFolder, model: str, clock: Callable[[], float]) -> None:
        self._parts, self._model, self._clock = parts, model, clock
        self._stamps = array("Q")
        self._first = 0
        self._rows: list[Row] = []
        self._entries: list[tuple[int, int, int, int]] = []
        self._since = clock()

    def expect(self, stamp_: int) -> None:
        """Take the stamp of an item that is handed out, as it was before it was read."""
        self._stamps.append(stamp_)

    def add(self, result: PhotographResult) -> None:
        before = len(self._rows)
        self._rows += rows(result, self._model)
        self._entries.append(
            (
                key(result.image),
                self._stamps[self._first],
                len(self._rows) - before,
                int(result.error is not None),
            )
        )
        self._first += 1
        if len(self._rows) >= _PART_ROWS or self._clock() - self._since >= _PART_SECONDS:
            self.close()

    def close(self) -> None:
        """Write what was gathered."""
        if self._entries:
            gathered, entries = self._rows, np.array(self._entries, LEDGER)
            self._rows, self._entries = [], []
            self._parts.add(gathered, entries)
            del self._stamps[: self._first]
            self._first = 0
        self._since = self._clock()


@contextlib.contextmanager
def _removing_lock(out: Path) -> Iterator[None]:
    """Remove the lock's file at the end, however that comes; only for who holds it."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            out.with_name(f".{out.name}.lock").unlink(missing_ok=True)
