"""The shortest way through the desk in a real browser."""

from __future__ import annotations

import time

import pytest

from buffycoat.review import slides
from buffycoat.review.desk import Desk
from buffycoat.review.sign_in import HERE
from tests.review.desks import drawn_slide
from tests.review.web.desktop import Desktop


def test_a_key_moves_a_cell_at_once_and_for_good(desk: Desk, desktop: Desktop) -> None:
    slide = drawn_slide(desk, fields=2)
    desktop.open(f"/slides/{slide.id}")
    before = desktop.counts()
    first = desktop.page.locator(".cell:focus")
    label = str(first.get_attribute("aria-label"))
    target, key = ("eosinophil", "e") if "eosinophil," not in label else ("basophil", "b")
    well = str(first.evaluate("node => node.closest('.well').dataset.drop"))
    desktop.press(key)
    after = desktop.counts()
    assert after[target] == before[target] + 1
    assert after[well] == before[well] - 1
    assert desktop.seen()[0] == 1
    desktop.saved()
    desktop.open(f"/slides/{slide.id}")
    assert desktop.counts() == after
    desktop.press("Control+z")
    desktop.page.wait_for_function("() => desk.tally.now.seen === 0")
    assert desktop.counts() == before


@pytest.mark.slow
def test_the_list_shows_a_slide_and_finds_it(desk: Desk, desktop: Desktop) -> None:
    drawn_slide(desk, fields=1, name="First smear")
    drawn_slide(desk, fields=1, name="Other")
    desktop.open("/")
    desktop.page.get_by_role("searchbox").fill("smear")
    desktop.page.wait_for_function("() => document.querySelectorAll('.slidetable tbody tr').length === 1")
    assert "First smear" in str(desktop.page.locator(".slidetable tbody tr").text_content())
    assert "text=smear" in desktop.page.url


def test_the_page_holds_the_cells_that_the_api_answers(desk: Desk, desktop: Desktop) -> None:
    slide = drawn_slide(desk, fields=3)
    while slides.get(desk, HERE, slide.id).state == "analysing":  # the server's worker helps
        time.sleep(0.05)
    answered = desktop.page.request.get(f"{desktop.address}/api/v1/slides/{slide.id}/cells").json()
    desktop.open(f"/slides/{slide.id}")
    shown = desktop.page.evaluate("() => [...desk.board.cells.values()]")
    assert len(shown) == len(answered) > 5
    for cell, right in zip(shown, answered, strict=True):
        del right["unlikeness"]  # shown nowhere on the page
        assert cell.pop("probabilities") == pytest.approx(right.pop("probabilities"), abs=1e-5)
        assert cell.pop("probability") == pytest.approx(right.pop("probability"), abs=1e-5)
        assert cell == right
