"""Files that are the same byte for byte: they show the same cell, so they may never be parted."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path

from buffycoat.data.rows import Row
from buffycoat.files import sha256
from buffycoat.records.documents import Fault

_SAMPLE_BYTES = 4096


def identical_files(paths: Sequence[Path]) -> list[list[int]]:
    """Return the sets of places in `paths` that hold the same bytes, each with two members or more.

    Only files of one size are compared, first by their beginning and end, and links to one file are read
    once: of 100,000 different photographs hardly one is read to its end. Empty files are alike in nothing.
    """
    files: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    sizes: dict[tuple[int, int], int] = {}
    for place, path in enumerate(paths):
        try:
            status = os.stat(path)  # noqa: PTH116 (10⁵ times)
        except OSError:
            continue
        if status.st_size:
            files[status.st_dev, status.st_ino].append(place)
            sizes[status.st_dev, status.st_ino] = status.st_size
    groups = [list(files)]
    tests: tuple[Callable[[tuple[int, int]], Hashable], ...] = (
        sizes.__getitem__,
        lambda file: _sample(paths[files[file][0]]),
        lambda file: _whole(paths[files[file][0]]),
    )
    for test in tests:
        groups = [part for group in groups for part in _parted(group, test)]
    joined = {file for group in groups for file in group}
    groups += [[file] for file in files if file not in joined]
    sets = [sorted(place for file in group for place in files[file]) for group in groups]
    return sorted(places for places in sets if len(places) > 1)


def join_identical(rows: Sequence[Row], root: Path) -> list[Fault]:
    """Give rows whose files are identical one group (and with them their groups); return what was found."""
    images = sorted({row.image for row in rows if row.image is not None})
    by_image: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.image is not None:
            by_image[row.image].append(row)
    leader: dict[str, str] = {}

    def first_of(group: str) -> str:
        while leader.get(group, group) != group:
            group = leader[group]
        return group

    faults = []
    for places in identical_files([root / image for image in images]):
        alike = [images[place] for place in places]
        members = [row for image in alike for row in by_image[image]]
        target = min(first_of(row.group) for row in members)
        for row in members:
            leader[first_of(row.group)] = target
        labels = sorted({row.label for row in members if row.label is not None})
        boxed = any(row.box is not None for row in members)  # two cells of one field may well be of two types
        contradiction = len(labels) > 1 and not boxed
        shown = ", ".join(alike[1:6]) + (f" and {len(alike) - 6} more" if len(alike) > 6 else "")
        faults.append(
            Fault(
                file=alike[0],
                problem=f"the same file, byte for byte, as {shown}"
                + (f", yet the labels differ: {', '.join(labels)}" if contradiction else ""),
                action="kept together in every split",
            )
        )
    for row in rows:
        row.group = first_of(row.group)
    return faults


def _parted(
    group: Iterable[tuple[int, int]], test: Callable[[tuple[int, int]], Hashable]
) -> list[list[tuple[int, int]]]:
    parts: defaultdict[Hashable, list[tuple[int, int]]] = defaultdict(list)
    for file in group:
        parts[test(file)].append(file)
    return [part for part in parts.values() if len(part) > 1]


def _sample(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            begin = stream.read(_SAMPLE_BYTES)
            stream.seek(max(stream.seek(0, os.SEEK_END) - _SAMPLE_BYTES, 0))
            return hashlib.sha256(begin + stream.read(_SAMPLE_BYTES)).digest()
    except OSError:
        return str(path).encode()


def _whole(path: Path) -> str:
    try:
        return sha256(path)
    except OSError:
        return str(path)
