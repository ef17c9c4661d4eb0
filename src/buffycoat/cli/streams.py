"""The standard streams as the commands find them: closed, full, left by their reader or too narrow for a name."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from buffycoat.errors import OutputError

_ENDED = 128 + 13  # what a shell reports of a program that SIGPIPE ended


class ReaderLeftError(Exception):
    """Whoever read our standard output has left, as `head` does: no fault, and the end of the work."""

    exit_code = _ENDED


class _Results(io.FileIO):
    """Standard output; the first fault is said in the program's words, what would follow it is dropped.

    No `OSError` leaves it: Rich and Typer would each make an exit code of their own of a closed pipe.
    """

    _over = False

    def write(self, content: object) -> int:
        """Write bytes."""
        if not self._over:
            try:
                return super().write(content)  # type: ignore[arg-type]
            except BrokenPipeError:
                self._over = True
                raise ReaderLeftError from None
            except OSError as error:
                self._over = True
                reason = "it is closed" if error.errno == errno.EBADF else error.strerror
                raise OutputError(
                    f"standard output cannot be written: {reason}", hint="Send it elsewhere: buffycoat … > FILE."
                ) from None
        return memoryview(content).nbytes  # type: ignore[arg-type]


class _Remarks(io.FileIO):
    """Standard error; where it cannot be written, remarks are lost and the work goes on."""

    def write(self, content: object) -> int:
        """Write bytes."""
        with suppress(OSError):
            return super().write(content)  # type: ignore[arg-type]
        return memoryview(content).nbytes  # type: ignore[arg-type]


@contextmanager
def standard_streams() -> Iterator[None]:
    """Have standard output and error that can be relied on, and flush them at the end.

    Characters that their encoding lacks are written as escapes. A stream that is closed is a full one for results, and
    nothing for remarks.
    """
    _occupy()
    before = sys.stdout, sys.stderr
    sys.stdout = _stream(before[0], 1, _Results)
    sys.stderr = _stream(before[1], 2, _Remarks)
    try:
        yield
    finally:
        with suppress(ReaderLeftError, OutputError):  # whoever wants to know of a fault has flushed before
            sys.stdout.flush()
        sys.stderr.flush()
        ours = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = before
        for made, found in zip(ours, before, strict=True):
            if found is None:
                made.close()


def _occupy() -> None:
    """Keep the numbers of closed streams from files that are opened later: their bytes would be mixed with ours."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            handle = os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)  # results cannot be written there
            if handle == number:
                os.set_inheritable(handle, True)
            else:
                os.dup2(handle, number)
                os.close(handle)


def _stream(found: TextIO | None, number: int, kind: type[io.FileIO]) -> TextIO:
    if found is None:  # not the number itself: by now something else may have been opened under it
        number = os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)
        return io.TextIOWrapper(io.BufferedWriter(kind(number, "wb")), "utf-8", "backslashreplace", line_buffering=True)
    try:
        found.flush()
        raw = kind(found.fileno(), "wb", closefd=False)
    except (OSError, ValueError, AttributeError):  # a stand-in that is no file
        return found
    at_once = number == 2 or raw.isatty() or getattr(found, "write_through", False)
    return io.TextIOWrapper(io.BufferedWriter(raw), found.encoding, "backslashreplace", line_buffering=at_once)
