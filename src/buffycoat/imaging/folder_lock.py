"""One writer to a folder at a time."""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from buffycoat.errors import OutputError
from buffycoat.files import output_error

_LOCK = "lock"
_UNKNOWN = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
_log = logging.getLogger("buffycoat")


@contextmanager
def alone_in(folder: Path, name: str = _LOCK) -> Iterator[None]:
    """Hold the folder's lock, a file of this name; it falls with the process, however that ends.

    On a file system that knows no locks the work goes on unlocked, with a warning in the log.

    Raises
    ------
    OutputError
        Another process holds it, or the folder cannot be written.
    """
    path = folder / name
    try:
        stream = path.open("ab")
    except OSError as error:
        raise output_error(path, error) from error
    with stream:
        _lock(stream, folder, name)
        yield


def _lock(stream: IO[bytes], folder: Path, name: str) -> None:
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputError(
            f"{_held(folder, name)} is being written by another process",
            hint="Wait for it to end, or choose another --out.",
        ) from error
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise output_error(folder / name, error) from error
        _log.warning(
            "%s: this file system knows no locks (%s). Take care that no other process writes there.",
            _held(folder, name),
            error.strerror,
        )


def _held(folder: Path, name: str) -> Path:
    """Return in full what a lock guards: the file that a lock called .NAME.lock is of, else the folder."""
    found = re.fullmatch(r"\.(.+)\.lock", name)
    return (folder / found[1] if found else folder).absolute()
