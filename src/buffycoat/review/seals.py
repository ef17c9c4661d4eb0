"""Seals outside the database: number and hash of the log's line at every signature and amendment.

A hash chain alone cannot tell that its end was cut off. These lines can, and so can the seal that stands in full on
the page of every signed report, where a copy of it is kept elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from buffycoat.files import sync_folder

SEALS = "seals.txt"


def note_seal(folder: Path, number: int, digest: str) -> None:
    """Add a line: the event's number and hash."""
    handle = os.open(folder / SEALS, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.fstat(handle).st_size
        whole = size == 0 or os.pread(handle, 1, size - 1) == b"\n"
        os.write(handle, f"{'' if whole else chr(10)}{number} {digest}\n".encode("ascii"))  # a cut line spoils no other
        os.fsync(handle)
    finally:
        os.close(handle)
    sync_folder(folder)


def note_missing(folder: Path, signatures: Iterable[tuple[int, str]]) -> int:
    """Note the seals of signatures and amendments that have none: the program was stopped between the log and the file.

    What is noted already is left as it is, whatever the database says now. Returns how many were missing.
    """
    known = {number for number, _ in noted_seals(folder)}
    missing = sorted(one for one in signatures if one[0] not in known)
    for number, digest in missing:
        note_seal(folder, number, digest)
    return len(missing)


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
