"""The API keeps its own word: whatever is sent, the answers are those that its OpenAPI document describes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from buffycoat.review.desk import Desk
from tests.review.clients import Page, app_of
from tests.review.desks import drawn_slide, make_desk

_THOROUGH = settings(
    max_examples=16,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Return a desk with one slide that is read and one that is signed."""
    folder: Path = tmp_path_factory.mktemp("contract")
    desk = make_desk(folder / "desk", allowed_hosts=("testserver",))
    page = Page(desk)
    page.read(drawn_slide(desk, fields=1, name="Read").id)
    signed = page.read(drawn_slide(desk, fields=1, name="Signed").id)["id"]
    page.sign(signed, page.see_all(signed))
    yield desk
    desk.close()


@pytest.mark.slow
def test_every_answer_is_one_that_was_described(known: Desk) -> None:
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app_of(known))
    operations: list[Any] = []
    for found in schema.get_all_operations():
        operation = found.ok()  # type: ignore[union-attr]
        assert operation is not None, found
        operations.append(operation)
    assert len(operations) > 35
    wrong: Counter[str] = Counter()
    right: Counter[str] = Counter()
    assert [fault for operation in operations for fault in _faults(operation, {}, GenerationMode.NEGATIVE, wrong)] == []
    ids = _ids(known)
    ending = {"DELETE /api/v1/slides/{slide_id}", "DELETE /api/v1/fields/{field_id}"}
    kept = [operation for operation in operations if operation.label not in ending]
    assert [fault for operation in kept for fault in _faults(operation, ids, GenerationMode.POSITIVE, right)] == []
    assert set(right) == {operation.label for operation in kept}, "every operation answered"
    assert len(wrong) > 30, "what takes something was sent wrong things, too"


def _ids(desk: Desk) -> dict[str, str]:
    """Return ids of what is there, so that requests reach something."""
    page = Page(desk)
    slide = next(slide for slide in page.get("/slides")["slides"] if slide["name"] == "Read")
    cell = page.get(f"/slides/{slide['id']}/cells")[0]
    return {
        "slide_id": slide["id"],
        "reading_id": slide["readings"][0]["id"],
        "cell_id": cell["id"],
        "field_id": cell["field_id"],
    }


def _faults(operation: Any, ids: dict[str, str], mode: GenerationMode, asked: Counter[str]) -> list[str]:
    """Ask an operation many things; returns what was wrong with its answers, and counts the requests in ``asked``."""
    # A request of the right shape may still be refused for what it holds: a name of blanks, a day in no calendar.
    excluded = [positive_data_acceptance]

    @_THOROUGH
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        for name in set(case.path_parameters or {}) & set(ids):
            case.path_parameters[name] = ids[name]
        case.call_and_validate(excluded_checks=excluded)
        asked[operation.label] += 1

    try:
        ask()
    except Unsatisfiable:  # nothing about it can be wrong: it takes no parameters
        return []
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - every operation is tried, all faults told together
        return [f"{operation.label}: {error}"]
    return []
