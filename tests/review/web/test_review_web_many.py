"""Two thousand cells on one desk, with slack for a busy machine; `benchmarks/desk.py` tells the real figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser
from sqlalchemy import func, select

from buffycoat.review import slides
from buffycoat.review.schema import Event
from buffycoat.review.sign_in import HERE
from tests.review.desks import make_desk
from tests.review.web.desktop import WIDE, served
from tests.review.web.measuring import DENSE, full_slide, measure, read_by_key

pytestmark = pytest.mark.slow
SLACK = 8
FRAME_MS = 1000 / 60


def test_two_thousand_cells_are_quick(browser: Browser, tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", classifier=DENSE)
    slide = full_slide(desk, 2000)
    with served(desk) as address:
        context = browser.new_context(viewport={"width": WIDE[0], "height": WIDE[1]})
        page = context.new_page()
        found = measure(page, address, slide.id)
        context.close()
    desk.close()
    assert found["cells"] >= 2000
    assert found["nodes"] < 600  # only what is near the window is in the page
    assert found["first_crops_ms"] < 1000 * SLACK
    assert found["move_p95_ms"] < 100 * SLACK
    assert found["frame_median_ms"] < 1.5 * FRAME_MS * SLACK
    assert found["frame_p95_ms"] < 3 * FRAME_MS * SLACK
    assert found["painted_while_scrolling"] > 0.1  # crops, not only empty places, pass by
    assert found["settled_ms"] < 1000 * SLACK


def test_two_hundred_cells_by_key_leave_the_two_minutes_to_the_person(browser: Browser, tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", classifier=DENSE)
    slide = full_slide(desk, 200)
    with served(desk) as address:
        context = browser.new_context(viewport={"width": WIDE[0], "height": WIDE[1]})
        found = read_by_key(context.new_page(), address, slide.id)
        context.close()
    kept = slides.get(desk, HERE, slide.id)
    with desk.database.read() as session:
        moved = session.scalar(select(func.count()).select_from(Event).where(Event.kind == "cells.moved"))
    desk.close()
    assert (found["seen"], kept.readings[0].seen, kept.cells) == (200, 200, 240)
    assert moved == found["moves"] == 20
    assert found["key_p95_ms"] < 100 * SLACK
    assert found["saved_s"] < 60
