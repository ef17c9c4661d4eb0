"""How quick the desk is in a real browser: first crops, moves, scrolling."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from playwright.sync_api import Page

from buffycoat.imaging.decode import read_image
from buffycoat.review import slides, uploads
from buffycoat.review.classifier import Box, Looked
from buffycoat.review.desk import Desk
from buffycoat.review.documents import SlideRow
from buffycoat.review.sign_in import HERE
from tests.review.desks import FakeClassifier, analyse, photograph

DENSE = "tests.review.web.measuring:DenseClassifier"
_PER_FIELD = 80


class DenseClassifier(FakeClassifier):
    """Finds 80 cells in every photograph: a desk is as full as thousands of drawn cells would make it, at once."""

    def look(self, content: bytes) -> Looked:
        """Return boxes laid evenly over the photograph."""
        rgb = read_image(content)
        high, wide = rgb.shape[:2]
        boxes: list[Box] = [
            (x, y, x + 90, y + 90)
            for y in np.linspace(0, high - 90, 8).astype(int).tolist()
            for x in np.linspace(0, wide - 90, _PER_FIELD // 8).astype(int).tolist()
        ]
        return Looked(wide, high, "cell", self.name_boxes(rgb, boxes))


def full_slide(desk: Desk, cells: int) -> SlideRow:
    """Make a slide with (about) so many cells on a desk with the dense classifier."""
    slide = slides.create(desk, HERE, f"{cells} cells")
    files = [(f"{k}.jpg", photograph(7000 + k, 3)) for k in range(-(-cells // _PER_FIELD))]
    uploads.take_in(desk, HERE, slide.id, uploads.from_bytes(files))
    analyse(desk)
    return slides.get(desk, HERE, slide.id)


MOVES = 30
_FIRST = (
    "() => new Promise(done => { const look = () => {"
    " const seen = [...document.querySelectorAll('.cell img.here')].length;"
    " if (seen >= 20) done(performance.now()); else requestAnimationFrame(look); }; look(); })"
)
_CAME = (
    "() => { const [page] = performance.getEntriesByType('navigation');"
    " return {begun: page.responseStart, there: page.responseEnd,"
    " ready: performance.getEntriesByName('desk-ready')[0].startTime}; }"
)
_MOVE = (  # from the key to after the frame that shows its effect was painted
    "key => new Promise((done, fail) => { const id = desk.wells.focus, was = desk.board.cells.get(id);"
    " const node = document.activeElement;"
    " if (!node.closest('.cell')) { fail(new Error('no cell is in focus')); return; }"
    " const began = performance.now();"
    " node.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));"
    " requestAnimationFrame(() => { const c = new MessageChannel(); c.port1.onmessage = () => {"
    " const ms = performance.now() - began, is = desk.board.cells.get(id);"
    " done({id, ms, before: [was.label, was.seen], after: [is.label, is.seen]}); };"
    " c.port2.postMessage(0); }); })"
)
_SCROLL = (
    "() => new Promise(done => { const pane = document.getElementById('wells'); const frames = []; let last = null;"
    " let bare = 0, shown = 0;"
    " const end = performance.now() + 4000; pane.scrollTop = 0;"
    " const step = now => { if (last !== null) frames.push(now - last); last = now;"
    " const box = pane.getBoundingClientRect();"
    " for (const image of pane.querySelectorAll('.cell img')) { const at = image.getBoundingClientRect();"
    " if (at.bottom < box.top || at.top > box.bottom) continue;"
    " shown += 1; bare += image.complete && image.naturalWidth ? 0 : 1; }"
    " pane.scrollTop += 30;"
    " if (now < end && pane.scrollTop + pane.clientHeight < pane.scrollHeight - 2) requestAnimationFrame(step);"
    " else done({frames, painted: shown ? 1 - bare / shown : 0}); }; requestAnimationFrame(step); })"
)
_SETTLED = (  # from the end of scrolling until every crop in the window is there
    "() => new Promise(done => { const began = performance.now(), pane = document.getElementById('wells');"
    " const look = () => { const box = pane.getBoundingClientRect();"
    " const bare = [...pane.querySelectorAll('.cell img')].some(image => { const at = image.getBoundingClientRect();"
    " return at.bottom >= box.top && at.top <= box.bottom && !(image.complete && image.naturalWidth); });"
    " if (!bare) done(performance.now() - began); else requestAnimationFrame(look); }; look(); })"
)
_TIME_KEYS = (  # beside the desk's own listener: how long each key took, to after the frame that shows it
    "() => { window.took = []; addEventListener('keydown', () => { const began = performance.now();"
    " requestAnimationFrame(() => { const c = new MessageChannel();"
    " c.port1.onmessage = () => window.took.push(performance.now() - began); c.port2.postMessage(0); }); },"
    " {capture: true}); }"
)
_LETTERS = {"neutrophil": "n", "eosinophil": "e", "lymphocyte": "l", "monocyte": "m", "basophil": "b"}


def _opened(page: Page, address: str, slide: str) -> list[str]:
    """Open a desk; returns the list into which every error of its scripts goes from now on."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(f"{address}/slides/{slide}", wait_until="commit")
    page.wait_for_selector("html[data-ready]", state="attached", timeout=60_000)
    return faults


def _saved(page: Page) -> None:
    page.wait_for_function("() => desk.sync.idle && !desk.sync.running", timeout=120_000)


def measure(
    page: Page, address: str, slide: str, server_cpu_s: Callable[[], float] = time.process_time
) -> dict[str, Any]:
    """Return times in milliseconds: first crops, moves (median and 95th percentile), frames while scrolling.

    `server_cpu_s` tells how much processor time the server has used.

    Every key must have moved its cell or marked it seen, and no script may have failed; else the figures mean nothing.
    """
    used = server_cpu_s()
    faults = _opened(page, address, slide)
    first = float(page.evaluate(_FIRST))
    used = server_cpu_s() - used
    came = page.evaluate(_CAME)
    done = [page.evaluate(_MOVE, "nelmb"[k % 5]) for k in range(MOVES)]
    idle = [one for one in done if one["before"] == one["after"] or not one["after"][1]]
    assert idle == [], "a key changed nothing"
    assert len({one["id"] for one in done}) == MOVES
    moves = sorted(float(one["ms"]) for one in done)
    _saved(page)
    scrolled = page.evaluate(_SCROLL)
    settled = float(page.evaluate(_SETTLED))
    frames = sorted(float(one) for one in scrolled["frames"])
    assert faults == []
    return {
        "cells": int(page.evaluate("() => desk.board.cells.size")),
        "first_crops_ms": round(first),
        "page_begun_ms": round(came["begun"]),
        "page_there_ms": round(came["there"]),
        "ready_ms": round(came["ready"]),
        "server_cpu_ms": round(1000 * used),
        "move_median_ms": round(moves[len(moves) // 2], 1),
        "move_p95_ms": round(moves[int(len(moves) * 0.95)], 1),
        "frame_median_ms": round(frames[len(frames) // 2], 1),
        "frame_p95_ms": round(frames[int(len(frames) * 0.95)], 1),
        "painted_while_scrolling": round(float(scrolled["painted"]), 3),
        "settled_ms": round(settled),
        "nodes": int(page.evaluate("() => document.querySelectorAll('.cell').length")),
    }


def read_by_key(page: Page, address: str, slide: str, cells: int = 200, moves: int = 20) -> dict[str, Any]:
    """Look at so many cells with the keyboard, moving some of them; returns the desk's own time for it.

    A person's time for a cell comes on top; what is told is how much of two minutes the desk leaves to the person.
    """
    faults = _opened(page, address, slide)
    page.evaluate(_TIME_KEYS)
    every, moved = cells // moves, 0
    began = time.monotonic()
    for k in range(cells):
        if k % every == every - 1 and moved < moves:
            now = str(page.evaluate("() => desk.board.cells.get(desk.wells.focus).label"))
            page.keyboard.press(next(key for label, key in _LETTERS.items() if label != now))
            moved += 1
        else:
            page.keyboard.press("Space")
    pressed = time.monotonic() - began
    _saved(page)
    saved = time.monotonic() - began
    took = sorted(float(one) for one in page.evaluate("() => window.took"))
    assert faults == []
    assert len(took) == cells
    return {
        "cells": cells,
        "moves": moved,
        "seen": int(page.evaluate("() => desk.tally.now.seen")),
        "key_median_ms": round(took[len(took) // 2], 1),
        "key_p95_ms": round(took[int(len(took) * 0.95)], 1),
        "keys_s": round(pressed, 1),
        "saved_s": round(saved, 1),
        "left_to_the_person_s_per_cell": round((120 - saved) / cells, 3),
    }
