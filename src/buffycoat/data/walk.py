"""Looking through folders: images, sub-folders, and folders that cannot be entered."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from buffycoat.errors import DataError
from buffycoat.files import Trail
from buffycoat.imaging.decode import IMAGE_SUFFIXES
from buffycoat.records.documents import Fault

_SKIPPED = frozenset({"__MACOSX", "@eaDir", "node_modules", "lost+found"})
_MOST_FOLDERS = 2_000  # a search that meets more was pointed at something else, such as a home folder


def listing(folder: Path) -> tuple[list[str], list[str]]:
    """Return the names of the sub-folders and of the files of a folder, sorted, hidden ones left out.

    Raises
    ------
    DataError
        The folder is missing, is a file, or may not be read.
    """
    folders: list[str] = []
    files: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name in _SKIPPED:
                    continue
                try:
                    (folders if entry.is_dir() else files).append(entry.name)
                except OSError:  # a link that points at itself
                    files.append(entry.name)
    except PermissionError as error:
        raise DataError(
            f"{folder} may not be read: permission denied.",
            hint="Change its permissions, or copy it to your own place.",
        ) from error
    except FileNotFoundError as error:
        raise DataError(f"{folder} does not exist.") from error
    except NotADirectoryError as error:
        raise DataError(f"{folder} is a file; a folder was expected.") from error
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror or error}).") from error
    return sorted(folders), sorted(files)


def is_image(name: str) -> bool:
    """Return whether a file name has the ending of an image."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 (a path object each is slow for 10⁵)


def is_text(name: str) -> bool:
    """Return whether a name was written in the system's encoding: what is not cannot stand in a table or a report."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_text(name: str) -> str:
    """Return a name as text; bytes that are none stand as escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def named_in_text(images: Iterable[str]) -> tuple[list[str], list[Fault]]:
    """Return the images whose names are text, and a fault for each of the others."""
    found = list(images)
    return [name for name in found if is_text(name)], [
        Fault(file=as_text(name), problem="its name is no text", action="left out: rename it")
        for name in found
        if not is_text(name)
    ]


def images_below(folder: Path, under: str = "") -> Iterator[str]:
    """Yield the images in a folder and all folders below, sorted, relative to it, with forward slashes.

    Links to folders are followed; one that leads back to a folder above it is not entered again.

    Raises
    ------
    DataError
        A folder may not be read.
    """
    trail = Trail()
    waiting: list[Iterator[tuple[Path, str]]] = [iter([(folder, under)])]
    while waiting:
        place, before = next(waiting[-1], (None, ""))
        if place is None:
            waiting.pop()
            trail.leave()
            continue
        folders, files = listing(place)
        if not trail.enter(place):
            continue
        for name in files:
            if is_image(name):
                yield f"{before}{name}"
        waiting.append(iter([(place / name, f"{before}{name}/") for name in folders]))


def folders_below(folder: Path, *, depth: int) -> Iterator[tuple[Path, frozenset[str], frozenset[str]]]:
    """Yield a folder and those below it, nearest first, each with the names of its sub-folders and files.

    Folders that may not be read are passed over: this is a search, and what is sought may stand elsewhere.
    """
    level = [folder]
    seen = 0
    for _ in range(depth + 1):
        below: list[Path] = []
        for place in level:
            try:
                folders, files = listing(place)
            except DataError:
                continue
            seen += 1
            if seen > _MOST_FOLDERS:
                return
            yield place, frozenset(folders), frozenset(files)
            below += [place / name for name in folders]
        level = below
