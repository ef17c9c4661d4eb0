"""The names in a folder, sorted, without holding a million Python strings.

A folder of a million photographs is read in pieces. A piece is sorted and kept as one run of bytes, a tenth of what
the strings would take, and the pieces are merged as they are walked.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator

from buffycoat.imaging.decode import IMAGE_SUFFIXES

DICOM_SUFFIXES = frozenset({".dcm", ".dicom"})
PHOTOGRAPH_SUFFIXES = IMAGE_SUFFIXES | DICOM_SUFFIXES
"""Endings, in lower case, of what is looked at in folders and archives; a file named outright may have any ending."""

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
"""Endings, in lower case, of what is taken for an archive by its name."""

SKIPPED = frozenset({"__MACOSX", "@eaDir", "lost+found"})
"""Folders that systems leave behind; what is in them is no photograph of anybody's."""

_LEFT_BEHIND = frozenset({"Thumbs.db", "desktop.ini"})
_PIECE = 20_000


def ends_like_archive(name: str) -> bool:
    """Return whether a name ends like an archive's."""
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def is_photograph(name: str) -> bool:
    """Return whether a name ends like a photograph's."""
    return os.path.splitext(name)[1].lower() in PHOTOGRAPH_SUFFIXES  # noqa: PTH122 (a path object each is slow for 10⁶)


def is_aside(name: str) -> bool:
    """Return whether one name, of a file or a folder, is hidden or what a system leaves behind, and not meant.

    Examples
    --------
    >>> is_aside("._a.jpg"), is_aside("@eaDir"), is_aside("a.jpg"), is_aside("..")
    (True, True, False, False)
    """
    return (name.startswith(".") and name not in (".", "..")) or name in SKIPPED or name in _LEFT_BEHIND


def lies_aside(member: str) -> bool:
    r"""Return whether a member of an archive is, or lies in, what is passed over in folders.

    Examples
    --------
    >>> lies_aside("__MACOSX/12/._a.jpg"), lies_aside("slides\\@eaDir\\a.jpg"), lies_aside("./12/a.jpg")
    (True, True, False)
    """
    return any(is_aside(part) for part in member.replace("\\", "/").split("/"))


class PackedNames:
    """Names, taken in any order and given back sorted by their bytes.

    Parameters
    ----------
    piece
        Names sorted at a time.
    """

    def __init__(self, piece: int = _PIECE) -> None:
        self._piece = piece
        self._pieces: list[bytes] = []
        self._open: list[bytes] = []

    def add(self, name: str) -> None:
        """Take one more name."""
        self._open.append(os.fsencode(name))
        if len(self._open) >= self._piece:
            self._close()

    def _close(self) -> None:
        if self._open:
            self._open.sort()
            self._pieces.append(b"\0".join(self._open))  # no file name holds a zero
            self._open = []

    def __len__(self) -> int:
        return len(self._open) + sum(piece.count(b"\0") + 1 for piece in self._pieces)

    def __iter__(self) -> Iterator[str]:
        self._close()
        runs = [_names(piece) for piece in self._pieces]
        for name in heapq.merge(*runs) if len(runs) > 1 else (runs[0] if runs else ()):
            yield os.fsdecode(name)


def _names(piece: bytes) -> Iterator[bytes]:
    start = 0
    while (end := piece.find(b"\0", start)) >= 0:
        yield piece[start:end]
        start = end + 1
    yield piece[start:]


class Folder:
    """One folder as read: its photographs and sub-folders, and how many archives and other files it holds."""

    def __init__(self, path: str) -> None:
        self.photographs = PackedNames()
        self.folders = PackedNames()
        self.archives = 0
        self.others = 0
        with os.scandir(path) as entries:
            for entry in entries:
                if is_aside(entry.name):
                    continue
                if _is_folder(entry):
                    self.folders.add(entry.name)
                elif is_photograph(entry.name):
                    self.photographs.add(entry.name)
                elif ends_like_archive(entry.name):
                    self.archives += 1
                else:
                    self.others += 1


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that points at itself
        return False
