"""Seals outside the database: number and hash of the log's line at every signature.

A hash chain alone cannot tell that its end was cut off. These lines, and the hash printed on every signed report, can.
"""

from __future__ import annotations

import os
from pathlib import Path

SEALS = "seals.txt"


def note_seal(folder: Path, number: int, digest: str) -> None:
    """Add a line: the event's number and hash."""
    handle = os.open(folder / SEALS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, f"{number} {digest}\n".encode("ascii"))
        os.fsync(handle)
    finally:
        os.close(handle)


def noted_seals(folder: Path) -> list[tuple[int, str]]:
    """Return the seals in the order they were noted; a line that was cut short is passed over."""
    try:
        text = (folder / SEALS).read_text(encoding="ascii")
    except FileNotFoundError:
        return []
    found = []
    for line in text.splitlines():
        number, _, digest = line.partition(" ")
        if number.isdigit() and len(digest) == 64:
            found.append((int(number), digest))
    return found
