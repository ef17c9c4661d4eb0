from __future__ import annotations

import pytest
from sqlalchemy import update

from buffycoat.imaging.decode import read_image
from buffycoat.review.desk import Desk
from buffycoat.review.schema import Slide
from tests.review.clients import Page
from tests.review.desks import analyse, drawn_slide, photograph


@pytest.mark.parametrize("name", ["", "   ", "two\nlines", "a bell \x07", "x" * 201])
def test_a_name_is_one_printable_line(desk: Desk, page: Page, name: str) -> None:
    """Reports take no other names, so the desk must not either: a slide so called could never be printed."""
    slide = drawn_slide(desk, fields=1, name="Plain")
    for answer in (
        page.http.post("/api/v1/slides", json={"name": name}),
        page.http.patch(f"/api/v1/slides/{slide.id}", json={"name": name}),
    ):
        assert answer.status_code == 422, answer.text


def test_filters_find_what_they_are_asked_for(any_desk: Desk) -> None:
    desk, page = any_desk, Page(any_desk)
    signed = drawn_slide(desk, fields=1, name="Alpha", note="of May")
    read = drawn_slide(desk, fields=1, name="Beta", seed=2000)
    page.post("/slides", {"name": "Gamma"}, 201)
    reading = page.read(signed.id, reader_name="Ünal Reader")["id"]
    page.sign(reading, page.see_all(reading))
    page.read(read.id, reader_name="Other Person")
    with desk.database.touch() as session:
        session.execute(update(Slide).where(Slide.id == read.id).values(created_at=1_000_000))  # 1970-01-01T00:00:01Z

    def found(**asked: str) -> list[str]:
        return sorted(slide["name"] for slide in page.get("/slides", params=asked)["slides"])

    assert found() == ["Alpha", "Beta", "Gamma"]
    assert found(state="signed") == ["Alpha"]
    assert found(state="to_review") == ["Beta"]
    assert found(state="empty") == ["Gamma"]
    assert found(reviewer="Ünal Reader") == ["Alpha"]
    assert found(text="ünal") == ["Alpha"]
    assert found(text="may alp") == ["Alpha"]
    assert found(text="person beta") == ["Beta"]
    assert found(since="1970-01-01T00:00:00Z", until="1970-01-02T00:00:00Z") == ["Beta"]
    assert found(since="1970-01-01T00:00:01Z", until="1970-01-01T00:00:02Z") == ["Beta"]
    assert found(until="1970-01-01T00:00:01Z") == []
    assert found(since="2000-01-01T00:00:00Z") == ["Alpha", "Gamma"]
    assert found(reviewer="Other Person", state="signed") == []


def test_a_field_that_failed_is_analysed_again_when_asked(desk: Desk, page: Page) -> None:
    slide = page.post("/slides", {"name": "x"}, 201)["id"]
    field = page.upload(slide, [("a.jpg", photograph(1))])["added"][0]["id"]
    (stored,) = (path for path in (desk.settings.folder / "images").rglob("*") if path.is_file())
    content = stored.read_bytes()
    stored.unlink()
    analyse(desk)
    assert page.get(f"/slides/{slide}/fields")[0]["state"] == "failed"
    stored.write_bytes(content)
    assert page.post(f"/fields/{field}/retry", status=202)["state"] == "queued"
    analyse(desk)
    assert page.get(f"/slides/{slide}/fields")[0]["state"] == "analysed"
    page.post(f"/fields/{field}/retry", status=409)


def test_crops_come_in_the_sizes_that_pages_use(desk: Desk, page: Page) -> None:
    slide = drawn_slide(desk, fields=1)
    cell = page.get(f"/slides/{slide.id}/cells")[0]["id"]
    for px, expected in (("160", 160), ("320", 320), (None, 160)):
        answer = page.http.get(f"/api/v1/cells/{cell}/crop", params={} if px is None else {"px": px})
        assert read_image(answer.content).shape == (expected, expected, 3)
    for px in ("32", "161", "1024", "x", "160.0"):
        page.get(f"/cells/{cell}/crop?px={px}", 422)


def test_a_second_reading_is_asked_for_before_the_first_begins(desk: Desk, page: Page) -> None:
    slide = drawn_slide(desk, fields=1)
    page.send("PATCH", f"/slides/{slide.id}", {"readings_wanted": 2})
    page.send("PATCH", f"/slides/{slide.id}", {"readings_wanted": 1})
    page.read(slide.id)
    refused = page.send("PATCH", f"/slides/{slide.id}", {"readings_wanted": 2}, 409)
    assert "would not be blinded" in refused["detail"]
