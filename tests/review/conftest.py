"""Desks for the tests of the review room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from buffycoat.review.desk import Desk
from tests.review.clients import Page
from tests.review.desks import make_desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Return a desk without accounts, on SQLite."""
    made = make_desk(tmp_path / "desk")
    yield made
    made.close()


@pytest.fixture
def page(desk: Desk) -> Page:
    """Return a browser at that desk."""
    return Page(desk)
