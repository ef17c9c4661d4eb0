"""A real browser, and desks to open in it. Debian's Chromium; without it the tests are skipped, in CI they fail."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from buffycoat.review.desk import Desk
from tests.review.web.desktop import Desktop, served

_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return Chromium, started once for a module."""
    chromium = shutil.which("chromium")
    if chromium is None:
        if os.environ.get("BUFFYCOAT_REQUIRE_REAL"):
            pytest.fail("chromium is not installed, and these tests are required here")
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def desktop(browser: Browser, desk: Desk) -> Iterator[Desktop]:
    """Return a browser window at a running desk without accounts."""
    with served(desk) as address:
        window = Desktop(browser, address)
        yield window
        window.close()
