"""Formats by name and ending, CSV that a spreadsheet reads, and counts read back."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import polars as pl
import pytest
from pydantic import ValidationError

from buffycoat.differential import compare, count
from buffycoat.differential.by_hand import read_counts
from buffycoat.differential.csv_file import COLUMNS, csv_text
from buffycoat.differential.write import FORMATS, format_of, read, text_of, write
from buffycoat.errors import DataError, UsageError
from buffycoat.records.differential import ReferenceRange, ReferenceRanges, Signer
from tests.differential.differential_cases import DRAWN, NASTY, SEAL, WHEN, full, plain, sealed


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.json", "json"),
        ("a.FHIR.JSON", "fhir"),
        ("a.hl7", "hl7"),
        ("a.b.csv", "csv"),
        ("a.htm", "html"),
        ("a.html", "html"),
        ("a.txt", "table"),
    ],
)
def test_the_ending_chooses_the_format(name: str, form: str) -> None:
    assert format_of(Path(name)) == form
    assert format_of(Path(name), "csv") == "csv"


def test_an_unknown_ending_or_format_is_refused() -> None:
    with pytest.raises(UsageError, match="names no format"):
        format_of(Path("a.pdf"))
    with pytest.raises(UsageError, match="no format 'fihr'"):
        format_of(Path("a.json"), "fihr")


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_says_what_it_is_not_for(form: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    write([plain(), full()], path, form)
    assert "not a medical device" in path.read_text(encoding="utf-8")


def test_counts_come_back_as_they_were(tmp_path: Path) -> None:
    counts = (plain(), full())
    write(counts, tmp_path / "two.json")
    assert read(tmp_path / "two.json") == counts
    for made in (full(), plain(slide="slides")):
        made.write(tmp_path / "one.json")
        assert read(tmp_path / "one.json") == (made,)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"slides": 3}', '{"schema_version": 2, "slides": []}', "\xff"])
def test_what_is_no_count_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(DataError, match="is no differential"):
        read(path)
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path / "none.json")


def test_csv_has_a_row_for_each_slide_and_type() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text([plain(), full()]))))
    assert tuple(rows[0]) == COLUMNS
    assert [row["type"] for row in rows[:7]] == [
        *("neutrophil", "eosinophil", "basophil", "lymphocyte", "monocyte"),
        *("unidentified", "artefact"),
    ]
    assert (rows[0]["count"], rows[0]["denominator"], rows[0]["percent"]) == ("110", "200", "55")
    assert float(rows[0]["percent_low"]) == pytest.approx(47.82, abs=0.01)
    assert (rows[2]["count"], rows[2]["percent"], rows[2]["assessed"]) == ("", "", "no")
    assert (rows[5]["count"], rows[6]["count"]) == ("4", "3")
    assert rows[7]["slide"] == NASTY
    assert pl.read_csv(csv_text([plain()]).encode()).height == 7


def test_csv_says_perhaps_and_carries_the_cautions() -> None:
    ranges = ReferenceRange(type="eosinophil", unit="%", high=4.5), ReferenceRange(type="neutrophil", unit="%", low=70)
    made = plain(ranges=ReferenceRanges(name="ours", source="here", population="all", ranges=ranges))
    rows = {row["type"]: row for row in csv.DictReader(io.StringIO(csv_text([made])))}
    assert [rows[name]["flag_percent"] for name in ("neutrophil", "eosinophil", "monocyte")] == [
        *("low", "perhaps high", ""),
    ]
    assert made.warnings
    assert {row["cautions"] for row in rows.values()} == {" ".join(made.warnings)}
    assert {row["notice"] for row in rows.values()} == {made.notice}


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x"])
def test_csv_holds_no_formula(name: str) -> None:
    (row, *_) = csv.DictReader(io.StringIO(csv_text([count(["monocyte"], slide=name, specimen=name)])))
    assert row["slide"] == f"'{name}"
    assert row["specimen"] == f"'{name}"


def test_the_table_shows_every_figure() -> None:
    text = text_of([full()], "table")
    for wanted in ("neutrophil", "110", "55.0", "47.8–62.0", "3.41", "40–75 %", "Final, signed by", "not assessed"):
        assert wanted in text, wanted


def test_fhir_is_json() -> None:
    assert json.loads(text_of([plain()], "fhir"))["resourceType"] == "Bundle"


def test_a_persons_totals_are_read(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("\ufeffType,Count,remark\nNeutrophils, 60 ,\nneut,2,\n\nunknown,3,x\n", encoding="utf-8")
    assert read_counts(path) == {"neutrophil": 62, "unidentified": 3}


def test_a_count_that_was_written_is_read_back_and_two_slides_are_not_one(tmp_path: Path) -> None:
    path = tmp_path / "made.csv"
    path.write_text(csv_text([plain()]), encoding="utf-8")
    cells = {"neutrophil": 110, "eosinophil": 10, "lymphocyte": 70, "monocyte": 10}
    assert read_counts(path) == {**cells, "unidentified": 4, "artefact": 3}
    path.write_text(csv_text([plain(), plain(slide="S2")]), encoding="utf-8")
    with pytest.raises(DataError, match=r"the counts of 2 slides \(S1, S2\)"):
        read_counts(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2\n", "expected the columns"),
        ("type,count\nmonocyte,-3\n", "row 2"),
        ("type,count\nmonocyte,3.5\n", "row 2"),
        ("type,count\n,3\n", "row 2"),
        ("type,count\n", "no count"),
        ("", "expected the columns"),
    ],
)
def test_bad_totals_are_refused_with_their_row(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=said):
        read_counts(path)


def test_csv_and_json_carry_the_seal_of_a_signed_count_only(tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text([sealed(slide="signed"), full(), plain()]))))
    assert {(row["slide"] == "signed", row["seal"]) for row in rows} == {(True, SEAL), (False, "")}
    sealed().write(tmp_path / "signed.json")
    assert json.loads((tmp_path / "signed.json").read_text())["signer"]["seal"] == SEAL
    (again,) = read(tmp_path / "signed.json")
    assert again == sealed()


@pytest.mark.parametrize("seal", ["", "abc", "g" * 64, SEAL.upper()])
def test_what_is_no_seal_is_refused(seal: str) -> None:
    with pytest.raises(ValidationError):
        Signer(name="Reader", signed_at=WHEN, seal=seal)


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_totals_as_a_european_spreadsheet_saves_them(delimiter: str, tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("type,count\nneutrophil,60\nlymphocyte,40\n".replace(",", delimiter))
    assert read_counts(path) == {"neutrophil": 60, "lymphocyte": 40}


@pytest.mark.parametrize("name", ["total", "Sum", "ALL", "wbc", "N"])
def test_a_row_of_the_total_is_held_to_the_others_and_not_counted(name: str, tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(f"type,count\nneutrophil,60\nlymphocyte,40\nunknown,3\n{name},100\n{name},103\n")
    assert read_counts(path) == {"neutrophil": 60, "lymphocyte": 40, "unidentified": 3}
    path.write_text(f"type,count\nneutrophil,60\nlymphocyte,40\n{name},200\n")
    with pytest.raises(DataError, match=r"row 4.* is 200, and the other rows add up to 100"):
        read_counts(path)


@pytest.mark.parametrize(("slip", "meant"), [("neutrophill", "neutrophil"), ("Limphocytes", "lymphocyte")])
def test_a_slip_of_the_pen_is_no_type(slip: str, meant: str, tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(f"type,count\nneutrophil,60\n{slip},40\n")
    with pytest.raises(DataError, match=f"row 3: '{slip}' .* looks like '{meant}'"):
        read_counts(path)
    path.write_text("type,count\nneut,60\nband neutrophil,4\nmyelocyte,1\nblast,1\n")
    assert read_counts(path) == {"neutrophil": 60, "band neutrophil": 4, "myelocyte": 1, "blast": 1}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("neutrophil," + "9" * 5000, r"row 2: expected a type and a whole number.*5000 characters"),
        ("x" * 300 + ",3", r"row 2: expected a type and a whole number.*300 characters"),
    ],
)
def test_a_number_or_a_field_beyond_all_bounds_is_said(row: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(f"type,count\n{row}\n")
    with pytest.raises(DataError, match=said):
        read_counts(path)


def test_csv_holds_the_comparison() -> None:
    other = count({"neutrophil": 60, "lymphocyte": 130, "blast": 10}, counted_by="person")
    first = count({"neutrophil": 120, "lymphocyte": 80}, counted_by="person", slide="S1")
    found = compare(first, other, names=("reader one", "=reader two"))
    made = first.model_copy(update={"comparison": found})
    rows = {row["type"]: row for row in csv.DictReader(io.StringIO(csv_text([made])))}
    assert {(row["compared_with"], row["compared_as"]) for row in rows.values()} == {
        ("'=reader two", "independent counts")
    }
    assert {row["comparison"] for row in rows.values()} == {" ".join(found.sentences)}
    for one in found.types:
        row = rows[one.name]
        assert (row["other_count"], row["other_denominator"]) == (str(one.second.numerator), "200")
        assert float(row["other_percent"]) == pytest.approx(one.second.value)
        assert float(row["difference_points"]) == pytest.approx(one.difference.value)
        assert float(row["difference_low"]) == pytest.approx(one.difference.interval.low)
        assert float(row["p_holm"]) == pytest.approx(one.p_adjusted)
        assert row["differs"] == ("yes" if one.differs else "no")
    assert (rows["blast"]["count"], rows["blast"]["other_count"]) == ("0", "10"), "of the other count only"
    assert rows["unidentified"]["differs"] == ""
    (alone, *_) = csv.DictReader(io.StringIO(csv_text([plain()])))
    assert alone["compared_with"] == alone["other_count"] == alone["comparison"] == ""


def test_csv_and_json_carry_the_time_of_the_specimen_and_the_accession(tmp_path: Path) -> None:
    made = plain(collected=DRAWN, accession="25-0417")
    (row, *_) = csv.DictReader(io.StringIO(csv_text([made])))
    assert (row["collected"], row["accession"]) == (DRAWN.isoformat(), "25-0417")
    write([made], tmp_path / "a.json")
    assert read(tmp_path / "a.json") == (made,)
    page = text_of([made], "html")
    assert "2025-03-03 21:05" in page
    assert "25-0417" in page
