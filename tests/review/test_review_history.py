"""What happened to a slide, in words: which cells, what they were before, and what after."""

from __future__ import annotations

from typing import Any

import pytest

from buffycoat.review.desk import Desk
from buffycoat.review.words import event_words
from tests.review.clients import Page
from tests.review.desks import drawn_slide


def test_the_log_says_which_cell_and_from_what(desk: Desk, page: Page) -> None:
    slide = drawn_slide(desk, fields=2)
    reading = page.read(slide.id)["id"]
    cells = page.get(f"/readings/{reading}")["cells"]
    second, third = cells[1], cells[2]
    label = "basophil" if second["label"] != "basophil" else "monocyte"
    page.move(reading, "move", 1, cells=[second["id"]], label=label)
    page.move(reading, "delete", 2, cells=[third["id"]])
    page.move(reading, "undo", 3)
    page.move(reading, "see", 4, cells=[cell["id"] for cell in cells[2:5]])
    drawn = page.move(reading, "draw", 5, field_id=cells[-1]["field_id"], box=[1, 1, 40, 40], label="eosinophil")
    number = next(cell["number"] for cell in drawn["cells"] if cell["origin"] == "person")

    words = [event["words"] for event in page.get(f"/slides/{slide.id}/history")["events"]]
    assert words[0] == f"a box drawn on photograph 2 (cell {number}, eosinophil)"
    assert words[1].startswith("3 cells marked seen (cells ")
    assert words[2] == f"took back: 1 cell deleted (cell 3, {third['label']})"
    assert words[3] == f"1 cell deleted (cell 3, {third['label']})"
    assert words[4] == f"move of 1 cell to {label} (cell 2, was {second['label']})"


def _moved(*cells: tuple[str, str]) -> dict[str, Any]:
    return {
        "label": "monocyte",
        "changes": [
            {"cell": cell, "before": [was, False, False], "after": ["monocyte", True, False]} for cell, was in cells
        ],
    }


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("cells.moved", _moved(("a", "eosinophil")), "move of 1 cell to monocyte (cell 1, was eosinophil)"),
        (
            "cells.moved",
            _moved(("a", "eosinophil"), ("e", "basophil"), ("b", "eosinophil"), ("c", "eosinophil")),
            "move of 4 cells to monocyte (cells 1–3, were eosinophil; 5, was basophil)",
        ),
        (
            "cells.moved",
            _moved(("a", "eosinophil"), ("gone", "eosinophil")),
            "move of 2 cells to monocyte (cells 1, 1 taken out since, were eosinophil)",
        ),
        (
            "slide.changed",
            {"before": {"name": "12", "note": ""}, "after": {"name": "13", "note": "x" * 300}},
            f"changed name from “12” to “13”, note from nothing to “{'x' * 200}…”",
        ),
        (
            "account.changed",
            {"login": "ada", "before": {"role": "reader"}, "after": {"role": "reviewer", "password": "changed"}},
            "changed the account ada: password, role from “reader” to “reviewer”",
        ),
    ],
)
def test_events_say_what_was_before_and_after(kind: str, body: dict[str, Any], said: str) -> None:
    assert event_words(kind, body, {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}) == said
