"""Photographs that do not belong to a slide, and those that could not be used: taken out, set right, all in the log."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from buffycoat.review import log, slides, views
from buffycoat.review.desk import Desk
from buffycoat.review.documents import NotTakenView, Person
from buffycoat.review.faults import Forbidden, NotFound
from buffycoat.review.moves import Changes
from buffycoat.review.schema import Cell, Event, Field, Job, NotTaken, Step


def take_out(desk: Desk, who: Person, field_id: str, reason: str = "") -> None:
    """Take a photograph out of a slide, with its cells and what was made of them; the log keeps it.

    Raises
    ------
    Conflict
        A reading of the slide is signed.
    Forbidden
        Somebody else reads the slide.
    """
    slides.need_reviewer(who)
    with desk.database.write() as session:
        found = session.get(Field, field_id)
        if found is None:
            raise NotFound("There is no such field.")
        slide = slides.load(session, found.slide_id)
        slides.refuse_signed(session, slide)
        readings = views.readings_of(session, [slide.id])[slide.id]
        if not who.may_administer and not all(views.is_mine(reading, who) for reading in readings):
            raise Forbidden("Somebody else reads this slide: taking a photograph out is for them or an administrator.")
        body = {
            "field": field_id,
            "number": found.number,
            "name": found.name,
            "image": found.image,
            "reason": reason,
            "steps": _emptied_steps(session, [reading.id for reading in readings], found),
        }
        session.execute(delete(Job).where(Job.field_id == field_id))
        log.append(session, "field.removed", slides.actor(who), body, slide_id=slide.id)


def _emptied_steps(session: Session, readings: Sequence[str], gone: Field) -> list[int]:
    """Return the steps that are about no cell that stays: without the photograph there is nothing in them to undo."""
    stays = set(session.scalars(select(Cell.id).where(Cell.slide_id == gone.slide_id, Cell.field_id != gone.id)))
    steps = session.scalars(
        select(Event).join(Step, Step.event_id == Event.id).where(Step.reading_id.in_(readings)).order_by(Event.id)
    )
    return [step.id for step in steps if stays.isdisjoint(change.cell for change in Changes.of(step))]


def not_taken(desk: Desk, _who: Person, slide_id: str) -> tuple[NotTakenView, ...]:
    """Return what was given as a photograph of a slide and could not be used."""
    with desk.database.read() as session:
        slides.load(session, slide_id)
        return views.not_taken(session, slide_id)


def dismiss(desk: Desk, who: Person, slide_id: str, number: int) -> None:
    """Say that a photograph that could not be used is not missing: it was none, or was given again whole."""
    slides.need_reviewer(who)
    with desk.database.write() as session:
        slide = slides.load(session, slide_id)
        slides.refuse_signed(session, slide)
        found = session.get(NotTaken, number)
        if found is None or found.slide_id != slide_id:
            raise NotFound("There is no such photograph.")
        body = {"of": number, "name": found.name, "reason": found.reason}
        log.append(session, "photograph.dismissed", slides.actor(who), body, slide_id=slide_id)
