"""Reading one cell of a label column: a type, several types, or nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from buffycoat import taxonomy
from buffycoat.errors import did_you_mean


@dataclass(frozen=True, slots=True)
class Label:
    """What a label column said.

    Attributes
    ----------
    label
        The one type that can be read off it, in the project's spelling, or None.
    raw
        As written, without white space at the ends; None where nothing was written.
    count
        How many cells it names: 0, 1, 2 …; a word that is no known type names none.
    problem
        What is wrong with it, or None.
    """

    label: str | None
    raw: str | None
    count: int
    problem: str | None = None


def read_label(text: str | None, known: Collection[str] | None = None) -> Label:
    """Read a label; several types are parted by commas, with or without a blank after them.

    Parameters
    ----------
    text
        The column as written.
    known
        The types that may occur, in the project's spelling; None: any word is a type, and a comma is read
        as parting types only where every part is one of the five.

    Examples
    --------
    >>> read_label("NEUTROPHIL,NEUTROPHIL").label, read_label("MONOCYTE, LYMPHOCYTE").label
    ('neutrophil', None)
    """
    raw = (text or "").strip()
    if not raw:
        return Label(None, None, 0)
    parts = [part.strip() for part in raw.split(",") if part.strip()]
    names = [taxonomy.canonical(part) for part in parts]
    if known is None:
        if len(names) < 2 or not all(name in taxonomy.CLASS_NAMES for name in names):
            return Label(taxonomy.canonical(raw), raw, 1)
    else:
        strange = [part for part, name in zip(parts, names, strict=True) if name not in known]
        if strange or not parts:
            word = strange[0] if strange else raw
            return Label(
                None, raw, len(parts) - len(strange), f"unknown label {word!r}. {did_you_mean(word.lower(), known)}"
            )
    return Label(names[0] if len(set(names)) == 1 else None, raw, len(names))
