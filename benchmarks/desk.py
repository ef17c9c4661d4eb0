"""Time the review desk in a real browser: python benchmarks/desk.py [cells].

Draws a slide with many cells, opens its desk in Debian's Chromium, and reports how long until the first crops are
seen, how long one move takes to the eye, and how even scrolling is. Needs `playwright` and `chromium`; the classifier
is the tests' quick one, because what it answers does not matter here.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.review.desks import big_slide, make_desk
from tests.review.web.desktop import served

MOVES = 30
_FIRST = (
    "() => new Promise(done => { const look = () => {"
    " const seen = [...document.querySelectorAll('.cell img.here')].length;"
    " if (seen >= 20) done(performance.now()); else requestAnimationFrame(look); }; look(); })"
)
_MOVE = (
    "key => new Promise(done => { const began = performance.now();"
    " dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));"
    " requestAnimationFrame(() => { const c = new MessageChannel();"
    " c.port1.onmessage = () => done(performance.now() - began); c.port2.postMessage(0); }); })"
)
_SCROLL = (
    "() => new Promise(done => { const pane = document.getElementById('wells'); const frames = []; let last = null;"
    " const end = performance.now() + 4000; pane.scrollTop = 0;"
    " const step = now => { if (last !== null) frames.push(now - last); last = now; pane.scrollTop += 30;"
    " if (now < end && pane.scrollTop + pane.clientHeight < pane.scrollHeight - 2) requestAnimationFrame(step);"
    " else done(frames); }; requestAnimationFrame(step); })"
)


def measure(page: Page, address: str, slide: str) -> dict[str, Any]:
    """Return times in milliseconds: first crops, moves (median and 95th percentile), frames while scrolling."""
    page.goto(f"{address}/slides/{slide}", wait_until="commit")
    page.wait_for_selector("html[data-ready]", state="attached", timeout=60_000)
    first = float(page.evaluate(_FIRST))
    moves = sorted(float(page.evaluate(_MOVE, "nelmb"[k % 5])) for k in range(MOVES))
    page.wait_for_function("() => desk.sync.idle && !desk.sync.running", timeout=120_000)
    frames = sorted(float(one) for one in page.evaluate(_SCROLL))
    return {
        "cells": int(page.evaluate("() => desk.board.cells.size")),
        "first_crops_ms": round(first),
        "move_median_ms": round(moves[len(moves) // 2], 1),
        "move_p95_ms": round(moves[int(len(moves) * 0.95)], 1),
        "frame_median_ms": round(frames[len(frames) // 2], 1),
        "frame_p95_ms": round(frames[int(len(frames) * 0.95)], 1),
        "nodes": int(page.evaluate("() => document.querySelectorAll('.cell').length")),
    }


def main(cells: int = 2000) -> None:
    """Make the slide, measure, and print JSON."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        desk = make_desk(Path(folder) / "desk")
        slide = big_slide(desk, cells)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        with served(desk) as address:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            print(json.dumps(measure(page, address, slide.id), indent=1))
        browser.close()
        desk.close()


if __name__ == "__main__":
    main(*(int(one) for one in sys.argv[1:]))
