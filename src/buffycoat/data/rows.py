"""One labelled cell on its way into the table, and what is settled between rows: names, doubles, groups."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from buffycoat.records.documents import Fault

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels of the image as displayed; x1 and y1 are exclusive."""


@dataclass(slots=True)
class Row:
    """One labelled cell; the fields are the columns of the same names."""

    image: str | None
    label: str | None
    label_raw: str | None
    label_count: int
    source: str
    cell_id: str = ""
    group: str = ""
    box: Box | None = None
    given_split: str | None = None
    excluded_by: str | None = None


REPEATED = "repeated"
CONTRADICTED = "contradicted"
BAD_BOX = "bad-box"
"""Why reading leaves a row out: what it writes into ``excluded_by``. The row stays in the table."""


def stems(images: Sequence[str]) -> list[str]:
    """Return a name for each image: its path without the ending, with it where two would be the same.

    Examples
    --------
    >>> stems(["a/1.jpg", "a/2.jpg", "a/2.png"])
    ['a/1', 'a/2.jpg', 'a/2.png']
    """
    bare = [str(PurePosixPath(image).with_suffix("")) if PurePosixPath(image).name else image for image in images]
    paths: defaultdict[str, set[str]] = defaultdict(set)
    for name, image in zip(bare, images, strict=True):
        paths[name].add(image)
    return [image if len(paths[name]) > 1 else name for name, image in zip(bare, images, strict=True)]


def number_repeats(names: Sequence[str]) -> list[str]:
    """Return the names, made unique: the second of a name gets ``#2``, the third ``#3``.

    Examples
    --------
    >>> number_repeats(["a", "b", "a"])
    ['a', 'b', 'a#2']
    """
    taken = set(names)
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        if seen[name] == 1:
            unique.append(name)
            continue
        fresh = f"{name}#{seen[name]}"
        while fresh in taken:  # somebody's file is really called "a#2"
            seen[name] += 1
            fresh = f"{name}#{seen[name]}"
        taken.add(fresh)
        unique.append(fresh)
    return unique


def settle_repeats(rows: Sequence[Row]) -> list[Fault]:
    """Settle rows that speak of one and the same cell (same image, same box or none); return what was found.

    Where they agree the others are left out for the first; where they contradict each other all are left out,
    for nobody can know which is right.
    """
    together: defaultdict[tuple[str, Box | None], list[Row]] = defaultdict(list)
    for row in rows:
        if row.image is not None and row.excluded_by is None:
            together[row.image, row.box].append(row)
    faults = []
    for (image, _), same in together.items():
        if len(same) == 1:
            continue
        first = same[0]
        agreed = len({(row.label, row.label_raw if row.label is None else None) for row in same}) == 1
        for row in same[1:]:
            file, line = _place(row.source)
            if agreed:
                row.excluded_by = REPEATED
                faults.append(
                    Fault(
                        file=file,
                        row=line,
                        problem=f"repeats {first.source}: {image} stands there already, with the same label",
                        action="only the first row is used",
                    )
                )
            else:
                faults.append(
                    Fault(
                        file=file,
                        row=line,
                        problem=f"contradicts {first.source}: {image} is {_said(row)} here and {_said(first)} there",
                        action="none of these rows is used until one is removed",
                    )
                )
        if not agreed:
            for row in same:
                row.excluded_by = CONTRADICTED
    return faults


def _said(row: Row) -> str:
    return repr(row.label_raw) if row.label_raw is not None else "unlabelled"


def _place(source: str) -> tuple[str, int | None]:
    file, _, line = source.rpartition(":")
    return (file, int(line)) if file and line.isdigit() else (source, None)
