"""Tampering shows: with the log, with what is derived from it, with photographs; and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from buffycoat.review import log
from buffycoat.review.desk import Desk
from buffycoat.review.schema import Event
from buffycoat.review.verify import rebuild, verify
from tests.review.clients import Page
from tests.review.desks import drawn_slide


def _signed(desk: Desk) -> None:
    slide = drawn_slide(desk, fields=2)
    page = Page(desk)
    reading = page.read(slide.id)
    cells = page.get(f"/readings/{reading['id']}")["cells"]
    page.move(reading["id"], "move", 1, cells=[cells[0]["id"]], label="basophil")
    page.sign(reading["id"], page.see_all(reading["id"]))


def _unguarded(desk: Desk, *statements: str) -> None:
    """Change the database as somebody would who has all rights to it."""
    with desk.database.touch() as session:
        if desk.database.sqlite:
            for deed in ("update", "delete"):
                session.execute(text(f"DROP TRIGGER IF EXISTS events_no_{deed}"))
            session.execute(text("PRAGMA defer_foreign_keys=ON"))
        else:
            session.execute(text("ALTER TABLE events DISABLE TRIGGER ALL"))
        for statement in statements:
            session.execute(text(statement))


def test_a_desk_that_nobody_touched_is_sound(any_desk: Desk) -> None:
    _signed(any_desk)
    found = verify(any_desk)
    assert found.faults == []
    assert (found.events, found.seals, found.images) == (9, 1, 2)


@pytest.mark.parametrize("statement", ["UPDATE events SET actor = 'x'", "DELETE FROM events WHERE id = 2"])
def test_the_database_itself_refuses_to_change_the_log(any_desk: Desk, statement: str) -> None:
    _signed(any_desk)
    with pytest.raises(DBAPIError, match="append-only"), any_desk.database.touch() as session:
        session.execute(text(statement))
    assert verify(any_desk).sound


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE events SET body = replace(body, 'basophil', 'monocyte') WHERE kind = 'cells.moved'", "was changed"),
        ("UPDATE events SET at = at + 1 WHERE id = 3", "was changed"),
        ("UPDATE events SET actor = 'Somebody else' WHERE kind = 'reading.signed'", "was changed"),
        ("DELETE FROM events WHERE kind = 'cells.moved'", "is missing"),
        ("DELETE FROM events WHERE kind = 'reading.signed'", "is gone"),  # the end cut off: the chain alone is whole
        ("UPDATE marks SET label = 'lymphocyte' WHERE label = 'basophil'", "differs from the log in label"),
        ("DELETE FROM marks", "is not there"),
        ("UPDATE readings SET state = 'open'", "differs from the log in state"),
        ("UPDATE cells SET probability = 0.99 WHERE place = 1", "differs from the log in probability"),
        ("INSERT INTO steps (event_id, reading_id, undone) SELECT 999, id, false FROM readings", "does not follow"),
    ],
)
def test_tampering_with_the_database_shows(any_desk: Desk, statement: str, told: str) -> None:
    _signed(any_desk)
    _unguarded(any_desk, statement)
    found = verify(any_desk)
    assert any(told in fault for fault in found.faults), found.faults


def test_a_line_sealed_again_breaks_the_next_one(desk: Desk) -> None:
    """Somebody who knows how a seal is made still has to make every later one, and the signature was noted outside."""
    _signed(desk)
    with desk.database.read() as session:
        lines = session.scalars(select(Event).order_by(Event.id)).all()
        session.expunge_all()
    moved = next(line for line in lines if line.kind == "cells.moved")
    moved.body = moved.body.replace("basophil", "monocyte")
    _unguarded(desk, f"UPDATE events SET body = '{moved.body}', hash = '{log.seal(moved)}' WHERE id = {moved.id}")  # noqa: S608
    assert any("does not follow the line before it" in fault for fault in verify(desk).faults)

    previous = log.GENESIS  # and now every later one
    statements = []
    for line in lines:
        line.previous = previous
        previous = line.hash = log.seal(line)
        statements.append(f"UPDATE events SET previous = '{line.previous}', hash = '{line.hash}' WHERE id = {line.id}")  # noqa: S608
    _unguarded(desk, *statements)
    rebuild(desk)
    assert verify(desk).faults == [f"Line {lines[-1].id} is not the signature that was noted outside the database."]


@pytest.mark.parametrize("harm", [lambda path: path.write_bytes(b"x"), Path.unlink], ids=["changed", "missing"])
def test_a_changed_photograph_shows(desk: Desk, harm: Callable[[Path], object]) -> None:
    _signed(desk)
    path = next(path for path in (desk.settings.folder / "images").rglob("*") if path.is_file())
    harm(path)
    assert len(verify(desk).faults) == 1
    assert verify(desk, images=False).sound


def test_what_is_derived_is_rebuilt_to_the_last_row(any_desk: Desk) -> None:
    _signed(any_desk)
    _unguarded(any_desk, "UPDATE marks SET label = 'x', seen = false", "DELETE FROM steps", "DELETE FROM signatures")
    assert not verify(any_desk).sound
    assert rebuild(any_desk) == 9
    assert verify(any_desk).sound
