"""Attempts that must fail: forged requests, wrong people, guessed passwords, rebound names, leaking logs."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from buffycoat.errors import DataError
from buffycoat.review import accounts, logs, sign_in
from buffycoat.review.desk import Desk
from buffycoat.review.documents import Person
from buffycoat.review.faults import Busy, NotSignedIn, ReviewFault
from buffycoat.review.schema import Event, WebSession
from buffycoat.review.verify import verify
from tests.review.clients import PASSWORD, Page
from tests.review.desks import drawn_slide, make_desk, photograph

REAL_HASHER = accounts._hasher  # as it is before the tests' own, quicker one takes its place


@pytest.fixture
def guarded(database_url: str | None, tmp_path: Path) -> Iterator[Desk]:
    """Return a desk with accounts, once on each database: an administrator, two reviewers, a reader."""
    made = make_desk(tmp_path / "desk", database=database_url, accounts=True, logins_per_quarter=4)
    for login, role in [("ada", "administrator"), ("rev", "reviewer"), ("other", "reviewer"), ("eye", "reader")]:
        accounts.create(made, None, login, login.capitalize(), role, PASSWORD)  # type: ignore[arg-type]
    yield made
    made.close()


def _page(desk: Desk, login: str | None = None) -> Page:
    page = Page(desk)
    if login is not None:
        page.sign_in(login)
    return page


# --- forged requests -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"x-csrf-token": ""},
        {"x-csrf-token": "0" * 64},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},  # another port is another site
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_forged_request_is_refused(page: Page, headers: dict[str, str]) -> None:
    page.post("/slides", {"name": "x"}, 403, headers=headers)
    assert page.get("/slides")["total"] == 0


def test_another_browsers_token_is_refused(desk: Desk) -> None:
    one, other = Page(desk), Page(desk)
    other.post("/slides", {"name": "x"}, 403, headers={"x-csrf-token": one.http.headers["x-csrf-token"]})
    other.post("/slides", {"name": "x"}, 201)


def test_a_form_of_another_site_cannot_upload(desk: Desk, page: Page) -> None:
    slide = page.post("/slides", {"name": "x"}, 201)["id"]
    answer = page.http.post(
        f"/api/v1/slides/{slide}/fields",
        files={"files": ("a.jpg", photograph(1))},
        headers={"origin": "http://evil.example", "x-csrf-token": ""},
    )
    assert answer.status_code == 403
    assert page.get(f"/slides/{slide}")["fields"] == 0


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil.example:8350", "[x", "[::1"]
)
def test_a_name_that_is_not_ours_is_not_answered(page: Page, host: str) -> None:
    assert page.http.get("/api/v1/slides", headers={"host": host}).status_code == 400


def test_an_origin_that_is_no_address_is_another_site(page: Page) -> None:
    answer = page.http.post("/api/v1/slides", json={"name": "S"}, headers={"origin": "http://[x"})
    assert answer.status_code == 403


def test_a_zero_character_is_refused_wherever_it_stands(any_desk: Desk) -> None:
    """PostgreSQL keeps none, and SQLite should not be another desk."""
    page = Page(any_desk)
    page.post("/session", {"login": "\0", "password": "x"}, 422)
    page.post("/slides", {"name": "S", "note": "a\0b"}, 422)
    slide = drawn_slide(any_desk, fields=1)
    reading = page.read(slide.id)
    asked = {"action": "move", "sequence": 1, "request_id": "request-zero", "cells": ["\0"], "label": "basophil"}
    page.post(f"/readings/{reading['id']}/moves", asked, 422)
    field = page.get(f"/readings/{reading['id']}")["fields"][0]["id"] + "\0"
    page.post(
        f"/readings/{reading['id']}/moves",
        {**asked, "action": "draw", "cells": [], "field_id": field, "box": [1, 1, 90, 90]},
        422,
    )
    assert page.http.get("/api/v1/slides", params={"text": "a\0"}).status_code == 400


@pytest.mark.parametrize("host", ["localhost:8350", "127.0.0.1", "[::1]:8350"])
def test_names_of_this_machine_are_answered(page: Page, host: str) -> None:
    assert page.http.get("/api/v1/slides", headers={"host": host}).status_code == 200


# --- people ----------------------------------------------------------------------------------------------------------


def test_nobody_sees_anything_without_signing_in(guarded: Desk) -> None:
    slide = drawn_slide(guarded, fields=1)
    page = _page(guarded)
    for path in (
        *("/slides", f"/slides/{slide.id}", f"/slides/{slide.id}/cells", f"/slides/{slide.id}/desk", "/accuracy"),
        *("/audit", "/accounts", "/tokens", "/give-back.zip", f"/slides/{slide.id}/history"),
    ):
        assert page.http.get(f"/api/v1{path}").status_code == 401, path
    assert page.http.get("/metrics").status_code == 401
    page.post("/slides", {"name": "x"}, 401)
    assert page.get("/me")["person"] is None
    assert page.get("/me")["labels"] == []
    assert page.http.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("login", "may_review", "may_administer"),
    [("eye", False, False), ("rev", True, False), ("ada", True, True)],
)
def test_each_role_may_what_it_may(guarded: Desk, login: str, may_review: bool, may_administer: bool) -> None:
    slide = drawn_slide(guarded, fields=1)
    page = _page(guarded, login)
    page.get(f"/slides/{slide.id}")
    page.post("/slides", {"name": "x"}, 201 if may_review else 403)
    page.read(slide.id, status=200 if may_review else 403)
    page.upload(slide.id, [("b.jpg", photograph(77))], 202 if may_review else 403)
    page.send("PATCH", f"/slides/{slide.id}", {"note": "n"}, 200 if may_review else 403)
    page.get("/accounts", 200 if may_administer else 403)
    page.get("/audit", 200 if may_administer else 403)
    new = {"login": "new", "name": "N", "role": "reader", "password": PASSWORD}
    page.post("/accounts", new, 201 if may_administer else 403)
    page.send("DELETE", f"/slides/{slide.id}?reason=test", status=204 if may_administer else 403)


def test_nobody_moves_in_or_signs_somebody_elses_reading(guarded: Desk) -> None:
    slide = drawn_slide(guarded, fields=1)
    mine, theirs = _page(guarded, "rev"), _page(guarded, "other")
    reading = mine.read(slide.id)
    cell = mine.get(f"/readings/{reading['id']}")["cells"][0]["id"]
    theirs.move(reading["id"], "see", 1, 403, cells=[cell])
    theirs.sign(reading["id"], mine.see_all(reading["id"]), 403, password=PASSWORD)
    theirs.read(slide.id, status=409)


def test_signing_needs_ones_own_password_again(guarded: Desk) -> None:
    slide = drawn_slide(guarded, fields=1)
    page = _page(guarded, "rev")
    reading = page.read(slide.id)
    sequence = page.see_all(reading["id"])
    page.sign(reading["id"], sequence, 403)
    page.sign(reading["id"], sequence, 403, password="not the password at all")  # noqa: S106 - wrong on purpose
    page.sign(reading["id"], sequence, password=PASSWORD)


# --- signing in ------------------------------------------------------------------------------------------------------


def test_guessing_is_slowed_and_noted_and_tells_nothing(guarded: Desk) -> None:
    page = _page(guarded)
    wrong = page.post("/session", {"login": "rev", "password": "wrong wrong wrong"}, 401)
    nobody = page.post("/session", {"login": "nobody", "password": "wrong wrong wrong"}, 401)
    assert wrong == nobody
    for _ in range(2):
        page.post("/session", {"login": "rev", "password": "wrong wrong wrong"}, 401)
    answer = page.http.post("/api/v1/session", json={"login": "rev", "password": PASSWORD})
    assert answer.status_code == 429  # even the right password, now
    assert int(answer.headers["retry-after"]) > 0

    with guarded.database.read() as session:
        stored = json.dumps([event.body for event in session.query(Event)])
    assert "wrong wrong wrong" not in stored
    assert PASSWORD not in stored
    guarded.buckets.forget("login-address", "testclient")
    admin = _page(guarded, "ada")
    kinds = [event["kind"] for event in admin.get("/audit?kind=login.")["events"]]
    assert kinds == ["login.succeeded", "login.refused", "login.failed", "login.failed", "login.failed", "login.failed"]


def test_guesses_that_come_all_at_once_are_counted_each(guarded: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most, tried, lock = 0, 0, 0, threading.Lock()
    hasher = accounts._hasher()

    class Slow:
        def verify(self, stored: str, password: str) -> bool:
            nonlocal inside, most, tried
            with lock:
                inside, tried = inside + 1, tried + 1
                most = max(most, inside)
            time.sleep(0.05)
            try:
                return hasher.verify(stored, password)
            finally:
                with lock:
                    inside -= 1

        def hash(self, password: str) -> str:
            return hasher.hash(password)

    monkeypatch.setattr(accounts, "_hasher", Slow)
    together = threading.Barrier(30)

    def guess(k: int) -> str:
        together.wait()
        try:
            sign_in.sign_in(guarded, "rev", f"wrong guess {k}", "10.0.0.9")
        except ReviewFault as fault:
            return type(fault).__name__
        return "in"

    with ThreadPoolExecutor(30) as pool:
        outcomes = Counter(pool.map(guess, range(30)))
    assert outcomes == {"NotSignedIn": 4, "Busy": 26}
    assert (tried, most <= 2) == (4, True)
    with guarded.database.read() as session:
        assert session.query(Event).where(Event.kind == "login.refused").count() == 1  # once, however often they ask


def test_the_right_password_costs_no_attempt(guarded: Desk) -> None:
    for _ in range(3 * guarded.settings.logins_per_quarter):
        sign_in.sign_in(guarded, "rev", PASSWORD, "10.0.0.9")
    page = _page(guarded, "rev")
    for _ in range(3 * guarded.settings.logins_per_quarter):
        accounts.confirm(guarded, _person(page), PASSWORD)


def test_somebody_refused_by_address_does_not_use_up_anothers_attempts(guarded: Desk) -> None:
    for k in range(8):
        with pytest.raises((NotSignedIn, Busy)):
            sign_in.sign_in(guarded, "rev" if k >= 4 else f"nobody{k}", "wrong", "10.0.0.9")
    assert sign_in.sign_in(guarded, "rev", PASSWORD, "10.0.0.10")


@pytest.mark.slow
def test_wrong_passwords_at_the_signature_are_noted_and_slowed(guarded: Desk) -> None:
    slide = drawn_slide(guarded, fields=1)
    page = _page(guarded, "rev")
    reading = page.read(slide.id)["id"]
    sequence = page.see_all(reading)
    page.sign(reading, sequence, 403)  # none given: no guess
    for _ in range(4):
        page.sign(reading, sequence, 403, password="wrong wrong wrong")  # noqa: S106 - of tests
    for _ in range(2):
        page.sign(reading, sequence, 429, password=PASSWORD)
    noted = _page(guarded, "ada").get("/audit?kind=password.")["events"]
    assert [event["kind"] for event in noted] == ["password.refused", *["password.failed"] * 4]
    assert {event["actor"] for event in noted} == {"Rev"}
    assert "wrong password" in noted[-1]["words"]


def _person(page: Page) -> Person:
    return Person.model_validate(page.get("/me")["person"])


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(guarded: Desk) -> None:
    page = _page(guarded)
    answer = page.http.post("/api/v1/session", json={"login": "rev", "password": PASSWORD})
    for cookie in answer.headers.get_list("set-cookie"):
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
    stored = page.http.cookies["buffycoat_session"]
    with guarded.database.read() as session:
        assert stored not in [one.hash for one in session.query(WebSession)]


def test_over_https_cookies_are_bound_to_host_and_transport(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", accounts=True, secure_cookies=True)
    page = Page(desk)
    answer = page.http.get("/api/v1/me")
    assert answer.headers["strict-transport-security"]
    assert all(
        cookie.startswith("__Host-") and "secure" in cookie.lower() for cookie in answer.headers.get_list("set-cookie")
    )
    desk.close()


def test_a_session_ends_by_sign_out_by_time_and_by_a_new_password(guarded: Desk) -> None:
    page = _page(guarded, "rev")
    stolen = dict(page.http.cookies)
    page.send("DELETE", "/session", status=204)
    page.http.cookies.update(stolen)
    page.get("/slides", 401)

    page = _page(guarded, "rev")
    with guarded.database.touch() as session:
        for one in session.query(WebSession):
            one.used_at -= (guarded.settings.session_idle_seconds + 1) * 1_000_000
    page.get("/slides", 401)

    page = _page(guarded, "rev")
    page.post("/account/password", {"old": "not this one", "new": "another long phrase"}, 403)
    page.post("/account/password", {"old": PASSWORD, "new": "short"}, 422)
    page.post("/account/password", {"old": PASSWORD, "new": "another long phrase"}, 204)
    page.get("/slides", 401)
    _page(guarded).sign_in("rev", "another long phrase")


def test_a_person_whose_account_ended_is_out_at_once(guarded: Desk) -> None:
    admin, page = _page(guarded, "ada"), _page(guarded, "rev")
    token = page.post("/tokens", {"name": "script"}, 201)["token"]
    account = next(one for one in admin.get("/accounts") if one["login"] == "rev")
    admin.send("PATCH", f"/accounts/{account['id']}", {"active": False})
    page.get("/slides", 401)
    Page(guarded).get("/slides", 401, headers={"authorization": f"Bearer {token}"})
    _page(guarded).sign_in("rev", status=401)


def test_the_last_administrator_stays(guarded: Desk) -> None:
    admin = _page(guarded, "ada")
    own = next(one for one in admin.get("/accounts") if one["login"] == "ada")
    admin.send("PATCH", f"/accounts/{own['id']}", {"role": "reader"}, 409)
    admin.send("PATCH", f"/accounts/{own['id']}", {"active": False}, 409)
    admin.get("/accounts")


def test_passwords_are_kept_as_argon2id_with_the_work_that_rfc_9106_recommends() -> None:
    from argon2 import Type, extract_parameters

    found = extract_parameters(REAL_HASHER().hash(PASSWORD))
    assert (found.type, found.time_cost, found.memory_cost) == (Type.ID, 3, 65_536)


@pytest.mark.parametrize("password", ["short", "", "aaaaaaaaaaaaaaaa", "new"])
def test_weak_passwords_are_refused(guarded: Desk, password: str) -> None:
    document = {"login": "new", "name": "N", "role": "reader", "password": password}
    _page(guarded, "ada").post("/accounts", document, 422)


# --- tokens ----------------------------------------------------------------------------------------------------------


def test_a_token_does_what_its_owner_may_until_it_is_revoked(guarded: Desk) -> None:
    page = _page(guarded, "eye")
    made = page.post("/tokens", {"name": "script"}, 201)
    program = {"authorization": f"Bearer {made['token']}"}
    fresh = Page(guarded)
    fresh.get("/slides", headers=program)
    fresh.post("/slides", {"name": "x"}, 403, headers=program)
    assert fresh.http.get("/metrics", headers=program).status_code == 200
    assert made["token"] not in json.dumps(page.get("/tokens"))
    page.send("DELETE", f"/tokens/{made['id']}", status=204)
    fresh.get("/slides", 401, headers=program)


@pytest.mark.parametrize("change", [lambda t: t[:-1] + "x" * (t[-1] != "x") + "y" * (t[-1] == "x"), lambda t: t[:20]])
def test_a_token_that_is_not_quite_right_is_refused_whatever_cookie_comes_with_it(guarded: Desk, change: Any) -> None:
    page = _page(guarded, "ada")
    token = page.post("/tokens", {"name": "script"}, 201)["token"]
    page.get("/slides", 401, headers={"authorization": f"Bearer {change(token)}"})
    page.get("/slides", 401, headers={"authorization": f"Basic {token}"})


@pytest.mark.slow
@pytest.mark.parametrize("how", ["by themselves", "by the administrator", "from the console"])
def test_a_new_password_ends_all_tokens(guarded: Desk, how: str) -> None:
    page, admin = _page(guarded, "rev"), _page(guarded, "ada")
    token = {"authorization": f"Bearer {page.post('/tokens', {'name': 'script'}, 201)['token']}"}
    others = {"authorization": f"Bearer {admin.post('/tokens', {'name': 'mine'}, 201)['token']}"}
    Page(guarded).get("/slides", headers=token)
    account = next(one for one in admin.get("/accounts") if one["login"] == "rev")["id"]
    new = "another long phrase"
    if how == "by themselves":
        page.post("/account/password", {"old": PASSWORD, "new": new}, 204)
    elif how == "by the administrator":
        admin.send("PATCH", f"/accounts/{account}", {"password": new})
    else:
        accounts.change(guarded, None, account, password=new)
    Page(guarded).get("/slides", 401, headers=token)
    Page(guarded).get("/slides", headers=others)
    assert admin.get("/audit?kind=token.revoked")["events"][0]["words"] == "revoked the token script"
    assert verify(guarded).faults == []


def test_only_its_owner_or_an_administrator_revokes_a_token(guarded: Desk) -> None:
    mine, theirs = _page(guarded, "rev"), _page(guarded, "other")
    made = mine.post("/tokens", {"name": "script"}, 201)
    theirs.send("DELETE", f"/tokens/{made['id']}", status=403)
    assert theirs.get("/tokens") == []
    _page(guarded, "ada").send("DELETE", f"/tokens/{made['id']}", status=204)


# --- what leaks ------------------------------------------------------------------------------------------------------


def test_every_answer_carries_the_headers_that_keep_others_out(page: Page) -> None:
    for path in ("/api/v1/slides", "/health", "/nowhere", "/api/v1/slides/zzz"):
        headers = page.http.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"


def test_logs_hold_no_names_and_no_contents(desk: Desk) -> None:
    stream = io.StringIO()
    logs.begin(stream=stream)
    try:
        page = Page(desk)
        slide = page.post("/slides", {"name": "Patient Zimmermann 1961", "note": "secret-note"}, 201)
        page.upload(slide["id"], [("zimmermann.jpg", photograph(1))])
        page.upload(slide["id"], [("zimmermann2.jpg", b"no image")], 422)
        page.get("/slides?text=Zimmermann")
        page.get("/slides/zimmermann-1961", 422)
    finally:
        for name in ("buffycoat", "uvicorn"):
            logging.getLogger(name).handlers.clear()
            logging.getLogger(name).propagate = True
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len([line for line in lines if line["event"] == "request"]) == 6
    assert "zimmermann" not in stream.getvalue().lower()
    assert "secret" not in stream.getvalue()


def test_what_is_not_ready_is_logged_by_its_kind_and_not_in_words(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise DataError("slide Zimmermann 1961: no cell was counted")

    page = Page(desk)
    monkeypatch.setattr("buffycoat.review.slides.find", broken)
    stream = io.StringIO()
    logs.begin(stream=stream)
    try:
        answer = page.http.get("/api/v1/slides")
    finally:
        for name in ("buffycoat", "uvicorn"):
            logging.getLogger(name).handlers.clear()
            logging.getLogger(name).propagate = True
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert "DataError" in stream.getvalue()
    assert "zimmermann" not in (stream.getvalue() + answer.text).lower()


def test_a_defect_tells_the_asker_nothing_of_the_inside(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page(desk)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("password=hunter2 at /var/lib/secret")

    monkeypatch.setattr("buffycoat.review.slides.find", broken)
    answer = page.http.get("/api/v1/slides")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert answer.json()["title"] == "A defect"
