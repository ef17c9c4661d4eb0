"""From an empty folder to a signed slide, through the API alone."""

from __future__ import annotations

from buffycoat.review.desk import Desk
from tests.review.clients import Page
from tests.review.desks import analyse, photograph


def test_from_photographs_to_a_signed_slide(desk: Desk, page: Page) -> None:
    slide = page.post("/slides", {"name": "First"}, 201)
    assert slide["state"] == "empty"
    taken = page.upload(slide["id"], [("a.jpg", photograph(1)), ("b.jpg", photograph(2))])
    assert [one["state"] for one in taken["added"]] == ["queued", "queued"]
    assert page.get(f"/slides/{slide['id']}/progress")["state"] == "analysing"
    analyse(desk)
    assert page.get(f"/slides/{slide['id']}/progress")["state"] == "to_review"

    reading = page.read(slide["id"])
    page.sign(reading["id"], reading["sequence"], 409)  # nothing was seen yet
    cells = page.get(f"/readings/{reading['id']}")["cells"]
    wrong = next(cell for cell in cells if cell["label"] != "basophil")
    moved = page.move(reading["id"], "move", reading["sequence"], cells=[wrong["id"]], label="basophil")
    assert moved["cells"][0]["label"] == "basophil"
    assert moved["cells"][0]["program_label"] == wrong["label"]
    row = {row["label"]: row for row in moved["differential"]["rows"]}["basophil"]
    assert row["count"] == row["program_count"] + 1
    assert moved["differential"]["changed"] == 1

    signed = page.sign(reading["id"], page.see_all(reading["id"]))
    assert signed["state"] == "signed"
    assert signed["signatures"][0]["name"] == "A. Reader"
    assert page.get(f"/slides/{slide['id']}")["state"] == "signed"
    page.move(reading["id"], "undo", signed["sequence"], 409)
    page.upload(slide["id"], [("c.jpg", photograph(3))], 409)
