"""The log: one line per thing that happened, each sealed with the hash of the line before it.

Changing, removing or inserting a line breaks every seal after it. What is derived from a line is written in the same
transaction, by the same functions that rebuild it (:mod:`.replay`).
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from buffycoat.review import replay
from buffycoat.review.schema import Event

GENESIS = "0" * 64
"""What the first line names as the hash before it."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it: an account, the person at a desk without accounts, or the program."""

    id: str
    name: str


PROGRAM = Actor("program", "the program")


def canonical(document: Any) -> str:
    """Return the one JSON text of a document: sorted keys, no spaces, ASCII; numbers that are none are refused."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def now_us() -> int:
    """Return the time in whole microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def seal(event: Event) -> str:
    """Return the SHA-256 of a line: of all it says and of the hash before it."""
    said = [
        *(event.id, event.at, event.actor, event.actor_id, event.kind, event.slide_id, event.reading_id),
        *(event.sequence, event.request_id, event.body, event.previous),
    ]
    return hashlib.sha256(canonical(said).encode()).hexdigest()


def head(session: Session) -> tuple[int, str]:
    """Return number and hash of the last line; (0, `GENESIS`) of an empty log."""
    last = session.execute(select(Event.id, Event.hash).order_by(Event.id.desc()).limit(1)).first()
    return (0, GENESIS) if last is None else (last[0], last[1])


def append(
    session: Session,
    kind: str,
    actor: Actor,
    body: dict[str, Any],
    *,
    slide_id: str | None = None,
    reading_id: str | None = None,
    sequence: int | None = None,
    request_id: str | None = None,
) -> Event:
    """Write a line and what follows from it. The session must be from :meth:`~.database.Database.write`.

    Parameters
    ----------
    sequence
        The line's number inside its reading.
    request_id
        Chosen by whoever asked; a second line with the same one is refused by the database.
    """
    last, previous = head(session)
    event = Event(
        id=last + 1,
        at=now_us(),
        actor=actor.name,
        actor_id=actor.id,
        kind=kind,
        slide_id=slide_id,
        reading_id=reading_id,
        sequence=sequence,
        request_id=request_id,
        body=canonical(body),
        previous=previous,
    )
    event.hash = seal(event)
    session.add(event)
    session.flush()
    replay.apply(session, event)
    return event
