"""One writer to a folder at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from buffycoat.errors import OutputError
from buffycoat.files import output_error

_LOCK = "lock"


@contextmanager
def alone_in(folder: Path, name: str = _LOCK) -> Iterator[None]:
    """Hold the folder's lock, a file of this name; it falls with the process, however that ends.

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
        _lock(stream, folder)
        yield


def _lock(stream: IO[bytes], folder: Path) -> None:
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputError(
            f"{folder} is being written by another process", hint="Wait for it to end, or choose another --out."
        ) from error
