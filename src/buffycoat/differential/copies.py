"""Files with the same bytes: a cell that was photographed once counts once."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buffycoat.predict.items import Item


class Copies:
    """Finds files of a slide with the same bytes; hashes only where the sizes agree."""

    def __init__(self) -> None:
        self._alone: dict[tuple[str, int], tuple[str, Path | bytes | None]] = {}
        self._known: dict[tuple[str, int, bytes], str] = {}

    def first(self, key: str, item: Item) -> str | None:
        """Return the name of the photograph that this one is a copy of, or None."""
        size = _size(item.content)
        if size is None:
            return None
        if (key, size) not in self._alone:
            # An archive's member is not kept in memory, only its hash.
            kept = item.content if isinstance(item.content, Path) else None
            self._alone[(key, size)] = (item.name, kept)
            if kept is None:
                self._known[(key, size, _digest(item.content))] = item.name
            return None
        name, waiting = self._alone[(key, size)]
        if waiting is not None:
            self._known.setdefault((key, size, _digest(waiting)), name)
            self._alone[(key, size)] = (name, None)
        mark = (key, size, _digest(item.content))
        if mark in self._known:
            return self._known[mark]
        self._known[mark] = item.name
        return None


def _size(content: object) -> int | None:
    if isinstance(content, Path):
        try:
            return content.stat().st_size
        except OSError:
            return None  # the predictor says what is wrong with it
    return len(content) if isinstance(content, bytes) else None


def _digest(content: object) -> bytes:
    if isinstance(content, bytes):
        return hashlib.sha256(content).digest()
    try:
        assert isinstance(content, Path)  # noqa: S101
        with content.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError:
        return str(content).encode("utf-8", "surrogateescape")
