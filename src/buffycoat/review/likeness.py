"""What there is already of a slide that somebody is about to make: told, never refused."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from buffycoat.review import slides, views
from buffycoat.review.database import folded
from buffycoat.review.desk import Desk
from buffycoat.review.documents import AlikeAnswer, AlikeQuestion, Person, SlideBrief
from buffycoat.review.schema import Slide


def alike(desk: Desk, who: Person, asked: AlikeQuestion) -> AlikeAnswer:
    """Return what there is already of a slide that is to be made; whoever asks may go on all the same."""
    slides.need_reviewer(who)
    with desk.database.read() as session:
        named = [] if asked.name is None else _others(session, folded(Slide.name) == asked.name.lower())
        same = [] if asked.accession is None else _others(session, Slide.accession == asked.accession)
        return AlikeAnswer(
            named=tuple(named),
            of_accession=tuple(same),
            photographs=views.elsewhere(session, sorted(set(asked.images))),
        )


def _others(session: Session, condition: ColumnElement[bool]) -> list[SlideBrief]:
    found = session.scalars(
        select(Slide).where(condition, Slide.removed.is_(False)).order_by(Slide.created_at.desc()).limit(20)
    ).all()
    known = views.readings_of(session, [slide.id for slide in found])
    return [views.brief(slide, known[slide.id]) for slide in found]
