"""The queue of photographs to analyse, in the database: a restart loses nothing and does nothing twice.

A worker takes a job by writing a lease on it, renews the lease while it works, and ends the job in the transaction
that writes what it found. A worker that dies lets its lease run out, and the job goes to another. One that only
seemed dead finds the lease gone when it wants to write, and writes nothing.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from buffycoat.review import log
from buffycoat.review.classifier import Looked
from buffycoat.review.database import Database
from buffycoat.review.schema import Field, Job, Slide

GIVEN_UP = "the analysis broke off again and again"


@dataclass(frozen=True, slots=True)
class Taken:
    """A job that a worker holds."""

    field_id: str
    slide_id: str
    image: str
    lease: str
    attempt: int


def put(session: Session, field_id: str, slide_id: str, image: str) -> None:
    """Queue a field; in the transaction that adds it."""
    session.execute(
        insert(Job).values(
            field_id=field_id, slide_id=slide_id, image=image, state="queued", attempts=0, queued_at=log.now_us()
        )
    )


def take(database: Database, lease_seconds: float, attempts: int) -> Taken | None:
    """Take the job that waits longest, or one whose lease ran out; None when there is nothing to do."""
    now = log.now_us()
    if not _anything(database, now, attempts):
        return None
    with database.touch() as session:
        free = (Job.state == "queued") | ((Job.state == "running") & (Job.lease_until < now))
        wanted = select(Job).where(free, Job.attempts < attempts).order_by(Job.queued_at, Job.field_id).limit(1)
        job = session.scalars(wanted.with_for_update(skip_locked=True)).first()
        if job is None:
            return None
        job.state, job.attempts = "running", job.attempts + 1
        job.lease, job.lease_until = secrets.token_hex(16), now + round(lease_seconds * 1e6)
        return Taken(job.field_id, job.slide_id, job.image, job.lease, job.attempts)


def _anything(database: Database, now: int, attempts: int) -> bool:
    """Return whether there may be something to take: to look is not to lock."""
    free = (Job.state == "queued") | ((Job.state == "running") & (Job.lease_until < now))
    with database.read() as session:
        return session.scalar(select(Job.field_id).where(free, Job.attempts < attempts).limit(1)) is not None


def renew(database: Database, taken: Taken, lease_seconds: float) -> bool:
    """Lengthen the lease; False when it is no longer this worker's."""
    with database.touch() as session:
        done = session.execute(
            update(Job)
            .where(Job.field_id == taken.field_id, Job.lease == taken.lease, Job.state == "running")
            .values(lease_until=log.now_us() + round(lease_seconds * 1e6))
        )
        return bool(done.rowcount)  # type: ignore[attr-defined]


def finish(database: Database, taken: Taken, looked: Looked, bundle: str) -> bool:
    """Write what was found and end the job, together; False when the job was no longer this worker's."""
    cells = [
        {
            "id": f"{taken.field_id}.{place}",
            "place": place,
            "box": [int(value) for value in cell.box],
            "label": cell.label,
            "best": cell.best,
            "probability": round(cell.probability, 6),
            "probabilities": {name: round(value, 6) for name, value in cell.probabilities.items()},
            "conformal": list(cell.conformal),
            "reason": cell.reason,
            "unlikeness": round(cell.unlikeness, 6),
            "touches_border": bool(cell.touches_border),
        }
        for place, cell in enumerate(looked.cells, start=1)
    ]
    body: dict[str, Any] = {"field": taken.field_id, "bundle": bundle, "framing": looked.framing, "cells": cells}
    return _end(database, taken, "field.analysed", body, "done")


def fail(database: Database, taken: Taken, reason: str) -> bool:
    """Write why a photograph cannot be analysed and end the job; False when it was no longer this worker's."""
    return _end(database, taken, "field.failed", {"field": taken.field_id, "reason": reason[:400]}, "failed")


def give_up(database: Database, attempts: int) -> int:
    """End the jobs that have ended too many workers; returns how many."""
    stuck = select(Job.field_id).where(Job.state == "running", Job.lease_until < log.now_us(), Job.attempts >= attempts)
    with database.read() as session:
        if session.scalar(stuck.limit(1)) is None:
            return 0
    with database.write() as session:
        dead = select(Job).where(Job.state == "running", Job.lease_until < log.now_us(), Job.attempts >= attempts)
        jobs = session.scalars(dead.with_for_update(skip_locked=True)).all()
        for job in jobs:
            body = {"field": job.field_id, "reason": GIVEN_UP}
            log.append(session, "field.failed", log.PROGRAM, body, slide_id=job.slide_id)
            job.state, job.lease = "failed", None
        return len(jobs)


def retry(session: Session, actor: log.Actor, field: Field) -> None:
    """Queue a failed field again."""
    log.append(session, "field.retried", actor, {"field": field.id}, slide_id=field.slide_id)
    session.execute(
        update(Job)
        .where(Job.field_id == field.id)
        .values(state="queued", attempts=0, queued_at=log.now_us(), lease=None, lease_until=None)
    )


def _end(database: Database, taken: Taken, kind: str, body: dict[str, Any], state: str) -> bool:
    with database.write() as session:
        job = session.scalars(
            select(Job)
            .where(Job.field_id == taken.field_id, Job.lease == taken.lease, Job.state == "running")
            .with_for_update()
        ).first()
        if job is None:
            return False
        job.state, job.lease, job.lease_until = state, None, None
        removed = session.scalar(select(Slide.removed).where(Slide.id == taken.slide_id))
        if not removed:
            log.append(session, kind, log.PROGRAM, body, slide_id=taken.slide_id)
        return True
