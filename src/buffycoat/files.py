"""Writing files so that an interruption never leaves half of one, and hashing them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buffycoat.errors import OutputError

if TYPE_CHECKING:
    import polars as pl

_CHUNK_BYTES = 1 << 20

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the beginning of one
IF_FULL = "Free some room and run the command again."
"""What to do about a full disk, unless the caller knows better."""


class Trail:
    """The folders above the one that is looked at: tells a link that leads back to one of them.

    Examples
    --------
    >>> trail = Trail()
    >>> trail.enter("."), trail.enter("."), trail.leave(), trail.enter(".")
    (True, False, None, True)
    """

    def __init__(self) -> None:
        self._above: list[tuple[int, int]] = []
        self._within: set[tuple[int, int]] = set()

    def enter(self, folder: str | Path) -> bool:
        """Go into a folder; return whether that could be done: whether it is not among those above.

        Raises
        ------
        OSError
            There is none.
        """
        status = os.stat(folder)  # noqa: PTH116 (a path object each is slow)
        mark = (status.st_dev, status.st_ino)
        if mark in self._within:
            return False
        self._above.append(mark)
        self._within.add(mark)
        return True

    def leave(self) -> None:
        """Go back out of the folder entered last; out of the first there is no way."""
        if self._above:
            self._within.discard(self._above.pop())


@contextmanager
def replacing(path: Path, *, mode: int | None = None, durable: bool = False, if_full: str = IF_FULL) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes its place in one step.

    A link stays: what it leads to is replaced. A pipe or a device is never replaced but written into: for one of them,
    its own path is yielded.

    Parameters
    ----------
    mode
        Who may read the file: by default whom the umask allows; 0o600: its owner alone.
    durable
        Return only when the file would survive a power cut.
    if_full
        The hint where the disk is full.

    Raises
    ------
    OutputError
        The folder is read-only, missing, or the disk is full.
    """
    if is_stream(path):
        try:
            yield path
        except OSError as error:
            raise output_error(path, error, if_full=if_full) from error
        return
    place = Path(os.path.realpath(path)) if os.path.islink(path) else path  # noqa: PTH114 (never raises)
    temporary: Path | None = None
    try:
        made = not is_folder(place.parent)
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{place.name[:40]}.", suffix=place.suffix, dir=place.parent)
        os.close(handle)
        temporary = Path(name)
        if mode is None:  # made once more: only the system knows the umask without changing it for other threads
            temporary.unlink()
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield temporary
        if mode is not None:
            temporary.chmod(mode)
        if durable:
            sync_file(temporary)
        temporary.replace(place)
        if durable:
            sync_folder(place.parent)
            if made:
                sync_folder(place.parent.parent)
    except OSError as error:
        raise output_error(path, error, if_full=if_full) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def probe(path: Path) -> None:
    """Try whether a file could be written, leaving nothing behind: for what is written after long work.

    Raises
    ------
    OutputError
        It is a folder, or its folder cannot be made or written.
    """
    try:
        if is_stream(path):
            if not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return
        if is_folder(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with suppress(FileNotFoundError):
            path.lstat()  # a name too long, or a file where a folder is needed, raises here
        folder = Path(os.path.realpath(path)).parent
        while not exists(folder):
            folder = folder.parent
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise output_error(path, error) from error


def is_stream(path: Path) -> bool:
    """Return whether a path is a pipe, a device or something already open (/dev/stdout): nothing to be replaced."""
    try:
        kind = os.stat(path).st_mode  # noqa: PTH116 (beside the others)
    except (OSError, ValueError):
        return False
    if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
        return True
    step = str(path)
    for _ in range(40):  # links the system itself would follow
        if not os.path.islink(step):  # noqa: PTH114
            return False
        above = os.path.dirname(step)  # noqa: PTH120
        if os.path.realpath(above).startswith("/proc/"):
            return True
        step = os.path.join(above, os.readlink(step))  # noqa: PTH115, PTH118
    return False


def is_file(path: Path) -> bool:
    """Return whether there is a file; never raises, where :meth:`Path.is_file` may for want of permission."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path) -> bool:
    """Return whether there is a folder; never raises."""
    return os.path.isdir(path)  # noqa: PTH112


def exists(path: Path) -> bool:
    """Return whether there is anything; never raises."""
    return os.path.exists(path)  # noqa: PTH110


def sync_file(path: Path) -> None:
    """Wait until a file's bytes are on the disk."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk; nothing to do where the system opens no folders."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def output_error(path: Path, error: OSError, *, if_full: str = IF_FULL) -> OutputError:
    """Turn an operating-system error on writing into a message a person can act on; `if_full`: see `replacing`."""
    reasons = {
        errno.EACCES: ("no permission to write", "Choose another --out, or change the folder's permissions."),
        errno.EPERM: ("no permission to write", "Choose another --out, or change the folder's permissions."),
        errno.EROFS: ("the file system is read-only", "Choose another --out."),
        errno.ENOSPC: ("the disk is full", if_full),
        errno.EDQUOT: ("the disk quota is used up", if_full),
        errno.ENOTDIR: ("a file stands where a folder is needed", "Choose another --out."),
        errno.EEXIST: ("a file stands where a folder is needed", "Choose another --out."),
        errno.EISDIR: ("a folder stands there", "Give the name of a file in it."),
        errno.ENAMETOOLONG: ("the name is too long", "Choose a shorter one."),
    }
    reason, hint = reasons.get(error.errno or 0, (error.strerror or str(error), "Choose another --out."))
    return OutputError(f"cannot write {path}: {reason}", hint=hint)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text in one step."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_bytes(
    path: Path, content: bytes, *, mode: int | None = None, durable: bool = False, if_full: str = IF_FULL
) -> None:
    """Write bytes in one step; see :func:`replacing`."""
    with replacing(path, mode=mode, durable=durable, if_full=if_full) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, document: Any) -> None:
    """Write a JSON document in one step: sorted only where the caller sorted, two spaces, newline at the end."""
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_parquet(path: Path, table: pl.DataFrame) -> None:
    """Write a Parquet file in one step."""
    with replacing(path) as temporary:
        table.write_parquet(temporary)


def write_csv(path: Path, table: pl.DataFrame) -> None:
    """Write a CSV file in one step."""
    with replacing(path) as temporary:
        table.write_csv(temporary)


def no_formula(text: str) -> str:
    """Return text that a spreadsheet will not run as a formula: names come from file names and arguments."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as lower-case hex, reading it in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def fingerprint(document: Any) -> str:
    """Return a short stable hash (16 hex digits) of a JSON-able document: a key for caches."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
