"""Signatures: whose name stands in them, what they cover, and the seals noted outside the database."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from buffycoat.review import accounts
from buffycoat.review.app import create_app
from buffycoat.review.desk import Desk
from buffycoat.review.seals import SEALS, note_seal, noted_seals
from buffycoat.review.verify import verify
from tests.review.clients import PASSWORD, Page
from tests.review.desks import drawn_slide, make_desk


@pytest.fixture
def guarded(database_url: str | None, tmp_path: Path) -> Iterator[Desk]:
    """Return a desk with a reviewer, once on each database."""
    made = make_desk(tmp_path / "desk", database=database_url, accounts=True)
    accounts.create(made, None, "rev", "R. Viewer", "reviewer", PASSWORD)
    yield made
    made.close()


def test_with_accounts_nobody_signs_in_somebody_elses_name(guarded: Desk) -> None:
    page = Page(guarded)
    page.sign_in("rev")
    reading = page.read(drawn_slide(guarded, fields=1).id)["id"]
    signed = page.sign(reading, page.see_all(reading), name="Chief of Medicine", password=PASSWORD)
    assert [one["name"] for one in signed["signatures"]] == ["R. Viewer"]
    report = page.get(f"/readings/{reading}/report.json")
    assert report["signer"]["name"] == "R. Viewer"
    assert "Chief" not in json.dumps(page.get(f"/readings/{reading}"))


def test_with_accounts_no_name_need_be_sent_and_without_them_one_must(guarded: Desk, page: Page, desk: Desk) -> None:
    signed_in = Page(guarded)
    signed_in.sign_in("rev")
    reading = signed_in.read(drawn_slide(guarded, fields=1).id)["id"]
    assert signed_in.sign(reading, signed_in.see_all(reading), name=None, password=PASSWORD)["state"] == "signed"
    local = page.read(drawn_slide(desk, fields=1).id)["id"]
    sequence = page.see_all(local)
    page.sign(local, sequence, 422, name=None)
    assert page.sign(local, sequence)["state"] == "signed"


def test_what_is_signed_is_what_the_page_shows(page: Page, desk: Desk) -> None:
    reading = page.read(drawn_slide(desk, fields=1).id)["id"]
    sequence = page.see_all(reading)
    shown = sorted([cell["id"], cell["label"]] for cell in page.get(f"/readings/{reading}")["cells"])
    other = [[shown[0][0], "basophil" if shown[0][1] != "basophil" else "monocyte"], *shown[1:]]

    def digest(cells: list[list[str]]) -> str:
        return hashlib.sha256(json.dumps(cells, separators=(",", ":")).encode()).hexdigest()

    refused = page.sign(reading, sequence, 409, cells_sha256=digest(other))
    assert "other labels" in refused["detail"]
    assert page.sign(reading, sequence, cells_sha256=digest(shown))["state"] == "signed"


def _signed(page: Page, desk: Desk, **more: Any) -> str:
    reading = str(page.read(drawn_slide(desk, fields=1).id)["id"])
    page.sign(reading, page.see_all(reading), **more)
    return reading


def test_a_seal_that_was_not_noted_is_noted_when_the_signature_is_asked_for_again(page: Page, desk: Desk) -> None:
    reading = _signed(page, desk, request_id="sign-once-1")
    seals = desk.settings.folder / SEALS
    before = noted_seals(desk.settings.folder)
    assert len(before) == 1
    seals.unlink()  # the program was stopped between the log and the file
    page.sign(reading, 2, request_id="sign-once-1")
    page.sign(reading, 2, request_id="sign-once-1")
    assert noted_seals(desk.settings.folder) == before


def test_seals_that_were_not_noted_are_noted_at_the_start_and_others_left_alone(page: Page, desk: Desk) -> None:
    _signed(page, desk)
    noted = noted_seals(desk.settings.folder)
    reading = page.read(drawn_slide(desk, fields=1, name="Other", seed=2000).id)["id"]
    page.sign(reading, page.see_all(reading))
    last = noted_seals(desk.settings.folder)[-1]
    (desk.settings.folder / SEALS).write_text(f"{noted[0][0]} {'0' * 64}\n", encoding="ascii")
    with TestClient(create_app(desk)):
        pass
    assert noted_seals(desk.settings.folder) == [(noted[0][0], "0" * 64), last]
    assert any("not the signature or amendment that was noted" in fault for fault in verify(desk).faults)


def test_a_line_that_was_cut_short_does_not_spoil_the_next(tmp_path: Path) -> None:
    (tmp_path / SEALS).write_text(f"1 {'a' * 64}\n2 {'b' * 10}", encoding="ascii")
    note_seal(tmp_path, 3, "c" * 64)
    assert noted_seals(tmp_path) == [(1, "a" * 64), (3, "c" * 64)]


def test_the_report_page_bears_the_whole_seal_and_says_when_it_was_amended(page: Page, desk: Desk) -> None:
    slide = drawn_slide(desk, fields=1).id
    reading = page.read(slide)["id"]
    signed = page.sign(reading, page.see_all(reading))

    def stamp() -> str:
        shown = page.http.get(f"/slides/{slide}/report").text
        assert f'<code class="seal">{signed["signatures"][-1]["event_hash"]}</code>' in shown
        return shown.partition('<p class="stamp')[2].partition(">")[2].partition("<")[0]

    assert stamp() == "final"
    page.post(f"/readings/{reading}/amend", {"reason": "one cell was named wrongly"})
    signed = page.sign(reading, page.get(f"/readings/{reading}")["reading"]["sequence"])
    assert stamp() == "amended"
    assert '<span class="status">amended</span>' in page.http.get(f"/slides/{slide}").text
