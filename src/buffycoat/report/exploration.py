"""What the exploration left in ``explore/``, read through one door."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from buffycoat.errors import DataError
from buffycoat.explore.document import Exploration as Document

Picture = NDArray[np.uint8]
_KINDS = ("field", "cell", "example", "examplefield")


@dataclass(frozen=True)
class Exploration:
    """The exploration of a study.

    Attributes
    ----------
    document
        Counts, examples and distributions.
    pictures
        ``field`` and ``cell``: the average picture per class, uint8 RGB; ``example`` and ``examplefield``: a stack
        of pictures per class.
    """

    document: Document
    pictures: dict[str, dict[str, Picture]] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path) -> Exploration | None:
        """Read the folder; None where the study was not explored.

        Raises
        ------
        DataError
            A file is damaged or of another version.
        """
        path = folder / "exploration.json"
        if not path.is_file():
            return None
        return cls(document=Document.read(path), pictures=_arrays(folder / "averages.npz"))

    def of(self, kind: str) -> dict[str, Picture]:
        """Return the pictures of one kind by class."""
        return self.pictures.get(kind, {})


def _arrays(path: Path) -> dict[str, dict[str, Picture]]:
    found: dict[str, dict[str, Picture]] = {kind: {} for kind in _KINDS}
    if not path.is_file():
        return found
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for name in arrays.files:
                kind, _, label = name.partition("_")
                if kind in found:
                    found[kind][label] = arrays[name]
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} is damaged: {error}", hint="Delete it and run the study again; it is made anew."
        ) from error
    return found
