"""Reading what a person counted: totals by type, and labels that a slip of the pen must not turn into a new type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from buffycoat.data.csv_file import header, records
from buffycoat.data.labels import looks_like
from buffycoat.differential.count import label_of
from buffycoat.errors import DataError
from buffycoat.records.differential import ARTEFACT, UNIDENTIFIED

TOTALS = frozenset({"total", "totals", "grand total", "sum", "all", "all cells", "wbc", "wbcs", "n", "leukocytes"})
"""Names of a row that adds up the others."""

_NO_TYPES = (UNIDENTIFIED, ARTEFACT)
_MOST_BYTES = 1 << 20
_MOST_DIGITS = 9
_LONGEST_NAME = 200  # characters
_SHOWN = 40  # characters of what was found instead


def read_counts(path: Path) -> dict[str, int]:
    """Read a person's count from a CSV table with the columns ``type`` and ``count``; commas, semicolons or tabs.

    A row of the total is held to the sum of the others and left out.

    Raises
    ------
    DataError
        The file is missing; a row is not a type and a whole number, is a total that is none, or has a name that looks
        like a slip of a known one. The row is named.
    """
    refuse_larger(path, _MOST_BYTES, "table of counts")
    rows, found = list(records(path)), header(path)
    names = {name.casefold() for name in found}
    if not {"type", "count"} <= names:
        raise DataError(
            f"{path} is no table of counts: expected the columns type and count, found {', '.join(found) or 'nothing'}."
        )
    counts: dict[str, int] = {}
    totals: list[tuple[int, str, int]] = []
    slides: set[str] = set()
    for line, row in rows:
        if "slide" in names:
            slides.add(row.get("slide", "").strip())
        if row.get("assessed", "").strip().casefold() == "no":
            continue  # of a count that was written before: nobody looked for the type
        name, number = row.get("type", "").strip(), row.get("count", "").strip()
        if not name and not number:
            continue
        n = whole(number)
        if not name or n is None or len(name) > _LONGEST_NAME:
            raise DataError(
                f"{path}, row {line}: expected a type and a whole number, found {_short(name)} and {_short(number)}."
            )
        if label_of(name) in TOTALS:
            totals.append((line, name, n))
            continue
        label = label_of(name) if "assessed" in names else known_label(name, f"{path}, row {line}")
        counts[label] = counts.get(label, 0) + n
    if len(slides) > 1:
        shown = ", ".join(sorted(slides)[:5]) + (", …" if len(slides) > 5 else "")
        raise DataError(f"{path} holds the counts of {len(slides)} slides ({shown}).", hint="Give one slide's.")
    if not counts:
        raise DataError(f"{path} holds no count.")
    _hold(totals, counts, path)
    return counts


def refuse_larger(path: Path, most: int, what: str) -> None:
    """Refuse a file of more bytes than what it should hold can take, before any of it is read.

    Raises
    ------
    DataError
        It is larger, missing, or cannot be looked at.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    if size > most:
        raise DataError(f"{path} is no {what}: {size} bytes.")


def whole(text: str) -> int | None:
    """Return a whole number of at most nine digits, or None."""
    digits = text.lstrip("0") or text[-1:]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS else None


def known_label(given: str, place: str) -> str:
    """Return :func:`label_of` a label that somebody wrote by hand.

    Raises
    ------
    DataError
        It is no name of a type that is known, but looks like one, or it is the name of a total.
    """
    label = label_of(given)
    if label in TOTALS:
        raise DataError(f"{place}: {given!r} is the name of a total, not of a type.", hint="Leave such rows out.")
    like = looks_like(label, _NO_TYPES)
    if like is not None:
        raise DataError(
            f"{place}: {given!r} is no type that is known, but looks like {like!r}.",
            hint="Correct it. A type of its own needs a name that cannot be taken for another, such as 'atypical "
            "lymphocyte'.",
        )
    return label


def _hold(totals: Sequence[tuple[int, str, int]], counts: Mapping[str, int], path: Path) -> None:
    """Hold the totals that were written to those that were counted: of the types, with what is unidentified, of all."""
    everything = sum(counts.values())
    cells = everything - counts.get(ARTEFACT, 0)
    sums = {cells - counts.get(UNIDENTIFIED, 0), cells, everything}
    for line, name, n in totals:
        if n not in sums:
            raise DataError(
                f"{path}, row {line}: {name!r} is {n}, and the other rows add up to {everything}.",
                hint="Correct the total or the counts. If it is no total but a type, write the type's whole name.",
            )


def _short(text: str) -> str:
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}… ({len(text)} characters)"
