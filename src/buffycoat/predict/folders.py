"""Walking folders: sorted, of any depth, and never twice through a link that leads back."""

from __future__ import annotations

import os
from collections.abc import Iterator

from buffycoat.files import Trail
from buffycoat.predict.listing import Folder


def folders_below(top: str) -> Iterator[tuple[str, Folder | str]]:
    """Yield a folder and all folders below it, each before those in it, with what it holds or why it cannot be read.

    Links to folders are followed; one that leads back to a folder above it is not entered again. What
    :func:`buffycoat.predict.listing.is_aside` names is not entered.
    """
    trail = Trail()
    waiting: list[Iterator[str]] = [iter((top,))]
    while waiting:
        path = next(waiting[-1], None)
        if path is None:
            waiting.pop()
            trail.leave()
            continue
        try:
            folder = Folder(path)
            if not trail.enter(path):
                continue
        except OSError as error:
            yield path, f"the folder cannot be read ({error.strerror or error})"
            continue
        yield path, folder
        waiting.append(_inside(path, folder))


def _inside(path: str, folder: Folder) -> Iterator[str]:
    for name in folder.folders:
        yield os.path.join(path, name)  # noqa: PTH118
