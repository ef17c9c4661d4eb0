"""The desk in small windows and large ones: nothing is pressed unseen, nothing covers anything else."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import pytest
from playwright.sync_api import Browser, Page

from buffycoat.imaging.decode import read_image
from buffycoat.review import slides, uploads
from buffycoat.review.desk import Desk
from buffycoat.review.sign_in import HERE
from tests.review.desks import analyse, drawn_slide, make_desk, photograph
from tests.review.web.desktop import Desktop, served

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """Return the address of a desk, a slide of drawn fields, and one of a small and a large photograph."""
    desk = make_desk(tmp_path_factory.mktemp("sizes") / "desk")
    drawn = drawn_slide(desk, fields=8, cells_per_field=5)
    mixed = slides.create(desk, HERE, "Mixed")
    large = cv2.resize(read_image(photograph(31, 5)), (4032, 3024))
    files = [
        ("large.jpg", cv2.imencode(".jpg", cv2.cvtColor(large, cv2.COLOR_RGB2BGR))[1].tobytes()),
        ("small.jpg", photograph(32, 5)),
    ]
    uploads.take_in(desk, HERE, mixed.id, uploads.from_bytes(files))
    analyse(desk)
    with served(desk, analysing=False) as address:
        yield address, drawn.id, mixed.id
    desk.close()


_UNDER_A_CHOICE = (  # a cell, and a point on it where the large view will have another class to choose
    "() => { const first = desk.board.line[0]; desk.viewer.open(first);"
    " const choices = [...document.querySelectorAll('.choice')].map(e => [e.dataset.label, e.getBoundingClientRect()]);"
    " desk.viewer.dialog.close();"
    " for (const node of document.querySelectorAll('.wells .cell')) {"
    " const cell = desk.board.cells.get(node.dataset.cell);"
    " const box = node.getBoundingClientRect();"
    " for (const [label, at] of choices) { const x = at.x + at.width / 2, y = at.y + at.height / 2;"
    " if (label !== cell.label && x > box.left + 4 && x < box.right - 4 && y > box.top + 4 && y < box.bottom - 24"
    " && document.elementFromPoint(x, y)?.closest('.cell') === node) return {id: cell.id, was: cell.label, x, y}; } }"
    " return null; }"
)
_LABEL = "id => desk.board.cells.get(id).label"


def test_a_double_tap_opens_a_cell_and_renames_none(browser: Browser, opened: tuple[str, str, str]) -> None:
    address, slide, _ = opened
    context = browser.new_context(viewport={"width": 400, "height": 800}, has_touch=True)
    page = context.new_page()
    page.goto(f"{address}/slides/{slide}")
    page.wait_for_selector("html[data-ready]", state="attached")
    page.wait_for_selector(".cell img.here")
    place = page.evaluate(_UNDER_A_CHOICE)
    assert place is not None, "no cell lies where a class will be"
    before = page.evaluate("() => [...desk.board.cells.values()].map(cell => [cell.id, cell.label, cell.seen])")
    page.touchscreen.tap(place["x"], place["y"])
    page.touchscreen.tap(place["x"], place["y"])
    page.wait_for_selector("#viewer[open]")
    assert page.evaluate("() => desk.viewer.id") == place["id"]
    now = page.evaluate("() => [...desk.board.cells.values()].map(cell => [cell.id, cell.label, cell.seen])")
    assert now == before
    page.wait_for_timeout(600)
    page.touchscreen.tap(place["x"], place["y"])
    assert page.evaluate(_LABEL, place["id"]) != place["was"], "a press after a moment is one"
    page.evaluate("() => desk.actions.undo()")
    context.close()


def test_enter_held_down_opens_a_cell_and_says_nothing_of_it(browser: Browser, opened: tuple[str, str, str]) -> None:
    address, slide, _ = opened
    desktop = Desktop(browser, address)
    desktop.open(f"/slides/{slide}")
    seen = desktop.seen()
    desktop.page.locator(".cell").first.focus()
    desktop.page.keyboard.down("Enter")
    for _ in range(4):
        desktop.page.wait_for_timeout(200)
        desktop.page.keyboard.down("Enter")
    desktop.page.keyboard.up("Enter")
    assert desktop.page.locator("#viewer[open]").count() == 1
    assert desktop.seen() == seen
    desktop.close()


_COVERED = (  # controls of which the middle, or a corner, is another's or nobody's
    "within => [...document.querySelectorAll(within)]"
    ".filter(e => e.checkVisibility() && e.getBoundingClientRect().width)"
    ".filter(e => { const at = e.getBoundingClientRect();"
    " return [[0.5, 0.5], [0.04, 0.5], [0.96, 0.5], [0.5, 0.9]].some(([x, y]) => {"
    " const top = document.elementFromPoint(at.x + x * at.width, at.y + y * at.height);"
    " return !top || !(e.contains(top) || top.contains(e) && top.closest('label')); }); })"
    ".map(e => e.textContent.trim() || e.name || e.ariaLabel)"
)
_SIZES = [
    *((400, 800), (640, 360), (820, 1180), (1280, 720)),
    *((900, 1000), (1000, 800), (1181, 720), (1366, 768), (1440, 900)),
]


def _desk(browser: Browser, address: str, slide: str, size: tuple[int, int]) -> Desktop:
    desktop = Desktop(browser, address, size=size)
    desktop.open(f"/slides/{slide}")
    desktop.page.wait_for_selector(".cell img.here")
    return desktop


@pytest.mark.parametrize("size", _SIZES)
def test_every_control_can_be_seen_and_pressed(
    browser: Browser, opened: tuple[str, str, str], size: tuple[int, int]
) -> None:
    address, slide, _ = opened
    desktop = _desk(browser, address, slide, size)
    page = desktop.page
    assert page.evaluate(_COVERED, ".tools button, .tools select, .tools input, .signline > *, .topbar nav a") == []
    page.wait_for_timeout(900)  # cells count as shown when they have stood in the window for a moment
    assert page.evaluate(_COVERED, ".well:first-child .seeall") == []
    page.locator("[data-choosing]").click()
    page.locator(".cell").first.click()
    page.wait_for_function("() => document.getElementById('selection').getAnimations().length === 0")
    page.wait_for_selector("#selection.up")
    assert page.evaluate(_COVERED, "#selection button, .signline > *") == []
    page.locator("[data-choosing]").click()
    page.locator(".cell").first.click()
    page.wait_for_selector("#viewer .sheet img.here")
    assert page.evaluate(_COVERED, "#viewer .zoom button") == []
    shown = page.locator("#viewer .choice").evaluate_all(
        "all => all.filter(e => { const at = e.getBoundingClientRect();"
        " const top = document.elementFromPoint(at.x + at.width / 2, at.y + at.height / 2);"
        " return top?.closest('.choice') === e; }).length"
    )
    assert shown >= 5, "types to choose are seen without scrolling"
    if size[1] > 400:
        assert page.evaluate(_COVERED, "#viewer footer button") == []
    desktop.close()


def test_heads_and_figures_of_the_differential_stand_apart(browser: Browser, opened: tuple[str, str, str]) -> None:
    address, slide, _ = opened
    for size in [(820, 1180), (1280, 720), (1440, 900)]:
        desktop = _desk(browser, address, slide, size)
        gaps = desktop.page.evaluate(
            "() => { const ends = [...document.querySelectorAll('.differential thead th')].map(e => {"
            " const range = document.createRange(); range.selectNodeContents(e);"
            " return range.getBoundingClientRect(); });"
            " return ends.slice(1).map((at, k) => at.left - ends[k].right); }"
        )
        assert min(gaps) >= 5, (size, gaps)
        desktop.close()


def _width_on_screen(page: Page, name: str) -> float:
    found: float = page.evaluate(
        "name => { const field = [...desk.board.fields.values()].find(one => one.name === name);"
        " const cell = [...desk.board.cells.values()].find(one => one.field_id === field.id);"
        " desk.viewer.open(cell.id); const box = document.querySelector('#viewer g.mine rect:not(.back)');"
        " return parseFloat(getComputedStyle(box).strokeWidth) * desk.viewer.scale"
        " * (getComputedStyle(box).vectorEffect === 'none' ? 1 : NaN); }",
        name,
    )
    return found


def test_a_box_is_as_plain_on_a_large_photograph_as_on_a_small_one(
    browser: Browser, opened: tuple[str, str, str]
) -> None:
    address, _, mixed = opened
    desktop = _desk(browser, address, mixed, (1280, 720))
    assert _width_on_screen(desktop.page, "large.jpg") == pytest.approx(2, rel=0.02)
    assert _width_on_screen(desktop.page, "small.jpg") == pytest.approx(2, rel=0.02)
    desktop.close()


def test_the_list_of_slides_fits_a_tablet(browser: Browser, opened: tuple[str, str, str]) -> None:
    desktop = Desktop(browser, opened[0], size=(820, 1180))
    desktop.open("/")
    page = desktop.page
    box = page.locator(".tablebox")
    assert box.evaluate("box => box.scrollWidth <= box.clientWidth")
    assert max(page.locator(".topbar nav a").evaluate_all("all => all.map(e => e.offsetHeight)")) < 40
    desktop.close()


def test_what_a_button_is_called_is_what_it_does(desk: Desk, desktop: Desktop) -> None:
    slide = drawn_slide(desk, fields=2)
    desktop.open(f"/slides/{slide.id}")
    page = desktop.page
    page.locator(".cell").first.click()
    page.wait_for_selector("#viewer[open]")
    page.wait_for_timeout(600)
    button, cell = page.locator("[data-v=seen]"), page.evaluate("() => desk.viewer.id")
    assert str(button.get_attribute("title")).startswith("Seen, or not after all")
    button.click()
    assert page.evaluate("() => [desk.viewer.id, desk.viewer.cell.seen]") == [cell, True]
    button.click()
    assert page.evaluate("() => [desk.viewer.id, desk.viewer.cell.seen]") == [cell, False]
