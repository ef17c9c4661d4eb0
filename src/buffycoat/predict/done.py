"""What an earlier run has answered, so that it is not done again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from buffycoat.predict.items import Item, Remote
from buffycoat.predict.rows import key

ANY_STAMP = np.uint64(2**64 - 1)
"""Stamp of an input known by name only, from a finished file: it counts unless its file is newer than that."""

_OPEN, _USED, _OUTDATED = range(3)


def stamp(item: Item) -> int:
    """Return a number that changes when the item's file does; 0 where there is no file."""
    origin = _origin(item)
    if isinstance(origin, Remote):
        return origin.mark
    try:
        status = origin.stat()
    except (OSError, ValueError):
        return 0
    return (status.st_mtime_ns * 31 + status.st_size) & (2**63 - 1)


def _origin(item: Item) -> Path | Remote:
    """Return the file an item's bytes come from."""
    if isinstance(item.content, (Path, Remote)):
        return item.content
    return Path(item.name) if item.archive is None else item.archive


class Done:
    """The inputs of finished parts. Some twenty bytes each, however long their names.

    Parameters
    ----------
    parts
        The ledgers, in order. Those that failed do not count: they are tried again where they are asked for.
    since_ns
        When the finished file was written, for inputs known by name only.
    """

    def __init__(self, parts: Sequence[NDArray[Any]], since_ns: int = 0) -> None:
        self._lengths = [len(part) for part in parts]
        keys = np.concatenate([part["key"] for part in parts]) if parts else np.zeros(0, np.uint64)
        self._order = np.argsort(keys, kind="stable").astype(np.uint32)
        self._keys = keys[self._order]
        self._stamps = (
            np.concatenate([part["stamp"] for part in parts])[self._order] if parts else np.zeros(0, np.uint64)
        )
        failed = np.concatenate([part["failed"] for part in parts])[self._order] if parts else np.zeros(0, np.uint8)
        self._failed = failed != 0
        self._some_failed = bool(self._failed.any())
        self._state = np.full(len(keys), _OPEN, np.uint8)
        self._since_ns = since_ns
        self._folder = ""

    def take(self, item: Item) -> bool:
        """Return whether the item is answered already; an answer serves one mention."""
        self._opened(item.name)
        wanted = np.uint64(key(item.name))
        place = int(np.searchsorted(self._keys, wanted))
        used: int | None = None
        while place < len(self._keys) and self._keys[place] == wanted:
            if self._state[place] == _OPEN:
                if used is not None:  # what answers further mentions of the same file stays open
                    current = not self._failed[place] and self._stamps[place] == self._stamps[used]
                    self._state[place] = _OPEN if current else _OUTDATED
                elif not self._failed[place] and self._same(item, int(self._stamps[place])):
                    self._state[place] = _USED
                    used = place
                else:  # it failed, or its file changed since
                    self._state[place] = _OUTDATED
            place += 1
        return used is not None

    def forget_fault(self, name: str) -> None:
        """Take an earlier fault under this name for outdated: a folder, a pattern or an archive is walked again."""
        if not self._some_failed:
            return
        wanted = np.uint64(key(name))
        first, end = (int(np.searchsorted(self._keys, wanted, side)) for side in ("left", "right"))
        here = slice(first, end)
        self._state[here][self._failed[here] & (self._state[here] == _OPEN)] = _OUTDATED

    def _opened(self, name: str) -> None:
        """Forget the faults of the folders and the archive that an item came out of."""
        folder = os.path.dirname(name)  # noqa: PTH120 (a path object each is slow for 10⁶)
        if not self._some_failed or folder == self._folder:
            return
        self._folder = folder
        while folder:
            self.forget_fault(folder)
            if folder.endswith("!"):  # an archive: the mark after its name is !/
                self.forget_fault(folder[:-1])
            above = os.path.dirname(folder)  # noqa: PTH120
            folder = "" if above == folder else above

    def _same(self, item: Item, known: int) -> bool:
        if known != int(ANY_STAMP):
            return stamp(item) == known
        origin = _origin(item)
        if isinstance(origin, Remote):
            return origin.modified_ns is None or origin.modified_ns <= self._since_ns
        try:
            return origin.stat().st_mtime_ns <= self._since_ns
        except OSError:  # not from a file
            return True

    def unasked(self) -> int:
        """Return how many answers stand that this run did not ask for; to be called when all was asked."""
        return int(self._unasked().sum())

    def kept(self, *, unasked: bool) -> list[NDArray[np.bool_]]:
        """Return, per part, which of its inputs still stand.

        Parameters
        ----------
        unasked
            Whether those that were not asked for are kept, too.
        """
        flags = np.zeros(len(self._state), np.bool_)
        used = self._state == _USED
        flags[self._order] = used | self._unasked() if unasked else used
        ends = np.cumsum(self._lengths)
        return [flags[end - length : end] for end, length in zip(ends, self._lengths, strict=True)]

    def _unasked(self) -> NDArray[np.bool_]:
        """Return which were neither asked for nor answered anew in a later part: failed, then read, or changed."""
        count = len(self._keys)
        if not count:
            return np.zeros(0, np.bool_)
        begins = np.flatnonzero(np.concatenate([[True], self._keys[1:] != self._keys[:-1]]))
        lengths = np.diff(np.append(begins, count))
        latest = self._stamps[begins + lengths - 1]
        answered = np.maximum.reduceat(np.where(self._failed, -1, np.arange(count)), begins)
        standing: NDArray[np.bool_] = (
            (self._state == _OPEN)
            & (self._stamps == np.repeat(latest, lengths))
            & ~(self._failed & (np.arange(count) < np.repeat(answered, lengths)))
        )
        return standing
