"""Time the review desk in a real browser: python benchmarks/desk.py [cells].

Fills a desk with 2,000 cells, opens it in Debian's Chromium, and prints how long until the first crops are seen, how
long a move takes to the eye, and how even scrolling is. Then sees 200 cells of another slide by key, 20 of them moved,
and prints the desk's own time for each key and what it leaves of two minutes to the person. Needs `playwright` and
`chromium`; the classifier is the tests' quick one, because what it answers does not matter here.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.review.desks import make_desk
from tests.review.web.desktop import WIDE, served
from tests.review.web.measuring import DENSE, full_slide, measure, read_by_key


def main(cells: int = 2000) -> None:
    """Make the slide, measure three times, and print JSON."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        desk = make_desk(Path(folder) / "desk", classifier=DENSE)
        slide = full_slide(desk, cells)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        with served(desk) as address:
            for _ in range(3):
                context = browser.new_context(viewport={"width": WIDE[0], "height": WIDE[1]})
                print(json.dumps(measure(context.new_page(), address, slide.id)))
                context.close()
            by_key = full_slide(desk, 240)
            context = browser.new_context(viewport={"width": WIDE[0], "height": WIDE[1]})
            print(json.dumps(read_by_key(context.new_page(), address, by_key.id)))
            context.close()
        browser.close()
        desk.close()


if __name__ == "__main__":
    main(*(int(one) for one in sys.argv[1:]))
