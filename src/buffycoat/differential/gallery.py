"""The cells of a slide as they are shown: a picture, its label, and what is known of its doubt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from buffycoat.differential.count import label_of
from buffycoat.records.differential import ARTEFACT, UNIDENTIFIED
from buffycoat.taxonomy import order


@dataclass(frozen=True, slots=True)
class GalleryCell:
    """One cell to show.

    Attributes
    ----------
    label
        As counted: a type, "unidentified" or "artefact".
    picture
        The encoded crop (JPEG, PNG or WebP bytes); None where there is none.
    field
        The photograph's name.
    number
        Of the cell in its photograph, from 1.
    probability
        Calibrated probability of the program's best class, 0 to 1; None where a person alone named it.
    best
        The program's best class, where it differs from the label.
    reason
        Why the program left it unidentified.
    touches_border
        Whether the field's border cuts it.
    was
        The label the program gave it, where a person gave another.
    field_px
        Width and height of its photograph, where its picture is of a fixed part of it; cells of photographs of one size
        then have one scale.
    """

    label: str
    picture: bytes | None
    field: str
    number: int
    probability: float | None = None
    best: str | None = None
    reason: str | None = None
    touches_border: bool = False
    was: str | None = None
    field_px: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Well:
    """The cells of one label, the most doubtful first."""

    label: str
    cells: tuple[GalleryCell, ...]
    left_out: int


def wells(cells: Iterable[GalleryCell], most: int) -> list[Well]:
    """Return cells grouped by label: unidentified first, then the types in their order, artefacts last.

    Parameters
    ----------
    cells
        In any order.
    most
        Cells shown of each label; the rest are counted.
    """
    grouped: dict[str, list[GalleryCell]] = {}
    for cell in cells:
        grouped.setdefault(label_of(cell.label), []).append(cell)
    types = [name for name in order(grouped) if name not in {UNIDENTIFIED, ARTEFACT}]
    names = [name for name in (UNIDENTIFIED, *types, ARTEFACT) if name in grouped]
    return [_well(name, grouped[name], most) for name in names]


def _well(label: str, cells: Sequence[GalleryCell], most: int) -> Well:
    doubtful = sorted(cells, key=lambda cell: 2.0 if cell.probability is None else cell.probability)
    return Well(label, tuple(doubtful[:most]), max(0, len(cells) - most))
