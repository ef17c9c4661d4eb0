"""The log in words, for those who may read it."""

from __future__ import annotations

import json

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from buffycoat.review import slides, views
from buffycoat.review.desk import Desk
from buffycoat.review.documents import HistoryEvent, HistoryPage, Person, moment
from buffycoat.review.schema import Event
from buffycoat.review.words import event_words

_HOUSE = ("login.", "password.", "account.", "token.", "slide.")


def of_slide(desk: Desk, who: Person, slide_id: str, limit: int = 200, before: int | None = None) -> HistoryPage:
    """Return what happened to a slide, newest first; what is blinded is left out."""
    with desk.database.read() as session:
        slide = slides.load(session, slide_id)
        known = views.readings_of(session, [slide_id])[slide_id]
        visible = [one.id for one in known if views.may_see(one, slide, known, who)]
        wanted = select(Event).where(
            Event.slide_id == slide_id, or_(Event.reading_id.is_(None), Event.reading_id.in_(visible))
        )
        return _page(session, wanted, limit, before, slide_id)


def audit(desk: Desk, who: Person, kind: str = "", limit: int = 200, before: int | None = None) -> HistoryPage:
    """Return log-ins and changes of accounts, tokens and slides, newest first; for administrators.

    What readers do with cells is not among it: an administrator may be the second reader.
    """
    slides.need_administrator(who)
    kinds = [prefix for prefix in _HOUSE if prefix.startswith(kind)] or [kind]
    wanted = select(Event).where(
        or_(*(Event.kind.startswith(prefix, autoescape=True) for prefix in kinds)), Event.reading_id.is_(None)
    )
    with desk.database.read() as session:
        return _page(session, wanted, limit, before)


def _page(
    session: Session, wanted: Select[Event], limit: int, before: int | None, slide_id: str | None = None
) -> HistoryPage:
    if before is not None:
        wanted = wanted.where(Event.id < before)
    found = session.scalars(wanted.order_by(Event.id.desc()).limit(limit + 1)).all()
    numbers = {} if slide_id is None else _numbers(session, slide_id, {event.reading_id for event in found[:limit]})
    return HistoryPage(
        events=tuple(
            HistoryEvent(
                id=event.id,
                at=moment(event.at),
                actor=event.actor,
                kind=event.kind,
                words=event_words(event.kind, json.loads(event.body), numbers.get(event.reading_id)),
                slide_id=event.slide_id,
                reading_id=event.reading_id,
                hash=event.hash,
            )
            for event in found[:limit]
        ),
        next_before=found[limit - 1].id if len(found) > limit else None,
    )


def _numbers(session: Session, slide_id: str, readings: set[str | None]) -> dict[str | None, dict[str, int]]:
    """Return the numbers of a slide's photographs and cells, as the desk of each of these readings shows them."""
    fields = {one.id: one.number for one in views.field_views(session, slide_id)}
    return {None: fields} | {
        reading: {**fields, **views.numbers_of(session, slide_id, reading)}
        for reading in readings
        if reading is not None
    }
