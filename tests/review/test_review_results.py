"""What comes of signed readings: reports, accuracy and drift, and the labelled set given back."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from buffycoat.data.load import load
from buffycoat.imaging.crops import CropStore
from buffycoat.records.differential import Differential
from buffycoat.records.documents import Estimate, Interval
from buffycoat.review import drift, give_back
from buffycoat.review.accuracy import SlideTally
from buffycoat.review.desk import Desk
from buffycoat.review.sign_in import HERE
from tests.review.clients import Page
from tests.review.desks import drawn_slide


def _corrected(
    desk: Desk, page: Page, name: str = "Slide 1", fields: int = 2, seed: int = 1000
) -> tuple[str, dict[str, Any]]:
    """Sign a slide with a wrong cell moved, an artefact, a box deleted and a box drawn; returns the reading's desk."""
    slide = drawn_slide(desk, fields=fields, name=name, seed=seed)
    reading = page.read(slide.id)["id"]
    view = page.get(f"/readings/{reading}")
    named = [cell["id"] for cell in view["cells"] if cell["label"] != "unidentified"]
    done = page.move(reading, "move", 1, cells=named[:1], label="monocyte")
    done = page.move(reading, "move", done["sequence"], cells=named[1:2], label="artefact")
    done = page.move(reading, "delete", done["sequence"], cells=named[2:3])
    field = view["fields"][0]["id"]
    page.move(reading, "draw", done["sequence"], field_id=field, box=[4, 4, 120, 110], label="basophil")
    page.sign(reading, page.see_all(reading))
    return reading, page.get(f"/readings/{reading}")


def test_a_signed_report_is_final_and_names_its_signer_in_every_form(desk: Desk, page: Page) -> None:
    reading, view = _corrected(desk, page, name="Slide <blink>&|^1")
    counted = view["differential"]
    made = Differential.model_validate(page.get(f"/readings/{reading}/report.json"))
    assert (made.status, made.signer and made.signer.name, made.counted_by.kind) == ("final", "A. Reader", "reviewed")
    assert {row.name: row.count for row in made.types} == {row["label"]: row["count"] for row in counted["rows"]}
    assert made.artefacts == 1
    assert made.comparison is not None
    assert made.comparison.first == "the program"

    fhir = page.get(f"/readings/{reading}/report.fhir.json")
    kinds = Counter(entry["resource"]["resourceType"] for entry in fhir["entry"])
    report = next(e["resource"] for e in fhir["entry"] if e["resource"]["resourceType"] == "DiagnosticReport")
    assert report["status"] == "final"
    assert kinds["Observation"] >= 5

    answer = page.http.get(f"/api/v1/readings/{reading}/report.hl7")
    segments = {line.split("|")[0]: line.split("|") for line in answer.text.split("\r") if line}
    assert segments["OBR"][25] == "F"
    assert "attachment" in answer.headers["content-disposition"]
    assert "<" not in answer.headers["content-disposition"]

    table = page.http.get(f"/api/v1/readings/{reading}/report.csv").text
    rows = list(csv.DictReader(io.StringIO(table)))
    assert sum(int(row["count"]) for row in rows if row["type"] in {r["label"] for r in counted["rows"]}) >= 1

    shown = page.http.get(f"/api/v1/readings/{reading}/report.html")
    assert "A. Reader" in shown.text
    assert "not a medical device" in shown.text
    assert "<blink>" not in shown.text
    assert "script-src" not in shown.headers["content-security-policy"]
    assert "default-src 'none'" in shown.headers["content-security-policy"]


@pytest.mark.slow
def test_every_form_of_a_signed_report_bears_the_seal_of_its_signature(desk: Desk, page: Page) -> None:
    slide = drawn_slide(desk, fields=1)
    reading = page.read(slide.id)["id"]

    def reports() -> dict[str, str]:
        forms = ("html", "csv", "json", "fhir.json", "hl7")
        return {form: page.http.get(f"/api/v1/readings/{reading}/report.{form}").text for form in forms}

    assert not {form for form, text in reports().items() if re.search("[0-9a-f]{64}", text)}
    first = page.sign(reading, page.see_all(reading))["signatures"][-1]["event_hash"]
    assert {form for form, text in reports().items() if first in text} == set(reports())
    sequence = page.post(f"/readings/{reading}/amend", {"reason": "a cell was overlooked"})["sequence"]
    assert not {form for form, text in reports().items() if first in text}
    second = page.sign(reading, sequence)["signatures"][-1]["event_hash"]
    assert {form for form, text in reports().items() if second in text and first not in text} == set(reports())


def test_an_open_report_is_preliminary_and_one_signed_again_is_amended(any_desk: Desk) -> None:
    desk, page = any_desk, Page(any_desk)
    slide = drawn_slide(desk, fields=1)
    reading = page.read(slide.id)["id"]

    def status() -> str:
        return str(page.get(f"/readings/{reading}/report.json")["status"])

    assert status() == "preliminary"
    signed = page.sign(reading, page.see_all(reading))
    assert status() == "final"
    page.post(f"/readings/{reading}/amend", {"reason": "x"}, 422)  # a reason says something
    open_again = page.post(f"/readings/{reading}/amend", {"reason": "a cell was overlooked"})
    assert (open_again["state"], open_again["can_edit"]) == ("amending", True)
    assert status() == "preliminary"
    cell = page.get(f"/readings/{reading}")["cells"][0]["id"]
    page.move(reading, "move", open_again["sequence"], cells=[cell], label="artefact")
    again = page.sign(reading, page.see_all(reading))
    assert status() == "amended"
    assert len(again["signatures"]) == 2
    assert again["signatures"][0] == signed["signatures"][0]
    assert again["amendments"][0]["reason"] == "a cell was overlooked"
    page.post(f"/readings/{reading}/amend", {"reason": "twice more"}, 200)


def test_accuracy_counts_what_both_named(any_desk: Desk) -> None:
    desk, page = any_desk, Page(any_desk)
    _, view = _corrected(desk, page)
    found = page.get("/accuracy")
    cells = [cell for cell in view["cells"] if cell["origin"] == "program" and not cell["deleted"]]
    both = [c for c in cells if "unidentified" not in (c["label"], c["program_label"]) and c["label"] != "artefact"]
    right = sum(cell["label"] == cell["program_label"] for cell in both)
    assert (found["overall"]["numerator"], found["overall"]["denominator"]) == (right, len(both))
    assert right < len(both)
    assert (found["missed"], found["false_cells"], found["slides"]) == (1, 2, 1)
    assert sum(map(sum, found["matrix"])) == len(both)
    assert [period["n"] for period in found["periods"]] == [len(both)]
    assert found["drift"]["warning"] is False
    assert "Too few" in found["drift"]["sentence"]
    assert page.get("/accuracy?until=2001-01-01T00:00:00Z")["slides"] == 0


def _tallies(shares: list[float], n: int = 100, seed: int = 1) -> list[SlideTally]:
    rng = np.random.default_rng(seed)
    made = []
    for k, share in enumerate(shares):
        right = int(rng.binomial(n, share))
        tally = SlideTally(f"slide {k}", datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=k), {"bundle 1"})
        tally.pairs[("neutrophil", "neutrophil")] = right
        tally.pairs[("neutrophil", "monocyte")] = n - right
        made.append(tally)
    return made


def test_drift_is_seen_when_the_latest_slides_are_worse() -> None:
    found = drift.judge(_tallies([0.95] * 30 + [0.80] * 10), None)
    assert found.warning
    assert found.p_value is not None
    assert found.p_value < 0.01


@pytest.mark.slow
def test_drift_warns_seldom_where_there_is_none() -> None:
    warned = sum(drift.judge(_tallies([0.9] * 24, seed=seed), None).warning for seed in range(150))
    assert warned <= 6  # about one in a hundred


def test_one_odd_slide_in_the_middle_is_no_drift() -> None:
    assert not drift.judge(_tallies([0.95] * 15 + [0.3] + [0.95] * 15), None).warning


def test_a_bundle_that_never_reaches_its_cards_word_is_told_at_once() -> None:
    promised = Estimate(value=0.95, interval=Interval(low=0.92, high=0.97, method="given"))
    found = drift.judge(_tallies([0.75] * 3), promised)
    assert found.warning
    assert "card promises" in found.sentence
    assert not drift.judge(_tallies([0.95] * 3), promised).warning


def test_corrections_are_given_back_as_a_set_that_studies_load(any_desk: Desk, tmp_path: Path) -> None:
    desk, page = any_desk, Page(any_desk)
    _, first = _corrected(desk, page)
    _, second = _corrected(desk, page, name="Slide 2", fields=3, seed=3000)
    unsigned = drawn_slide(desk, fields=1, name="Unsigned")
    out = tmp_path / "set"
    counts = give_back.write(desk, HERE, out)

    table = pl.read_parquet(out / "cells.parquet")
    assert unsigned.id not in set(table["group"])
    views = {cell["id"]: cell for cell in [*first["cells"], *second["cells"]]}
    assert set(table["cell_id"]) == set(views)  # the deleted boxes too, under their rule
    for row in table.iter_rows(named=True):
        cell = views[row["cell_id"]]
        assert (row["person_label"], row["x0"], row["y1"]) == (cell["label"], cell["box"][0], cell["box"][3])
        assert row["program_label"] == (cell["program_label"] if cell["origin"] == "program" else None)
        expected = "deleted box" if cell["deleted"] else None
        expected = expected or (cell["label"] if cell["label"] in {"artefact", "unidentified"} else None)
        assert row["excluded_by"] == expected
    assert counts["left out: artefact"] == 2
    assert counts["left out: deleted box"] == 2

    loaded = load(str(out))
    kept = table.filter(pl.col("excluded_by").is_null())
    assert len(loaded.cells) == len(kept)
    assert sorted(loaded.cells["label"]) == sorted(kept["label"])
    assert set(loaded.cells["group"]) == set(kept["group"])
    assert not loaded.faults
    store = CropStore.open(out / "crops")
    assert len(store.images) == len(table)
    account = json.loads((out / "give_back.json").read_text())
    assert account["cells"] == dict(Counter(kept["label"]))


def test_the_set_comes_over_http_as_an_archive(desk: Desk, page: Page) -> None:
    page.get("/give-back.zip", 409)
    _corrected(desk, page, fields=1)
    page.get("/give-back.zip?since=2001-01-01&until=2001-02-01", 409)
    page.get("/give-back.zip?since=2025-02-30", 422)
    answer = page.http.get("/api/v1/give-back.zip?since=2025-01-01&until=")
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert {"corrections/labels.csv", "corrections/cells.parquet", "corrections/give_back.json"} <= set(names)


def test_what_two_readers_name_differently_is_kept_from_training(any_desk: Desk, tmp_path: Path) -> None:
    desk, page = any_desk, Page(any_desk)
    slide = drawn_slide(desk, fields=1, readings_wanted=2)
    one, two = page.read(slide.id, 1, reader_name="First")["id"], page.read(slide.id, 2, reader_name="Second")["id"]
    cell = page.get(f"/readings/{one}")["cells"][0]["id"]
    page.move(one, "move", 1, cells=[cell], label="basophil")
    page.move(two, "move", 1, cells=[cell], label="monocyte")
    page.sign(one, page.see_all(one))
    page.get("/give-back.zip", 409)  # not before both have signed
    page.sign(two, page.see_all(two))
    give_back.write(desk, HERE, tmp_path / "set")
    row = pl.read_parquet(tmp_path / "set" / "cells.parquet").row(by_predicate=pl.col("cell_id") == cell, named=True)
    assert (row["label"], row["second_label"], row["excluded_by"]) == ("basophil", "monocyte", "readers disagree")


def test_a_cell_that_the_second_reader_alone_drew_stands_in_the_set(desk: Desk, page: Page, tmp_path: Path) -> None:
    slide = drawn_slide(desk, fields=1, readings_wanted=2)
    one, two = page.read(slide.id, 1, reader_name="First")["id"], page.read(slide.id, 2, reader_name="Second")["id"]
    view = page.get(f"/readings/{two}")
    field, kept = view["fields"][0]["id"], view["cells"][0]
    page.move(one, "delete", 1, cells=[kept["id"]])
    page.move(two, "draw", 1, field_id=field, box=[3, 3, 99, 88], label="monocyte")
    for reading in (one, two):
        page.sign(reading, page.see_all(reading))
    give_back.write(desk, HERE, tmp_path / "set")
    table = pl.read_parquet(tmp_path / "set" / "cells.parquet")
    (drawn,) = table.filter(origin="person").rows(named=True)
    assert (drawn["x0"], drawn["y1"], drawn["label"], drawn["second_label"]) == (3, 88, "monocyte", "monocyte")
    assert (drawn["person_label"], drawn["excluded_by"]) == (None, "readers disagree")
    (deleted,) = table.filter(cell_id=kept["id"]).rows(named=True)
    assert (deleted["excluded_by"], deleted["second_label"]) == ("deleted box", kept["label"])


def test_slides_that_share_a_photograph_are_one_group(desk: Desk, page: Page, tmp_path: Path) -> None:
    """Else a study could train on a cell and test on it."""
    made = [drawn_slide(desk, fields=n, name=f"Slide {n}", seed=seed) for n, seed in ((1, 50), (2, 50), (1, 900))]
    for slide in made:
        reading = page.read(slide.id)["id"]
        page.sign(reading, page.see_all(reading))
    give_back.write(desk, HERE, tmp_path / "set")
    table = pl.read_parquet(tmp_path / "set" / "cells.parquet")
    group = {slide.id: set(table.filter(source=f"review:{slide.id}")["group"]) for slide in made}
    assert group[made[0].id] == group[made[1].id] != group[made[2].id]
    assert all(len(names) == 1 for names in group.values())
    assert table.select("image", "group").unique().height == table["image"].n_unique() == 3


@pytest.mark.slow
def test_a_study_trains_on_what_was_given_back(desk: Desk, page: Page, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from buffycoat.cli.main import app

    for k in range(4):
        slide = drawn_slide(desk, fields=6, name=f"Slide {k}", cells_per_field=2, seed=1000 + 10 * k)
        reading = page.read(slide.id)["id"]
        cells = page.get(f"/readings/{reading}")["cells"]
        sequence = 1
        for place, label in enumerate(("neutrophil", "lymphocyte")):
            chosen = [cell["id"] for cell in cells[place::2]]
            sequence = page.move(reading, "move", sequence, cells=chosen, label=label)["sequence"]
        page.sign(reading, page.see_all(reading))
    give_back.write(desk, HERE, tmp_path / "set")
    small = ("train.epochs=1", "train.input_px=32", "frame.stored_px=48", "baseline=false", "unlike=false")
    options = ["--model", "test_resnet", "--weights", "none", *(word for one in small for word in ("--set", one))]
    options += ["--preset", "quick", "--out", str(tmp_path / "study"), "--quiet"]
    done = CliRunner().invoke(app, ["study", str(tmp_path / "set"), *options])
    assert done.exit_code == 0, done.output
    results = json.loads((tmp_path / "study" / "results.json").read_text())
    assert set(results["classes"]) == {"neutrophil", "lymphocyte"}
