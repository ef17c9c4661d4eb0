"""Results as rows of a table: one per cell, and one for a photograph that has none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from buffycoat.predict.results import PhotographResult

_BEFORE = ("image", "width", "height", "framing", "cell", "x0", "y0", "x1", "y1", "class", "best", "probability")
_AFTER = ("conformal_set", "reason", "unlikeness", "touches_border", "error", "model")
SEPARATOR = "|"
"""Stands between the classes of a conformal set where a format has no lists."""

Row = dict[str, Any]


def columns(classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the columns, in order.

    ``class`` is what the program says ("unidentified" with its ``reason`` where it will not say), ``best`` the most
    probable class; the box is in pixels of the photograph; ``model`` names the bundle, its hash and the views.
    """
    return (*_BEFORE, *(f"p_{name}" for name in classes), *_AFTER)


def rows(result: PhotographResult, model: str) -> Iterator[Row]:
    """Yield a photograph's rows: one per cell; one without a cell where none was found or it could not be read."""
    head: Row = {
        "image": shown(result.image),
        "width": result.width,
        "height": result.height,
        "framing": result.framing,
    }
    tail: Row = {"error": None if result.error is None else shown(result.error), "model": model}
    if not result.cells:
        yield {**head, **tail}
    for cell in result.cells:
        x0, y0, x1, y1 = cell.box
        yield {
            **head,
            "cell": cell.number,
            "x0": x0,
            "y0": y0,
            "x1": x1,
            "y1": y1,
            "class": cell.label,
            "best": cell.best,
            "probability": round(cell.probability, 6),
            **{f"p_{name}": round(value, 6) for name, value in cell.probabilities.items()},
            "conformal_set": SEPARATOR.join(cell.conformal),
            "reason": cell.reason,
            "unlikeness": round(cell.unlikeness, 4),
            "touches_border": cell.touches_border,
            **tail,
        }


def model_name(name: str, sha256: str, views: int) -> str:
    """Return what stands in the column ``model``: enough to tell which network made an answer."""
    return f"{name}@{sha256[:12]}" + ("" if views == 1 else f"+{views} views")


def shown(text: str) -> str:
    r"""Return a name that UTF-8 can hold; bytes of a file name that are no text become ``\xe9``."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return text


def key(name: str) -> int:
    """Return a name's 64-bit key; among a million names two alike are a matter of 1 in 30 million."""
    content = shown(name).encode("utf-8")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")
