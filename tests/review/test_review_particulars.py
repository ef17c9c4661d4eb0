"""What a laboratory knows of a slide: given with it, changed afterwards, logged, and in every report."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from alembic import command
from sqlalchemy import inspect, text

from buffycoat.review import give_back
from buffycoat.review.backup import back_up, restore
from buffycoat.review.database import Database
from buffycoat.review.desk import Desk
from buffycoat.review.migrate import config
from buffycoat.review.sign_in import HERE
from buffycoat.review.verify import rebuild, verify
from tests.review.clients import Page
from tests.review.desks import analyse, drawn_slide, make_desk, photograph

KNOWN = {
    "specimen": "25-0417",
    "subject": "P-0031",
    "accession": "25-0417-1",
    "collected": "2025-03-04T09:05:00+01:00",
    "wbc": 6.2,
}


def _made(desk: Desk, page: Page, **known: Any) -> dict[str, Any]:
    slide: dict[str, Any] = page.post("/slides", {"name": "12", **known}, 201)
    page.upload(slide["id"], [("a.jpg", photograph(1000))])
    analyse(desk)
    return slide


def _shown(slide: dict[str, Any]) -> dict[str, Any]:
    return {name: slide[name] for name in KNOWN}


def test_what_is_known_stands_in_every_report(desk: Desk, page: Page) -> None:
    slide = _made(desk, page, **KNOWN)
    assert _shown(slide) == KNOWN
    reading = page.read(slide["id"])["id"]
    page.sign(reading, page.see_all(reading))

    def report(form: str) -> str:
        answer = page.http.get(f"/api/v1/readings/{reading}/report.{form}")
        assert answer.status_code == 200, answer.text
        return answer.text

    made = json.loads(report("json"))
    assert _shown(made) == KNOWN
    for row in made["types"]:
        assert row["absolute"]["value"] == pytest.approx(row["percent"]["value"] * 6.2 / 100)
    hl7 = report("hl7")
    assert "\rSPM|" in hl7.replace("\n", "\r") and "25-0417-1" in hl7 and "10*9/L" in hl7
    fhir = report("fhir.json")
    assert all(words in fhir for words in ("25-0417-1", "P-0031", "2025-03-04T09:05:00+01:00", "10*9/L"))
    assert all(words in report("html") for words in ("25-0417", "P-0031", "10⁹/L"))
    assert all(words in report("csv") for words in ("25-0417-1", "P-0031"))


def test_ranges_of_absolute_counts_are_judged_once_a_count_is_given(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", ranges="example")
    page = Page(desk)
    slide = _made(desk, page)
    reading = page.read(slide["id"])["id"]
    unjudged = "Absolute counts were not judged: no leukocyte count was given."
    assert unjudged in page.get(f"/readings/{reading}")["differential"]["warnings"]
    page.send("PATCH", f"/slides/{slide['id']}", {"wbc": 6.2})
    assert unjudged not in page.get(f"/readings/{reading}")["differential"]["warnings"]
    made = page.get(f"/readings/{reading}/report.json")
    assert {flag["unit"] for row in made["types"] for flag in row["flags"]} >= {"10*9/L"}
    desk.close()


def test_two_readings_of_a_slide_do_not_replace_each_other(desk: Desk, page: Page) -> None:
    slide = _made(desk, page, accession="25-0417-1", readings_wanted=2)
    readings = [page.read(slide["id"], number, reader_name=f"Reader {number}")["id"] for number in (1, 2)]
    said = [page.get(f"/readings/{reading}/report.json")["accession"] for reading in readings]
    assert said[0] == "25-0417-1"
    assert said[1] != said[0]


def test_a_change_is_logged_with_what_was_before_and_after(any_desk: Desk) -> None:
    page = Page(any_desk)
    slide = page.post("/slides", {"name": "12", **KNOWN}, 201)
    changed = page.send("PATCH", f"/slides/{slide['id']}", {"wbc": 7.5, "subject": None})
    assert _shown(changed) == {**KNOWN, "wbc": 7.5, "subject": None}
    assert _shown(page.send("PATCH", f"/slides/{slide['id']}", {"note": "x"})) == _shown(changed), "not sent: it stays"
    words = [event["words"] for event in page.get(f"/slides/{slide['id']}/history")["events"]]
    assert words[1] == "changed subject from “P-0031” to nothing, leukocyte count (10⁹/L) from 6.2 to 7.5"
    assert verify(any_desk).faults == []
    rebuild(any_desk)
    assert _shown(page.get(f"/slides/{slide['id']}")) == _shown(changed)
    assert [found["id"] for found in page.get("/slides?text=0417-1")["slides"]] == [slide["id"]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"wbc": 6200},  # cells per µL
        {"wbc": 0},
        {"wbc": -1},
        {"wbc": "6.2"},
        {"collected": "2025-03-04"},  # no time of day
        {"collected": "2999-03-04T09:05+01:00"},  # not yet
        {"collected": "1066-10-14T09:00Z"},
        {"collected": 1741075500},
        {"specimen": " "},
        {"accession": "two\nlines"},
        {"subject": "x" * 65},
    ],
)
def test_what_no_report_could_hold_is_refused(page: Page, wrong: dict[str, Any]) -> None:
    page.post("/slides", {"name": "12", **wrong}, 422)
    slide = page.post("/slides", {"name": "12", **KNOWN}, 201)
    page.send("PATCH", f"/slides/{slide['id']}", wrong, 422)
    assert _shown(page.get(f"/slides/{slide['id']}")) == KNOWN


def test_cells_per_microlitre_are_told_from_a_count(page: Page) -> None:
    assert "Did you mean 6.2?" in page.post("/slides", {"name": "12", "wbc": 6200}, 422)["hint"]


def test_a_signed_slide_keeps_what_is_known_until_it_is_amended(desk: Desk, page: Page) -> None:
    slide = _made(desk, page, **KNOWN)
    reading = page.read(slide["id"])["id"]
    page.sign(reading, page.see_all(reading))
    page.send("PATCH", f"/slides/{slide['id']}", {"wbc": 7.5}, 409)
    page.send("PATCH", f"/slides/{slide['id']}", {**KNOWN}, 200)  # nothing changes: nothing to refuse
    page.post(f"/readings/{reading}/amend", {"reason": "the wrong count was copied"})
    assert page.send("PATCH", f"/slides/{slide['id']}", {"wbc": 7.5})["wbc"] == 7.5


def test_a_desk_of_the_version_before_is_brought_forward(tmp_path: Path, database_url: str | None) -> None:
    """Slides that were made before the columns were there keep everything, and can be given what is known of them."""
    desk = make_desk(tmp_path / "desk", database=database_url)
    slide = drawn_slide(desk, fields=1, name="Before").id
    _to_the_first_shape(desk)
    desk.close()
    again = make_desk(tmp_path / "desk", database=database_url)
    assert verify(again).faults == []
    page = Page(again)
    assert _shown(page.get(f"/slides/{slide}")) == dict.fromkeys(KNOWN)
    assert _shown(page.send("PATCH", f"/slides/{slide}", KNOWN)) == KNOWN
    assert verify(again).faults == []
    again.close()


def test_a_backup_of_the_version_before_is_restored(desk: Desk, page: Page, tmp_path: Path) -> None:
    page.post("/slides", {"name": "12"}, 201)
    back_up(desk, tmp_path / "new.zip")
    with zipfile.ZipFile(tmp_path / "new.zip") as new, zipfile.ZipFile(tmp_path / "old.zip", "w") as old:
        for name in new.namelist():
            content = new.read(name)
            old.writestr(name, content.replace(b'"0002"', b'"0001"') if name == "about.json" else content)
    other = make_desk(tmp_path / "other")
    restore(other, tmp_path / "old.zip")
    assert [slide["name"] for slide in Page(other).get("/slides")["slides"]] == ["12"]
    assert verify(other).faults == []
    other.close()


def test_a_backup_holds_what_is_known(desk: Desk, page: Page, tmp_path: Path) -> None:
    slide = page.post("/slides", {"name": "12", **KNOWN}, 201)
    page.upload(slide["id"], [("broken.jpg", photograph(1)[:2000])], 422)
    back_up(desk, tmp_path / "backup.zip")
    other = make_desk(tmp_path / "other")
    restore(other, tmp_path / "backup.zip")
    assert Page(other).get(f"/slides/{slide['id']}") == page.get(f"/slides/{slide['id']}")
    assert verify(other).faults == []
    other.close()


def _to_the_first_shape(desk: Desk) -> None:
    """Take the tables back to what the first migration leaves, with all that the earlier version kept."""
    with desk.database.engine.connect().execution_options(writes=True) as connection, connection.begin():
        connection.execute(text("DROP TABLE not_taken"))
        for name in KNOWN:
            connection.execute(text(f"ALTER TABLE slides DROP COLUMN {name}"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))


def test_slides_of_one_subject_or_specimen_are_one_group_to_train_on(desk: Desk, page: Page, tmp_path: Path) -> None:
    given = [{"subject": "P-1"}, {"subject": "P-1", "specimen": "S-1"}, {"specimen": "S-1"}, {}, {"specimen": "P-1"}]
    slides = []
    for seed, known in enumerate(given):
        slide = page.post("/slides", {"name": f"Slide {seed}", **known}, 201)["id"]
        page.upload(slide, [("a.jpg", photograph(1000 + seed))])
        analyse(desk)
        reading = page.read(slide)["id"]
        page.sign(reading, page.see_all(reading))
        slides.append(slide)
    give_back.write(desk, HERE, tmp_path / "corrections")
    table = pl.read_parquet(tmp_path / "corrections" / "cells.parquet")
    groups = [set(table.filter(pl.col("source") == f"review:{slide}")["group"]) for slide in slides]
    assert groups[0] == groups[1] == groups[2]
    assert len(set().union(*groups)) == 3


def test_the_report_page_shows_absolute_counts(desk: Desk, page: Page) -> None:
    slide = _made(desk, page, **KNOWN)
    page.read(slide["id"])
    shown = page.http.get(f"/slides/{slide['id']}/report").text
    assert "10⁹/L</th>" in shown
    assert "accession 25-0417-1" in shown
    plain = _made(desk, page)
    page.read(plain["id"])
    assert "10⁹/L</th>" not in page.http.get(f"/slides/{plain['id']}/report").text


@pytest.mark.slow
def test_migrations_from_the_first_on_end_where_a_new_desk_begins(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'old.sqlite3'}")
    settings = config()
    with database.engine.connect().execution_options(writes=True) as connection, connection.begin():
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0001")
    with database.engine.connect() as connection:
        assert "specimen" not in {column["name"] for column in inspect(connection).get_columns("slides")}
    with database.engine.connect().execution_options(writes=True) as connection, connection.begin():
        settings.attributes["connection"] = connection
        command.upgrade(settings, "head")
    with database.engine.connect() as connection:
        assert "specimen" in {column["name"] for column in inspect(connection).get_columns("slides")}
    database.close()
