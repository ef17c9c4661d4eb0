"""The table for reading: one line a cell, whatever a file is called."""

from __future__ import annotations

from collections.abc import Sequence

from buffycoat.predict.rows import SEPARATOR, Row

_IMAGE = 40
_COLUMNS = (("cell", 4), ("box", 21), ("class", 14), ("probability", 11), ("90 % set", 24), ("note", 0))


def heading() -> str:
    """Return the two lines at the top."""
    names = f"{'image':<{_IMAGE}}  " + "  ".join(f"{name:<{width}}" for name, width in _COLUMNS)
    rule = "  ".join("─" * width for width in (_IMAGE, *(width for _, width in _COLUMNS[:-1]), 24))
    return f"{names.rstrip()}\n{rule}\n"


def lines(rows: Sequence[Row]) -> str:
    """Return one line per row."""
    return "".join(_line(row) for row in rows)


def _line(row: Row) -> str:
    image = f"{_short(one_line(row['image'])):<{_IMAGE}}"
    if row.get("error") is not None:
        return f"{image}  {one_line(row['error'])}\n"
    if row.get("cell") is None:
        return f"{image}  no leukocyte found\n"
    box = f"{row['x0']},{row['y0']}–{row['x1']},{row['y1']}"
    reason = {"uncertain": f"uncertain; most like {row['best']}", "unlike": "unlike the cells learned from"}
    notes = [reason[row["reason"]]] if row["reason"] else []
    notes += ["cut by the border"] if row["touches_border"] else []
    held = row["conformal_set"].replace(SEPARATOR, ", ") or "none"
    cells = (str(row["cell"]), box, row["class"], f"{row['probability']:.3f}", held, "; ".join(notes))
    text = "  ".join(f"{cell:<{width}}" for cell, (_, width) in zip(cells, _COLUMNS, strict=True))
    return f"{image}  {text.rstrip()}\n"


def one_line(text: str) -> str:
    r"""Return a name on one line, without anything that moves the cursor: a line feed becomes ``\n``.

    Examples
    --------
    >>> one_line("a\nb é")
    'a\\nb é'
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def _short(name: str) -> str:
    return name if len(name) <= _IMAGE else "…" + name[-(_IMAGE - 1) :]
