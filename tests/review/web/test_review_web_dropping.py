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
