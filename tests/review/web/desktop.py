"""A browser window at a desk: what a person does there, and a watch for everything the page must never do."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import uvicorn
from playwright.sync_api import Browser, ConsoleMessage, Locator, Request

from buffycoat.review import worker
from buffycoat.review.app import create_app
from buffycoat.review.desk import Desk

VENDOR = Path(__file__).parent / "vendor"
WIDE, NARROW = (1440, 900), (420, 900)
SERIOUS = {"serious", "critical"}
PATIENCE_MS = 30_000


@contextmanager
def served(desk: Desk, port: int = 0, *, analysing: bool = True) -> Iterator[str]:
    """Serve a desk from a thread, with a worker beside it; yields its address."""
    server = uvicorn.Server(uvicorn.Config(create_app(desk), host="127.0.0.1", port=port, log_config=None))
    serving = threading.Thread(target=server.run, daemon=True)
    over = threading.Event()
    working = threading.Thread(target=_work, args=(desk, over), daemon=True)
    serving.start()
    while not server.started:
        time.sleep(0.01)
        assert serving.is_alive(), "the server did not start"
    if analysing:
        working.start()
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        over.set()
        server.should_exit = True
        serving.join(20)
        if analysing:
            working.join(20)


def _work(desk: Desk, over: threading.Event) -> None:
    while not over.wait(0.05):
        worker.work_once(desk.database, desk.images, desk.classifier, desk.settings)


class Desktop:
    """One window; fails the test when a script fails, the page asks another host, or a policy is broken."""

    def __init__(
        self,
        browser: Browser,
        address: str,
        *,
        size: tuple[int, int] = WIDE,
        scheme: Literal["light", "dark"] = "light",
    ) -> None:
        self.address = address
        self.context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, accept_downloads=True
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.faults: list[str] = []
        self.expected: tuple[str, ...] = ()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        self.page.on("request", self._asked)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not any(words in message.text for words in self.expected):
            self.faults.append(f"{message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.faults.append(f"asked for {request.url}")

    def close(self) -> None:
        """Close the window; everything that went wrong in it is told now."""
        self.context.close()
        assert self.faults == []

    def open(self, path: str) -> None:
        """Open a page and wait until its scripts are ready."""
        self.page.goto(self.address + path)
        if re.fullmatch(r"/(slides/[^/]+(/second)?)?", path):
            self.page.wait_for_selector("html[data-ready]", state="attached")

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def tab_to(self, words: str, most: int = 60) -> None:
        """Go to a control with Tab alone; by its accessible name or text."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            found = self.page.evaluate(
                "() => { const e = document.activeElement; if (e === document.body) return '';"
                " return e.getAttribute('aria-label') || e.name || e.textContent.trim(); }"
            )
            if words in str(found):
                return
        raise AssertionError(f"no control {words!r} can be reached with Tab")

    def cells(self, well: str) -> Locator:
        """Return the crops of a well that are in the page."""
        return self.page.locator(f'.well[data-drop="{well}"] .cell')

    def counts(self) -> dict[str, int]:
        """Return the counts beside the desk, as shown now."""
        rows = self.page.locator("#differential [data-drop]").evaluate_all(
            "rows => rows.map(row => [row.dataset.drop, Number(row.querySelector('.count').textContent)])"
        )
        return {str(name): int(count) for name, count in rows}

    def seen(self) -> tuple[int, int]:
        """Return how many cells were seen, and of how many."""
        said = self.page.locator("[data-seen]").text_content(), self.page.locator("[data-total]").text_content()
        return int((said[0] or "0").replace(",", "")), int((said[1] or "0").replace(",", ""))

    def saved(self) -> None:
        """Wait until the server has everything."""
        self.page.wait_for_function("() => desk.sync.idle && !desk.sync.running")

    def on_desk(self) -> list[dict[str, Any]]:
        """Return the cells as the page has them."""
        found: list[dict[str, Any]] = self.page.evaluate("() => [...desk.board.cells.values()]")
        return found

    def serious(self) -> list[str]:
        """Return what axe-core finds serious on the page as it stands."""
        self.page.evaluate((VENDOR / "axe-4.14.1.min.js").read_text(encoding="utf-8"))
        found: dict[str, Any] = self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['id']}: {node['target']} {node.get('failureSummary', '')}"
            for one in found["violations"]
            if one["impact"] in SERIOUS
            for node in one["nodes"]
        ]
