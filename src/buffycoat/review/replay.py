"""From events to the state they leave: the only code that writes the derived tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from buffycoat.review.schema import Amendment, Cell, Event, Field, Mark, NotTaken, Reading, Signature, Slide, Step

Body = dict[str, Any]
PARTICULARS = ("specimen", "subject", "accession", "collected", "wbc")
"""What a laboratory may know of a slide, as the log and the table of slides name it."""

_UNDOABLE = frozenset({"cells.moved", "cells.seen", "cells.unseen", "cells.deleted", "cells.restored", "cell.drawn"})


def apply(session: Session, event: Event) -> None:
    """Write what follows from an event; events without an effect (log-ins, accounts) change nothing."""
    effect = _EFFECTS.get(event.kind)
    if effect is not None:
        effect(session, event, json.loads(event.body))


def _slide_created(session: Session, event: Event, body: Body) -> None:
    session.execute(
        insert(Slide).values(
            id=event.slide_id,
            name=body["name"],
            note=body["note"],
            readings_wanted=body["readings_wanted"],
            created_at=event.at,
            created_by=event.actor,
            created_by_id=event.actor_id,
            removed=False,
            **{name: body.get(name) for name in PARTICULARS},
        )
    )


def _slide_changed(session: Session, event: Event, body: Body) -> None:
    session.execute(update(Slide).where(Slide.id == event.slide_id).values(**body["after"]))


def _slide_removed(session: Session, event: Event, _body: Body) -> None:
    session.execute(update(Slide).where(Slide.id == event.slide_id).values(removed=True))


def _field_added(session: Session, event: Event, body: Body) -> None:
    known = ("number", "name", "image", "width", "height")
    session.execute(
        insert(Field).values(
            id=body["field"], slide_id=event.slide_id, state="queued", **{name: body[name] for name in known}
        )
    )


def _field_analysed(session: Session, event: Event, body: Body) -> None:
    session.execute(
        update(Field)
        .where(Field.id == body["field"])
        .values(state="analysed", reason=None, bundle=body["bundle"], framing=body["framing"])
    )
    if body["cells"]:
        session.execute(insert(Cell), [_cell_row(event, body["field"], cell) for cell in body["cells"]])


def _field_failed(session: Session, _event: Event, body: Body) -> None:
    session.execute(update(Field).where(Field.id == body["field"]).values(state="failed", reason=body["reason"]))


def _field_retried(session: Session, _event: Event, body: Body) -> None:
    session.execute(update(Field).where(Field.id == body["field"]).values(state="queued", reason=None))


def _field_removed(session: Session, _event: Event, body: Body) -> None:
    """Take a photograph out with its cells, what was made of them, and the steps that were about them alone."""
    gone = select(Cell.id).where(Cell.field_id == body["field"])
    session.execute(delete(Mark).where(Mark.cell_id.in_(gone)))
    session.execute(delete(Step).where(Step.event_id.in_(body["steps"])))
    session.execute(delete(Cell).where(Cell.field_id == body["field"]))
    session.execute(delete(Field).where(Field.id == body["field"]))


def _photograph_refused(session: Session, event: Event, body: Body) -> None:
    session.execute(
        insert(NotTaken).values(event_id=event.id, slide_id=event.slide_id, name=body["name"], reason=body["reason"])
    )


def _photograph_dismissed(session: Session, _event: Event, body: Body) -> None:
    session.execute(delete(NotTaken).where(NotTaken.event_id == body["of"]))


def _reading_opened(session: Session, event: Event, body: Body) -> None:
    session.execute(
        insert(Reading).values(
            id=event.reading_id,
            slide_id=event.slide_id,
            number=body["number"],
            reader=body["reader"],
            reader_id=body["reader_id"],
            state="open",
            sequence=event.sequence,
            opened_at=event.at,
        )
    )


def _cells_changed(session: Session, event: Event, body: Body) -> None:
    """Write marks, and what can now be undone: a new change ends the chance to redo what was undone."""
    _advance(session, event)
    _write_marks(session, event, body)
    session.execute(delete(Step).where(Step.reading_id == event.reading_id, Step.undone.is_(True)))
    session.execute(insert(Step).values(event_id=event.id, reading_id=event.reading_id, undone=False))


def _cell_drawn(session: Session, event: Event, body: Body) -> None:
    session.execute(insert(Cell), [{**_cell_row(event, body["field"], body["cell"]), "reading_id": event.reading_id}])
    _cells_changed(session, event, body)


def _reading_undone(session: Session, event: Event, body: Body) -> None:
    _advance(session, event)
    _write_marks(session, event, body)
    session.execute(update(Step).where(Step.event_id == body["of"]).values(undone=True))


def _reading_redone(session: Session, event: Event, body: Body) -> None:
    _advance(session, event)
    _write_marks(session, event, body)
    session.execute(update(Step).where(Step.event_id == body["of"]).values(undone=False))


def _reading_signed(session: Session, event: Event, body: Body) -> None:
    _advance(session, event, state="signed", signed_at=event.at)
    session.execute(
        insert(Signature).values(
            event_id=event.id,
            reading_id=event.reading_id,
            name=body["name"],
            meaning=body["meaning"],
            at=event.at,
            event_hash=event.hash,
        )
    )


def _reading_amended(session: Session, event: Event, body: Body) -> None:
    _advance(session, event, state="amending", signed_at=None)
    session.execute(
        insert(Amendment).values(
            event_id=event.id, reading_id=event.reading_id, reason=body["reason"], by=event.actor, at=event.at
        )
    )


def _advance(session: Session, event: Event, **values: Any) -> None:
    session.execute(update(Reading).where(Reading.id == event.reading_id).values(sequence=event.sequence, **values))


def _write_marks(session: Session, event: Event, body: Body) -> None:
    changed = {change["cell"]: change["after"] for change in body["changes"]}
    known = set(
        session.scalars(select(Mark.cell_id).where(Mark.reading_id == event.reading_id, Mark.cell_id.in_(changed)))
    )
    rows = [
        {
            "reading_id": event.reading_id,
            "cell_id": cell,
            "label": label,
            "seen": seen,
            "deleted": deleted,
            "changed": event.sequence,
        }
        for cell, (label, seen, deleted) in changed.items()
    ]
    fresh = [row for row in rows if row["cell_id"] not in known]
    if fresh:
        session.execute(insert(Mark), fresh)
    stale = [row for row in rows if row["cell_id"] in known]
    if stale:
        session.execute(update(Mark), stale)


def _cell_row(event: Event, field: str, cell: Body) -> dict[str, Any]:
    x0, y0, x1, y1 = cell["box"]
    return {
        "id": cell["id"],
        "field_id": field,
        "slide_id": event.slide_id,
        "reading_id": None,
        "place": cell["place"],
        **{"x0": x0, "y0": y0, "x1": x1, "y1": y1},
        "label": cell["label"],
        "best": cell["best"],
        "probability": cell["probability"],
        "probabilities": json.dumps(cell["probabilities"], separators=(",", ":")),
        "conformal": json.dumps(cell["conformal"], separators=(",", ":")),
        "reason": cell["reason"],
        "unlikeness": cell["unlikeness"],
        "touches_border": cell["touches_border"],
    }


_EFFECTS: dict[str, Callable[[Session, Event, Body], None]] = {
    "slide.created": _slide_created,
    "slide.changed": _slide_changed,
    "slide.removed": _slide_removed,
    "field.added": _field_added,
    "field.analysed": _field_analysed,
    "field.failed": _field_failed,
    "field.retried": _field_retried,
    "field.removed": _field_removed,
    "photograph.refused": _photograph_refused,
    "photograph.dismissed": _photograph_dismissed,
    "reading.opened": _reading_opened,
    "cell.drawn": _cell_drawn,
    "reading.undone": _reading_undone,
    "reading.redone": _reading_redone,
    "reading.signed": _reading_signed,
    "reading.amended": _reading_amended,
    **dict.fromkeys(_UNDOABLE - {"cell.drawn"}, _cells_changed),
}
