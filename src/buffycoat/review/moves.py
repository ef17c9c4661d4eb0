"""What an action changes: cells before and after, as the log keeps it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from buffycoat.review.classifier import Box, Found
from buffycoat.review.documents import Move
from buffycoat.review.faults import Refused
from buffycoat.review.schema import Cell, Event, Mark

Marked = tuple[str, bool, bool]
"""Label, seen, deleted."""

_KINDS = {
    "move": "cells.moved",
    "see": "cells.seen",
    "unsee": "cells.unseen",
    "delete": "cells.deleted",
    "restore": "cells.restored",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One cell, before and after."""

    cell: str
    before: Marked
    after: Marked

    def body(self) -> dict[str, Any]:
        """Return the change as the log keeps it."""
        return {"cell": self.cell, "before": list(self.before), "after": list(self.after)}


class Changes:
    """Reading changes back from the log."""

    @staticmethod
    def of(event: Event) -> list[Change]:
        """Return what an event changed."""
        return [
            Change(one["cell"], _marked(one["before"]), _marked(one["after"]))
            for one in json.loads(event.body)["changes"]
        ]


def reversed_changes(changes: list[Change]) -> list[Change]:
    """Return what takes changes back."""
    return [Change(one.cell, one.after, one.before) for one in changes]


def mark_changes(
    session: Session, slide_id: str, reading_id: str, asked: Move
) -> tuple[str, list[Change], dict[str, Any]]:
    """Return the event's kind, the cells that really change, and what else the log shall say.

    Raises
    ------
    Refused
        A cell is not on this slide, or is deleted.
    """
    wanted = list(dict.fromkeys(asked.cells))
    now = current(session, slide_id, reading_id, wanted)
    missing = [cell for cell in wanted if cell not in now]
    if missing:
        raise Refused(f"{len(missing)} of the cells are not on this slide.")
    if asked.action != "restore" and any(now[cell][2] for cell in wanted) and asked.action != "delete":
        raise Refused("A deleted box cannot be changed; restore it first.")
    changes = [Change(cell, now[cell], _after(now[cell], asked)) for cell in wanted]
    changes = [change for change in changes if change.before != change.after]
    return _KINDS[asked.action], changes, {"label": asked.label} if asked.action == "move" else {}


def _after(before: Marked, asked: Move) -> Marked:
    label, seen, deleted = before
    match asked.action:
        case "move":
            return (asked.label or label, True, deleted)
        case "see":
            return (label, True, deleted)
        case "unsee":
            return (label, False, deleted)
        case "delete":
            return (label, True, True)
        case _:
            return (label, seen, False)


def current(session: Session, slide_id: str, reading_id: str, cells: list[str]) -> dict[str, Marked]:
    """Return the cells as the reading leaves them now; those that are not on the slide are left out."""
    found: dict[str, Marked] = {}
    for first in range(0, len(cells), 5000):
        piece = cells[first : first + 5000]
        rows = session.execute(
            select(Cell.id, Cell.label, Mark.label, Mark.seen, Mark.deleted)
            .outerjoin(Mark, (Mark.cell_id == Cell.id) & (Mark.reading_id == reading_id))
            .where(Cell.id.in_(piece), Cell.slide_id == slide_id)
            .where(Cell.reading_id.is_(None) | (Cell.reading_id == reading_id))
        )
        for cell, program, label, seen, deleted in rows:
            found[cell] = (program if label is None else label, bool(seen), bool(deleted))
    return found


def drawn_id(field_id: str, request_id: str) -> str:
    """Return the name of the cell that a request draws: the same when it is sent again."""
    return f"{field_id}.d{hashlib.sha256(request_id.encode()).hexdigest()[:16]}"


def overlap(one: Box, other: Box) -> float:
    """Return the intersection of two boxes over their union, 0 to 1.

    Examples
    --------
    >>> overlap((0, 0, 10, 10), (0, 0, 10, 5)), overlap((0, 0, 10, 10), (10, 0, 20, 10))
    (0.5, 0.0)
    """
    width = max(0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0, min(one[3], other[3]) - max(one[1], other[1]))
    both = width * height
    areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (one, other)]
    return both / (sum(areas) - both) if both else 0.0


def draw(session: Session, reading_id: str, field_id: str, found: Found, asked: Move) -> tuple[dict[str, Any], Change]:
    """Return a drawn cell as the log keeps it, and the change that puts it on the desk.

    It is seen only where the reader named it: what the program calls it, nobody has looked at yet.
    """
    earlier = session.execute(select(func.count(), func.max(Cell.place)).where(Cell.reading_id == reading_id)).one()
    cell = {
        "id": drawn_id(field_id, asked.request_id),
        "place": max(earlier[0], earlier[1] or 0) + 1,  # among the reading's drawn ones: they keep their numbers
        "box": [int(value) for value in found.box],
        "label": found.label,
        "best": found.best,
        "probability": round(found.probability, 6),
        "probabilities": {name: round(value, 6) for name, value in found.probabilities.items()},
        "conformal": list(found.conformal),
        "reason": found.reason,
        "unlikeness": round(found.unlikeness, 6),
        "touches_border": bool(found.touches_border),
    }
    label, seen = asked.label or found.label, asked.label is not None
    return cell, Change(str(cell["id"]), (label, seen, True), (label, seen, False))


def _marked(stored: list[Any]) -> Marked:
    label, seen, deleted = stored
    return (str(label), bool(seen), bool(deleted))
