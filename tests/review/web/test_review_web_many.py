"""Two thousand cells on one desk, with slack for a busy machine; `benchmarks/desk.py` tells the real figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.review.desks import make_desk
from tests.review.web.desktop import WIDE, served
from tests.review.web.measuring import DENSE, full_slide, measure

pytestmark = pytest.mark.slow
SLACK = 4


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
    assert found["frame_median_ms"] < 17 * SLACK
