"""Photographs brought in every way a person may: dropped, chosen, in a folder, in an archive."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from buffycoat.review import slides
from buffycoat.review.desk import Desk
from buffycoat.review.sign_in import HERE
from tests.review.desks import drawn_slide, photograph
from tests.review.web.desktop import Desktop, served

pytestmark = pytest.mark.slow


@pytest.fixture
def smear(tmp_path: Path) -> Path:
    """Return a folder with three photographs in two folders, and what systems leave behind."""
    folder = tmp_path / "Smear 12"
    for number, place in enumerate(("left", "left", "right")):
        path = folder / place / f"field {number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photograph(500 + number, 2))
    (folder / ".DS_Store").write_bytes(b"x")
    return folder


def _archive(folder: Path) -> Path:
    path = folder.parent / "Smear 13.zip"
    with zipfile.ZipFile(path, "w") as made:
        for photo in folder.rglob("*.jpg"):
            made.write(photo, photo.relative_to(folder))
    return path


def _dropped(window: Desktop, *paths: Path) -> None:
    """Drop files and folders on the page, as from the system's file manager."""
    box = window.page.locator("#drop").bounding_box()
    assert box is not None
    client = window.page.context.new_cdp_session(window.page)
    where = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        client.send("Input.dispatchDragEvent", {"type": kind, **where, "data": data})
        if kind == "dragOver":
            assert "over" in (window.page.locator("#drop").get_attribute("class") or "")


def _chosen(button: str) -> Callable[..., None]:
    def choose(window: Desktop, *paths: Path) -> None:
        with window.page.expect_file_chooser() as chooser:
            window.page.get_by_text(button).click()
        chooser.value.set_files(list(paths) if len(paths) > 1 else paths[0])

    return choose


@pytest.mark.parametrize(
    ("bring", "what", "name"),
    [
        (_dropped, lambda folder: [folder], "Smear 12"),
        (_dropped, lambda folder: [_archive(folder)], "Smear 13"),
        (_dropped, lambda folder: sorted(folder.rglob("*.jpg")), "Slide of "),
        (_chosen("Choose a folder"), lambda folder: [folder], "Smear 12"),
        (_chosen("Choose files"), lambda folder: [_archive(folder)], "Smear 13"),
    ],
    ids=["folder dropped", "archive dropped", "files dropped", "folder chosen", "archive chosen"],
)
def test_photographs_come_in(
    browser: Browser,
    desk: Desk,
    smear: Path,
    bring: Callable[..., None],
    what: Callable[[Path], list[Path]],
    name: str,
) -> None:
    with served(desk) as address:
        window = Desktop(browser, address)
        window.open("/")
        bring(window, *what(smear))
        window.page.wait_for_selector("#new-slide[open]")
        if (one := window.page.get_by_label("One slide")).is_visible():  # two folders, of one slide
            one.check()
        suggested = window.page.get_by_label("Name of the slide").input_value()
        window.page.get_by_role("button", name="Upload and analyse").click()
        window.page.wait_for_selector(".upload.finished")
        assert window.page.locator(".upload details").count() == 0  # nothing was refused or skipped
        window.close()
    (slide,) = slides.find(desk, HERE).slides
    assert slide.fields == 3
    assert slide.cells > 0
    assert slide.name == suggested
    assert suggested.startswith(name)


@pytest.mark.parametrize(
    ("bring", "what"),
    [
        (_dropped, lambda folder: [folder]),
        (_chosen("Choose a folder"), lambda folder: [folder]),
        (_chosen("Choose files"), lambda folder: [_archive(folder)]),
    ],
    ids=["folder dropped", "folder chosen", "archive chosen"],
)
def test_each_folder_is_a_slide_unless_a_person_says_otherwise(
    browser: Browser, desk: Desk, smear: Path, bring: Callable[..., None], what: Callable[[Path], list[Path]]
) -> None:
    with served(desk) as address:
        window = Desktop(browser, address)
        window.open("/")
        bring(window, *what(smear))
        window.page.wait_for_selector("#new-slide[open]")
        said = window.page.locator("#new-slide").inner_text()
        assert "2 folders: two slides, or one?" in said
        assert "Two slides: left (2 photographs), right (1 photograph)" in said
        window.page.get_by_role("button", name="Upload and analyse").click()
        window.page.wait_for_function("() => document.querySelectorAll('.upload.finished').length === 2")
        assert "1 photograph analysed" in window.page.locator("#uploads").inner_text()
        window.close()
    assert {slide.name: slide.fields for slide in slides.find(desk, HERE).slides} == {"left": 2, "right": 1}


def test_what_is_there_already_is_told_and_what_is_nothing_makes_no_slide(
    browser: Browser, desk: Desk, tmp_path: Path
) -> None:
    drawn_slide(desk, fields=1, name="Smear 12", seed=500)
    (tmp_path / "Smear 12").mkdir()
    (tmp_path / "Smear 12" / "again.jpg").write_bytes(photograph(500, 4))
    (tmp_path / "notes.txt").write_text("a note")
    (tmp_path / "fake.jpg").write_text("no photograph")
    with served(desk) as address:
        window = Desktop(browser, address)
        window.expected = ("422", "404")  # that nothing could be used is an answer
        window.open("/")
        _chosen("Choose a folder")(window, tmp_path / "Smear 12")
        told = window.page.locator("#new-slide [data-alike]")
        told.get_by_text("1 of these photographs is on the slide Smear 12 already.").wait_for()
        assert "There is a slide Smear 12 already." in told.inner_text()
        window.page.locator("#new-slide summary").click()
        window.page.get_by_label("Specimen", exact=True).fill("25-0417")
        window.page.get_by_label("Leukocytes").fill("6.2")
        window.page.get_by_label("Collected").fill("2025-03-04T09:05")
        window.page.get_by_role("button", name="Upload and analyse").click()  # and goes on
        window.page.wait_for_selector(".upload.finished")
        assert (
            "1 of these photographs is on the slide Smear 12 already." in window.page.locator("#uploads").inner_text()
        )

        _chosen("Choose files")(window, tmp_path / "notes.txt")
        window.page.get_by_text("No photograph among them: notes.txt.").wait_for()
        _chosen("Choose files")(window, tmp_path / "fake.jpg")
        window.page.get_by_role("button", name="Upload and analyse").click()
        window.page.get_by_text("No photograph could be used: no slide was made.").wait_for()
        window.close()
    again, first = slides.find(desk, HERE).slides
    assert (again.name, first.name) == ("Smear 12", "Smear 12")
    assert (again.specimen, again.wbc) == ("25-0417", 6.2)
    assert again.collected is not None


def test_a_box_drawn_over_a_counted_cell_is_told(browser: Browser, desk: Desk) -> None:
    slide = drawn_slide(desk, fields=1)
    with served(desk) as address:
        window = Desktop(browser, address)
        window.open(f"/slides/{slide.id}")
        window.page.wait_for_selector(".cell img.here")
        first = window.on_desk()[0]
        window.page.evaluate("([field, box]) => { desk.actions.draw(field, box); }", [first["field_id"], first["box"]])
        window.page.get_by_text(f"The box lies over cell {first['number']} ({first['label']})").wait_for()
        window.close()


def test_the_desk_shows_what_is_doubtful_first_and_as_large_and_bright_as_wished(browser: Browser, desk: Desk) -> None:
    slide = drawn_slide(desk, fields=4, cells_per_field=4)
    with served(desk) as address:
        window = Desktop(browser, address)
        window.open(f"/slides/{slide.id}")
        window.page.wait_for_selector(".cell img.here")
        wells = window.page.locator(".well").evaluate_all("wells => wells.map(well => well.dataset.drop)")
        assert wells[0] == "unidentified"
        doubt = {cell["id"]: cell["doubt"] for cell in window.on_desk()}
        largest = window.page.locator(".well").evaluate_all(
            "wells => wells.map(well => [...well.querySelectorAll('.cell')].map(cell => cell.dataset.cell))"
        )
        assert sum(map(len, largest)) > 4
        for shown in largest:
            assert [doubt[cell] for cell in shown] == sorted((doubt[cell] for cell in shown), reverse=True)

        crop = window.page.locator(".cell img.here").first

        def light() -> str:
            return str(crop.evaluate("image => getComputedStyle(image).filter"))

        before = crop.bounding_box()
        window.page.locator("[name=size]").fill("200")
        after = crop.bounding_box()
        assert before is not None
        assert after is not None
        assert before["width"] < 100
        assert after["width"] > 190
        assert light() == "none"
        window.page.locator("[name=brightness]").fill("130")
        window.page.locator("[name=contrast]").fill("150")
        assert light() == "brightness(1.3) contrast(1.5)"
        window.page.locator("[data-reset]").click()
        assert light() == "none"  # colours are true again

        window.page.reload()
        window.page.wait_for_selector(".cell img.here")
        assert window.page.locator("[name=size]").input_value() == "200"  # kept from slide to slide
        window.close()
