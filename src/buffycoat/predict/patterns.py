"""What a pattern names: ``*``, ``?`` and ``[…]`` as in a shell, ``**`` for any folders, walked as folders are."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

from buffycoat.predict.folders import folders_below
from buffycoat.predict.listing import SKIPPED, PackedNames

_ANY_FOLDERS = "**"
Fault = Callable[[str, str], None]


def matching(pattern: str, fault: Fault) -> Iterator[str]:
    """Yield what a pattern matches, sorted, each once.

    Parameters
    ----------
    pattern
        With ``**`` it reaches into folders as the walk of a folder does: no link is followed back up, and folders that
        systems leave behind are passed over unless the pattern names them. Folders that such a pattern matches are left
        out: what is in them is matched apart.
    fault
        Called with a folder that ``**`` could not enter, and why.
    """
    parts = _parts(pattern)
    names = PackedNames()
    for name in _found(parts, fault):
        if not SKIPPED & (set(_parts(name)) - set(parts)):
            names.add(name)
    for name, _ in groupby(names):
        if not (_ANY_FOLDERS in parts and Path(name).is_dir()):
            yield name


def _found(parts: list[str], fault: Fault) -> Iterator[str]:
    if _ANY_FOLDERS not in parts:
        yield from glob.iglob("/".join(parts))  # noqa: PTH207 (names as typed, not as Path would write them)
        return
    first = parts.index(_ANY_FOLDERS)
    rest = [
        part for place, part in enumerate(parts[first:]) if part != _ANY_FOLDERS or parts[first + place - 1] != part
    ]
    rest = rest[1:] or ["*"]
    before = "".join(f"{part}/" for part in parts[:first])
    for top in glob.iglob(before) if before else (".",):  # noqa: PTH207
        for path, folder in folders_below(top):
            if isinstance(folder, str):
                fault(path, folder)
                continue
            below = "" if path == "." else os.path.join(path if before else path.removeprefix(f".{os.sep}"), "")  # noqa: PTH118
            if _ANY_FOLDERS in rest:
                yield from _found([*_parts(glob.escape(below))[:-1], *rest], fault)
            else:
                yield from (below + name for name in glob.iglob("/".join(rest), root_dir=path))  # noqa: PTH207


def _parts(name: str) -> list[str]:
    return name.replace(os.sep, "/").split("/")
