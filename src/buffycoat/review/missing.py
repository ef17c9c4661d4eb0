"""Photographs of a slide whose cells are missing from its count: not taken at all, or not analysed."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from buffycoat.records.documents import Fault
from buffycoat.review import views
from buffycoat.review.documents import FieldView, NotTakenView
from buffycoat.review.schema import Field


def faults_of(fields: Iterable[FieldView], not_taken: Iterable[NotTakenView]) -> list[Fault]:
    """Return what reports say of photographs that could not be used."""
    return [
        *(_fault(one.name, one.reason) for one in not_taken),
        *(_fault(one.name, one.reason) for one in fields if one.state == "failed"),
    ]


def faults_on(session: Session, slide_id: str) -> list[Fault]:
    """Return the same of a slide, asked of the database."""
    failed = select(Field.name, Field.reason).where(Field.slide_id == slide_id, Field.state == "failed")
    return [
        *(_fault(one.name, one.reason) for one in views.not_taken(session, slide_id)),
        *(_fault(name, reason) for name, reason in session.execute(failed.order_by(Field.number))),
    ]


def _fault(name: str, reason: str | None) -> Fault:
    return Fault(file=name, problem=reason or "unreadable", action="left out")
