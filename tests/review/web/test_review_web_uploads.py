"""Photographs that wait in the browser: kept whatever the server says of the person, sent by nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Route
from sqlalchemy import delete

from buffycoat.review import accounts, slides
from buffycoat.review.desk import Desk
from buffycoat.review.documents import SlideRow
from buffycoat.review.schema import WebSession
from buffycoat.review.sign_in import HERE
from tests.review.clients import PASSWORD
from tests.review.desks import make_desk, photograph
from tests.review.web.desktop import Desktop, served

pytestmark = pytest.mark.slow
_STORED = (
    "() => new Promise(done => { indexedDB.open('buffycoat', 1).onsuccess = event => {"
    " const all = event.target.result.transaction('files').objectStore('files').count();"
    " all.onsuccess = () => { event.target.result.close(); done(all.result); }; }; })"
)


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Desk]:
    """Return a desk with two reviewers."""
    desk = make_desk(tmp_path / "desk", accounts=True)
    for login in ("first", "second"):
        accounts.create(desk, None, login, f"Person {login}", "reviewer", PASSWORD)
    yield desk
    desk.close()


@pytest.fixture
def photographs(tmp_path: Path) -> list[Path]:
    """Return three drawn photographs."""
    paths = [tmp_path / f"field {number}.jpg" for number in range(3)]
    for number, path in enumerate(paths):
        path.write_bytes(photograph(400 + number, 2))
    return paths


def _sign_in(window: Desktop, login: str) -> None:
    window.page.get_by_label("Login").fill(login)
    window.page.get_by_label("Password").fill(PASSWORD)
    window.press("Enter")
    window.page.wait_for_function("() => location.pathname === '/'")
    window.page.wait_for_selector("html[data-ready]", state="attached")


def _upload(window: Desktop, photographs: list[Path]) -> None:
    with window.page.expect_file_chooser() as chooser:
        window.page.get_by_text("Choose files").click()
    chooser.value.set_files(photographs)
    window.page.get_by_role("button", name="Upload and analyse").click()


def _slide(desk: Desk) -> SlideRow:
    (found,) = slides.find(desk, HERE).slides
    return found


def test_photographs_wait_for_the_one_who_put_them_there(
    browser: Browser, guarded: Desk, photographs: list[Path]
) -> None:
    sent: list[str] = []

    def expire(route: Route) -> None:
        with guarded.database.touch() as session:
            session.execute(delete(WebSession))
        route.continue_()

    with served(guarded) as address:
        window = Desktop(browser, address)
        window.expected = ("401",)
        window.page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
        window.open("/login")
        _sign_in(window, "first")
        window.page.route("**/fields", expire, times=1)  # the session ends between the click and the first file
        _upload(window, photographs)
        window.page.wait_for_function("() => document.querySelector('.upload .said')?.textContent.includes('sign in')")
        assert window.page.evaluate(_STORED) == 3

        sent.clear()
        window.open("/login")
        window.page.wait_for_timeout(500)
        assert sent == []  # nobody is signed in: nothing is sent
        _sign_in(window, "second")
        window.page.wait_for_timeout(500)
        assert [url for url in sent if url.endswith("/fields")] == []  # they are not this person's
        assert window.page.locator(".upload").count() == 0
        assert _slide(guarded).fields == 0
        assert window.page.evaluate(_STORED) == 3

        window.page.get_by_role("button", name="Sign out").click()
        window.page.wait_for_function("() => location.pathname === '/login'")
        _sign_in(window, "first")
        window.page.wait_for_selector(".upload.finished")
        assert _slide(guarded).fields == 3
        assert window.page.evaluate(_STORED) == 0
        window.close()


@pytest.mark.parametrize(
    ("status", "title", "said"),
    [
        (403, "Not from this page", "load this page again"),  # another window signed in meanwhile: the token is old
        (403, "Not allowed", "Waiting: no"),
        (500, "A defect", "kept here"),
    ],
)
def test_photographs_are_kept_whatever_is_wrong_with_the_server_or_the_page(
    browser: Browser, tmp_path: Path, photographs: list[Path], status: int, title: str, said: str
) -> None:
    desk = make_desk(tmp_path / "desk")
    with served(desk) as address:
        window = Desktop(browser, address)
        window.expected = (str(status),)
        window.page.clock.install()
        window.open("/")
        window.page.route(
            "**/fields", lambda route: route.fulfill(status=status, json={"title": title, "detail": "no"})
        )
        _upload(window, photographs)
        for _ in range(200):
            if said in (window.page.locator(".upload .said").text_content() or ""):
                break
            window.page.clock.run_for(2000)
        assert said in (window.page.locator(".upload .said").text_content() or "")
        assert window.page.evaluate(_STORED) == 3
        window.page.unroute("**/fields")
        window.open("/")
        for _ in range(200):
            if window.page.locator(".upload.finished").count():
                break
            window.page.clock.run_for(500)
        assert _slide(desk).fields == 3
        window.close()
    desk.close()


def test_what_waits_can_be_discarded(browser: Browser, guarded: Desk, photographs: list[Path]) -> None:
    with served(guarded) as address:
        window = Desktop(browser, address)
        window.expected = ("403",)
        window.open("/login")
        _sign_in(window, "first")
        window.page.route("**/fields", lambda route: route.fulfill(status=403, json={"title": "x", "detail": "no"}))
        _upload(window, photographs)
        window.page.get_by_role("button", name="Discard").click()
        window.page.wait_for_function("() => !document.querySelector('.upload')")
        assert window.page.evaluate(_STORED) == 0
        window.close()


def test_leaving_is_asked_about_where_the_browser_keeps_nothing(
    browser: Browser, tmp_path: Path, photographs: list[Path]
) -> None:
    """A private window, a full disk: what was not sent yet would be gone with the page."""
    desk = make_desk(tmp_path / "desk")
    asked: list[str] = []

    def busy(route: Route) -> None:
        route.fulfill(status=503, headers={"Retry-After": "1"}, json={"title": "Busy", "detail": "Busy."})

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    with served(desk) as address:
        window = Desktop(browser, address)
        window.expected = ("503",)
        window.page.add_init_script("Object.defineProperty(window, 'indexedDB', { value: undefined })")
        window.page.route("**/fields", busy)
        window.page.on("dialog", stay)
        window.open("/")
        _upload(window, photographs)
        window.page.wait_for_function("() => document.querySelector('.upload .said')?.textContent.includes('busy')")
        window.page.close(run_before_unload=True)
        window.page.wait_for_timeout(300)
        assert asked == ["beforeunload"]
        window.page.unroute("**/fields")
        window.page.wait_for_selector(".upload.finished")
        (slide,) = slides.find(desk, HERE).slides
        assert slide.fields == 3
        window.page.close(run_before_unload=True)
        assert asked == ["beforeunload"]
        window.page.context.close()
    desk.close()
