"""The report as a browser shows it: wide and narrow, light and dark, sorted, and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from buffycoat.report.build import build
from buffycoat.report.colours import DARK, LIGHT
from tests.report.make_study import make_study

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

WIDE, NARROW, PAPER = 1280, 390, 673  # px; the last is what margins leave of A4
COLLAPSED, SOUND = "AlexNet", "EfficientNet-Lite0"
WIDTHS = "[document.documentElement.scrollWidth, innerWidth]"
UNSEEN = """() => [...document.querySelectorAll("main p, main li, main td, main th, main img, main svg, main summary")]
    .filter((element) => !element.checkVisibility()).map((element) => element.outerHTML.slice(0, 80))"""
OPEN = "details => details.filter((one) => one.open).length"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of a study with two collapsed networks, whose mistakes are too many to show all at once."""
    networks = ("tf_efficientnet_lite0", "resnet18", "alexnet")
    folder = make_study(tmp_path_factory.mktemp("study") / "study", n=70, models=networks, collapsed=networks[1:])
    build(folder)
    return folder / "report.html"


@contextmanager
def _reading(browser: Browser, report: Path, width: int = WIDE, **kind: Any) -> Iterator[Page]:
    """Open the report in a window; a message on its console, or a question to any host, fails the test."""
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True, **kind)
    page, faults = context.new_page(), list[str]()
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(("data:", "file:")) else faults.append(asked.url))
    page.goto(report.as_uri())
    yield page
    context.close()
    assert faults == []


def _rgb(colour: str) -> str:
    return "rgb({}, {}, {})".format(*bytes.fromhex(colour[1:]))


def _style(page: Page, what: str, of: str) -> str:
    return str(page.locator(of).first.evaluate("(element, what) => getComputedStyle(element)[what]", what))


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize(("scheme", "palette"), [("light", LIGHT), ("dark", DARK)])
def test_it_fits_and_wears_the_readers_scheme(
    browser: Browser, report: Path, width: int, scheme: str, palette: dict[str, str]
) -> None:
    with _reading(browser, report, width, color_scheme=scheme) as page:
        scroll, inner = page.evaluate(WIDTHS)
        assert scroll <= inner
        assert _style(page, "backgroundColor", "body") == _rgb(palette["paper"])
        assert _style(page, "color", "main p") == _rgb(palette["ink"])
        for part in ("th", "th a", "th small", "td.num", "td.num small"):
            row = f"tr:has(a:text-is('{COLLAPSED}')) {part}"
            assert _style(page, "color", row) == _rgb(palette["bad"]), "a collapsed network is red"
        assert _style(page, "color", f"tr:has(a:text-is('{SOUND}')) td.num") == _rgb(palette["ink"])
        assert _style(page, "color", ".note.alarm .bad") == _rgb(palette["bad"])


def test_every_picture_is_there_and_described(browser: Browser, report: Path) -> None:
    with _reading(browser, report) as page:
        pictures = page.evaluate(
            """() => Promise.all([...document.images].map(async (image) => {
                image.loading = "eager"; await image.decode(); return [image.naturalWidth, image.alt]; }))"""
        )
        assert len(pictures) > 60
        assert all(width >= 40 and alt for width, alt in pictures)
        drawings = page.evaluate("[...document.querySelectorAll('svg')].map((one) => one.getAttribute('aria-label'))")
        assert len(drawings) > 10 and all(drawings)


def test_a_click_on_a_head_sorts_and_another_turns_the_order(browser: Browser, report: Path) -> None:
    with _reading(browser, report) as page:
        table = page.locator("section:has(#model-2) table.sortable")
        undefined = table.locator("tbody tr", has_text="undefined").count()
        assert undefined, "a collapsed network's precision is undefined for the classes it never names"
        head = table.get_by_role("columnheader", name="Precision")
        for order, turned in (("descending", False), ("ascending", True)):
            head.get_by_role("button").click()
            assert head.get_attribute("aria-sort") == order
            values = [
                float(value)
                for value in table.locator("tbody td:nth-child(5)").evaluate_all(
                    "cells => cells.map((cell) => cell.dataset.v)"
                )
            ]
            assert len(values) == 4 and values == sorted(values, reverse=not turned)
        names = table.get_by_role("columnheader", name="Class")
        names.get_by_role("button").click()
        assert head.get_attribute("aria-sort") is None, "one column sorts at a time"
        shown = [name.strip() for name in table.locator("tbody th").all_inner_texts()]
        assert shown == sorted(shown, reverse=True)
        assert table.locator("tfoot th").inner_text() == "average"


def test_on_paper_nothing_is_folded_away(browser: Browser, report: Path) -> None:
    with _reading(browser, report, PAPER, color_scheme="dark") as page:
        folded = page.locator("details")
        assert folded.count() > 1 and page.evaluate(UNSEEN) != []
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate(UNSEEN) == []
        scroll, inner = page.evaluate(WIDTHS)
        assert scroll <= inner
        assert _style(page, "backgroundColor", "body") == "rgb(255, 255, 255)"
        assert _style(page, "color", "main p") == "rgb(0, 0, 0)"


def test_browsers_that_print_only_what_is_open_have_it_opened(browser: Browser, report: Path) -> None:
    with _reading(browser, report) as page:
        folded = page.locator("details")
        folded.first.locator("summary").click()
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert folded.evaluate_all(OPEN) == folded.count()
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert folded.evaluate_all(OPEN) == 1, "what the reader opened stays open"
