"""Whole ways through the desk: from an empty folder to a signed slide, with the keyboard alone and the mouse alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route

from buffycoat.review import readings, slides
from buffycoat.review.desk import Desk
from buffycoat.review.sign_in import HERE
from buffycoat.review.verify import verify
from tests.review.desks import drawn_slide, make_desk, photograph
from tests.review.web.desktop import Desktop, served

pytestmark = pytest.mark.slow


@pytest.fixture
def photographs(tmp_path: Path) -> list[Path]:
    """Return three drawn photographs in a folder, one of them no photograph at all."""
    found = []
    for number in range(3):
        path = tmp_path / "camera" / f"field {number}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(photograph(300 + number, 3))
        found.append(path)
    broken = tmp_path / "camera" / "notes.jpg"
    broken.write_bytes(b"no photograph")
    return [*found, broken]


def analysed(desktop: Desktop) -> None:
    """Wait until the upload on the page is analysed, and go to the desk by the link in the focus."""
    desktop.page.wait_for_selector(".upload.finished")
    said = desktop.page.locator(".upload .said").text_content() or ""
    assert "3 photographs analysed" in said
    assert "1 not taken" in (desktop.page.locator(".upload summary").text_content() or "")


def reported(desktop: Desktop, slide: str) -> str:
    """Return the status of the diagnostic report, as the report page offers it in FHIR."""
    desktop.open(f"/slides/{slide}/report")
    address = desktop.page.get_by_text("FHIR R4").get_attribute("href")
    found = json.loads(desktop.page.request.get(desktop.address + str(address)).text())
    resources = [entry["resource"] for entry in found["entry"]]
    return str(next(one["status"] for one in resources if one["resourceType"] == "DiagnosticReport"))


def signed(desktop: Desktop, name: str) -> str:
    """Check that the slide is signed, read-only and reported as final; return its id."""
    desktop.page.wait_for_selector("html[data-ready] .banner.signed")
    assert name in (desktop.page.locator(".banner.signed").text_content() or "")
    assert "final" in (desktop.page.locator(".differential .status").text_content() or "")
    before = desktop.counts()
    desktop.page.locator(".cell").first.focus()
    desktop.press("a")
    assert desktop.counts() == before
    assert "signed" in (desktop.page.locator(".toast").text_content() or "")
    return desktop.page.url.rstrip("/").split("/")[-1]


def test_with_the_keyboard_alone(browser: Browser, any_desk: Desk, photographs: list[Path]) -> None:
    with served(any_desk) as address:
        desktop = Desktop(browser, address)
        by_keyboard(any_desk, desktop, photographs)
        desktop.close()


def by_keyboard(desk: Desk, desktop: Desktop, photographs: list[Path]) -> None:
    """Go from an empty folder to a signed slide without the mouse."""
    desktop.open("/")
    with desktop.page.expect_file_chooser() as chooser:  # takes a moment before it listens: first, then
        desktop.tab_to("Choose files")
        desktop.press("Enter")
    chooser.value.set_files(photographs)
    desktop.page.keyboard.type("Typed by hand")  # the name is chosen, ready to be typed over
    desktop.press("Enter")
    analysed(desktop)
    desktop.tab_to("Typed by hand")
    desktop.press("Enter")
    desktop.page.wait_for_selector(".cell:focus")
    total = desktop.seen()[1]
    assert total >= 6
    before = desktop.counts()
    desktop.press("e")
    desktop.press("Shift+ArrowRight", "m")  # two at once
    desktop.press("Delete")
    desktop.press("Control+z")
    desktop.saved()
    desktop.page.wait_for_function("() => desk.tally.now.total === " + str(total))
    assert desktop.counts() != before
    drawn = draw_with_keys(desktop)
    assert desktop.seen()[1] == total + 1
    desktop.press("?", "Escape")
    for _ in range(total + 4):
        if desktop.seen()[0] == desktop.seen()[1]:
            break
        desktop.press("Space")
    assert desktop.seen()[0] == desktop.seen()[1] == total + 1
    counts = desktop.counts()
    desktop.tab_to("Sign…")
    desktop.press("Enter")
    desktop.page.keyboard.type("K. Board")
    desktop.press("Enter")
    slide = signed(desktop, "K. Board")
    assert desktop.counts() == counts
    cell = next(one for one in desktop.on_desk() if one["id"] == drawn)
    assert cell["origin"] == "person"
    assert reported(desktop, slide) == "final"
    assert verify(desk).faults == []


def draw_with_keys(desktop: Desktop) -> str:
    """Draw a box with arrows in the large view; return the new cell."""
    known = {cell["id"] for cell in desktop.on_desk()}
    desktop.press("Enter")
    desktop.page.wait_for_selector("#viewer[open]")
    desktop.press("*", "ArrowLeft", "ArrowLeft", "Shift+ArrowRight", "Enter")
    desktop.page.wait_for_function(f"() => desk.board.cells.size === {len(known) + 1}")
    desktop.press("Escape")
    return next(str(cell["id"]) for cell in desktop.on_desk() if cell["id"] not in known)


def test_with_the_mouse_alone(desk: Desk, desktop: Desktop, photographs: list[Path]) -> None:
    page = desktop.page
    desktop.open("/")
    with page.expect_file_chooser() as chooser:
        page.get_by_text("Choose files").click()
    chooser.value.set_files(photographs)
    page.get_by_role("button", name="Upload and analyse").click()
    analysed(desktop)
    page.get_by_role("link", name="To the desk").click()
    page.wait_for_selector("html[data-ready]", state="attached")
    page.wait_for_selector(".cell img.here")
    total = desktop.seen()[1]
    drag_to_differential(desktop)
    band_to_artefacts(desktop)
    click_large(desktop)
    for button in page.locator(".seeall").all():
        if button.is_visible():
            button.wait_for(state="visible")
            page.wait_for_timeout(900)  # cells count as shown when they have stood in the window for a moment
            if button.is_enabled():
                button.click()
    desktop.saved()
    assert desktop.seen() == (total, total)
    page.locator("[data-sign]").click()
    page.get_by_label("Your name").fill("M. Ouse")
    page.locator("#sign").get_by_role("button", name="Sign", exact=True).click()
    slide = signed(desktop, "M. Ouse")
    page.get_by_role("button", name="Amend…").click()
    page.get_by_label("Why it is changed").fill("One cell was named wrongly.")
    page.get_by_role("button", name="Open again").click()
    page.wait_for_selector(".banner.amending")
    desktop.open(f"/slides/{slide}/report")
    assert "Amendment under way" in (page.locator(".downloads").text_content() or "")
    assert page.get_by_text("FHIR R4").count() == page.get_by_text("HL7 v2").count() == 0
    assert verify(desk).faults == []


def drag_to_differential(desktop: Desktop) -> None:
    """Drag one cell onto a line of the differential."""
    cell = desktop.page.locator(".cell").first
    well = str(cell.evaluate("node => node.closest('.well').dataset.drop"))
    target = "monocyte" if well != "monocyte" else "basophil"
    before = desktop.counts()
    box = cell.bounding_box()
    line = desktop.page.locator(f'#differential tr[data-drop="{target}"]').bounding_box()
    assert box is not None
    assert line is not None
    mouse = desktop.page.mouse
    mouse.move(box["x"] + 30, box["y"] + 30)
    mouse.down()
    mouse.move(box["x"] + 60, box["y"] + 50, steps=3)
    mouse.move(line["x"] + 80, line["y"] + 10, steps=5)
    mouse.up()
    assert desktop.counts()[target] == before[target] + 1


def band_to_artefacts(desktop: Desktop) -> None:
    """Select with a rubber band, then move all at once with the bar that comes up."""
    page = desktop.page
    before = desktop.counts()["artefact"]
    first = page.locator(".well:not(.empty) .grid").first.bounding_box()
    assert first is not None
    page.mouse.move(first["x"] - 6, first["y"] - 4)
    page.mouse.down()
    page.mouse.move(first["x"] + 60, first["y"] + 40, steps=5)
    page.mouse.up()
    chosen = page.locator('.cell[aria-selected="true"]').count()
    assert chosen >= 1
    page.locator("#selection").get_by_role("button", name="Artefacts").click()
    assert desktop.counts()["artefact"] == before + chosen


def click_large(desktop: Desktop) -> None:
    """Open a cell large, delete its box, take that back, draw one too many and delete it."""
    page = desktop.page
    page.locator(".cell").first.click()
    page.wait_for_selector("#viewer[open]")
    page.wait_for_selector("#viewer .sheet img.here")
    page.wait_for_timeout(600)  # presses in the first half second are not taken
    total = desktop.seen()[1]
    page.get_by_role("button", name="Delete box").click()
    assert desktop.seen()[1] == total - 1
    page.locator(".toast").get_by_role("button", name="Undo").click()
    page.wait_for_function(f"() => desk.tally.now.total === {total}")
    page.get_by_role("button", name="Draw a box").click()
    stage = page.locator("#viewer .stage").bounding_box()
    assert stage is not None
    page.mouse.move(stage["x"] + 80, stage["y"] + 160)
    page.mouse.down()
    page.mouse.move(stage["x"] + 260, stage["y"] + 330, steps=4)
    page.mouse.up()
    page.wait_for_function(f"() => desk.tally.now.total === {total + 1}")
    page.get_by_role("button", name="Delete box").click()
    page.wait_for_function(f"() => desk.tally.now.total === {total}")
    page.get_by_role("button", name="Close", exact=True).click()


def test_every_letter_moves_to_its_class_and_is_taken_back_and_done_again(desk: Desk, desktop: Desktop) -> None:
    slide = drawn_slide(desk, fields=2, cells_per_field=4)
    desktop.open(f"/slides/{slide.id}")
    known = desktop.page.evaluate("() => desk.view.labels")
    labels = {label["letter"].lower(): label["name"] for label in known if label["letter"]}
    assert {"n", "e", "b", "l", "m", "u", "a"} <= set(labels)

    def label_of(cell: str) -> str:
        return str(desktop.page.evaluate("id => desk.board.cells.get(id).label", cell))

    for letter in "nlu":
        cell = next(one["id"] for one in desktop.on_desk() if one["label"] != labels[letter])
        before = label_of(cell)
        desktop.page.evaluate("id => desk.wells.focusOn(id)", cell)
        desktop.press(letter)
        assert label_of(cell) == labels[letter]
        desktop.saved()
        desktop.press("Control+z")
        desktop.saved()
        assert label_of(cell) == before
        desktop.press("Control+y" if letter == "n" else "Control+Shift+z")
        desktop.saved()
        assert label_of(cell) == labels[letter]
    kept = {cell.id: cell.label for cell in readings.look(desk, HERE, slide.id).cells}
    assert {one["id"]: one["label"] for one in desktop.on_desk()} == kept
    assert verify(desk).faults == []


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_restart_in_the_middle_loses_nothing(
    browser: Browser, tmp_path: Path, database: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres_url") if database == "postgresql" else None
    desk = make_desk(tmp_path / "desk", database=url)
    slide = drawn_slide(desk, fields=2, cells_per_field=3)
    with served(desk) as address:
        window = Desktop(browser, address)
        window.open(f"/slides/{slide.id}")
        window.press("e", "Space")
        window.saved()
        before = window.counts()
    desk.close()
    window.expected = ("ERR_CONNECTION_REFUSED",)
    window.press("m", "Space")  # while nobody answers
    window.page.wait_for_selector('#saved[data-state="lost"]')
    assert "Not saved" in (window.page.locator("#saved").text_content() or "")
    shown, seen = window.counts(), window.seen()
    assert shown != before
    again = make_desk(tmp_path / "desk", database=url)
    with served(again, int(address.rsplit(":", 1)[1])):
        window.page.wait_for_selector('#saved[data-state="saved"]')
        window.open(f"/slides/{slide.id}")
        assert window.counts() == shown
        assert window.seen() == seen
        window.close()
    assert verify(again).faults == []
    again.close()


def test_two_windows_show_what_the_server_has_after_a_partly_conflicting_move(browser: Browser, desk: Desk) -> None:
    slide = drawn_slide(desk, fields=2, cells_per_field=4)
    with served(desk) as address:
        one = Desktop(browser, address)
        one.expected = ("409",)
        one.open(f"/slides/{slide.id}")
        one.press("Space")
        one.saved()
        other = Desktop(browser, address)
        other.open(f"/slides/{slide.id}")
        first, second = [cell["id"] for cell in one.on_desk()[:2]]
        other.page.evaluate("([id]) => desk.actions.move([id], 'artefact')", [first])
        other.saved()
        one.page.evaluate("ids => desk.actions.move(ids, 'basophil')", [first, second])
        one.saved()
        one.page.wait_for_selector(".toast.bad")
        kept = {cell.id: (cell.label, cell.seen) for cell in readings.look(desk, HERE, slide.id).cells}
        for window in (one, other):
            assert {cell["id"]: (cell["label"], cell["seen"]) for cell in window.on_desk()} == kept
        one.page.reload()
        one.page.wait_for_selector("html[data-ready]", state="attached")
        assert {cell["id"]: (cell["label"], cell["seen"]) for cell in one.on_desk()} == kept
        one.close()
        other.close()


def test_a_signature_is_refused_where_the_page_shows_other_labels(browser: Browser, desk: Desk) -> None:
    slide = drawn_slide(desk, fields=1)
    with served(desk) as address:
        window = Desktop(browser, address)
        window.expected = ("409",)
        window.open(f"/slides/{slide.id}")
        for _ in range(slide.cells):
            window.press("Space")
        window.saved()
        wrong = (
            "() => { const [id, cell] = [...desk.board.cells][0]; desk.board.cells.set(id, {...cell, label: 'x'}); }"
        )
        window.page.evaluate(wrong)  # whatever the reason
        window.page.locator("[data-sign]").click()
        window.page.get_by_label("Your name").fill("A. Reader")
        window.press("Enter")
        window.page.wait_for_selector("#sign [data-fault]:not([hidden])")
        assert "other labels" in (window.page.locator("#sign [data-fault]").text_content() or "")
        window.close()


def test_a_signature_whose_answer_was_lost_counts_once(browser: Browser, desk: Desk) -> None:
    slide = drawn_slide(desk, fields=1)

    def lose(route: Route) -> None:
        route.fetch()  # the server does it, and nobody hears of it
        route.abort()

    with served(desk) as address:
        window = Desktop(browser, address)
        window.expected = ("ERR_FAILED",)
        window.open(f"/slides/{slide.id}")
        for _ in range(slide.cells):
            window.press("Space")
        window.saved()
        window.page.route("**/sign", lose, times=1)
        window.page.locator("[data-sign]").click()
        window.page.get_by_label("Your name").fill("A. Reader")
        window.press("Enter")
        window.page.wait_for_selector("#sign [data-fault]:not([hidden])")
        window.page.locator("#sign").get_by_role("button", name="Sign", exact=True).click()
        signed(window, "A. Reader")
        window.close()
    (reading,) = slides.get(desk, HERE, slide.id).readings
    assert len(readings.view(desk, HERE, reading.id).reading.signatures) == 1  # type: ignore[union-attr]


def test_an_upload_goes_on_when_the_desk_is_opened_again(
    browser: Browser, tmp_path: Path, photographs: list[Path]
) -> None:
    desk = make_desk(tmp_path / "desk")
    with served(desk) as address:
        window = Desktop(browser, address)
        window.expected = ("ERR_FAILED", "ERR_CONNECTION")
        window.open("/")
        window.page.route("**/fields", lambda route: route.abort())  # the line is cut as soon as sending begins
        with window.page.expect_file_chooser() as chooser:
            window.page.get_by_text("Choose files").click()
        chooser.value.set_files(photographs)
        window.page.get_by_role("button", name="Upload and analyse").click()
        window.page.wait_for_function("() => document.querySelector('.upload .said')?.textContent.includes('trying')")
        window.page.goto("about:blank")  # the page is gone, files unsent
        window.page.unroute("**/fields")
        window.open("/accuracy")  # any page of the desk goes on with it
        window.page.wait_for_timeout(300)
        window.open("/")
        window.page.wait_for_function(
            "() => document.querySelector('.slidetable')?.textContent.includes('3 photographs')"
        )
        window.close()
    desk.close()
