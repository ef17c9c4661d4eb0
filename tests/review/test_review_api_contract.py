"""The API keeps its own word: whatever is sent, the answers are those that its OpenAPI document describes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import unsupported_method

from buffycoat.review.desk import Desk
from tests.review.clients import Page, app_of
from tests.review.desks import drawn_slide, make_desk

_LEFT_OUT = [
    unsupported_method
]  # TRACE and the like are answered 405 by the framework, without an Allow for every path


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Return a desk with one slide that is read and one that is signed."""
    folder: Path = tmp_path_factory.mktemp("contract")
    desk = make_desk(folder / "desk")
    page = Page(desk)
    page.read(drawn_slide(desk, fields=1, name="Read").id)
    signed = page.read(drawn_slide(desk, fields=1, name="Signed").id)["id"]
    page.sign(signed, page.see_all(signed))
    yield desk
    desk.close()


@pytest.fixture
def contract(known: Desk) -> object:
    """Return the API's description, and the API."""
    return schemathesis.openapi.from_asgi("/api/v1/openapi.json", app_of(known))


schema = schemathesis.pytest.from_fixture("contract")


@pytest.mark.slow
@schema.parametrize()
@settings(
    max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)
def test_every_answer_is_one_that_was_described(case: Any) -> None:
    case.call_and_validate(base_url="http://127.0.0.1:8350", excluded_checks=_LEFT_OUT)
