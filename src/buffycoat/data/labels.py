"""Reading one cell of a label column: a type, several types, or nothing."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass

from buffycoat import taxonomy
from buffycoat.errors import did_you_mean

_CLOSE = 0.8
"""How alike two names must be, after difflib, for one to be a slip of the other; related cells stay below."""

_OWN_NAMES = frozenset({"promonocyte", "prolymphocyte"})
"""Cells of their own that are written almost like one of the five."""


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


def looks_like(label: str, also: Collection[str] = ()) -> str | None:
    """Return the type that a label looks like without being one of its spellings; None where it is a name of its own.

    Parameters
    ----------
    label
        As written.
    also
        Further names a label may have or be a slip of, in lower case.

    Examples
    --------
    >>> looks_like("neutrophill"), looks_like("Segs"), looks_like("Lymphozyten")
    ('neutrophil', 'neutrophil', 'lymphocyte')
    >>> looks_like("neut"), looks_like("band neutrophil"), looks_like("myelocyte"), looks_like("blast")
    (None, None, None, None)
    """
    names = (*taxonomy.CLASS_NAMES, *also)
    name = taxonomy.canonical(label)
    singular = name.removesuffix("s")
    if name in names or singular in _OWN_NAMES:
        return None
    if taxonomy.canonical(singular) in names:
        return taxonomy.canonical(singular)
    words = re.split(r"[^\w]+", name)
    if len(words) > 1 and any(taxonomy.canonical(word) in names for word in words):
        return None  # a kind of it, as "band neutrophil"
    if len(name) >= 3 and (begun := [known for known in names if known.startswith(name)]):
        return begun[0]
    plurals = {f"{known}s": known for known in names}
    close = difflib.get_close_matches(name, [*names, *plurals], n=1, cutoff=_CLOSE)
    return plurals.get(close[0], close[0]) if close else None
