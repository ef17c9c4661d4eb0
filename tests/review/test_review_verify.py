"""Tampering shows: with the log, with what is derived from it, with photographs; and nothing else does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from typer.testing import CliRunner

from buffycoat.cli.main import app
from buffycoat.errors import UsageError
from buffycoat.review import log
from buffycoat.review.desk import Desk
from buffycoat.review.schema import Event
from buffycoat.review.seals import SEALS
from buffycoat.review.verify import rebuild, verify
from tests.review.clients import Page
from tests.review.desks import drawn_slide


def _signed(desk: Desk) -> str:
    """Sign a slide; returns the reading."""
    slide = drawn_slide(desk, fields=2)
    page = Page(desk)
    reading = page.read(slide.id)
    cells = page.get(f"/readings/{reading['id']}")["cells"]
    page.move(reading["id"], "move", 1, cells=[cells[0]["id"]], label="basophil")
    page.sign(reading["id"], page.see_all(reading["id"]))
    return str(reading["id"])


def _printed_seal(desk: Desk, reading: str) -> str:
    """Return the seal as it stands on the page to print."""
    shown = Page(desk).http.get(f"/api/v1/readings/{reading}/report.html").text
    (seal,) = re.findall(r'<code class="seal">([0-9a-f]{64})</code>', shown)
    return str(seal)


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


def test_an_amendment_that_was_cut_off_shows(any_desk: Desk) -> None:
    """Without it the reading would stand as signed again, and the chain would be whole."""
    reading = _signed(any_desk)
    Page(any_desk).post(f"/readings/{reading}/amend", {"reason": "a cell was overlooked"})
    assert verify(any_desk).seals == 2
    _unguarded(any_desk, "DELETE FROM events WHERE kind = 'reading.amended'")
    rebuild(any_desk)
    (fault,) = verify(any_desk).faults
    assert "a signature or amendment noted outside the database, is gone" in fault


@pytest.mark.slow
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
    (fault,) = verify(desk).faults
    assert fault.startswith(f"Line {lines[-1].id} is not the signature or amendment that was noted outside")


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


def test_the_seal_on_a_printed_page_says_what_was_signed(any_desk: Desk) -> None:
    reading = _signed(any_desk)
    counted = Page(any_desk).get(f"/readings/{reading}")["differential"]
    found = verify(any_desk, seals=[_printed_seal(any_desk, reading)])
    assert found.sound
    (signed,) = found.signed
    assert (signed.slide, signed.name, signed.latest) == ("Slide 1", "A. Reader", True)
    assert sum(signed.counts.values()) == counted["denominator"] + counted["unidentified"] + counted["artefacts"]
    assert {row["label"]: row["count"] for row in counted["rows"] if row["count"]}.items() <= signed.counts.items()
    Page(any_desk).post(f"/readings/{reading}/amend", {"reason": "a cell was overlooked"})
    assert [one.latest for one in verify(any_desk, seals=[signed.seal]).signed] == [False]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE events SET body = replace(body, 'basophil', 'monocyte') WHERE kind = 'cells.moved'", "says nothing"),
        ("UPDATE events SET body = replace(body, 'A. Reader', 'B') WHERE kind = 'reading.signed'", "says nothing"),
        ("UPDATE events SET hash = replace(hash, 'a', 'b') WHERE kind = 'reading.signed'", "is no signature"),
        ("DELETE FROM events WHERE kind = 'reading.signed'", "is no signature"),
    ],
)
def test_after_tampering_the_seal_on_a_printed_page_verifies_no_more(desk: Desk, statement: str, told: str) -> None:
    seal = _printed_seal(desk, _signed(desk))
    _unguarded(desk, statement)
    found = verify(desk, seals=[seal])
    assert found.signed == []
    assert any(fault.startswith(f"The seal {seal} {told}") for fault in found.faults), found.faults


def test_a_log_forged_from_end_to_end_does_not_know_the_seal_on_a_printed_page(desk: Desk) -> None:
    """Somebody with all rights to database and folder: only the page remembers."""
    seal = _printed_seal(desk, _signed(desk))
    with desk.database.read() as session:
        lines = session.scalars(select(Event).order_by(Event.id)).all()
        session.expunge_all()
    previous, statements = log.GENESIS, []
    for line in lines:
        line.body = line.body.replace("basophil", "monocyte")
        line.previous = previous
        previous = line.hash = log.seal(line)
        body = line.body.replace(":", "\\:")  # no parameters to be bound
        values = f"body = '{body}', previous = '{line.previous}', hash = '{line.hash}'"
        statements.append(f"UPDATE events SET {values} WHERE id = {line.id}")  # noqa: S608
    _unguarded(desk, *statements)
    rebuild(desk)
    (desk.settings.folder / SEALS).write_text(f"{lines[-1].id} {lines[-1].hash}\n")
    assert verify(desk).sound
    assert verify(desk, seals=[seal]).faults == [
        f"The seal {seal} is no signature of this log: the log was changed, or it is another desk's."
    ]


@pytest.mark.slow
def test_the_command_takes_a_seal_as_it_is_typed_from_paper(desk: Desk) -> None:
    seal = _printed_seal(desk, _signed(desk))
    folder = ["review", "verify", "--quiet", "--folder", str(desk.settings.folder)]
    typed = " ".join(seal[k : k + 8] for k in range(0, 64, 8)).upper()
    done = CliRunner().invoke(app, [*folder, "--seal", typed])
    assert done.exit_code == 0, done.output
    assert "Signed by A. Reader" in done.output
    done = CliRunner().invoke(app, [*folder, "--json", "--seal", seal, "--seal", "0" * 64])
    assert done.exit_code == 1
    said = json.loads(done.stdout)
    assert [one["seal"] for one in said["signed"]] == [seal]
    assert len(said["faults"]) == 1
    assert isinstance(CliRunner().invoke(app, [*folder, "--seal", seal[:-1]]).exception, UsageError)
