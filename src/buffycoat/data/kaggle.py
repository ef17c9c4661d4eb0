"""The folder from Kaggle (“Blood Cell Images”): originals, augmented copies, or both, however deep they lie."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import polars as pl

from buffycoat import settings, taxonomy
from buffycoat.data import bccd
from buffycoat.data.dataset import DataSet, cells_table
from buffycoat.data.named import Progress
from buffycoat.data.rows import Row, stems
from buffycoat.data.walk import as_text, folders_below, images_below, listing, named_in_text
from buffycoat.errors import DataError, OutputError
from buffycoat.files import fingerprint, is_file, is_folder, write_json
from buffycoat.records.documents import Fault

SPLITS = {"TRAIN": "train", "TEST": "test", "TEST_SIMPLE": "test"}
"""Folders of the augmented half, and which side each is on; TEST_SIMPLE holds the sources of TEST."""

UNMATCHED = "unmatched"
_COPY_NAME = re.compile(r"_\d+_\d+\.jpe?g", re.IGNORECASE)
_METHOD = 1  # raised whenever another way of matching could give another answer


@dataclass(frozen=True, slots=True)
class Halves:
    """Where the halves lie.

    Attributes
    ----------
    originals
        The folder with ``labels.csv`` and ``JPEGImages``, or None.
    augmented
        The folder with ``TRAIN``, ``TEST`` and ``TEST_SIMPLE``, or None.
    parts
        Which of those three are meant.
    chosen
        ``"originals"`` or ``"augmented"``: the half that is read.
    """

    originals: Path | None
    augmented: Path | None
    parts: tuple[str, ...]
    chosen: str


def find(folder: Path) -> Halves | None:
    """Return the halves at, below or just above a folder; None where there are none.

    The originals are chosen where both are found, the augmented half where the folder lies inside it.
    """
    part = _part(folder)
    if part is not None:
        return Halves(_beside(folder.parent), folder.parent, (part,), "augmented")
    if folder.name == bccd.IMAGES and is_file(folder.parent / bccd.LABELS):
        folder = folder.parent
    originals, augmented = bccd.find(folder), _augmented(folder)
    if originals is not None:
        return Halves(originals, augmented, _parts(augmented), "originals")
    if augmented is not None:
        return Halves(_beside(augmented), augmented, _parts(augmented), "augmented")
    return None


def read(halves: Halves, *, on_progress: Progress | None = None) -> DataSet:
    """Read the chosen half; say so where there is another.

    Raises
    ------
    DataError
        It cannot be read, or holds no image.
    """
    if halves.chosen == "originals" and halves.originals is not None:
        data = bccd.read(halves.originals)
        if halves.augmented is None:
            return data
        note = f"Both halves are here; the originals are used. For the augmented copies give {halves.augmented}."
        return replace(data, remarks=(*data.remarks, note))
    if halves.augmented is None:
        raise DataError("neither half of the Kaggle set was found.")
    return _read_augmented(halves.augmented, halves.parts, halves.originals, on_progress)


def _augmented(folder: Path) -> Path | None:
    for place, folders, _ in folders_below(folder, depth=5):
        if {"TRAIN", "TEST"} <= folders and any(_is_part(place / name) for name in ("TRAIN", "TEST")):
            return place
    return None


def _parts(augmented: Path | None) -> tuple[str, ...]:
    return () if augmented is None else tuple(name for name in SPLITS if is_folder(augmented / name))


def _part(folder: Path) -> str | None:
    """Return TRAIN, TEST or TEST_SIMPLE when the folder is that part of the augmented half."""
    name = folder.resolve().name
    return name if name in SPLITS and _is_part(folder) else None


def _is_part(folder: Path) -> bool:
    """Return whether the first class folder holds files named as the augmentation names them."""
    for name in listing(folder)[0]:
        files = listing(folder / name)[1]
        if files:
            return bool(_COPY_NAME.fullmatch(files[0]))
    return False


def _beside(augmented: Path) -> Path | None:
    """Return the originals that were unpacked with the augmented half: `dataset-master` beside `dataset2-master`."""
    for above in list(augmented.resolve().parents)[:4]:
        if any(name.startswith("dataset-master") for name in listing(above)[0]):
            return bccd.find(above, depth=3)
    return None


def _read_augmented(root: Path, parts: Sequence[str], originals: Path | None, on_progress: Progress | None) -> DataSet:
    rows: list[Row] = []
    faults: list[Fault] = []
    for part in parts:
        for folder in listing(root / part)[0]:
            images, nameless = named_in_text(images_below(root / part / folder, f"{part}/{folder}/"))
            faults += nameless
            if not images:
                faults.append(
                    Fault(
                        file=as_text(f"{part}/{folder}"),
                        problem="no image in this class folder",
                        action="nothing is read",
                    )
                )
            rows += [
                Row(
                    image=image,
                    label=taxonomy.canonical(folder),
                    label_raw=folder,
                    label_count=1,
                    source=image,
                    given_split=SPLITS[part],
                )
                for image in images
            ]
    if not rows:
        raise DataError(f"{root} holds no images.")
    for row, name in zip(rows, stems([row.image or "" for row in rows]), strict=True):
        row.cell_id = name
    remark = _group(rows, root, originals, faults, on_progress)
    return DataSet(
        name=f"{bccd.NAME}-augmented",
        root=root,
        cells=cells_table(rows, given_split=True),
        faults=tuple(faults),
        synthetic=False,
        description=f"Augmented copies of the 410-image set, 320×240 px: {len(rows)} images made from "
        f"{len({row.group for row in rows})} fields, with the split they came with.",
        citation="github.com/dhruvp/wbc-classification; on Kaggle “Blood Cell Images” (P. Mooney), augmented half.",
        licence="none stated",
        remarks=(remark,),
    )


def _group(
    rows: Sequence[Row], root: Path, originals: Path | None, faults: list[Fault], on_progress: Progress | None
) -> str:
    """Give each copy the group of the field it was made from; return one sentence on how that was found out."""
    sources = _remembered(rows, root, originals, on_progress)
    lost: Counter[str] = Counter()
    for row in rows:
        part, folder = (row.image or "").split("/")[:2]
        source = sources.get(row.image or "")
        if source is None:  # whatever they show, they stay together
            side = "train" if SPLITS[part] == "train" else "test"
            source = f"{UNMATCHED}/{side}/{folder}"
            lost[f"{part}/{folder}"] += 1
        row.group = source
    faults += [
        Fault(
            file=place,
            problem=f"the source of {n} images could not be found",
            action="they are kept together in every split",
        )
        for place, n in lost.items()
    ]
    sides: defaultdict[str, set[str | None]] = defaultdict(set)
    for row in rows:
        sides[row.group].add(row.given_split)
    both = sorted(group for group, found in sides.items() if len(found) > 1)
    faults += [
        Fault(
            file="TRAIN and TEST",
            problem=f"copies of {group}, or of a field that overlaps it, are on both sides of the given split",
            action="reported only; they share a group",
        )
        for group in both
    ]
    n = len({row.group for row in rows})
    against = "the originals beside it" if originals is not None else "each other"
    return f"Copies of one field were found by laying the images over {against}: {n} fields. File names do not tell."


def _remembered(
    rows: Sequence[Row], root: Path, originals: Path | None, on_progress: Progress | None
) -> dict[str, str]:
    """Return the source of each image, from the cache where the same files were matched before."""
    names = [row.image or "" for row in rows]
    files = [(name, (root / name).stat().st_size, (root / name).stat().st_mtime_ns) for name in names]
    key = fingerprint([_METHOD, files, None if originals is None else bccd.read(originals).summary().content_hash])
    path = settings.cache_dir() / "sources" / f"{key}.json"
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(known, dict):
            return {str(name): str(source) for name, source in known.items()}
    except (OSError, ValueError):
        pass  # never matched, or damaged: it is made anew
    found = _match(rows, root, originals, on_progress)
    try:
        write_json(path, found)
    except OutputError:
        return found  # a cache that cannot be written costs time, nothing else
    return found


def _match(rows: Sequence[Row], root: Path, originals: Path | None, on_progress: Progress | None) -> dict[str, str]:
    from buffycoat.data.sources import cluster, match_sources

    if originals is None:
        # the sources first, where they are at hand: a field then goes by the name of a picture that is whole
        images = sorted((row.image or "" for row in rows), key=lambda image: not image.startswith("TEST_SIMPLE/"))
        places = cluster([root / image for image in images], on_progress=on_progress)
        return {
            image: PurePosixPath(images[place]).with_suffix("").as_posix()
            for image, place in zip(images, places, strict=True)
            if place is not None
        }
    table = bccd.read(originals).cells.drop_nulls("image")
    done = 0

    def report(here: int, _of: int) -> None:
        if on_progress is not None:
            on_progress(done + here, len(rows))

    found: dict[str, str] = {}
    for label in taxonomy.order(row.label or "" for row in rows):
        images = [row.image or "" for row in rows if row.label == label]
        alike = table.filter((pl.col("label") == label) & (pl.col("label_count") == 1))
        places = match_sources(
            [root / image for image in images],
            [originals / image for image in alike.get_column("image")],
            on_progress=report,
        )
        groups = alike.get_column("group").to_list()
        found |= {image: groups[place] for image, place in zip(images, places, strict=True) if place is not None}
        done += len(images)
    return found
