"""The names a person can give to a cell, in the order of the wells."""

from __future__ import annotations

from collections.abc import Iterable

from buffycoat import taxonomy
from buffycoat.review.documents import Label

UNIDENTIFIED = "unidentified"
ARTEFACT = "artefact"
OUTSIDE = frozenset({UNIDENTIFIED, ARTEFACT})
"""Labels outside the count: a cell not named yet, and what is no leukocyte."""


def known_labels(further: Iterable[str]) -> tuple[Label, ...]:
    """Return the labels: unidentified, the five types, further classes, artefact; letters are distinct."""
    names = taxonomy.order({*taxonomy.CLASS_NAMES, *(taxonomy.canonical(name) for name in further)} - OUTSIDE)
    taken = {"U", "A", *(cell.letter for cell in taxonomy.CELL_TYPES)}
    labels = [Label(name=UNIDENTIFIED, title="Unidentified", letter="U", colour="#6B7280", counted=False)]
    for name in names:
        cell = taxonomy.cell_type(name)
        letter = cell.letter if cell is not None else _free_letter(name, taken)
        taken.add(letter)
        title = (cell.plural if cell is not None else name).capitalize()
        labels.append(Label(name=name, title=title, letter=letter, colour=taxonomy.colour(name, names), counted=True))
    return (*labels, Label(name=ARTEFACT, title="Artefacts", letter="A", colour="#9A7B4F", counted=False))


def _free_letter(name: str, taken: set[str]) -> str:
    for letter in (*name.upper(), *"123456789"):
        if letter.isalnum() and letter.isascii() and letter not in taken:
            return str(letter)
    return ""
