"""The journal of a crop store: one line per finished chunk, so that work goes on where it was interrupted.

The first line describes the store, each further line one chunk of crops with the checksum of its pixels. A line
carries its own checksum: one that was cut short by a crash, or damaged since, does not count.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from buffycoat.errors import BuffycoatError
from buffycoat.files import output_error, write_text


class JournalError(BuffycoatError):
    """There is no journal, or its first line is damaged."""


class Journal:
    """The journal of one store, as read from its file.

    Attributes
    ----------
    header
        What the first line says of the store.
    chunks
        By chunk number: ``{"crc": int, "records": [...]}``; a later line takes the place of an earlier one.
    damaged
        How many lines could not be read.
    """

    def __init__(self, path: Path, header: Mapping[str, Any], chunks: dict[int, dict[str, Any]], damaged: int) -> None:
        self.path = path
        self.header = header
        self.chunks = chunks
        self.damaged = damaged

    @classmethod
    def create(cls, path: Path, header: Mapping[str, Any]) -> Journal:
        """Begin a journal, replacing any other.

        Raises
        ------
        OutputError
            The folder cannot be written.
        """
        write_text(path, _line(header))
        return cls(path, header, {}, 0)

    @classmethod
    def read(cls, path: Path) -> Journal:
        """Read a journal.

        Raises
        ------
        JournalError
            There is none, or its first line is damaged.
        """
        try:
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            raise JournalError(f"{path} cannot be read: {error.strerror or error}") from error
        header = _content(lines[0])
        if header is None:
            raise JournalError(f"{path} is damaged in its first line")
        entries = [_content(line) for line in lines[1:] if line]
        chunks = {entry["chunk"]: entry for entry in entries if entry is not None}
        return cls(path, header, chunks, entries.count(None))

    def append(self, chunk: int, crc: int, records: list[list[Any]]) -> None:
        """Write down that a chunk is finished.

        Raises
        ------
        OutputError
            The disk is full or the folder read-only.
        """
        entry = {"chunk": chunk, "crc": crc, "records": records}
        try:
            # A line left torn by a crash must not swallow this one: every line but the first begins anew.
            with self.path.open("ab") as stream:
                stream.write(b"\n" + _line(entry).encode())
        except OSError as error:
            raise output_error(self.path, error) from error
        self.chunks[chunk] = entry

    def drop(self, chunk: int) -> None:
        """Forget a chunk whose pixels are damaged, so that it is made again."""
        self.chunks.pop(chunk, None)


def _line(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, separators=(",", ":"))
    return f"{zlib.crc32(text.encode()):08x} {text}\n"


def _content(line: bytes) -> dict[str, Any] | None:
    checksum, _, text = line.partition(b" ")
    if checksum != f"{zlib.crc32(text):08x}".encode():
        return None
    content = json.loads(text)
    return content if isinstance(content, dict) else None
