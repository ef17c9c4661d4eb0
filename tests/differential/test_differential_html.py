"""The page: every figure on it, the cells in their wells, nothing from outside, and no text taken for markup."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from typing import Any

import cv2
import numpy as np
import pytest

from buffycoat.differential import compare_cells, count, read_ranges
from buffycoat.differential.gallery import GalleryCell, wells
from buffycoat.differential.html import html_text
from buffycoat.differential.pictures import cell_picture, encoded
from buffycoat.records.differential import NOTICE
from tests.differential.differential_cases import NASTY, SEAL, SIGNER, full, plain, sealed

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
