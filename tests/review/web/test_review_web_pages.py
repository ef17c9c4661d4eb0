"""Every page answers, says what it is, holds no inline script or style, and keeps strangers' words as words."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import pytest

from buffycoat.review import slides
from buffycoat.review.desk import Desk
from buffycoat.review.sign_in import HERE
from buffycoat.review.web.assets import STATIC, assets
from buffycoat.review.web.house import own_path
from buffycoat.review.web.render import labels_style
from tests.review.clients import Page
from tests.review.desks import drawn_slide

NASTY = "</script><script>alert(1)</script><b style='x'>&amp;"


@pytest.mark.parametrize("path", ["/", "/accuracy", "/give-back", "/audit"])
def test_a_page_says_it_is_no_medical_device(page: Page, path: str) -> None:
    answer = page.http.get(path)
    assert answer.status_code == 200
    assert "Research software, not a medical device" in answer.text


def test_pages_of_a_slide_hold_no_inline_script_or_style_whatever_its_name(desk: Desk, page: Page) -> None:
    slide = drawn_slide(desk, fields=1, name=NASTY)
    reading = page.http.post(f"/api/v1/slides/{slide.id}/readings", json={"number": None, "reader_name": None}).json()
    assert reading["number"] == 1
    for path in ("", "/report", "/history", "/agreement"):
        text = page.http.get(f"/slides/{slide.id}{path}").text
        assert "alert(1)" in text, path  # the name is shown, as words
        assert NASTY not in text
        for tag, attributes in tags(text):
            assert "style" not in attributes, (path, tag)
            assert not [name for name in attributes if name.startswith("on")], (path, tag)
            if tag == "script":
                assert attributes.get("src", "").startswith("/static/") or attributes["type"] == "application/json"


@pytest.mark.slow
def test_the_log_is_read_to_its_beginning_page_by_page_and_of_the_kind_that_was_chosen(desk: Desk, page: Page) -> None:
    for k in range(230):
        slides.create(desk, HERE, f"Slide {k}")
    text, seen = page.http.get("/audit?kind=slide").text, []
    for _ in range(3):
        seen += [attributes["title"] for tag, attributes in tags(text) if tag == "td" and "title" in attributes]
        earlier = [attributes["hx-get"] for _, attributes in tags(text) if "before=" in attributes.get("hx-get", "")]
        if earlier:
            assert parse_qs(urlsplit(earlier[0]).query)["kind"] == ["slide"]
            text = page.http.get(earlier[0]).text
    assert not earlier
    assert len(seen) == len(set(seen)) == 230


def tags(text: str) -> list[tuple[str, dict[str, str]]]:
    """Return the elements of a page with their attributes."""
    found: list[tuple[str, dict[str, str]]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, {name: value or "" for name, value in attrs}))

    Reader().feed(text)
    return found


@pytest.mark.parametrize("path", ["/slides/nothing", "/nothing", "/slides/nothing/report", "/slides/nothing/second"])
def test_what_is_not_there_is_said_as_a_page(page: Page, path: str) -> None:
    answer = page.http.get(path)
    assert answer.status_code == 404
    assert "<h1>Not found</h1>" in answer.text


def test_filters_that_make_no_sense_are_left_out(desk: Desk, page: Page) -> None:
    drawn_slide(desk, fields=1, name="The only one")
    for query in ("state=wrong", "since=yesterday", "sort=size", "offset=-4", "until=9999-12-31"):
        assert "The only one" in page.http.get(f"/pages/slides?{query}").text, query
    assert "No slide matches" in page.http.get("/pages/slides?text=other").text


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("/slides/1?reading=2", "/slides/1?reading=2"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/login?next=/", "/"),  # round and round
        ("/a\nb", "/"),
    ],
)
def test_signing_in_leads_nowhere_else(asked: str, given: str) -> None:
    assert own_path(asked) == given


def test_every_label_has_a_colour_for_light_and_for_dark(desk: Desk) -> None:
    style = labels_style(desk.labels)
    for label in desk.labels:
        assert f'[data-label="{label.name}"]{{--k:light-dark({label.colour},#' in style


def test_nothing_in_the_pages_asks_another_host() -> None:
    own = [path for path in STATIC.rglob("*") if path.suffix in {".js", ".css", ".svg"} and "vendor" not in path.parts]
    assert own
    for path in own:
        found = re.findall(r"https?://[^\s\"')]+", path.read_text(encoding="utf-8"))
        assert set(found) <= {"http://www.w3.org/2000/svg"}, path
    assert (STATIC / "vendor" / "htmx-LICENSE.txt").is_file()


def test_the_pages_own_files_are_kept_for_good_under_an_address_of_their_version(page: Page) -> None:
    text = page.http.get("/").text
    addresses = {a.get("src") or a.get("href", "") for tag, a in tags(text) if tag in {"script", "link"}}
    own = sorted(one for one in addresses if one.startswith("/static/"))
    version = assets().version
    assert {one.split("/")[2] for one in own} == {version}
    for one in own:
        answer = page.http.get(one)
        assert answer.content == (STATIC / one.split("/", 3)[3]).read_bytes()
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    other = page.http.get(own[0].replace(version, "0" * 12))
    assert (other.status_code, other.headers["cache-control"]) == (200, "no-store")
    for wrong in ("js/none.js", "../render.py", "%2e%2e/render.py", ""):
        assert page.http.get(f"/static/{version}/{wrong}").status_code == 404


def test_every_file_a_template_names_is_there() -> None:
    named = set()
    for path in (STATIC.parent / "templates").rglob("*.html"):
        named |= set(re.findall(r"static\(['\"]([^'\"]+)", path.read_text(encoding="utf-8")))
    assert named
    assert named <= set(assets().files)
