"""Two readers with accounts, blinded to each other until both have signed."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser
from sqlalchemy import delete

from buffycoat.review import accounts, readings
from buffycoat.review.desk import Desk
from buffycoat.review.documents import Role
from buffycoat.review.schema import WebSession
from buffycoat.review.sign_in import HERE, by_token
from tests.review.desks import drawn_slide, make_desk
from tests.review.web.desktop import Desktop, served

pytestmark = pytest.mark.slow
PASSWORD = "a long enough phrase"  # noqa: S105 - of tests


def people(desk: Desk) -> None:
    """Make an administrator, two reviewers and one who only looks."""
    roles: list[tuple[str, Role]] = [
        ("admin", "administrator"),
        ("first", "reviewer"),
        ("second", "reviewer"),
        ("looker", "reader"),
    ]
    for login, role in roles:
        accounts.create(desk, None, login, f"Person {login}", role, PASSWORD)


def signed_in(browser: Browser, address: str, login: str, path: str) -> Desktop:
    """Open a window, be sent to the log-in, sign in, arrive."""
    window = Desktop(browser, address)
    window.page.goto(address + path)
    assert "/login" in window.page.url
    window.page.get_by_label("Login").fill(login)
    window.page.get_by_label("Password").fill(PASSWORD)
    window.press("Enter")
    window.page.wait_for_function("path => location.pathname === path", arg=path)
    return window


def read_and_sign(window: Desktop, slide: str, *keys: str) -> None:
    """Correct the first cells with keys, see all, sign with the password."""
    window.open(f"/slides/{slide}")
    window.press(*keys)
    for _ in range(60):
        if window.seen()[0] == window.seen()[1]:
            break
        window.press("Space")
    window.saved()
    window.page.locator("[data-sign]").click()
    name = window.page.get_by_label("Your name")
    assert not name.is_editable()  # with accounts one signs in one's own
    assert name.input_value().startswith("Person ")
    assert window.page.evaluate("() => document.activeElement.name") == "password"
    window.page.get_by_label("Your password again").fill(PASSWORD)
    window.press("Enter")
    window.page.wait_for_selector(".banner.signed")


def test_two_readers_do_not_see_each_other_until_both_have_signed(browser: Browser, tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", accounts=True)
    people(desk)
    listed = {one.login: one for one in accounts.listed(desk, _administrator(desk))}
    assert set(listed) == {"admin", "first", "second", "looker"}
    slide = drawn_slide(desk, fields=2, cells_per_field=3, readings_wanted=2, who=_administrator(desk))
    with served(desk) as address:
        first = signed_in(browser, address, "first", "/")
        second = signed_in(browser, address, "second", "/")
        program = _counts_of(second, slide.id)
        read_and_sign(first, slide.id, "e", "e", "m")
        changed = first.counts()
        assert changed != program
        assert _counts_of(second, slide.id) == program  # nothing of the first is to be seen
        second.expected = ("404",)
        assert "under way" in _row(second) or "signed" in _row(second)
        second.page.goto(f"{address}/slides/{slide.id}/agreement")
        assert "kappa" not in (second.page.locator("main").text_content() or "").lower()
        looker = signed_in(browser, address, "looker", "/")
        assert _counts_of(looker, slide.id) == program
        looker.press("e")
        assert looker.counts() == program  # looking only
        looker.close()
        read_and_sign(second, slide.id, "b")
        for window in (first, second):
            window.page.goto(f"{address}/slides/{slide.id}/agreement")
            said = window.page.locator("main").text_content() or ""
            assert "Cohen’s kappa" in said
            assert "Person first and Person second" in said
            assert window.page.locator(".pairs li").count() >= 1
        first.page.get_by_role("button", name="Sign out").click()
        first.page.wait_for_function("() => location.pathname === '/login'")
        first.page.goto(f"{address}/slides/{slide.id}")
        assert "/login" in first.page.url
        first.close()
        second.close()
    desk.close()


def _administrator(desk: Desk):  # type: ignore[no-untyped-def]
    from buffycoat.review.documents import Person

    return Person(id="test", login="test", name="Test", role="administrator", local=False)


def _counts_of(window: Desktop, slide: str) -> dict[str, int]:
    window.open(f"/slides/{slide}")
    return window.counts()


def _row(window: Desktop) -> str:
    window.open("/")
    return window.page.locator(".slidetable tbody tr").first.text_content() or ""


def test_moves_wait_for_their_reader_when_the_session_ends(browser: Browser, tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", accounts=True)
    people(desk)
    slide = drawn_slide(desk, fields=1)
    with served(desk) as address:
        window = signed_in(browser, address, "first", f"/slides/{slide.id}")
        window.expected = ("401", "403")
        window.page.wait_for_selector("html[data-ready]", state="attached")
        window.press("Space")
        window.saved()
        with desk.database.touch() as session:
            session.execute(delete(WebSession))
        moved = window.on_desk()[0]["id"]
        window.page.evaluate("([id]) => desk.actions.move([id], 'artefact')", [moved])
        window.press("Space")
        window.page.wait_for_selector("#saved[data-state=away]")
        assert "waiting for you to sign in" in (window.page.locator("#saved").text_content() or "")

        with window.page.context.expect_page() as opened:
            window.page.get_by_role("button", name="Sign in…").click()
        other = opened.value
        for login, stays in (("second", True), ("first", False)):  # somebody else's session is not this reader's
            other.goto(f"{address}/login")
            other.get_by_label("Login").fill(login)
            other.get_by_label("Password").fill(PASSWORD)
            other.keyboard.press("Enter")
            other.wait_for_function("() => location.pathname === '/'")
            if stays:
                window.page.wait_for_timeout(4000)
                assert window.page.locator("#saved").get_attribute("data-state") == "away"
                other.get_by_role("button", name="Sign out").click()
                other.wait_for_function("() => location.pathname === '/login'")
        window.page.wait_for_selector("#saved[data-state=saved]")
        window.close()
    reading = readings.look(desk, HERE, slide.id).reading
    assert reading is not None
    kept = readings.view(desk, HERE, reading.id)
    desk.close()
    assert [(cell.id, cell.label) for cell in kept.cells if cell.label != cell.program_label] == [(moved, "artefact")]
    assert sum(cell.seen for cell in kept.cells) >= 2


def test_a_wrong_password_is_said_and_accounts_are_made_on_the_page(browser: Browser, tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", accounts=True)
    people(desk)
    with served(desk) as address:
        window = Desktop(browser, address)
        window.expected = ("401",)
        window.page.goto(address + "/accounts")
        window.page.get_by_label("Login").fill("admin")
        window.page.get_by_label("Password").fill("not the password")
        window.press("Enter")
        window.page.wait_for_selector("[data-fault]:not([hidden])")
        window.page.get_by_label("Password").fill(PASSWORD)
        window.press("Enter")
        window.page.wait_for_function("() => location.pathname === '/accounts'")
        window.page.wait_for_load_state()
        window.page.get_by_role("button", name="New account…").click()
        dialog = window.page.locator("#new-account")
        dialog.get_by_label("Name").fill("Somebody New")
        dialog.get_by_label("Login").fill("somebody")
        dialog.get_by_label("First password").fill(PASSWORD)
        dialog.get_by_role("button", name="Make the account").click()
        window.page.wait_for_function("() => document.querySelector('main table').textContent.includes('Somebody New')")
        window.page.goto(address + "/account")
        window.page.get_by_label("What it is for").fill("a script")
        window.page.get_by_role("button", name="Make a token").click()
        window.page.wait_for_selector("#token-shown:not([hidden])")
        token = window.page.locator("[data-token]").text_content() or ""
        person = by_token(desk, token)
        assert person is not None
        assert person.login == "admin"
        window.close()
    desk.close()
