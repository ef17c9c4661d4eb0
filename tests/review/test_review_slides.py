from __future__ import annotations

import pytest

from buffycoat.review.desk import Desk
from tests.review.clients import Page
from tests.review.desks import drawn_slide


@pytest.mark.parametrize("name", ["", "   ", "two\nlines", "a bell \x07", "x" * 201])
def test_a_name_is_one_printable_line(desk: Desk, page: Page, name: str) -> None:
    """Reports take no other names, so the desk must not either: a slide so called could never be printed."""
    slide = drawn_slide(desk, fields=1, name="Plain")
    for answer in (
        page.http.post("/api/v1/slides", json={"name": name}),
        page.http.patch(f"/api/v1/slides/{slide.id}", json={"name": name}),
    ):
        assert answer.status_code == 422, answer.text
