"""Desks to open in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from buffycoat.review.desk import Desk
from tests.review.web.desktop import Desktop, served


@pytest.fixture
def desktop(browser: Browser, desk: Desk) -> Iterator[Desktop]:
    """Return a browser window at a running desk without accounts."""
    with served(desk) as address:
        window = Desktop(browser, address)
        yield window
        window.close()
