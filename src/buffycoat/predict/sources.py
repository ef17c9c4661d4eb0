"""What was asked for, one photograph after the other: files, folders, patterns, lists and archives.

Everything is walked as it is needed; a million files take no more memory than a thousand.
"""

from __future__ import annotations

import codecs
import difflib
import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from buffycoat.errors import DataError, UsageError
from buffycoat.predict.archives import DEFAULT_LIMITS, Limits, is_archive, photographs_in
from buffycoat.predict.folders import folders_below
from buffycoat.predict.items import Item
from buffycoat.predict.passed import Passed
from buffycoat.predict.patterns import matching
from buffycoat.predict.storage import StorageError, is_address, open_storage
from buffycoat.predict.storage import shown as address_shown
from buffycoat.predict.storage_walk import walk_address

NO_PHOTOGRAPH = "no photograph in it"
"""The error of a folder, archive or storage that is there and gives nothing."""

_PIECE_BYTES = 1 << 16
_LONGEST_NAME = 1 << 16
_NEAR = 0.75  # of two names, 1 where they are the same: README.md is no slip of reader2.csv (0.6)


def check(given: Iterable[str]) -> None:
    """Refuse a list of sources that can give nothing, before any work is done.

    Raises
    ------
    UsageError
        None is given, the standard input is named twice, or what an address needs is not installed.
    DataError
        A storage does not let us in.
    """
    names = list(given)
    if not names:
        raise UsageError("Nothing to look at.", hint="Give files, folders, patterns or archives, or - for a list.")
    if names.count("-") > 1:
        raise UsageError("The standard input (-) can be read once only.")
    for name in names:
        if is_address(name):
            try:
                open_storage(name)
            except StorageError as error:
                raise DataError(f"{address_shown(name)} cannot be opened: {error}.") from error


def walk(
    given: Iterable[str],
    *,
    stdin: IO[bytes] | None = None,
    zeros: bool = False,
    limits: Limits = DEFAULT_LIMITS,
    passed: Passed | None = None,
    storage: bool = False,
) -> Iterator[Item]:
    """Yield every photograph, in the order given, folders and patterns sorted.

    Parameters
    ----------
    given
        Paths of files, folders and archives, patterns (``*``, ``?``, ``[…]``, ``**``), or "-" for a list. What exists
        under the very name is taken as it is, even if it looks like a pattern.
    stdin
        Where the list is read from: one name a line.
    zeros
        Names in the list end with a zero instead of a new line, as from ``find -print0``: then they may hold anything.
    limits
        What a member of an archive may be.
    passed
        Filled with what was passed over.
    storage
        Whether addresses of object storage (``s3://…``) are taken too.

    Notes
    -----
    Nothing is raised: what is missing or may not be read becomes an item with its error.
    """
    passed = Passed() if passed is None else passed
    for name in given:
        if name == "-" and stdin is not None:
            found = False
            for line in _lines(stdin, b"\0" if zeros else b"\n"):
                found = True
                yield from _one(line, limits, passed, storage)
            if not found:  # whoever made the list may have failed: that is no word on what was answered before
                yield Item(name, None, error="the list on standard input is empty")
        else:
            yield from _one(name, limits, passed, storage)


def _one(name: str, limits: Limits, passed: Passed, storage: bool = False) -> Iterator[Item]:
    if "\0" in name:
        yield Item(name.replace("\0", "\\0"), None, error="a name with a zero character")
        return
    if is_address(name):
        if storage:
            yield from _counted(address_shown(name), walk_address(name, limits, passed))
        else:
            yield Item(address_shown(name), None, error="addresses of object storage are taken by predict only")
        return
    try:
        kind = _kind(name)
    except OSError as error:
        yield Item(name, None, error=f"cannot be read ({error.strerror or error})")
        return
    if kind == "folder":
        yield from _counted(name, _below(name, passed))
    elif kind == "archive":
        yield from _counted(name, photographs_in(Path(name), limits, passed=passed))
    elif kind == "pattern":
        yield from _counted(name, _matching(name, limits, passed))
    elif kind == "missing":
        yield Item(name, None, error=_missing(name))
    else:
        yield Item(name, Path(name))


def _kind(name: str) -> str:
    path = Path(name)
    if path.is_dir():
        return "folder"
    if os.path.lexists(path):
        return "archive" if path.is_file() and is_archive(path) else "file"
    return "pattern" if glob.has_magic(name) else "missing"


def _counted(name: str, items: Iterator[Item]) -> Iterator[Item]:
    """Yield the items; a source that gives none is an error of its own: silence would look like success."""
    found = False
    for item in items:
        found = True
        yield item
    if not found:
        yield Item(name, None, error=NO_PHOTOGRAPH)


def _matching(pattern: str, limits: Limits, passed: Passed) -> Iterator[Item]:
    closed: list[Item] = []
    for name in matching(pattern, lambda folder, why: closed.append(Item(folder, None, error=why))):
        yield from _one(name, limits, passed)
    yield from closed


def _below(top: str, passed: Passed) -> Iterator[Item]:
    """Yield the photographs of a folder and those below."""
    for path, folder in folders_below(top):
        if isinstance(folder, str):
            yield Item(path, None, error=folder)
            continue
        passed.archives += folder.archives
        passed.others += folder.others
        for name in folder.photographs:
            photograph = Path(path, name)
            yield Item(str(photograph), photograph)


def _lines(stream: IO[bytes], end: bytes) -> Iterator[str]:
    """Yield the names of a list; a line without end is cut, so that a file of zeros is no million-byte name."""
    rest = b""
    first = True
    while piece := stream.read(_PIECE_BYTES):
        rest += piece
        if first and end == b"\n":  # some editors put a mark before the first name; find -print0 does not
            rest = rest.removeprefix(codecs.BOM_UTF8)
        first = False
        *whole, rest = rest.split(end)
        for line in whole:
            yield from _name(line, end)
        if len(rest) > _LONGEST_NAME:
            raise DataError(
                f"The list on standard input holds a name of more than {_LONGEST_NAME} bytes.",
                hint="It takes one name a line, or with --null names that end with a zero, as from find -print0.",
            )
    yield from _name(rest, end)


def _name(line: bytes, end: bytes) -> Iterator[str]:
    name = line.removesuffix(b"\r") if end == b"\n" else line
    if name:
        yield os.fsdecode(name)


def _missing(name: str) -> str:
    """Return the word for a missing file, with its nearest neighbour where there is one."""
    path = Path(name)
    try:
        with os.scandir(path.parent) as entries:
            beside = [entry.name for _, entry in zip(range(2000), entries, strict=False)]
    except OSError:
        return "missing"
    folded = {one.casefold(): one for one in sorted(beside)}
    near = difflib.get_close_matches(path.name.casefold(), list(folded), n=1, cutoff=_NEAR)
    return f"missing (did you mean {folded[near[0]]!r}?)" if near else "missing"
