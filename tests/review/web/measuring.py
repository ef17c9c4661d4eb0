"""How quick the desk is in a real browser: first crops, moves, scrolling."""

from __future__ import annotations

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
