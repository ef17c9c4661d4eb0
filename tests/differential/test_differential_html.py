"""The page: every figure on it, the cells in their wells, nothing from outside, and no text taken for markup."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser

from buffycoat.differential import compare_cells, count, read_ranges
from buffycoat.differential.gallery import GalleryCell, wells
from buffycoat.differential.html import html_text
from buffycoat.differential.pictures import cell_picture, encoded
from buffycoat.evaluate.intervals import interval
from buffycoat.records.differential import NOTICE, Classifier
from buffycoat.records.documents import Estimate, Fault
from tests.differential.differential_cases import FOUR, NASTY, SEAL, SIGNER, full, plain, sealed

JPEG = encoded(np.full((8, 8, 3), (200, 40, 90), np.uint8))


def cell(label: str, probability: float | None = 0.9, **changes: Any) -> GalleryCell:
    return GalleryCell(
        **{"label": label, "picture": JPEG, "field": "f.jpg", "number": 1, "probability": probability, **changes}
    )


class Page(HTMLParser):
    """Reads a page as a browser does: its elements, their attributes and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._raw = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._raw = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._raw = False

    def handle_data(self, data: str) -> None:
        if not self._raw:
            self.text += data


def test_figures_stand_on_the_page() -> None:
    made = plain(wbc=6.2, ranges=read_ranges("example"))
    page = Page(html_text([made]))
    for wanted in ("110", "55.0", "47.8–62.0", "3.41", "2.97–3.85", "40–75 %", "not assessed", "Unidentified"):
        assert wanted in page.text, wanted
    for sentence in made.warnings:
        assert sentence in page.text
    assert page.text.count(NOTICE) >= 2
    assert "Preliminary: not reviewed and not signed" in page.text


def test_a_signed_count_names_its_signer_and_a_comparison_its_sentences() -> None:
    made = full()
    page = Page(html_text([made]))
    assert SIGNER.name in page.text
    assert "2025-03-04 09:00 UTC" in page.text
    assert made.comparison is not None
    for sentence in made.comparison.sentences:
        assert sentence in page.text


def test_texts_from_outside_are_no_markup() -> None:
    evil = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
    comparison = compare_cells(["monocyte"], ["monocyte"], names=(evil, evil))
    made = full(slide=evil[:200], specimen=evil[:60], comparison=comparison)
    page = Page(html_text([made], {made.slide: [cell("monocyte", field=evil, best=evil)]}))
    assert not [tag for tag, _ in page.tags if tag == "script"]
    assert all(not name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert evil in page.text
    assert NASTY in Page(html_text([full()])).text


def test_nothing_comes_from_outside() -> None:
    text = html_text([plain()], {"S1": [cell("neutrophil")]})
    page = Page(text)
    policies = [
        a["content"] for tag, a in page.tags if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
    addresses = [a[name] or "" for _, a in page.tags for name in ("src", "href") if name in a]
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert "url(" not in text


def test_pictures_are_inside_and_whole() -> None:
    page = Page(html_text([plain()], {"S1": [cell("neutrophil")]}))
    (source,) = [attributes["src"] or "" for tag, attributes in page.tags if tag == "img"]
    content = base64.b64decode(source.removeprefix("data:image/jpeg;base64,"))
    seen = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert seen is not None
    assert np.abs(seen.reshape(-1, 3).mean(axis=0) - (200, 40, 90)).max() < 6


def test_wells_stand_in_order_with_the_most_doubtful_cell_first() -> None:
    cells = [
        cell("monocyte", 0.7),
        cell("artefact", None),
        cell("neutrophil", 0.99),
        cell("neutrophil", 0.61),
        cell("neutrophil", None),
        cell("unidentified", 0.4, best="eosinophil", reason="uncertain"),
        cell("blast", 0.8),
    ]
    found = wells(cells, most=2)
    assert [well.label for well in found] == ["unidentified", "neutrophil", "monocyte", "blast", "artefact"]
    assert [one.probability for one in found[1].cells] == [0.61, 0.99]
    assert found[1].left_out == 1
    page = Page(html_text([count([one.label for one in cells], slide="S")], {"S": cells}, most=2))
    assert "the 2 most doubtful are shown" in page.text
    assert "eosinophil?" in page.text


def test_several_slides_have_a_table_that_leads_to_each() -> None:
    page = Page(html_text([plain(), plain(slide="S2")]))
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    ids = {attributes.get("id") for _, attributes in page.tags}
    assert links == ["#slide-1", "#slide-2"]
    assert {"slide-1", "slide-2"} <= ids


@pytest.mark.parametrize("labels", [[], ["unidentified"], ["blast"] * 3])
def test_a_count_of_little_still_makes_a_page(labels: list[str]) -> None:
    assert NOTICE in html_text([count(labels, wbc=5.0, ranges=read_ranges("example"))])


def test_colours_are_those_of_the_page_and_enough_apart_from_its_paper() -> None:
    text = html_text([plain()])
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", text)) - {"dot"}
    light, dark, _ = (set(re.findall(r"--([a-z0-9-]+):", block)) for block in re.findall(r":root\{([^}]*)\}", text))
    assert used and used <= light and used <= dark


@pytest.mark.parametrize("size", [(640, 480), (320, 240), (100, 90), (30, 300)])
def test_every_cells_picture_shows_the_same_share_of_its_field(size: tuple[int, int]) -> None:
    width, height = size
    rgb = np.zeros((height, width, 3), np.uint8)
    x, y = width // 2, height // 2
    rgb[y - 2 : y + 3, x - 2 : x + 3] = 255
    picture = cell_picture(rgb, (x - 10, y - 10, x + 10, y + 10))
    assert picture.shape == (128, 128, 3)
    rows, columns = np.nonzero(picture[..., 0] > 127)
    assert abs(rows.mean() - 63.5) < 16
    assert abs(columns.mean() - 63.5) < 16
    at_half = cell_picture(rgb[::2, ::2], (x - 10, y - 10, x + 10, y + 10), width)
    assert at_half.shape == (128, 128, 3)


def test_the_page_of_a_signed_count_carries_its_seal_in_full() -> None:
    assert f"Seal of the signature: {SEAL}" in Page(html_text([sealed()])).text
    assert "Seal of" not in Page(html_text([full(), plain()])).text


def test_what_is_said_of_scale_is_what_is_known() -> None:
    def said(*sizes: tuple[int, int] | None) -> str:
        cells = [cell("neutrophil", field=f"{k}.jpg", field_px=size) for k, size in enumerate(sizes)]
        return " ".join(Page(html_text([plain()], {"S1": cells})).text.split())

    assert "All cells at one scale, if the photographs have one magnification." in said((640, 480), (480, 640))
    for sizes in [((640, 480), (400, 340)), ((640, 480), None)]:
        assert "The photographs differ in size" in said(*sizes)
        assert "All cells at one scale" not in said(*sizes)
    assert "scale" not in said(None).partition("Cells")[2]


def test_a_photograph_that_was_turned_shows_its_cells_as_large() -> None:
    rgb = np.zeros((480, 640, 3), np.uint8)
    rgb[200:260, 300:380] = 255
    turned = cell_picture(np.ascontiguousarray(np.rot90(rgb)), (200, 260, 260, 340))
    assert np.array_equal(cell_picture(rgb, (300, 200, 380, 260)), np.rot90(turned, -1))


def test_a_cell_says_below_it_which_photograph_it_is_from_and_red_is_explained() -> None:
    cells = [cell("neutrophil", 0.796, field="day/1/a.jpg", number=7), cell("monocyte", 0.5, field="day/2/a.jpg")]
    page = Page(html_text([plain()], {"S1": cells}))
    assert "#7 1/a.jpg" in page.text
    assert "#1 2/a.jpg" in page.text
    assert "Red: below 0.80." in page.text
    red = [a for tag, a in page.tags if tag == "li" and a.get("class") == "doubt"]
    assert len(red) == 1, "0.80, as it is shown, is not below 0.80"
    assert "Red" not in Page(html_text([plain()], {"S1": cells[:1]})).text


def test_photographs_left_out_are_all_printed() -> None:
    faults = [Fault(file=f"{k}.jpg", problem="not an image", action="left out") for k in range(9)]
    page = Page(html_text([plain(faults=faults)]))
    assert "Photographs left out (9)" in page.text
    assert all(f"{k}.jpg: not an image" in page.text for k in range(9))
    assert not [tag for tag, _ in page.tags if tag == "details"], "a closed one is not printed"


def test_the_network_is_named_once() -> None:
    classifier = Classifier(
        name="n", title="Net, trained on x", sha256="0" * 64, classes=FOUR, trained_on="Fields of x.",
        accuracy=Estimate(value=None, interval=interval(float("nan"), float("nan"), 0.95, "none")),
    )  # fmt: skip
    footer = Page(html_text([plain(classifier=classifier)])).text.partition("Named by a program")[2]
    assert footer.count("Net, trained on x") == 1
    assert "Training data of the network: Fields of x." in footer


@pytest.fixture(scope="module")
def full_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of the page with every column, a comparison and names of cells."""
    first = ["neutrophil"] * 150 + ["lymphocyte"] * 50
    second = ["neutrophil"] * 110 + ["lymphocyte"] * 90
    names = ("the program (buffycoat-default)", "the labels in corrected.csv")
    made = plain(wbc=6.2, ranges=read_ranges("example"), comparison=compare_cells(first, second, names=names))
    path = tmp_path_factory.mktemp("page") / "a.html"
    path.write_text(html_text([made], {"S1": [cell("neutrophil", 0.5, touches_border=True)]}), encoding="utf-8")
    return path


@pytest.mark.parametrize(("wide", "media"), [(1280, "screen"), (820, "screen"), (695, "print")])
def test_no_column_is_cut_off(browser: Browser, full_page: Path, wide: int, media: Literal["screen", "print"]) -> None:
    page = browser.new_page(viewport={"width": wide, "height": 900})
    page.emulate_media(media=media)
    page.goto(full_page.as_uri())
    widths = page.locator(".scroll").evaluate_all("all => all.map(e => [e.scrollWidth, e.clientWidth])")
    assert all(scrolled <= there for scrolled, there in widths), widths
    assert page.evaluate("() => document.documentElement.scrollWidth") <= wide
    assert page.get_by_text("differs", exact=True).first.is_visible()
    assert page.get_by_text("cut", exact=True).is_visible()
    ends = page.locator(".scale span").evaluate_all(
        "all => all.filter(e => e.checkVisibility()).map(e => [e.getBoundingClientRect().left,"
        " e.getBoundingClientRect().right])"
    )
    assert all(after[0] - before[1] >= 8 for before, after in pairwise(ends)), ends
    page.close()
