"""Tars from strangers: unpacked a piece at a time, what stands before a member bounded, a missing end noticed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
from typing import IO, BinaryIO, cast

_BEFORE_A_MEMBER = frozenset(
    {tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE}
)
_MOST_BEFORE_A_MEMBER = 1 << 20


class _Member(tarfile.TarInfo):
    """A member whose long name, or what else stands before it, is bounded: that is read into memory at once."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> _Member:
        """Return the next member."""
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # a block of zeros
            archive.ended = True  # type: ignore[attr-defined]
            raise

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _BEFORE_A_MEMBER and self.size > _MOST_BEFORE_A_MEMBER:
            raise tarfile.ReadError(f"{self.size / 1e6:.0f} MB before a member, for its name")
        return cast("tarfile.TarInfo", super()._proc_member(archive))  # type: ignore[misc]


class Tar(tarfile.TarFile):
    """A tar read from its beginning to its end.

    Attributes
    ----------
    ended
        Whether its end mark was met; what is cut off between two members lacks it, and reads without a fault.
    """

    tarinfo = _Member
    ended = False


def open_tar(stream: BinaryIO) -> Tar:
    """Open a tar, packed by gzip, bzip2, xz or not at all, to be walked once.

    Raises
    ------
    tarfile.TarError, OSError, EOFError, lzma.LZMAError
        It is damaged; the same may be raised on the way.
    """
    return Tar.open(fileobj=_unpacked(stream), mode="r|")


def _unpacked(stream: BinaryIO) -> IO[bytes]:
    head = stream.read(6)
    stream.seek(0)
    if head.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=stream, mode="rb"))
    if head.startswith(b"BZh"):
        return cast("IO[bytes]", bz2.BZ2File(stream))
    return cast("IO[bytes]", lzma.LZMAFile(stream)) if head == b"\xfd7zXZ\x00" else stream
