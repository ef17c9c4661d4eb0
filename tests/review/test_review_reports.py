"""What reports of a reading say before every cell was seen, while an amendment is under way, and of whom they are."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from buffycoat.differential import count
from buffycoat.differential.write import text_of
from buffycoat.errors import UsageError
from buffycoat.records.card import BundleCard
from buffycoat.records.differential import Differential
from buffycoat.review import agreement, reports, slides
from buffycoat.review.classifier import Box, Found
from buffycoat.review.desk import Desk
from buffycoat.review.sign_in import HERE
from tests.bundles import tiny_card
from tests.review.clients import Page
from tests.review.desks import FakeClassifier, drawn_slide, make_desk

FORMS = ("html", "csv", "json", "fhir.json", "hl7")
FOUR = ("neutrophil", "eosinophil", "lymphocyte", "monocyte")
REASON = "a monocyte was taken\nfor a lymphocyte"


class FourTypes(FakeClassifier):
    """Knows no basophils, and has a card, as the built-in bundle."""

    classes = FOUR  # type: ignore[assignment]

    @cached_property
    def card(self) -> BundleCard:  # type: ignore[override]
        return tiny_card(b"a network", FOUR)

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"{self.card.name} {self.card.model_sha256[:12]}"

    def name_boxes(self, rgb: NDArray[np.uint8], boxes: Sequence[Box]) -> tuple[Found, ...]:
        return tuple(self._without_basophils(found) for found in super().name_boxes(rgb, boxes))

    def _without_basophils(self, found: Found) -> Found:
        best = "monocyte" if found.best == "basophil" else found.best
        label = "monocyte" if found.label == "basophil" else found.label
        return replace(found, label=label, best=best, probabilities=dict.fromkeys(FOUR, 0.25))


@pytest.fixture
def four(tmp_path: Path) -> Iterator[Desk]:
    """Return a desk whose program does not know basophils."""
    ranges = tmp_path / "ours.toml"
    ranges.write_text(
        'name = "Our laboratory"\nsource = "own study"\npopulation = "adults"\n'
        '[[range]]\ntype = "neutrophil"\nunit = "%"\nlow = 98\nhigh = 99\n'
    )
    made = make_desk(tmp_path / "four", classifier="tests.review.test_review_reports:FourTypes", ranges=str(ranges))
    yield made
    made.close()


def begun(desk: Desk, seen: int = 2, **more: Any) -> tuple[Page, str, dict[str, Any]]:
    """Begin a reading and see some of its cells."""
    page = Page(desk)
    reading = page.read(drawn_slide(desk, fields=2, **more).id)["id"]
    view = page.get(f"/readings/{reading}")
    page.move(reading, "see", 1, cells=[cell["id"] for cell in view["cells"][:seen]])
    return page, reading, page.get(f"/readings/{reading}")


def texts(page: Page, reading: str) -> dict[str, str]:
    """Return a reading's report in every form."""
    found = {}
    for form in FORMS:
        answer = page.http.get(f"/api/v1/readings/{reading}/report.{form}")
        assert answer.status_code == 200, answer.text
        found[form] = answer.text
    return found


def test_cells_nobody_saw_are_not_said_to_be_named_by_the_reader(four: Desk) -> None:
    page, reading, view = begun(four)
    total = len(view["cells"])
    made = Differential.model_validate(page.get(f"/readings/{reading}/report.json"))
    assert made.comparison is None
    assert made.counted_by.kind == "program"
    assert made.review is not None
    assert (made.review.seen, made.review.cells, made.review.complete) == (2, total, False)
    said = f"2 of {total} cells seen"
    found = texts(page, reading)
    for form in ("html", "csv", "fhir.json", "hl7"):
        assert said in found[form], form
    for form, text in found.items():
        assert "agree on" not in text, form
        assert "then reviewed by" not in text, form
        assert "not reviewed and not signed" not in text, form
    (row, *_) = csv.DictReader(io.StringIO(found["csv"]))
    assert (row["reading"], row["cells_seen"], row["cells"]) == ("1", "2", str(total))


def test_once_every_cell_was_seen_the_reader_is_compared_and_stands_for_every_type(four: Desk) -> None:
    page, reading, _ = begun(four)
    page.see_all(reading)
    made = Differential.model_validate(page.get(f"/readings/{reading}/report.json"))
    assert made.counted_by.kind == "reviewed"
    assert made.comparison is not None
    assert made.of("basophil").assessed
    found = texts(page, reading)
    assert "Preliminary: not signed" in found["html"]
    assert all("then reviewed by" in found[form] for form in ("html", "hl7", "fhir.json"))


def test_a_type_the_program_does_not_know_is_not_0_before_a_person_has_seen_every_cell(four: Desk) -> None:
    page, reading, view = begun(four)

    def basophils(rows: list[dict[str, Any]]) -> dict[str, Any]:
        return next(row for row in rows if row["label"] == "basophil")

    row = basophils(view["differential"]["rows"])
    assert (row["percent"], row["high"], row["program_percent"]) == (None, None, None)
    assert (row["assessed"], row["program_knows"]) == (False, False)
    line = next(x for x in texts(page, reading)["hl7"].split("\r") if x.startswith("OBX") and "Basophils/100" in x)
    assert (line.split("|")[5], line.split("|")[11]) == ("", "X")
    for path in ("", "/report"):
        shown = page.http.get(f"/slides/{view['slide']['id']}{path}").text
        drawn = re.search(r'<tr[^>]*data-label="basophil".*?</tr>', shown, re.DOTALL)
        assert drawn is not None
        assert "0.0" not in drawn[0]

    page.see_all(reading)
    row = basophils(page.get(f"/readings/{reading}")["differential"]["rows"])
    assert (row["percent"], row["program_percent"], row["assessed"], row["program_knows"]) == (0, None, True, False)


def test_a_slide_nobody_reads_yet_leaves_open_what_the_program_does_not_know(four: Desk) -> None:
    slide = drawn_slide(four, fields=1)
    shown = Page(four).http.get(f"/slides/{slide.id}").text
    assert '"label":"basophil"' in shown
    drawn = re.search(r'<tr[^>]*data-label="basophil".*?</tr>', shown, re.DOTALL)
    assert drawn is not None
    assert "0.0" not in drawn[0]


def test_a_network_the_desk_no_longer_has_is_known_by_what_it_answered(four: Desk, tmp_path: Path) -> None:
    page, reading, _ = begun(four)
    other = make_desk(tmp_path / "four")  # the same folder, with another classifier
    try:
        made = reports.document(other, HERE, reading)
        assert made.classifier is None
        assert made.review is not None
        assert made.review.networks == (FourTypes().name,)
        assert not made.of("basophil").assessed
        assert "classifier-error" in {caution.code for caution in made.cautions}
        assert FourTypes().name in text_of([made], "hl7")
        assert FourTypes().name in text_of([made], "html")
    finally:
        other.close()
    assert page.get(f"/readings/{reading}")["reading"]["seen"] == 2


def test_reports_name_the_network_and_warn_of_its_errors(four: Desk) -> None:
    page, reading, view = begun(four)
    card = FourTypes().card
    for step in ("begun", "seen", "signed"):
        if step == "seen":
            page.see_all(reading)
        if step == "signed":
            page.sign(reading, page.get(f"/readings/{reading}")["reading"]["sequence"])
        made = Differential.model_validate(page.get(f"/readings/{reading}/report.json"))
        assert made.classifier is not None
        assert made.classifier.sha256 == card.model_sha256
        assert "classifier-error" in {caution.code for caution in made.cautions}, step
        found = texts(page, reading)
        found["page"] = page.http.get(f"/slides/{view['slide']['id']}/report").text
        for form in ("html", "fhir.json", "hl7", "page"):
            assert card.title in found[form], (step, form)
            assert card.model_sha256[:12] in found[form], (step, form)
            assert "On cells it was not trained on" in found[form], (step, form)
        assert card.model_sha256[:12] in found["csv"]


def amended(desk: Desk) -> tuple[Page, str, dict[str, Any]]:
    """Sign a reading and open it again."""
    page, reading, view = begun(desk, name="Slide 12")
    page.sign(reading, page.see_all(reading), name="A. Reader")
    page.post(f"/readings/{reading}/amend", {"reason": REASON})
    return page, reading, view


def test_an_amendment_under_way_puts_nothing_unsigned_over_the_signed_result(desk: Desk) -> None:
    page, reading, view = amended(desk)
    for form in ("hl7", "fhir.json"):
        refused = page.get(f"/readings/{reading}/report.{form}", 409)
        assert refused["title"] == "Amendment under way"
        assert "A. Reader" in refused["detail"]
    made = Differential.model_validate(page.get(f"/readings/{reading}/report.json"))
    assert made.review is not None
    assert (made.status, made.signer, made.review.state) == ("preliminary", None, "amending")
    assert [one.name for one in made.review.signatures] == ["A. Reader"]
    with pytest.raises(UsageError, match="under way"):  # nor by way of the JSON
        text_of([made], "hl7")
    with pytest.raises(UsageError, match="under way"):
        text_of([made], "fhir")
    table = page.http.get(f"/api/v1/readings/{reading}/report.csv").text
    printed = page.http.get(f"/api/v1/readings/{reading}/report.html").text
    shown = page.http.get(f"/slides/{view['slide']['id']}/report").text
    for text in (table, printed):
        assert "Amendment under way: not signed. Last signed by A. Reader, " in text
        assert "Preliminary" not in text
    assert "amendment under way</p>" in shown
    assert "Last signed by A. Reader" in shown
    assert "report.hl7" not in shown
    assert "report.fhir.json" not in shown


def test_reports_say_why_a_reading_was_amended_by_whom_and_who_had_signed_before(desk: Desk) -> None:
    page, reading, _ = amended(desk)
    page.sign(reading, page.get(f"/readings/{reading}")["reading"]["sequence"], name="B. Second")
    found = texts(page, reading)
    for form in ("html", "csv", "fhir.json", "hl7"):
        assert "a monocyte was taken for a lymphocyte" in found[form], form
        assert f"Opened again by {HERE.name}, " in found[form], form
        assert "Earlier signature: A. Reader, " in found[form], form
        assert "B. Second" in found[form], form
    made = Differential.model_validate_json(found["json"])
    assert made.review is not None
    assert [one.reason for one in made.review.amendments] == [REASON]
    assert [one.name for one in made.review.signatures] == ["A. Reader"]
    assert made.signer is not None
    assert made.signer.name == "B. Second"


def test_the_print_page_says_what_the_program_had_named_a_cell(desk: Desk) -> None:
    page, reading, view = begun(desk)
    left = next(cell for cell in view["cells"] if cell["label"] == "unidentified")
    page.move(reading, "move", view["reading"]["sequence"], cells=[left["id"]], label="lymphocyte")
    printed = page.http.get(f"/api/v1/readings/{reading}/report.html").text
    assert "was unidentified" in printed
    assert f"was {left['best']}<" not in printed


def test_readings_and_slides_of_one_name_are_told_apart(desk: Desk) -> None:
    page, names = Page(desk), set()
    for seed in (1000, 3000):
        slide = drawn_slide(desk, fields=1, name="Slide 12", seed=seed, readings_wanted=2)
        for number, reader, word in ((1, "Ada", "First"), (2, "Ben", "Second")):
            reading = page.read(slide.id, number, reader_name=reader)["id"]
            answer = page.http.get(f"/api/v1/readings/{reading}/report.hl7")
            names.add(answer.headers["content-disposition"])
            said = f"{word} reading, by {reader}"
            assert said in answer.text
            printed = page.http.get(f"/api/v1/readings/{reading}/report.html").text
            assert said in printed
            assert f"<title>Differential: Slide 12, {word.lower()} reading</title>" in printed
            shown = page.http.get(f"/slides/{slide.id}/report?reading={number}").text
            assert f"{word.lower()} reading, by {reader}" in shown
    assert len(names) == 4
    assert all(name.startswith('attachment; filename="Slide-12-') for name in names)


def test_the_report_names_the_ranges_it_flags_against(four: Desk) -> None:
    page, _, view = begun(four)
    shown = page.http.get(f"/slides/{view['slide']['id']}/report").text
    for wanted in ("Our laboratory", "adults", "own study", "ours.toml", "98–99 %"):
        assert wanted in shown, wanted


def test_without_a_reading_the_agreement_does_not_speak_of_one(desk: Desk) -> None:
    slide = slides.create(desk, HERE, "Empty", readings_wanted=2)
    assert agreement.of_slide(desk, HERE, slide.id).why_not == "There is no reading yet."
    single = slides.create(desk, HERE, "Single")
    assert "is to have one" in str(agreement.of_slide(desk, HERE, single.id).why_not)


def test_the_share_left_unidentified_is_of_all_cells_the_program_found(desk: Desk) -> None:
    page, reading, view = begun(desk)
    left = [cell["id"] for cell in view["cells"] if cell["label"] == "unidentified"]
    assert left  # and the reviewer leaves them so
    page.sign(reading, page.see_all(reading))
    share = page.get("/accuracy")["unidentified"]
    assert (share["numerator"], share["denominator"]) == (len(left), len(view["cells"]))
    assert "of a slide with two, the first" in page.http.get("/accuracy").text


@pytest.mark.parametrize(
    ("kind", "said"), [("program", "not reviewed and not signed"), ("reviewed", "not signed"), ("person", "not signed")]
)
def test_a_count_that_a_person_made_is_not_said_to_be_unreviewed(kind: str, said: str) -> None:
    assert f"Preliminary: {said}." in text_of([count(["monocyte"], counted_by=kind)], "hl7")
