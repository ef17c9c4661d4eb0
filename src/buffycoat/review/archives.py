"""Archives that somebody uploads: read in memory, one photograph at a time, within limits; nothing is unpacked to disk.

An archive is somebody else's word. Names in it are shown and never used, links and devices are passed over, and what
is read counts against the limits as it is read, whatever the archive says of its size.
"""

from __future__ import annotations

import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, BinaryIO, cast

from buffycoat.predict.listing import lies_aside
from buffycoat.predict.tars import open_tar
from buffycoat.review.settings import ReviewSettings

Member = tuple[str, bytes | None, str | None]
"""Name, bytes, fault."""

WHOLE = "archive"
"""The name under which a fault of the whole archive is told."""

_FAULTS = (
    *(OSError, EOFError, ValueError, KeyError, IndexError, RuntimeError, NotImplementedError, OverflowError),
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error),
)
_HEAD = 512
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")
_ZIP_PACKINGS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENTRIES_PER_FILE = 4
_ENTRY_BYTES = 1024
_LEAST_DIRECTORY_BYTES = 1 << 18
_PIECE_BYTES = 1 << 16


def is_archive(stream: BinaryIO) -> bool:
    """Return whether a file is a zip or a tar, packed or not, by its first bytes; the stream is put back."""
    head = stream.read(_HEAD)
    stream.seek(0)
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06")) or head[257:262] == b"ustar" or head.startswith(_PACKED)


def members(stream: BinaryIO, settings: ReviewSettings) -> Iterator[Member]:
    """Yield the files of an archive, and at its end, or where it breaks off, a fault of the whole."""
    allowance = _Allowance(settings)
    walk = _zipped if stream.read(2) == b"PK" else _tarred
    stream.seek(0)
    try:
        yield from walk(stream, allowance)
    except _Spent as spent:
        yield WHOLE, None, f"{spent}; the rest was not read"
    except _FAULTS as error:
        yield WHOLE, None, f"the archive is damaged ({type(error).__name__})"


class _Spent(Exception):  # noqa: N818 - the end of what may be read
    """One of the limits is reached; says which."""


class _Allowance:
    """What may still be read: every entry counts, and every byte, whether it is used or passed over."""

    def __init__(self, settings: ReviewSettings) -> None:
        self.settings = settings
        self.most_entries = _ENTRIES_PER_FILE * settings.most_archive_files  # folders, and what is passed over
        self._entries = self._files = self._bytes = 0

    def entry(self) -> None:
        """Count whatever stands in the archive's directory."""
        self._entries += 1
        if self._entries > self.most_entries:
            raise _Spent(f"more than {self.most_entries} entries")

    def file(self) -> None:
        """Count a file that is read, or told to be unreadable."""
        self._files += 1
        if self._files > self.settings.most_archive_files:
            raise _Spent(f"more than {self.settings.most_archive_files} files")

    def bytes(self, n: int) -> None:
        """Count unpacked bytes."""
        self._bytes += n
        if self._bytes > self.settings.most_archive_bytes:
            raise _Spent(f"unpacks to more than {self.settings.most_archive_bytes / 1e6:.0f} MB")


def _zipped(stream: BinaryIO, allowance: _Allowance) -> Iterator[Member]:
    opened = _Opening(stream, max(_LEAST_DIRECTORY_BYTES, allowance.most_entries * _ENTRY_BYTES))
    with zipfile.ZipFile(cast("IO[bytes]", opened)) as archive:
        opened.most = None
        for member in archive.infolist():
            allowance.entry()
            if member.is_dir() or _is_link(member) or lies_aside(member.filename):
                continue
            allowance.file()
            if member.flag_bits & 0x1:
                yield member.filename, None, "encrypted"
            elif member.compress_type not in _ZIP_PACKINGS:  # others may unpack a few bytes to gigabytes in one step
                yield member.filename, None, "packed in a way that is not read here"
            else:
                try:
                    with archive.open(member) as inside:
                        yield _read(member.filename, inside, allowance)
                except _FAULTS as error:
                    yield member.filename, None, f"damaged in its archive ({type(error).__name__})"


class _Opening(io.BufferedIOBase):
    """A stream whose single reads are bounded while an archive is opened: its directory is read in one piece."""

    def __init__(self, stream: BinaryIO, most: int) -> None:
        self._stream, self.most = stream, cast("int | None", most)

    def read(self, size: int | None = -1) -> bytes:
        """Read; more than `most` at once is an archive with too large a directory."""
        wanted = -1 if size is None else size
        if self.most is None:
            return self._stream.read(wanted)
        content = self._stream.read(self.most + 1 if wanted < 0 else min(wanted, self.most + 1))
        if len(content) > self.most:
            raise _Spent("its directory is larger than that of any archive that is read here")
        return content

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go somewhere."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Return where we are."""
        return self._stream.tell()

    def seekable(self) -> bool:
        """Return that one can go anywhere."""
        return True


def _tarred(stream: BinaryIO, allowance: _Allowance) -> Iterator[Member]:
    with open_tar(stream) as archive:
        for member in archive:
            archive.members = []  # type: ignore[attr-defined]  # else every member is remembered
            allowance.entry()
            meant = member.isfile() and not lies_aside(member.name)
            if meant:
                allowance.file()
            if not meant or member.size > allowance.settings.most_image_bytes:
                allowance.bytes(member.size)  # what is passed over is unpacked all the same
                if meant:
                    yield member.name, None, _larger(allowance.settings)
                continue
            inside = archive.extractfile(member)
            if inside is not None:
                yield _read(member.name, inside, allowance)
        if not archive.ended:
            yield WHOLE, None, "it lacks its end mark, and may be truncated"


def _read(name: str, inside: IO[bytes], allowance: _Allowance) -> Member:
    most = allowance.settings.most_image_bytes
    pieces: list[bytes] = []
    left = most + 1
    while left > 0 and (piece := inside.read(min(left, _PIECE_BYTES))):
        allowance.bytes(len(piece))
        pieces.append(piece)
        left -= len(piece)
    if left <= 0:
        return name, None, _larger(allowance.settings)
    content = b"".join(pieces)
    return name, content, None if content else "empty file"


def _larger(settings: ReviewSettings) -> str:
    return f"larger than {settings.most_image_bytes / 1e6:.0f} MB"


def _is_link(member: zipfile.ZipInfo) -> bool:
    return (member.external_attr >> 16) & 0o170000 == 0o120000
