"""Two readers: the second is blinded to the first until both have signed, everywhere; then they are compared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from buffycoat.review import accounts
from buffycoat.review.agreement import kappa
from buffycoat.review.desk import Desk
from buffycoat.review.documents import Person
from tests.review.clients import PASSWORD, Page
from tests.review.desks import drawn_slide, make_desk

OWNER = Person(id="console", login="console", name="Console", role="administrator")


@pytest.fixture
def readers(database_url: str | None, tmp_path: Path) -> Iterator[tuple[Desk, Page, Page, Page]]:
    """Return a desk, once on each database, two reviewers and an administrator at their pages."""
    desk = make_desk(tmp_path / "desk", database=database_url, accounts=True)
    pages = []
    for login, role in [("one", "reviewer"), ("two", "reviewer"), ("boss", "administrator")]:
        accounts.create(desk, None, login, login.capitalize(), role, PASSWORD)  # type: ignore[arg-type]
        page = Page(desk)
        page.sign_in(login)
        pages.append(page)
    yield desk, *pages  # type: ignore[misc]
    desk.close()


def test_the_second_reader_sees_nothing_of_the_first_before_both_have_signed(
    readers: tuple[Desk, Page, Page, Page],
) -> None:
    desk, one, two, boss = readers
    slide = drawn_slide(desk, fields=2, who=OWNER, readings_wanted=2)
    first = one.read(slide.id)
    cells = one.get(f"/readings/{first['id']}")["cells"]
    field = one.get(f"/slides/{slide.id}/fields")[0]["id"]
    one.move(first["id"], "move", 1, cells=[cells[0]["id"], cells[1]["id"]], label="basophil")
    drawn = one.move(first["id"], "draw", 2, field_id=field, box=[3, 3, 99, 88], label="monocyte")["cells"][0]["id"]
    one.sign(first["id"], one.see_all(first["id"]), password=PASSWORD)
    assert one.get(f"/slides/{slide.id}")["state"] == "to_review"

    for page in (two, boss):
        row = page.get(f"/slides/{slide.id}")
        assert row["blinded"] is True
        assert (row["readings"][0]["visible"], row["readings"][0]["seen"]) == (False, None)
        page.get(f"/readings/{first['id']}", 404)
        page.get(f"/readings/{first['id']}/differential", 404)
        for form in ("html", "csv", "json", "fhir.json", "hl7"):
            page.get(f"/readings/{first['id']}/report.{form}", 404)
        page.post(f"/readings/{first['id']}/amend", {"reason": "to have a look"}, 404)
        page.get(f"/cells/{drawn}", 404)
        page.get(f"/cells/{drawn}/crop", 404)
        shown = page.get(f"/slides/{slide.id}/desk")
        assert shown["differential"]["changed"] == 0
        assert {cell["label"] for cell in shown["cells"]} == {cell["program_label"] for cell in shown["cells"]}
        assert page.get(f"/slides/{slide.id}/differential")["changed"] == 0
        assert page.get(f"/slides/{slide.id}/agreement")["ready"] is False
        told = json.dumps(page.get(f"/slides/{slide.id}/history"))
        assert "basophil" not in told
        assert "signed" not in told
        assert page.get("/accuracy")["slides"] == 0
        page.get("/give-back.zip", 409)
    assert "basophil" not in json.dumps(boss.get("/audit"))

    second = two.read(slide.id)
    assert second["number"] == 2
    mine = two.get(f"/readings/{second['id']}")
    assert len(mine["cells"]) == len(cells)  # the first reader's box is not there
    two.move(second["id"], "move", 1, cells=[cells[1]["id"], cells[2]["id"]], label="basophil")
    one.get(f"/readings/{second['id']}", 404)  # nor does the first see the second
    two.sign(second["id"], two.see_all(second["id"]), password=PASSWORD)

    assert one.get(f"/slides/{slide.id}")["state"] == "signed"
    for page in (one, two, boss):
        found = page.get(f"/slides/{slide.id}/agreement")
        assert found["ready"] is True
        assert (found["n"], found["only_first"], found["only_second"]) == (len(cells), 1, 0)
        page.get(f"/readings/{first['id']}")
        page.get(f"/readings/{second['id']}")
        differ = {cell["cell_id"] for cell in found["cells"]}
        assert differ <= {cells[0]["id"], cells[2]["id"]}
        assert found["agreed"] == found["n"] - len(differ)
    amended = one.post(f"/readings/{first['id']}/amend", {"reason": "one more look"})
    assert amended["state"] == "amending"
    two.get(f"/readings/{first['id']}", 404)  # blinded again while the first is open


def test_nobody_reads_twice(readers: tuple[Desk, Page, Page, Page]) -> None:
    desk, one, _, _ = readers
    slide = drawn_slide(desk, fields=1, who=OWNER, readings_wanted=2)
    first = one.read(slide.id)
    assert one.read(slide.id)["id"] == first["id"]
    one.read(slide.id, 2, 409)


def test_a_reviewer_cannot_end_the_blinding(readers: tuple[Desk, Page, Page, Page]) -> None:
    desk, one, two, boss = readers
    slide = drawn_slide(desk, fields=1, who=OWNER, readings_wanted=2)
    one.read(slide.id)
    two.send("PATCH", f"/slides/{slide.id}", {"readings_wanted": 1}, 403)
    boss.send("PATCH", f"/slides/{slide.id}", {"readings_wanted": 1})


def test_without_accounts_the_second_reader_gives_another_name(desk: Desk, page: Page) -> None:
    slide = drawn_slide(desk, fields=1, readings_wanted=2)
    page.read(slide.id, 1, reader_name="First Reader")
    page.read(slide.id, 2, 409, reader_name="first reader")
    assert page.read(slide.id, 2, reader_name="Second Reader")["reader"] == "Second Reader"


@pytest.mark.slow
def test_both_drew_the_same_cell(readers: tuple[Desk, Page, Page, Page]) -> None:
    desk, one, two, _ = readers
    slide = drawn_slide(desk, fields=1, who=OWNER, readings_wanted=2)
    field = one.get(f"/slides/{slide.id}/fields")[0]["id"]
    for page, box, far in ((one, [10, 10, 110, 110], None), (two, [14, 12, 116, 112], [300, 10, 380, 90])):
        reading = page.read(slide.id)
        done = page.move(reading["id"], "draw", 1, field_id=field, box=box, label="monocyte")
        if far is not None:
            page.move(reading["id"], "draw", done["sequence"], field_id=field, box=far, label="basophil")
        page.sign(reading["id"], page.see_all(reading["id"]), password=PASSWORD)
    found = one.get(f"/slides/{slide.id}/agreement")
    assert (found["n"], found["only_first"], found["only_second"]) == (slide.cells + 1, 0, 1)


# --- kappa -----------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(nps.arrays(np.int64, (3, 3), elements=st.integers(0, 30)))
def test_kappa_is_that_of_scikit_learn(matrix: Any) -> None:
    from sklearn.metrics import cohen_kappa_score

    pairs = [(i, j) for i in range(3) for j in range(3) for _ in range(int(matrix[i, j]))]
    found = kappa(matrix)
    chance = matrix.sum(axis=1) @ matrix.sum(axis=0) / max(matrix.sum(), 1) ** 2
    if not pairs or chance > 1 - 1e-12:
        assert found.value is None
        return
    first, second = zip(*pairs, strict=True)
    assert found.value == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)
    assert found.interval.low is not None
    assert found.interval.high is not None
    assert found.value is not None
    assert found.interval.low <= found.value + 1e-12
    assert found.value <= found.interval.high + 1e-12


def test_kappa_of_the_published_example() -> None:
    """Fleiss, Cohen and Everitt (1969), table 1: kappa 0.429, its standard error 0.0534 (weights all or nothing)."""
    table = np.array([[106, 10, 4], [22, 28, 10], [2, 12, 6]])
    found = kappa(table)
    assert found.value == pytest.approx(0.429, abs=5e-4)
    assert found.interval.low is not None
    assert found.interval.high is not None
    assert (found.interval.high - found.interval.low) / (2 * 1.959964) == pytest.approx(0.0534, abs=5e-4)


def test_full_agreement_on_few_cells_is_not_certainty() -> None:
    found = kappa(np.diag([6, 4]))
    assert found.value == 1
    assert found.interval.low is not None
    assert 0.2 < found.interval.low < 0.6


def test_figures_after_an_amendment_are_said_not_to_be_blinded(readers: tuple[Desk, Page, Page, Page]) -> None:
    desk, one, two, _ = readers
    slide = drawn_slide(desk, fields=1, who=OWNER, readings_wanted=2)
    first, second = (page.read(slide.id)["id"] for page in (one, two))
    one.sign(first, one.see_all(first), password=PASSWORD)
    one.post(f"/readings/{first}/amend", {"reason": "still blinded"})
    one.sign(first, one.get(f"/readings/{first}")["reading"]["sequence"], password=PASSWORD)
    two.sign(second, two.see_all(second), password=PASSWORD)
    address = f"/slides/{slide.id}/agreement"
    before = two.get(address)
    two.post(f"/readings/{second}/amend", {"reason": "seen the other"})
    two.sign(second, two.get(f"/readings/{second}")["reading"]["sequence"], password=PASSWORD)
    assert (before["amended_after_unblinding"], two.get(address)["amended_after_unblinding"]) == (False, True)
    assert "Amended after unblinding" in two.http.get(address).text
