"""Signing a reading, and opening a signed one again."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import select

from buffycoat.review import accounts, log, readings, slides, views
from buffycoat.review.desk import Desk
from buffycoat.review.documents import Person, ReadingView, SignRequest
from buffycoat.review.faults import Conflict, Forbidden, Refused
from buffycoat.review.schema import Event
from buffycoat.review.seals import note_missing, note_seal

_SEALED = select(Event.id, Event.hash).where(Event.kind.in_(("reading.signed", "reading.amended")))


def sign(desk: Desk, who: Person, reading_id: str, asked: SignRequest) -> ReadingView:
    """Sign a reading: every cell was seen, and nothing changed since the signer looked.

    The log keeps the name, what the signature means, the counts, and a hash of every cell's label. With accounts the
    name is the account's.

    Raises
    ------
    Forbidden
        The reading is somebody else's, or the password is wrong.
    Conflict
        Something stands between the reading and its signature.
    Refused
        Nobody is named.
    """
    slides.need_reviewer(who)
    name = asked.name if who.local else who.name
    if name is None:
        raise Refused("A signature needs a name.")
    accounts.confirm(desk, who, asked.password)
    with desk.database.write() as session:
        opened = readings.load(session, who, reading_id)
        earlier = session.scalars(select(Event).where(Event.request_id == asked.request_id)).first()
        if earlier is not None:
            if earlier.reading_id != reading_id or earlier.kind != "reading.signed":
                raise Refused("This request_id was used for something else.")
            note_missing(desk.settings.folder, [(earlier.id, earlier.hash)])  # perhaps we were stopped before it
            return readings.reading_view(session, opened, who)
        if not views.is_mine(opened.reading, who):
            raise Forbidden(f"This is the reading of {opened.reading.reader}.")
        why = readings.why_not_sign(opened, views.counts_of(session, [opened.slide.id])[opened.slide.id], who)
        if why:
            raise Conflict(" ".join(why), title="Not to be signed yet")
        if asked.sequence != opened.reading.sequence:
            raise Conflict("The reading was changed in another window; look at it again before you sign.")
        content = _content(views.cells_of(session, opened.slide.id, reading_id))
        if asked.cells_sha256 not in {None, content["cells_sha256"]}:
            raise Conflict("The page shows other labels than the desk has; load it again before you sign.")
        event = log.append(
            session,
            "reading.signed",
            slides.actor(who),
            {"name": name, "meaning": asked.meaning, **content},
            slide_id=opened.slide.id,
            reading_id=reading_id,
            sequence=opened.reading.sequence + 1,
            request_id=asked.request_id,
        )
        seal = (event.id, event.hash)
        answer = readings.reading_view(session, readings.load(session, who, reading_id), who)
    note_seal(desk.settings.folder, *seal)
    return answer


def note_missing_seals(desk: Desk) -> int:
    """Note the seals of all signatures and amendments that have none; returns how many were missing."""
    with desk.database.read() as session:
        sealed = [(row[0], row[1]) for row in session.execute(_SEALED)]
    return note_missing(desk.settings.folder, sealed)


def amend(desk: Desk, who: Person, reading_id: str, reason: str, request_id: str | None = None) -> ReadingView:
    """Open a signed reading again, for a reason that the log and the report keep.

    The line is noted outside the database like a signature: else a log cut off before it would show the reading signed.
    """
    slides.need_reviewer(who)
    with desk.database.write() as session:
        opened = readings.load(session, who, reading_id)
        if request_id is not None:
            earlier = session.scalars(select(Event).where(Event.request_id == request_id)).first()
            if earlier is not None:
                if earlier.reading_id != reading_id or earlier.kind != "reading.amended":
                    raise Refused("This request_id was used for something else.")
                note_missing(desk.settings.folder, [(earlier.id, earlier.hash)])
                return readings.reading_view(session, opened, who)
        if not views.is_mine(opened.reading, who) and not who.may_administer:
            raise Forbidden(f"Only {opened.reading.reader} or an administrator can amend this reading.")
        if opened.reading.state != "signed":
            raise Conflict("Only a signed reading can be amended.", title="Not signed")
        event = log.append(
            session,
            "reading.amended",
            slides.actor(who),
            {"reason": reason},
            slide_id=opened.slide.id,
            reading_id=reading_id,
            sequence=opened.reading.sequence + 1,
            request_id=request_id,
        )
        seal = (event.id, event.hash)
        answer = readings.reading_view(session, readings.load(session, who, reading_id), who)
    note_seal(desk.settings.folder, *seal)
    return answer


def _content(cells: tuple[Any, ...]) -> dict[str, Any]:
    """Return counts and a hash of what is signed: every box that counts, with its label."""
    alive = sorted((cell.id, cell.label) for cell in cells if not cell.deleted)
    counts: dict[str, int] = {}
    for _, label in alive:
        counts[label] = counts.get(label, 0) + 1
    return {"counts": counts, "cells_sha256": hashlib.sha256(log.canonical(alive).encode()).hexdigest()}
