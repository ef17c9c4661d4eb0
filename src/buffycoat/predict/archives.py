"""Photographs inside zip and tar archives, read in memory: nothing is ever unpacked to disk.

An archive is somebody else's word. A member with a name that leads out of the archive, a link, a device, one that
swells beyond what a photograph can be, or one under lock, becomes a fault under its own name; the others go on.
"""

from __future__ import annotations

import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from buffycoat.predict.items import Item, Remote
from buffycoat.predict.listing import ends_like_archive, is_photograph, lies_aside
from buffycoat.predict.passed import Passed
from buffycoat.predict.tars import open_tar

MARK = "!/"
"""Stands between an archive and the name inside it: ``slide.zip!/fields/a.jpg``."""

_ZIP_MARKS = (b"PK\x03\x04", b"PK\x05\x06")
_FAULTS = (
    *(OSError, EOFError, ValueError, KeyError, IndexError, RuntimeError, NotImplementedError, struct.error),
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, MemoryError, OverflowError),
)
_HEAD = 512


@dataclass(frozen=True, slots=True)
class Limits:
    """What a member may be before it is taken for a bomb.

    Attributes
    ----------
    most_bytes
        Of one member, unpacked.
    most_ratio
        Unpacked to packed size, of a member larger than `free_bytes`; of a whole tar, which is packed as one. A drawn
        BMP packs some hundredfold, a bomb a thousandfold and more.
    free_bytes
        Up to here the ratio does not matter.
    free_in_all
        The same of all members together.
    """

    most_bytes: int = 1 << 29
    most_ratio: float = 400.0
    free_bytes: int = 1 << 24
    free_in_all: int = 1 << 30

    def fault(self, unpacked: int, packed: int) -> str | None:
        """Return why something is too large, or None."""
        if unpacked > self.most_bytes:
            return f"too large unpacked ({unpacked / 1e6:.0f} MB; the limit is {self.most_bytes / 1e6:.0f})"
        return self.swollen(unpacked, packed)

    def swollen(self, unpacked: int, packed: int, *, in_all: bool = False) -> str | None:
        """Return why something unpacks to too much, or None."""
        if unpacked > (self.free_in_all if in_all else self.free_bytes) and unpacked > self.most_ratio * max(packed, 1):
            return f"unpacks to {unpacked / max(packed, 1):.0f} times its size (the limit is {self.most_ratio:.0f})"
        return None


DEFAULT_LIMITS = Limits()


def is_archive(source: Path | Remote) -> bool:
    """Return whether a file is a zip or a tar, by its ending and, for other endings, by its first bytes."""
    name = source.name if isinstance(source, Path) else source.path
    if ends_like_archive(name):
        return True
    if is_photograph(name):
        return False
    try:
        with _opened(source) as stream:
            head = stream.read(_HEAD)
    except OSError:
        return False
    return head.startswith(_ZIP_MARKS) or _is_tar(head)


def photographs_in(
    source: Path | Remote, limits: Limits = DEFAULT_LIMITS, *, name: str | None = None, passed: Passed | None = None
) -> Iterator[Item]:
    """Yield the photographs of an archive, in its order; a fault of the whole archive comes as the last item.

    Members that do not end like a photograph are passed over and counted in `passed`; what is passed over in folders
    without being counted is so here. `name` is what the archive is called in results. Backslashes in a zip's names, as
    programs of Windows write them, part folders.
    """
    name = str(source) if name is None else name
    passed = Passed() if passed is None else passed
    try:
        with _opened(source) as stream:
            head = stream.read(_HEAD)
            stream.seek(0)
            found = _zipped if _is_zip(head, name) else _tarred
            for item in found(stream, name, limits, passed):
                yield replace(item, archive=source)
    except _FAULTS as error:
        yield Item(name, None, error=f"archive damaged or truncated ({_reason(error)})", archive=source)


def _opened(source: Path | Remote) -> BinaryIO:
    if isinstance(source, Path):
        return source.open("rb")
    from buffycoat.predict.storage import open_file

    return open_file(source)


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"


def _is_zip(head: bytes, name: str) -> bool:
    """Return whether an archive is a zip; a tar begins with the name of a member, which may be PK or anything."""
    if head.startswith(_ZIP_MARKS):
        return not _is_tar(head) or name.lower().endswith(".zip")
    return not _is_tar(head) and name.lower().endswith(".zip")


def _zipped(raw: BinaryIO, path: str, limits: Limits, passed: Passed) -> Iterator[Item]:
    packed, unpacked = _bytes_of(raw), 0
    with zipfile.ZipFile(raw) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            unsafe = _unsafe(member.orig_filename) or _unsafe(member.filename)
            if unsafe is None and lies_aside(member.filename):
                continue
            if not is_photograph(member.filename):
                passed.member(member.filename)
                continue
            inside = member.filename if unsafe else member.filename.replace("\\", "/")
            name = f"{path}{MARK}{inside}"
            fault = (
                unsafe
                or ("a link inside an archive" if (member.external_attr >> 16) & 0o170000 == 0o120000 else None)
                or ("encrypted" if member.flag_bits & 0x1 else None)
                or limits.fault(member.file_size, member.compress_size)
            )
            if fault is not None:
                yield Item(name, None, error=fault)
                continue
            unpacked += member.file_size
            swollen = limits.swollen(unpacked, packed, in_all=True)
            if swollen is not None:  # many members may lie on the same few bytes
                yield Item(path, None, error=f"archive {swollen}; the rest of it was not read")
                return
            try:
                with archive.open(member) as stream:
                    # The sizes above are the archive's word; a member that goes on beyond it is refused.
                    content = stream.read(member.file_size + 1)
                if len(content) > member.file_size:
                    raise zipfile.BadZipFile("larger than the archive says")
            except _FAULTS as error:
                yield Item(name, None, error=f"damaged in its archive ({_reason(error)})")
                continue
            yield Item(name, content)


def _tarred(raw: BinaryIO, path: str, limits: Limits, passed: Passed) -> Iterator[Item]:
    packed = _bytes_of(raw)
    with open_tar(raw) as archive:
        for member in archive:
            archive.members = []  # type: ignore[attr-defined]  # else each is remembered, a kilobyte apiece
            # Against the whole archive, which is packed as one: what was read so far lags behind the first members.
            end = member.offset_data + member.size
            swollen = limits.swollen(end, packed, in_all=True)
            if member.size > limits.free_bytes:
                swollen = swollen or limits.swollen(end, packed)
            if swollen is not None:
                yield Item(path, None, error=f"archive {swollen}; the rest of it was not read")
                return
            if member.isdir():
                continue
            unsafe = _unsafe(member.name)
            if unsafe is None and lies_aside(member.name):
                continue
            if not is_photograph(member.name):
                passed.member(member.name)
                continue
            name = f"{path}{MARK}{member.name}"
            fault = (
                unsafe
                or ("a link inside an archive" if member.issym() or member.islnk() else None)
                or (None if member.isfile() else "not a file (a device or pipe)")
                or limits.fault(member.size, member.size)
            )
            if fault is not None:
                yield Item(name, None, error=fault)
                continue
            stream = archive.extractfile(member)
            content = b"" if stream is None else stream.read()
            if len(content) < member.size:
                yield Item(name, None, error="truncated in its archive")
                continue
            yield Item(name, content)
        if not archive.ended:
            yield Item(path, None, error="archive without its end mark: it may be truncated")


def _bytes_of(stream: BinaryIO) -> int:
    """Return the size of an open file."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    return size


def _unsafe(name: str) -> str | None:
    """Return why a member's name is refused, or None."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if posix.is_absolute() or windows.drive or windows.root:
        return "an absolute name inside an archive"
    if ".." in posix.parts or ".." in windows.parts:
        return "a name that leads out of its archive (..)"
    if "\0" in name:
        return "a name with a zero character"
    return None


def _reason(error: BaseException) -> str:
    words = " ".join(str(error).split())[:120]
    return words or type(error).__name__
