"""Archives that somebody uploads: read in memory, one photograph at a time, within limits; nothing is unpacked to disk.

An archive is somebody else's word. Names in it are shown and never used, links and devices are passed over, and what
is read counts against the limits as it is read, whatever the archive says of its size.
"""

from __future__ import annotations

import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, BinaryIO

from buffycoat.review.settings import ReviewSettings

Member = tuple[str, bytes | None, str | None]
"""Name, bytes, fault."""

_FAULTS = (
    *(OSError, EOFError, ValueError, KeyError, IndexError, RuntimeError, NotImplementedError, OverflowError),
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error),
)
_HEAD = 512
_PACKED = ((b"\x1f\x8b", "gz"), (b"BZh", "bz2"), (b"\xfd7zXZ\x00", "xz"))
_ASIDE = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


def is_archive(stream: BinaryIO) -> bool:
    """Return whether a file is a zip or a tar, packed or not, by its first bytes; the stream is put back."""
    head = stream.read(_HEAD)
    stream.seek(0)
    return (
        head.startswith((b"PK\x03\x04", b"PK\x05\x06"))
        or head[257:262] == b"ustar"
        or any(head.startswith(mark) for mark, _ in _PACKED)
    )


def members(stream: BinaryIO, settings: ReviewSettings) -> Iterator[Member]:
    """Yield the files of an archive, and at its end, or where it breaks off, a fault of the whole."""
    try:
        yield from _limited(stream, settings)
    except _FAULTS as error:
        yield "archive", None, f"the archive is damaged ({type(error).__name__})"


def _limited(stream: BinaryIO, settings: ReviewSettings) -> Iterator[Member]:
    files, read = 0, 0
    walk = _zipped(stream, settings) if stream.read(2) == b"PK" else _tarred(stream, settings)
    stream.seek(0)
    for name, content, fault in walk:
        if _passed_over(name):
            continue
        files += 1
        read += 0 if content is None else len(content)
        if files > settings.most_archive_files:
            yield "archive", None, f"more than {settings.most_archive_files} files; the rest was not read"
            return
        if read > settings.most_archive_bytes:
            yield (
                "archive",
                None,
                f"unpacks to more than {settings.most_archive_bytes / 1e6:.0f} MB; the rest was not read",
            )
            return
        yield name, content, fault


def _zipped(stream: BinaryIO, settings: ReviewSettings) -> Iterator[Member]:
    with zipfile.ZipFile(stream) as archive:
        for member in archive.infolist():
            if member.is_dir() or _is_link(member):
                continue
            if member.flag_bits & 0x1:
                yield member.filename, None, "encrypted"
                continue
            try:
                with archive.open(member) as inside:
                    yield _read(member.filename, inside, settings)
            except _FAULTS as error:
                yield member.filename, None, f"damaged in its archive ({type(error).__name__})"


def _tarred(stream: BinaryIO, settings: ReviewSettings) -> Iterator[Member]:
    with tarfile.open(fileobj=stream, mode="r|*") as archive:
        for member in archive:
            archive.members = []  # type: ignore[attr-defined]  # else every member is remembered
            if member.size > settings.most_archive_bytes:  # to skip it would be to unpack it
                yield "archive", None, "a member is larger than all may be; the rest was not read"
                return
            if not member.isfile():
                continue
            inside = archive.extractfile(member)
            if inside is not None:
                yield _read(member.name, inside, settings)


def _read(name: str, inside: IO[bytes], settings: ReviewSettings) -> Member:
    content = inside.read(settings.most_image_bytes + 1)
    if len(content) > settings.most_image_bytes:
        return name, None, f"larger than {settings.most_image_bytes / 1e6:.0f} MB"
    return name, content, None if content else "empty file"


def _is_link(member: zipfile.ZipInfo) -> bool:
    return (member.external_attr >> 16) & 0o170000 == 0o120000


def _passed_over(name: str) -> bool:
    """Return whether a file is what operating systems leave in folders, and not meant."""
    parts = name.replace("\\", "/").split("/")
    return "__MACOSX" in parts or parts[-1] in _ASIDE or parts[-1].startswith("._")
