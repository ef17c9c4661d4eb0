"""Pages for everybody: axe-core finds nothing serious, nothing jumps, narrow and wide, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser

from buffycoat.review import readings, signing
from buffycoat.review.desk import Desk
from buffycoat.review.documents import Move, SignRequest
from buffycoat.review.sign_in import HERE
from tests.review.desks import drawn_slide, make_desk
from tests.review.web.desktop import NARROW, WIDE, Desktop, served

pytestmark = pytest.mark.slow
_TOO_WIDE = (
    "() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll('main *')]"
    ".filter(e => e.getBoundingClientRect().right > innerWidth && !e.closest('.tablebox'))"
    ".map(e => e.tagName + '.' + e.className)"
)
_SHIFTS = (
    "() => new Promise(done => { let sum = 0; new PerformanceObserver(list => {"
    " for (const one of list.getEntries()) if (!one.hadRecentInput) sum += one.value; })"
    ".observe({type: 'layout-shift', buffered: true}); setTimeout(() => done(sum), 400); })"
)


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """Return a desk with slides in every state, and their ids."""
    desk = make_desk(tmp_path_factory.mktemp("furnished") / "desk", ranges="example")
    opened = drawn_slide(desk, fields=6, cells_per_field=4, name="Open")
    signed = drawn_slide(desk, fields=2, name="Signed")
    two = drawn_slide(desk, fields=1, name="Two", readings_wanted=2)
    read(desk, signed.id, 1, "One")
    read(desk, two.id, 1, "One")
    read(desk, two.id, 2, "Two")
    with served(desk) as address:
        yield address, {"open": opened.id, "signed": signed.id, "two": two.id}
    desk.close()


def read(desk: Desk, slide: str, number: int, name: str) -> None:
    """Change one cell, see all, sign."""
    reading = readings.open_reading(desk, HERE, slide, number, name)
    cells = tuple(cell.id for cell in readings.view(desk, HERE, reading.id).cells)
    sequence = reading.sequence
    for move in (
        Move(action="move", request_id=f"move-{reading.id}", sequence=sequence, cells=cells[:number], label="monocyte"),
        Move(action="see", request_id=f"see-{reading.id}", sequence=sequence + 1, cells=cells),
    ):
        sequence = readings.move(desk, HERE, reading.id, move).sequence
    signing.sign(desk, HERE, reading.id, SignRequest(name=name, sequence=sequence, request_id=f"sign-{reading.id}"))


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (NARROW, "dark")], ids=["wide, light", "narrow, dark"])
def test_nothing_serious_and_nothing_jumps(
    browser: Browser,
    furnished: tuple[str, dict[str, str]],
    size: tuple[int, int],
    scheme: Literal["light", "dark"],
) -> None:
    address, slide = furnished
    window = Desktop(browser, address, size=size, scheme=scheme)
    found: dict[str, list[str]] = {}
    jumps: dict[str, Any] = {}
    for path in (
        "/",
        f"/slides/{slide['open']}",
        f"/slides/{slide['signed']}",
        f"/slides/{slide['signed']}/report",
        f"/slides/{slide['signed']}/history",
        f"/slides/{slide['two']}/agreement",
        "/accuracy",
        "/give-back",
        "/audit",
    ):
        window.open(path)
        jumps[path] = window.page.evaluate(_SHIFTS)
        found[path] = window.serious()
        assert window.page.evaluate(_TOO_WIDE) == [], path
    states(window, slide["open"], found)
    window.close()
    assert {path: faults for path, faults in found.items() if faults} == {}
    assert {path: round(sum_, 4) for path, sum_ in jumps.items() if sum_ > 0.01} == {}


def states(window: Desktop, slide: str, found: dict[str, list[str]]) -> None:
    """Look at the states of the desk that no address leads to."""
    window.open(f"/slides/{slide}")
    window.press("Control+Space", "ArrowRight", "Control+Space")
    window.page.wait_for_selector("#selection.up")
    found["selected"] = window.serious()
    window.press("Escape", "Enter")
    window.page.wait_for_selector("#viewer[open]")
    found["large"] = window.serious()
    window.press("*")
    found["drawing"] = window.serious()
    window.press("Escape", "Escape")
    window.page.locator("[data-sign]").click()
    found["sign"] = window.serious()
    window.press("Escape", "?")
    window.page.wait_for_selector("#help[open]")
    found["help"] = window.serious()


def test_log_in_and_accounts(browser: Browser, tmp_path: Path) -> None:
    from buffycoat.review import accounts

    desk = make_desk(tmp_path / "desk", accounts=True)
    accounts.create(desk, None, "admin", "Person admin", "administrator", "a long enough phrase")
    with served(desk) as address:
        window = Desktop(browser, address)
        window.page.goto(address + "/accounts")
        assert window.serious() == []
        window.page.get_by_label("Login").fill("admin")
        window.page.get_by_label("Password").fill("a long enough phrase")
        window.press("Enter")
        window.page.wait_for_function("() => location.pathname === '/accounts'")
        window.page.wait_for_load_state()
        assert window.serious() == []
        window.page.get_by_role("button", name="New account…").click()
        assert window.serious() == []
        window.page.goto(address + "/account")
        assert window.serious() == []
        window.close()
    desk.close()


_CUT_OFF = (  # tables that must be scrolled to be read, and names that end in dots
    "() => [...document.querySelectorAll('.diff, .figures, .matrix')].map(e => e.closest('.tablebox'))"
    ".concat([...document.querySelectorAll('.differential tbody th a, .differential thead th')])"
    ".filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth).map(e => e.className || e.textContent)"
)


@pytest.mark.parametrize("wide", [1440, 1100, 390])
def test_no_figure_and_no_name_is_cut_off(browser: Browser, furnished: tuple[str, dict[str, str]], wide: int) -> None:
    address, ids = furnished
    desktop = Desktop(browser, address, size=(wide, 900))
    for path in ("/accuracy", f"/slides/{ids['signed']}/report", f"/slides/{ids['two']}/agreement"):
        desktop.open(path)
        assert desktop.page.locator(".diff, .figures, .matrix").count() > 0
        assert desktop.page.evaluate(_CUT_OFF) == [], path
    desktop.open(f"/slides/{ids['open']}")
    if wide == 390:
        desktop.page.locator("[data-sheet]").click()
    assert desktop.page.locator(".differential tbody th a").count() == 5
    assert desktop.page.evaluate(_CUT_OFF) == []
    desktop.close()
