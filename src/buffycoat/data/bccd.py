"""The 410-image set (BCCD with one type per field): ``labels.csv`` beside ``JPEGImages`` and ``Annotations``."""

from __future__ import annotations

import re
from pathlib import Path

from buffycoat import taxonomy
from buffycoat.data import csv_file
from buffycoat.data.dataset import DataSet, cells_table
from buffycoat.data.labels import read_label
from buffycoat.data.manifest import read_manifest
from buffycoat.data.rows import Row, number_repeats, settle_repeats
from buffycoat.data.walk import folders_below, is_image, listing, named_in_text
from buffycoat.errors import DataError
from buffycoat.records.documents import Fault

NAME = "bccd"
IMAGES = "JPEGImages"
BOXES = "Annotations"
LABELS = "labels.csv"
DESCRIPTION = (
    "Blood-smear fields of 640×480 px, one leukocyte type named per field: 411 rows, 366 of them with an image."
)
CITATION = (
    "Images and boxes: github.com/cosmicad/dataset. Types: github.com/dhruvp/wbc-classification. "
    "Known on Kaggle as “Blood Cell Images” (P. Mooney), original half."
)
LICENCE = "none stated by the first source; the re-release at github.com/Shenggan/BCCD_Dataset is MIT"

_IMAGE_NAME = re.compile(r"BloodImage_(\d+)", re.IGNORECASE)


def is_here(folders: frozenset[str], files: frozenset[str]) -> bool:
    """Return whether a folder with these sub-folders and files is the set's own folder."""
    return IMAGES in folders and LABELS in files


def find(folder: Path, *, depth: int = 5) -> Path | None:
    """Return the set's own folder at or below `folder`, the nearest, however deep it was unpacked."""
    for place, folders, files in folders_below(folder, depth=depth):
        if is_here(folders, files) and "category" in (name.casefold() for name in csv_file.header(place / LABELS)):
            return place
    return None


def read(root: Path) -> DataSet:
    """Read the set from its own folder: every row of ``labels.csv`` stays, those without an image included.

    Raises
    ------
    DataError
        ``labels.csv`` or the folder of images is missing or cannot be read.
    """
    images, nameless = _images(root / IMAGES)
    rows, faults = _rows(root / LABELS, images)
    faults += nameless
    faults += settle_repeats(rows)
    joined = _join_overlapping(rows, root)
    used = {row.image for row in rows}
    faults += [
        Fault(
            file=f"{IMAGES}/{name}",
            problem=f"no row of {LABELS} names it",
            action="left out: its type is not known",
        )
        for number, name in sorted(images.items())
        if f"{IMAGES}/{name}" not in used
    ]
    if not used - {None}:
        raise DataError(
            f"{root / LABELS} names none of the images in {root / IMAGES}.",
            hint="The images are expected to be called BloodImage_00000.jpg and so on, as in the original set.",
        )
    return DataSet(
        name=NAME,
        root=root,
        cells=cells_table(rows),
        faults=tuple(faults),
        synthetic=False,
        description=DESCRIPTION,
        citation=CITATION,
        licence=LICENCE,
        remarks=(f"{joined} fields overlap another field on the slide; such fields share a group.",) if joined else (),
    )


def _join_overlapping(rows: list[Row], root: Path) -> int:
    """Give fields that overlap on the slide one group, and return how many fields that concerns.

    Which do was found by laying every original over every other and is kept in the manifest; it is applied to
    images of the published size only, so that files of another set with the same names are left alone.
    """
    manifest = read_manifest(NAME)
    by_number = {int(match[1]): row for row in rows if (match := _IMAGE_NAME.fullmatch(row.group))}
    names: dict[str, str] = {}
    for numbers in manifest.same_field:
        here = [
            by_number[number].group
            for number in numbers
            if number in by_number and manifest.has_size(root, f"{IMAGES}/BloodImage_{number:05d}.jpg")
        ]
        names |= dict.fromkeys(here, min(here)) if len(here) > 1 else {}
    for row in rows:
        row.group = names.get(row.group, row.group)
    return len(names)


def _images(folder: Path) -> tuple[dict[int, str], list[Fault]]:
    """Return the images by their number, and those whose names are no text."""
    found: dict[int, str] = {}
    names, nameless = named_in_text(name for name in listing(folder)[1] if is_image(name))
    for name in names:
        if match := _IMAGE_NAME.match(name):
            found.setdefault(int(match[1]), name)
    return found, nameless


def _rows(path: Path, images: dict[int, str]) -> tuple[list[Row], list[Fault]]:
    csv_file.columns([name.casefold() for name in csv_file.header(path)], ("image", "category"), path)
    rows: list[Row] = []
    faults: list[Fault] = []

    def fault(line: int, problem: str, action: str) -> None:
        faults.append(Fault(file=path.name, row=line, problem=problem, action=action))

    for line, record in csv_file.records(path):
        written = record.get("image", "").strip()
        label = read_label(record.get("category"), taxonomy.CLASS_NAMES)
        number = int(written) if re.fullmatch(r"\d{1,9}", written) else None
        image = None if number is None else images.get(number)
        name = f"BloodImage_{written}" if number is None else f"BloodImage_{number:05d}"
        if number is None:
            fault(line, f"Image should be a whole number, found {written!r}", "kept, without an image")
        elif image is None:
            kind = "and no label" if label.raw is None else f"though it is labelled {label.raw!r}"
            fault(line, f"there is no image {name}.jpg, {kind}", "kept, without an image")
        elif label.raw is None:
            fault(line, f"{name} has no label", "kept, without a label")
        if label.problem is not None:
            fault(line, label.problem, "kept, without a label")
        rows.append(
            Row(
                image=None if image is None else f"{IMAGES}/{image}",
                label=label.label,
                label_raw=label.raw,
                label_count=label.count,
                source=f"{path.name}:{line}",
                cell_id=name,
                group=name,  # one photograph, one cell (or two that lie together)
            )
        )
    for row, unique in zip(rows, number_repeats([row.cell_id for row in rows]), strict=True):
        row.cell_id = unique
    return rows, faults
