"""The errors Buffycoat raises on purpose: what went wrong, where, and what to do next.

Every one of them derives from :class:`BuffycoatError`; the command line prints it as one plain message and
exits with :attr:`BuffycoatError.exit_code`. Anything else that reaches the user is a defect.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class BuffycoatError(Exception):
    """A fault the user can understand and act on.

    Parameters
    ----------
    what
        One sentence: what is wrong, naming the file, row or key, what was expected and what was found.
    hint
        What to do next; printed on a line of its own.
    """

    exit_code = 1

    def __init__(self, what: str, *, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return self.what if self.hint is None else f"{self.what}\n{self.hint}"


class UsageError(BuffycoatError):
    """The command or configuration asks for something that does not exist or contradicts itself."""

    exit_code = 2


class DataError(BuffycoatError):
    """The data cannot be used as they are: missing folder, one class only, too few images, bad table."""

    exit_code = 3


class ImageError(DataError):
    """One image cannot be used. It is counted and reported; the others go on.

    Parameters
    ----------
    source
        The file (or a description of the bytes) the image came from.
    reason
        A short reason fit for a table: ``"truncated"``, ``"not an image"``, ``"too large (30000×30000)"``.
    """

    def __init__(self, source: Path | str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"{source}: {reason}", hint=hint)
        self.source = str(source)
        self.reason = reason


class FetchError(BuffycoatError):
    """Data or weights could not be had from where they live."""

    exit_code = 4


class OutputError(BuffycoatError):
    """The output folder cannot be written: read-only, full, or in use by another study."""

    exit_code = 5


class TrainingError(BuffycoatError):
    """Training cannot go on: diverged, or a checkpoint that fits nothing."""

    exit_code = 6


def did_you_mean(given: str, choices: Iterable[str], *, most: int = 3) -> str:
    """Return a sentence offering close matches, or the list of choices when nothing is close.

    Examples
    --------
    >>> did_you_mean("resnet81", ["resnet18", "alexnet"])
    "Did you mean 'resnet18'?"
    """
    known = sorted(set(choices))
    folded = {name.casefold(): name for name in known}
    close = [folded[match] for match in difflib.get_close_matches(given.casefold(), list(folded), n=most, cutoff=0.6)]
    if close:
        return f"Did you mean {' or '.join(repr(name) for name in close)}?"
    shown = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
    return f"Known: {shown}." if known else "None are known."
