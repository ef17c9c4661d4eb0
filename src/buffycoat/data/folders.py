"""One folder per class, whatever the classes are called."""

from __future__ import annotations

import os
from pathlib import Path

from buffycoat import taxonomy
from buffycoat.data.dataset import DataSet, cells_table
from buffycoat.data.identical import join_identical
from buffycoat.data.rows import Row, stems
from buffycoat.data.walk import as_text, images_below, is_image, listing, named_in_text
from buffycoat.errors import DataError
from buffycoat.files import is_file
from buffycoat.records.documents import Fault

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "train",  # a validation part helps to choose a model, so it is training material, never the test
    "valid": "train",
    "validation": "train",
    "test": "test",
    "testing": "test",
}
"""Names of folders that part a set into train and test."""

_STUDY_MARKS = ("study.json", ".lock")
_LAYOUT = "Expected one folder per class with the images in it, as in DATA/neutrophil/*.jpg."


def read(root: Path) -> DataSet:
    """Read a folder that has one folder per class; images may lie deeper inside a class folder.

    Files that are the same byte for byte share a group; otherwise every image is a group of its own.

    Raises
    ------
    DataError
        There is no image, or there are no class folders.
    """
    root, parts, remarks = _class_root(root)
    rows: list[Row] = []
    faults: list[Fault] = []
    for prefix, split in parts:
        found, wrong = _read_classes(root, prefix, split)
        rows += found
        faults += wrong
    if not rows:
        raise DataError(f"{root} holds no images.", hint=_LAYOUT)
    for row, name in zip(rows, stems([row.image or "" for row in rows]), strict=True):
        row.cell_id = row.group = name
    faults += join_identical(rows, root)
    return DataSet(
        name=root.name or str(root),
        root=root,
        cells=cells_table(rows, given_split=any(row.given_split for row in rows)),
        faults=tuple(faults),
        synthetic=False,
        description=f"A folder of labelled images, one folder per class: {len(rows)} images.",
        remarks=remarks,
    )


def _class_root(root: Path) -> tuple[Path, list[tuple[str, str | None]], tuple[str, ...]]:
    """Return the folder that holds the class folders, and its parts as (prefix, split)."""
    given = root
    for _ in range(8):
        folders, files, _ = _listing(root)
        splits = [name for name in folders if name.casefold() in SPLITS]
        if splits and all(name.casefold() in SPLITS for name in folders):
            return root, [(f"{name}/", SPLITS[name.casefold()]) for name in splits], ()
        if not folders or any(is_image(name) for name in files):
            break
        if len(folders) > 1 or not _holds_folders(root / folders[0]):
            break
        root /= folders[0]  # a wrapper, as unpacking an archive leaves it
    if not folders:
        if any(is_image(name) for name in files):
            raise DataError(
                f"{root} holds images but no class folders, so their labels are not known.",
                hint=f"{_LAYOUT} A CSV file with the columns image,label does as well. "
                f"If {root.name} is itself one class of several, give the folder above it.",
            )
        raise DataError(f"{root} is empty." if not files else f"{root} holds no images.", hint=_LAYOUT)
    remarks = () if root == given else (f"The class folders were found in {root}.",)
    return root, [("", None)], remarks


def _listing(folder: Path) -> tuple[list[str], list[str], list[str]]:
    """Return the sub-folders, the files, and the sub-folders that hold a study: finished, or begun and yet empty."""
    folders, files = listing(folder)
    studies = [name for name in folders if any(is_file(folder / name / mark) for mark in _STUDY_MARKS)]
    return [name for name in folders if name not in studies], files, studies


def _holds_folders(folder: Path) -> bool:
    folders, files = listing(folder)
    return bool(folders) and not any(is_image(name) for name in files)


def _read_classes(root: Path, prefix: str, split: str | None) -> tuple[list[Row], list[Fault]]:
    folders, files, studies = _listing(root / prefix)
    faults = [
        Fault(
            file=as_text(f"{prefix}{name}"),
            problem="lies outside the class folders",
            action="left out: it has no label",
        )
        for name in files
        if is_image(name)
    ]
    faults += [
        Fault(
            file=as_text(f"{prefix}{name}"),
            problem="a study was written there, into the data",
            action="passed over: it is no class",
        )
        for name in studies
    ]
    rows: list[Row] = []
    for folder in folders:
        images, nameless = named_in_text(images_below(root / prefix / folder, f"{prefix}{folder}/"))
        faults += nameless
        for image in images:
            rows.append(
                Row(
                    image=image,
                    label=taxonomy.canonical(folder),
                    label_raw=folder,
                    label_count=1,
                    source=image,
                    given_split=split,
                )
            )
            if _is_empty(root / image):
                faults.append(
                    Fault(file=image, problem="the file is empty (0 bytes)", action="kept; it cannot be opened later")
                )
        if not images:
            faults.append(
                Fault(
                    file=as_text(f"{prefix}{folder}"),
                    problem="no image in this class folder",
                    action="the class is left out",
                )
            )
    return rows, faults


def _is_empty(path: Path) -> bool:
    try:
        return os.stat(path).st_size == 0  # noqa: PTH116 (10⁵ times)
    except OSError:
        return False
