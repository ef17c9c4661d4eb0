"""The panel beside the cells, where the program does not know every type."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser

from tests.review.desks import drawn_slide, make_desk
from tests.review.web.desktop import Desktop, served


def test_the_panel_leaves_open_what_the_program_cannot_find_until_every_cell_was_seen(
    browser: Browser, tmp_path: Path
) -> None:
    desk = make_desk(tmp_path / "four", classifier="tests.review.test_review_reports:FourTypes")
    slide = drawn_slide(desk, fields=1)
    with served(desk, analysing=False) as address:
        desktop = Desktop(browser, address)
        desktop.open(f"/slides/{slide.id}")
        basophils = desktop.page.locator('.differential tr[data-drop="basophil"] td')
        assert basophils.all_text_contents() == ["–"] * 4
        desktop.page.evaluate("() => desk.actions.see([...desk.board.cells.keys()])")
        desktop.page.wait_for_function("() => desk.tally.server.seen === desk.tally.server.cells")
        count, share, _, program = basophils.all_text_contents()
        assert (count, share.replace("\u202f", " "), program) == ("0", "0.0 %", "–")
        desktop.close()
    desk.close()
