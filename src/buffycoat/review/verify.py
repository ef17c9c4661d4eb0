"""Checking the log and what was derived from it; deriving it anew.

Four questions: is the chain whole, do the seals noted outside the database lie on it, do the derived tables say what
the log says, and are all photographs there with the bytes they had. A fifth may be asked with a report in the hand: is
the seal that stands on it a signature of this log, and of what.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table, create_engine, delete, event, insert, select
from sqlalchemy.orm import Session

from buffycoat.review import log, replay
from buffycoat.review.desk import Desk
from buffycoat.review.documents import moment
from buffycoat.review.schema import DERIVED, Base, Event, Field, Slide
from buffycoat.review.seals import noted_seals

_AT_ONCE = 2000
_MOST_FAULTS = 50


@dataclass(frozen=True, slots=True)
class Signed:
    """What a seal stands for, as the log has it."""

    seal: str
    line: int
    slide: str
    name: str
    at: str  # ISO 8601, UTC
    counts: dict[str, int]  # cells by label
    latest: bool  # False: the reading was amended since


@dataclass(slots=True)
class Verdict:
    """What was found.

    Attributes
    ----------
    faults
        One sentence each; empty when all is well.
    signed
        What the given seals stand for, where nothing up to their lines was changed.
    """

    events: int = 0
    head: str = log.GENESIS
    seals: int = 0
    images: int = 0
    rows: int = 0
    faults: list[str] = field(default_factory=list)
    signed: list[Signed] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.faults

    def blame(self, sentence: str) -> None:
        """Add a fault."""
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append(sentence)


def verify(
    desk: Desk,
    *,
    images: bool = True,
    seals: Sequence[str] = (),
    on_progress: Callable[[int, int], None] | None = None,
) -> Verdict:
    """Check everything, against one moment of the database; nothing is changed.

    `seals` are those that stand on reports: 64 hexadecimal digits, as printed.
    """
    verdict = Verdict()
    copy = create_engine("sqlite://")
    event.listen(copy, "connect", lambda connection, _record: connection.execute("PRAGMA foreign_keys=ON"))
    Base.metadata.create_all(copy)
    with desk.database.read() as session, copy.connect() as connection, Session(connection) as rebuilt:
        hashes = _check_chain(session, rebuilt, verdict, on_progress)
        whole = verdict.sound
        _check_seals(desk, hashes, verdict)
        for seal in seals:
            _check_given(session, rebuilt, seal, verdict, whole=whole)
        for table in DERIVED:
            _compare(session, rebuilt, table, verdict)
        digests = sorted(set(session.scalars(select(Field.image))))
    copy.dispose()
    if images:
        _check_images(desk, digests, verdict)
    return verdict


def rebuild(desk: Desk) -> int:
    """Derive all tables anew from the log, in one transaction; returns how many lines were replayed."""
    with desk.database.write() as session:
        for table in reversed(DERIVED):
            session.execute(delete(table))
        replayed = 0
        for line in _lines(session):
            replay.apply(session, line)
            replayed += 1
        return replayed


def _check_chain(
    session: Session, rebuilt: Session, verdict: Verdict, on_progress: Callable[[int, int], None] | None
) -> dict[int, str]:
    total = log.head(session)[0]
    hashes: dict[int, str] = {}
    previous, number, replaying = log.GENESIS, 0, True
    for line in _lines(session):
        number += 1
        if line.id != number:
            verdict.blame(f"Line {number} is missing: line {line.id} follows line {number - 1}.")
            number = line.id
        if line.previous != previous:
            verdict.blame(f"Line {line.id} does not follow the line before it.")
        if log.seal(line) != line.hash:
            verdict.blame(f"Line {line.id} ({line.kind}) was changed after it was written.")
        previous = line.hash
        hashes[line.id] = line.hash
        if replaying:
            try:
                replay.apply(rebuilt, line)
            except Exception as error:  # noqa: BLE001 - a forged line can break the replay in any way
                verdict.blame(f"Line {line.id} ({line.kind}) cannot be replayed: {type(error).__name__}.")
                rebuilt.rollback()
                replaying = False
        if on_progress is not None and number % 500 == 0:
            on_progress(number, total)
    verdict.events, verdict.head = len(hashes), previous
    return hashes


def _check_seals(desk: Desk, hashes: dict[int, str], verdict: Verdict) -> None:
    for number, digest in noted_seals(desk.settings.folder):
        verdict.seals += 1
        if number not in hashes:
            verdict.blame(f"Line {number}, a signature or amendment noted outside the database, is gone.")
        elif hashes[number] != digest:
            verdict.blame(f"Line {number} is not the signature or amendment that was noted outside the database.")


def _check_given(session: Session, rebuilt: Session, seal: str, verdict: Verdict, *, whole: bool) -> None:
    line = session.scalars(select(Event).where(Event.hash == seal, Event.kind == "reading.signed")).first()
    if line is None:
        verdict.blame(f"The seal {seal} is no signature of this log: the log was changed, or it is another desk's.")
        return
    if not whole:
        verdict.blame(f"The seal {seal} says nothing: the chain it stands on is broken.")
        return
    later = select(Event.id).where(Event.reading_id == line.reading_id, Event.id > line.id)
    body = json.loads(line.body)
    verdict.signed.append(
        Signed(
            seal=seal,
            line=line.id,
            slide=rebuilt.scalars(select(Slide.name).where(Slide.id == line.slide_id)).one(),
            name=body["name"],
            at=moment(line.at).isoformat(timespec="seconds"),
            counts=body["counts"],
            latest=session.scalars(later.limit(1)).first() is None,
        )
    )


def _compare(session: Session, rebuilt: Session, table: Table, verdict: Verdict) -> None:
    key = tuple(column.name for column in table.primary_key)
    here, there = ({_key(row, key): row for row in _rows(one, table)} for one in (session, rebuilt))
    verdict.rows += len(here)
    for missing in sorted(there.keys() - here.keys(), key=str):
        verdict.blame(f"{table.name}: the row {missing} follows from the log and is not there.")
    for extra in sorted(here.keys() - there.keys(), key=str):
        verdict.blame(f"{table.name}: the row {extra} does not follow from the log.")
    for one in sorted(here.keys() & there.keys(), key=str):
        if here[one] != there[one]:
            other = sorted(name for name in here[one] if here[one][name] != there[one][name])
            verdict.blame(f"{table.name}: the row {one} differs from the log in {', '.join(other)}.")


def _check_images(desk: Desk, digests: list[str], verdict: Verdict) -> None:
    for digest in digests:
        verdict.images += 1
        try:
            content = desk.images.path(digest).read_bytes()
        except OSError:
            verdict.blame(f"The photograph {digest[:12]} is missing from the store.")
            continue
        if hashlib.sha256(content).hexdigest() != digest:
            verdict.blame(f"The photograph {digest[:12]} was changed.")


def _rows(session: Session, table: Table) -> Iterator[dict[str, Any]]:
    for row in session.execute(select(table)):
        yield dict(row._mapping)


def _key(row: dict[str, Any], names: tuple[str, ...]) -> str:
    return "/".join(str(row[name]) for name in names)


def _lines(session: Session) -> Iterator[Event]:
    """Yield the log's lines in order, some at a time."""
    last = -1
    while True:
        piece = session.scalars(select(Event).where(Event.id > last).order_by(Event.id).limit(_AT_ONCE)).all()
        if not piece:
            return
        last = piece[-1].id
        yield from piece
        session.expunge_all()


def fill(session: Session, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows, some at a time."""
    for first in range(0, len(rows), _AT_ONCE):
        session.execute(insert(table), rows[first : first + _AT_ONCE])
