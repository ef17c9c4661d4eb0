"""Time the review desk in a real browser: python benchmarks/desk.py [cells] [loads].

Fills a desk with 2,000 cells, serves it as `buffycoat review` does, opens it in Debian's Chromium, and prints how long
until the first crops are seen, how long a move takes to the eye, and how even scrolling is; with the first crops, when
the page had come and how much processor time the server took until then. Every load is a browser that knows nothing
of the desk. Then sees 200 cells of another slide by key, 20 of them moved, and prints the desk's own time for each key
and what it leaves of two minutes to the person. Needs `playwright` and `chromium`; the classifier is the tests' quick
one, because what it answers does not matter here.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.review.desks import make_desk
from tests.review.web.desktop import WIDE
from tests.review.web.measuring import DENSE, full_slide, measure, read_by_key

_WINDOW_MS = 2000


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Serve a desk as a person would; yields its address and its process."""
    command = [sys.executable, "-m", "buffycoat", "review", "--folder", str(folder), "--port", "0", "--workers", "0"]
    server = subprocess.Popen([*command, "--no-open", "--quiet"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None  # noqa: S101 - for the type checker
        yield server.stdout.readline().split()[-1], psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait(30)


@contextmanager
def window(browser: Browser) -> Iterator[Page]:
    """Open a window that keeps nothing of others, and wait until Chromium has drawn its own controls."""
    context = browser.new_context(viewport={"width": WIDE[0], "height": WIDE[1]})
    page = context.new_page()
    page.wait_for_timeout(_WINDOW_MS)
    yield page
    context.close()


def main(cells: int = 2000, loads: int = 5) -> None:
    """Make the slides, measure, and print JSON."""
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = Path(temporary) / "desk"
        desk = make_desk(folder, classifier=DENSE)
        many, by_key = full_slide(desk, cells).id, full_slide(desk, 240).id
        desk.close()
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        with served(folder) as (address, server):
            for _ in range(loads):
                with window(browser) as page:
                    print(json.dumps(measure(page, address, many, lambda: sum(server.cpu_times()[:2]))), flush=True)
            with window(browser) as page:
                print(json.dumps(read_by_key(page, address, by_key)))
        browser.close()


if __name__ == "__main__":
    main(*(int(one) for one in sys.argv[1:]))
