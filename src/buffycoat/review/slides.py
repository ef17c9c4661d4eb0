"""Slides: making, finding, changing and removing them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from buffycoat.review import jobs, log, views
from buffycoat.review.database import folded
from buffycoat.review.desk import Desk
from buffycoat.review.documents import (
    FieldView,
    Person,
    Progress,
    SlideList,
    SlideRow,
    SlideState,
    moment,
)
from buffycoat.review.faults import Conflict, Forbidden, NotFound
from buffycoat.review.particulars import differs, hold, stored
from buffycoat.review.replay import PARTICULARS
from buffycoat.review.schema import Field, Reading, Slide

Sort = Literal["created", "-created", "name", "-name"]
_ORDERS = {
    "created": (Slide.created_at, Slide.id),
    "-created": (Slide.created_at.desc(), Slide.id),
    "name": (folded(Slide.name), Slide.id),
    "-name": (folded(Slide.name).desc(), Slide.id),
}


def actor(who: Person) -> log.Actor:
    """Return the person as the log names them."""
    return log.Actor(who.id, who.name)


def need_reviewer(who: Person) -> None:
    """Raise Forbidden unless the person may review."""
    if not who.may_review:
        raise Forbidden("This needs the role of a reviewer.")


def need_administrator(who: Person) -> None:
    """Raise Forbidden unless the person may administer."""
    if not who.may_administer:
        raise Forbidden("This needs the role of an administrator.")


def load(session: Session, slide_id: str) -> Slide:
    """Return a slide that was not removed, or raise NotFound."""
    slide = session.get(Slide, slide_id)
    if slide is None or slide.removed:
        raise NotFound("There is no such slide.")
    return slide


def create(
    desk: Desk,
    who: Person,
    name: str,
    note: str = "",
    readings_wanted: int = 1,
    particulars: Mapping[str, Any] | None = None,
) -> SlideRow:
    """Make an empty slide.

    Raises
    ------
    Refused
        A differential could not hold what is known of the slide: a leukocyte count in another unit, a specimen that
        was collected in the future.
    """
    need_reviewer(who)
    slide_id = uuid.uuid4().hex
    known = {key: value for key, value in stored(particulars or {}).items() if value is not None}
    hold(name, known)
    body = {"name": name, "note": note, "readings_wanted": readings_wanted, **known}
    with desk.database.write() as session:
        log.append(session, "slide.created", actor(who), body, slide_id=slide_id)
    return get(desk, who, slide_id)


def get(desk: Desk, who: Person, slide_id: str) -> SlideRow:
    """Return one slide."""
    with desk.database.read() as session:
        return row(session, load(session, slide_id), who)


def row(session: Session, slide: Slide, who: Person) -> SlideRow:
    """Return a slide as this person may see it."""
    return views.slide_row(
        slide,
        views.counts_of(session, [slide.id])[slide.id],
        views.readings_of(session, [slide.id])[slide.id],
        who,
    )


def fields(desk: Desk, _who: Person, slide_id: str) -> tuple[FieldView, ...]:
    """Return the photographs of a slide."""
    with desk.database.read() as session:
        load(session, slide_id)
        return views.field_views(session, slide_id)


def progress(desk: Desk, who: Person, slide_id: str) -> Progress:
    """Return how far a slide is analysed."""
    found = get(desk, who, slide_id)
    return Progress(
        state=found.state, fields=found.fields, done=found.fields_done, failed=found.fields_failed, cells=found.cells
    )


def change(
    desk: Desk,
    who: Person,
    slide_id: str,
    *,
    name: str | None = None,
    note: str | None = None,
    readings_wanted: int | None = None,
    particulars: Mapping[str, Any] | None = None,
) -> SlideRow:
    """Change what is given; a slide that is signed keeps its name, its note, and what is known of it.

    Parameters
    ----------
    particulars
        Those that are to change, by name; None takes one away.

    Raises
    ------
    Conflict
        A reading is signed.
    Refused
        As in :func:`create`.
    """
    need_reviewer(who)
    given = {"name": name, "note": note, "readings_wanted": readings_wanted}
    wanted = {**{key: value for key, value in given.items() if value is not None}, **stored(particulars or {})}
    with desk.database.write() as session:
        slide = load(session, slide_id)
        after = {key: value for key, value in wanted.items() if differs(key, value, getattr(slide, key))}
        if after:
            _refuse_change(session, slide, after, who)
            hold(after.get("name", slide.name), {**{key: getattr(slide, key) for key in PARTICULARS}, **after})
            before = {key: getattr(slide, key) for key in after}
            log.append(session, "slide.changed", actor(who), {"before": before, "after": after}, slide_id=slide_id)
    return get(desk, who, slide_id)


def _refuse_change(session: Session, slide: Slide, after: Mapping[str, object], who: Person) -> None:
    readings = views.readings_of(session, [slide.id])[slide.id]
    if after.keys() & {"name", "note", *PARTICULARS} and any(reading.state == "signed" for reading in readings):
        raise Conflict("A signed slide is read-only; open it again by an amendment first.", title="Signed")
    if after.get("readings_wanted") == 2 and readings:
        raise Conflict(
            "Reading has begun and could be seen by others: a second reading would not be blinded. "
            "Put the photographs on a new slide with two readers.",
            title="Reading has begun",
        )
    if after.get("readings_wanted") == 1:
        if len(readings) > 1:
            raise Conflict("The second reading has begun already.", title="Second reading begun")
        if readings and not who.may_administer:
            raise Forbidden("Once reading has begun, only an administrator can do without the second reading.")


def remove(desk: Desk, who: Person, slide_id: str, reason: str) -> None:
    """Take a slide out of the list; the log keeps it. Signed ones are for administrators."""
    need_reviewer(who)
    with desk.database.write() as session:
        slide = load(session, slide_id)
        readings = views.readings_of(session, [slide_id])[slide_id]
        if not who.may_administer and (readings or slide.created_by_id != who.id):
            raise Forbidden(
                "A slide that has been read, or that somebody else made, is for an administrator to remove."
            )
        log.append(session, "slide.removed", actor(who), {"reason": reason}, slide_id=slide_id)


def retry(desk: Desk, who: Person, field_id: str) -> FieldView:
    """Analyse a failed photograph again."""
    need_reviewer(who)
    with desk.database.write() as session:
        found = session.get(Field, field_id)
        if found is None:
            raise NotFound("There is no such field.")
        refuse_signed(session, load(session, found.slide_id))
        if found.state != "failed":
            raise Conflict("Only a field that failed can be analysed again.", title="Not failed")
        jobs.retry(session, actor(who), found)
        session.refresh(found)
        return views.field_view(found, 0, 0)


def refuse_signed(session: Session, slide: Slide) -> None:
    """Raise Conflict where a reading of the slide is signed: its fields are then fixed."""
    readings = views.readings_of(session, [slide.id])[slide.id]
    if any(reading.state == "signed" for reading in readings):
        raise Conflict("A signed slide is read-only; open it again by an amendment first.", title="Signed")


def find(
    desk: Desk,
    who: Person,
    *,
    text: str = "",
    state: SlideState | None = None,
    reviewer: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    sort: Sort = "-created",
    limit: int = 50,
    offset: int = 0,
) -> SlideList:
    """Find slides by words of name, note and readers' names, by state, reader and day of making."""
    kept = _filtered(text, reviewer, since, until)
    with desk.database.read() as session:
        states = _states(session, kept)
        wanted = kept if state is None else kept.where(_in_state(state))
        total = session.scalar(select(func.count()).select_from(wanted.subquery())) or 0
        page: Sequence[Slide] = session.scalars(wanted.order_by(*_ORDERS[sort]).limit(limit).offset(offset)).all()
        ids = [slide.id for slide in page]
        counts, readings = views.counts_of(session, ids), views.readings_of(session, ids)
        names = session.scalars(select(Reading.reader).distinct().order_by(Reading.reader)).all()
        return SlideList(
            slides=tuple(views.slide_row(slide, counts[slide.id], readings[slide.id], who) for slide in page),
            total=total,
            limit=limit,
            offset=offset,
            states=states,
            reviewers=tuple(names),
        )


def _filtered(text: str, reviewer: str, since: datetime | None, until: datetime | None) -> Select[Any]:
    kept = select(Slide).where(Slide.removed.is_(False))
    for word in text.split()[:10]:
        kept = kept.where(
            or_(
                folded(Slide.name).contains(word.lower(), autoescape=True),
                folded(Slide.note).contains(word.lower(), autoescape=True),
                folded(Slide.specimen).contains(word.lower(), autoescape=True),
                folded(Slide.accession).contains(word.lower(), autoescape=True),
                exists().where(
                    Reading.slide_id == Slide.id, folded(Reading.reader).contains(word.lower(), autoescape=True)
                ),
            )
        )
    if reviewer:
        kept = kept.where(exists().where(Reading.slide_id == Slide.id, Reading.reader == reviewer))
    if since is not None:
        kept = kept.where(Slide.created_at >= _us(since))
    if until is not None:
        kept = kept.where(Slide.created_at < _us(until))
    return kept


def _us(at: datetime) -> int:
    aware = at if at.tzinfo is not None else at.replace(tzinfo=moment(0).tzinfo)
    return round((aware - moment(0)).total_seconds() * 1e6)


def _in_state(state: SlideState) -> ColumnElement[bool]:
    """Return the condition for a state; the same rule as :func:`.views.slide_state`, in the database."""
    any_field = exists().where(Field.slide_id == Slide.id)
    queued = exists().where(Field.slide_id == Slide.id, Field.state == "queued")
    other = aliased(Reading)
    begun = select(func.count(other.id)).where(other.slide_id == Slide.id).scalar_subquery()
    unsigned = exists().where(Reading.slide_id == Slide.id, Reading.state != "signed")
    signed = and_(begun >= Slide.readings_wanted, ~unsigned)
    return {
        "empty": ~any_field,
        "analysing": and_(any_field, queued),
        "to_review": and_(any_field, ~queued, ~signed),
        "signed": and_(any_field, ~queued, signed),
    }[state]


def _states(session: Session, kept: Select[Any]) -> dict[SlideState, int]:
    states: tuple[SlideState, ...] = ("empty", "analysing", "to_review", "signed")
    return {
        state: session.scalar(select(func.count()).select_from(kept.where(_in_state(state)).subquery())) or 0
        for state in states
    }
