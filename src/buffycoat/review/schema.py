"""The tables. ``events`` is the truth, `DERIVED` follows from it, the others keep the house.

Times are whole microseconds since 1970 UTC, and documents are canonical JSON text, so that both databases store the
same values and a hash of them means the same.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Double, ForeignKey, Index, MetaData, String, Table, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
ID = String(64)
WORD = String(40)
LINE = String(400)


class Base(DeclarativeBase):
    """What all tables share."""

    metadata = MetaData(naming_convention=NAMING)


class Event(Base):
    """One line of the log; never changed, never deleted."""

    __tablename__ = "events"
    __table_args__ = (UniqueConstraint("reading_id", "sequence"), UniqueConstraint("request_id"))

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(LINE)
    actor_id: Mapped[str] = mapped_column(ID)
    kind: Mapped[str] = mapped_column(WORD, index=True)
    slide_id: Mapped[str | None] = mapped_column(ID, index=True)
    reading_id: Mapped[str | None] = mapped_column(ID)
    sequence: Mapped[int | None]
    request_id: Mapped[str | None] = mapped_column(ID)
    body: Mapped[str] = mapped_column(Text)
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class Slide(Base):
    """A slide, as the log leaves it."""

    __tablename__ = "slides"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    name: Mapped[str] = mapped_column(LINE)
    note: Mapped[str] = mapped_column(Text)
    readings_wanted: Mapped[int]
    created_at: Mapped[int] = mapped_column(BigInteger, index=True)
    created_by: Mapped[str] = mapped_column(LINE)
    created_by_id: Mapped[str] = mapped_column(ID)
    removed: Mapped[bool]
    specimen: Mapped[str | None] = mapped_column(ID)
    subject: Mapped[str | None] = mapped_column(ID)
    accession: Mapped[str | None] = mapped_column(ID)
    collected: Mapped[str | None] = mapped_column(WORD)  # ISO 8601 with the zone it was given in, as reports show it
    wbc: Mapped[float | None] = mapped_column(Double)  # 10⁹/L


class Field(Base):
    """A photograph on a slide."""

    __tablename__ = "fields"
    __table_args__ = (UniqueConstraint("slide_id", "number"), UniqueConstraint("slide_id", "image"))

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    slide_id: Mapped[str] = mapped_column(ForeignKey("slides.id"))
    number: Mapped[int]
    name: Mapped[str] = mapped_column(LINE)
    image: Mapped[str] = mapped_column(ID, index=True)
    width: Mapped[int]
    height: Mapped[int]
    state: Mapped[str] = mapped_column(WORD)  # queued, analysed, failed
    reason: Mapped[str | None] = mapped_column(LINE)
    bundle: Mapped[str | None] = mapped_column(LINE)
    framing: Mapped[str | None] = mapped_column(WORD)


class NotTaken(Base):
    """A file that was given as a photograph of a slide and could not be used: the cells on it are missing."""

    __tablename__ = "not_taken"

    event_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    slide_id: Mapped[str] = mapped_column(ForeignKey("slides.id"), index=True)
    name: Mapped[str] = mapped_column(LINE)
    reason: Mapped[str] = mapped_column(LINE)


class Cell(Base):
    """A box on a field, and what the program says of it; never changed."""

    __tablename__ = "cells"

    id: Mapped[str] = mapped_column(String(96), primary_key=True)
    field_id: Mapped[str] = mapped_column(ForeignKey("fields.id"), index=True)
    slide_id: Mapped[str] = mapped_column(ForeignKey("slides.id"), index=True)
    reading_id: Mapped[str | None] = mapped_column(ForeignKey("readings.id"))  # of the reading that drew it
    place: Mapped[int]  # order on the field, from 1
    x0: Mapped[int]
    y0: Mapped[int]
    x1: Mapped[int]
    y1: Mapped[int]
    label: Mapped[str] = mapped_column(LINE)
    best: Mapped[str | None] = mapped_column(LINE)
    probability: Mapped[float | None] = mapped_column(Double)
    probabilities: Mapped[str] = mapped_column(Text)  # {class: probability}
    conformal: Mapped[str] = mapped_column(Text)  # [class]
    reason: Mapped[str | None] = mapped_column(WORD)
    unlikeness: Mapped[float | None] = mapped_column(Double)
    touches_border: Mapped[bool]


class Reading(Base):
    """One reader's work on one slide."""

    __tablename__ = "readings"
    __table_args__ = (UniqueConstraint("slide_id", "number"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    slide_id: Mapped[str] = mapped_column(ForeignKey("slides.id"))
    number: Mapped[int]
    reader: Mapped[str] = mapped_column(LINE)
    reader_id: Mapped[str] = mapped_column(LINE)
    state: Mapped[str] = mapped_column(WORD)  # open, signed, amending
    sequence: Mapped[int]
    opened_at: Mapped[int] = mapped_column(BigInteger)
    signed_at: Mapped[int | None] = mapped_column(BigInteger, index=True)


class Mark(Base):
    """What one reader made of one cell; there is a row once the reader touched it."""

    __tablename__ = "marks"

    reading_id: Mapped[str] = mapped_column(ForeignKey("readings.id"), primary_key=True)
    cell_id: Mapped[str] = mapped_column(ForeignKey("cells.id"), primary_key=True)
    label: Mapped[str] = mapped_column(LINE)
    seen: Mapped[bool]
    deleted: Mapped[bool]
    changed: Mapped[int]  # sequence of the last change


class Step(Base):
    """A change that can be undone, or was undone and can be redone."""

    __tablename__ = "steps"

    event_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    reading_id: Mapped[str] = mapped_column(ForeignKey("readings.id"), index=True)
    undone: Mapped[bool]


class Signature(Base):
    """A reader's signature."""

    __tablename__ = "signatures"

    event_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    reading_id: Mapped[str] = mapped_column(ForeignKey("readings.id"), index=True)
    name: Mapped[str] = mapped_column(LINE)
    meaning: Mapped[str] = mapped_column(LINE)
    at: Mapped[int] = mapped_column(BigInteger)
    event_hash: Mapped[str] = mapped_column(String(64))


class Amendment(Base):
    """The recorded reason for which a signed reading was opened again."""

    __tablename__ = "amendments"

    event_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    reading_id: Mapped[str] = mapped_column(ForeignKey("readings.id"), index=True)
    reason: Mapped[str] = mapped_column(Text)
    by: Mapped[str] = mapped_column(LINE)
    at: Mapped[int] = mapped_column(BigInteger)


class Job(Base):
    """A field that waits for, or is under, analysis."""

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_state_queued_at", "state", "queued_at"),)

    field_id: Mapped[str] = mapped_column(ID, primary_key=True)
    slide_id: Mapped[str] = mapped_column(ID)
    image: Mapped[str] = mapped_column(ID)
    state: Mapped[str] = mapped_column(WORD)  # queued, running, done, failed
    attempts: Mapped[int]
    queued_at: Mapped[int] = mapped_column(BigInteger)
    lease: Mapped[str | None] = mapped_column(ID)
    lease_until: Mapped[int | None] = mapped_column(BigInteger)


class Account(Base):
    """A person who may sign in."""

    __tablename__ = "accounts"
    __table_args__ = (UniqueConstraint("login"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    login: Mapped[str] = mapped_column(LINE)
    name: Mapped[str] = mapped_column(LINE)
    role: Mapped[str] = mapped_column(WORD)
    password: Mapped[str] = mapped_column(LINE)  # Argon2
    active: Mapped[bool]
    created_at: Mapped[int] = mapped_column(BigInteger)


class WebSession(Base):
    """A browser that is signed in; the cookie's hash, never the cookie."""

    __tablename__ = "sessions"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    created_at: Mapped[int] = mapped_column(BigInteger)
    used_at: Mapped[int] = mapped_column(BigInteger)


class Token(Base):
    """A program that may ask; the token's hash, never the token."""

    __tablename__ = "tokens"
    __table_args__ = (UniqueConstraint("hash"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    hash: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(LINE)
    account_id: Mapped[str] = mapped_column(ID, index=True)  # "local" where there are no accounts
    created_at: Mapped[int] = mapped_column(BigInteger)
    used_at: Mapped[int | None] = mapped_column(BigInteger)
    revoked_at: Mapped[int | None] = mapped_column(BigInteger)


def table(model: type[Base]) -> Table:
    """Return the table behind a model."""
    found = model.__table__
    assert isinstance(found, Table)  # noqa: S101 - for the type checker: every model here is a plain table
    return found


DERIVED: tuple[Table, ...] = tuple(
    table(model) for model in (Slide, Field, NotTaken, Reading, Cell, Mark, Step, Signature, Amendment)
)
"""Tables that follow from the events, in an order in which they can be filled."""
