"""What an earlier run has answered, so that it is not done again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from buffycoat.predict.items import Item, Remote
from buffycoat.predict.rows import key

ANY_STAMP = np.uint64(2**64 - 1)
"""Stamp of an input known by name only, from a finished file: it counts unless its file is newer than that."""


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
    """The inputs of finished parts. Twenty bytes each, however long their names.

    Parameters
    ----------
    parts
        The ledgers, in order. Those that failed do not count: they are tried again.
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
        self._free = failed == 0
        self._used = np.zeros(len(keys), np.bool_)
        self._since_ns = since_ns

    def take(self, item: Item) -> bool:
        """Return whether the item is answered already; an answer serves one mention."""
        wanted = np.uint64(key(item.name))
        place = int(np.searchsorted(self._keys, wanted))
        while place < len(self._keys) and self._keys[place] == wanted:
            if self._free[place] and self._same(item, int(self._stamps[place])):
                self._free[place] = False
                self._used[place] = True
                return True
            self._free[place] = False  # its file changed since: the answer is outdated
            place += 1
        return False

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

    def kept(self, *, unasked: bool) -> list[NDArray[np.bool_]]:
        """Return, per part, which of its inputs were asked for again and still stand.

        Parameters
        ----------
        unasked
            Whether those that were not asked for are kept, too; else they are no longer wanted.
        """
        flags = np.zeros(len(self._used), np.bool_)
        flags[self._order] = self._used | self._free if unasked else self._used
        ends = np.cumsum(self._lengths)
        return [flags[end - length : end] for end, length in zip(ends, self._lengths, strict=True)]
