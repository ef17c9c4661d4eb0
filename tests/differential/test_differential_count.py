"""From labels to a count: figures, what stands apart, flags and cautions."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import binomtest

from buffycoat.differential import count, label_of, read_ranges
from buffycoat.differential.limits import percent
from buffycoat.differential.particulars import moment
from buffycoat.errors import UsageError
from buffycoat.records.differential import Differential, ReferenceRange, ReferenceRanges, Signer
from buffycoat.taxonomy import CLASS_NAMES

SIGNER = Signer(name="Reader", signed_at=datetime(2025, 1, 2, 3, 4, tzinfo=UTC))
FOUR = ("neutrophil", "eosinophil", "lymphocyte", "monocyte")


@pytest.mark.parametrize(
    ("counted", "n", "low", "high"),
    [  # the printed tables that laboratories use, in percent
        (0, 100, 0.0, 3.6),
        (5, 100, 1.6, 11.3),
        (50, 100, 39.8, 60.2),
        (10, 200, 2.4, 9.0),
        (100, 200, 42.9, 57.1),
        (20, 400, 3.1, 7.6),
    ],
)
def test_limits_are_those_of_the_printed_tables(counted: int, n: int, low: float, high: float) -> None:
    made = count({"monocyte": counted, "neutrophil": n - counted}, counted_by="person")
    limits = made.of("monocyte").percent.interval
    assert limits.low == pytest.approx(low, abs=0.05)
    assert limits.high == pytest.approx(high, abs=0.05)
    assert made.of("monocyte").percent.value == pytest.approx(100 * counted / n)


@given(n=st.integers(1, 2000), share=st.floats(0, 1), level=st.sampled_from([0.9, 0.95, 0.99]))
def test_limits_agree_with_scipy(n: int, share: float, level: float) -> None:
    found = percent(round(share * n), n, level).interval
    expected = binomtest(round(share * n), n).proportion_ci(level, "exact")
    assert found.low == pytest.approx(100 * expected.low, abs=1e-9)
    assert found.high == pytest.approx(100 * expected.high, abs=1e-9)


@given(st.lists(st.sampled_from([*CLASS_NAMES, "blast", "unidentified", None, "artefact", "Neutrophils", "artifact"])))
def test_every_cell_is_counted_once(labels: list[str | None]) -> None:
    made = count(labels, counted_by="person")
    assert made.found == len(labels)
    assert made.unidentified == sum(label in (None, "unidentified") for label in labels)
    assert made.artefacts == sum(label in ("artefact", "artifact") for label in labels)
    assert made.of("neutrophil").count == labels.count("neutrophil") + labels.count("Neutrophils")
    assert sum(row.count for row in made.types) == made.denominator
    if made.denominator:
        assert sum(row.percent.value or 0 for row in made.types) == pytest.approx(100)
    for row in made.types:
        limits = row.percent.interval
        if row.percent.value is not None:
            assert 0 <= (limits.low or 0) <= row.percent.value <= (limits.high or 0) <= 100
    assert Differential.model_validate_json(made.model_dump_json()) == made


def test_labels_and_numbers_by_label_give_the_same_count() -> None:
    when = datetime(2025, 1, 1, tzinfo=UTC)
    one = count(["monocyte", "monocyte", None], created=when)
    assert one == count({"monocyte": 2, "unidentified": 1}, created=when)


def test_nothing_found_is_no_differential() -> None:
    made = count([], fields=3, fields_without=3)
    assert made.denominator == 0
    assert all(row.percent.value is None and row.percent.interval.low is None for row in made.types)
    assert made.cautions[0].code == "nothing-named"


def test_unidentified_cells_stay_outside_the_denominator_and_are_told() -> None:
    made = count(["neutrophil"] * 150 + ["unidentified"] * 50, reasons={"uncertain": 40, "unlike": 10})
    assert (made.denominator, made.unidentified) == (150, 50)
    assert made.of("neutrophil").percent.value == 100
    assert any("50 cells were left unidentified" in sentence for sentence in made.warnings)


def test_a_type_the_classifier_does_not_know_is_not_reported_as_none() -> None:
    made = count(["neutrophil"] * 120, known=FOUR)
    basophil = made.of("basophil")
    assert not basophil.assessed
    assert basophil.percent.value is None
    assert basophil.percent.interval.high is None
    assert any("does not know basophils" in sentence for sentence in made.warnings)
    named_by_a_person = count(["neutrophil"] * 120 + ["basophil"], known=FOUR, counted_by="reviewed")
    assert named_by_a_person.of("basophil").assessed
    assert count(["neutrophil"], counted_by="person").of("basophil").percent.value == 0


@pytest.mark.parametrize(("n", "warned"), [(99, True), (100, False)])
def test_fewer_than_a_hundred_cells_are_warned_of(n: int, warned: bool) -> None:
    made = count(["lymphocyte"] * n)
    assert ("few-cells" in {caution.code for caution in made.cautions}) == warned


def test_the_programs_own_errors_come_on_top_of_counting_error() -> None:
    assert any("come on top" in sentence for sentence in count(["lymphocyte"] * 200).warnings)
    assert not any("come on top" in sentence for sentence in count(["lymphocyte"] * 200, counted_by="person").warnings)


def test_absolute_counts_are_shares_of_the_leukocyte_count() -> None:
    made = count({"neutrophil": 120, "lymphocyte": 80}, wbc=6.0)
    row = made.of("neutrophil")
    assert row.absolute is not None
    assert row.absolute.value == pytest.approx(3.6)
    assert row.absolute.interval.low == pytest.approx(0.06 * (row.percent.interval.low or 0))
    assert row.absolute.interval.high == pytest.approx(0.06 * (row.percent.interval.high or 0))
    assert count({"neutrophil": 120}).of("neutrophil").absolute is None


def _ranges(**limits: Any) -> ReferenceRanges:
    one = ReferenceRange(type="eosinophil", **{"unit": "%", **limits})
    return ReferenceRanges(name="Ours", source="our study", population="adults", ranges=(one,))


@pytest.mark.parametrize(
    ("counted", "limits", "level", "beyond"),
    [
        (2, {"high": 6.0}, "within", False),  # 1 %, limits 0.1 to 3.6 … of 200
        (0, {"high": 6.0}, "within", True),
        (14, {"high": 6.0}, "high", False),  # 7 %, lower limit 3.9
        (40, {"high": 6.0}, "high", True),
        (0, {"low": 1.0}, "low", False),  # 0 %, upper limit 1.8
        (0, {"low": 2.0}, "low", True),
        (12, {"low": 6.0, "high": 8.0}, "within", False),  # on the limit is within
    ],
)
def test_flags(counted: int, limits: dict[str, float], level: str, beyond: bool) -> None:
    made = count({"eosinophil": counted, "neutrophil": 200 - counted}, ranges=_ranges(**limits))
    (flag,) = made.of("eosinophil").flags
    assert flag.level == level
    if level != "within":
        assert flag.beyond_counting_error == beyond
    assert made.of("neutrophil").flags == ()


def test_absolute_ranges_are_judged_only_with_a_leukocyte_count() -> None:
    ranges = _ranges(unit="10*9/L", high=0.5)
    without = count({"eosinophil": 20, "neutrophil": 180}, ranges=ranges)
    assert without.of("eosinophil").flags == ()
    assert any("no leukocyte count" in sentence for sentence in without.warnings)
    (flag,) = count({"eosinophil": 20, "neutrophil": 180}, ranges=ranges, wbc=9.0).of("eosinophil").flags
    assert (flag.level, flag.unit) == ("high", "10*9/L")


def test_nothing_is_flagged_unless_ranges_are_given_and_the_example_says_so() -> None:
    assert all(not row.flags for row in count({"eosinophil": 200}).types)
    made = count({"eosinophil": 200}, ranges=read_ranges("example"))
    assert made.of("eosinophil").flags[0].level == "high"
    assert any("EXAMPLE" in sentence for sentence in made.warnings)


@pytest.mark.parametrize("status", ["final", "amended"])
def test_only_a_signed_count_is_final(status: Any) -> None:
    with pytest.raises(UsageError, match="needs a signer"):
        count(["monocyte"], status=status)
    made = count(["monocyte"], status=status, signer=SIGNER, counted_by="reviewed")
    assert made.status == status
    assert made.signer == SIGNER


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"wbc": 0.0}, "wbc"),
        ({"wbc": float("nan")}, "wbc"),
        ({"specimen": "a\nb"}, "specimen"),
        ({"subject": "\x00"}, "subject"),
        ({"subject": "x" * 65}, "subject"),
        ({"slide": " "}, "slide"),
        ({"reasons": {"unlike": 3}}, "more reasons"),
        ({"counted_by": "ghost"}, "counted_by"),
    ],
)
def test_what_is_out_of_range_is_refused_in_words(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        count(["monocyte"], **options)


@pytest.mark.parametrize("number", [-1, 1.5, True])
def test_numbers_of_cells_are_whole(number: Any) -> None:
    with pytest.raises(UsageError, match="whole number"):
        count({"monocyte": number})


def test_one_string_is_no_list_of_labels() -> None:
    with pytest.raises(TypeError):
        count("monocyte")


def test_a_document_whose_counts_do_not_add_up_is_refused() -> None:
    document = count(["monocyte", "neutrophil"]).model_dump(mode="json")
    with pytest.raises(ValidationError, match="add up"):
        Differential.model_validate({**document, "denominator": 3})
    with pytest.raises(ValidationError, match="patient_name"):
        Differential.model_validate({**document, "patient_name": "nobody"})


def test_labels_are_folded_to_the_projects_spelling() -> None:
    assert [label_of(given) for given in (" EOS ", "Monocytes", "Smudge_cell", "", "U")] == [
        "eosinophil",
        "monocyte",
        "smudge cell",
        "unidentified",
        "unidentified",
    ]


@pytest.mark.parametrize(("given", "meant"), [(6200, "6.2"), (1200.0, "1.2"), (6.2e6, "6.2"), (6.2e9, "6.2")])
def test_a_leukocyte_count_in_another_unit_is_refused_with_what_was_meant(given: float, meant: str) -> None:
    with pytest.raises(
        UsageError, match=rf"(?s)another unit.*Did you mean {meant}\? It is in 10⁹/L: divide cells per µL"
    ):
        count(["monocyte"], wbc=given)


@pytest.mark.parametrize(
    ("given", "warned"), [(0.05, True), (0.1, False), (6.2, False), (100, False), (100.5, True), (1000, True)]
)
def test_an_unusual_leukocyte_count_is_asked_after(given: float, warned: bool) -> None:
    made = count(["monocyte"] * 200, wbc=given)
    assert ("leukocyte-count" in {caution.code for caution in made.cautions}) == warned


def test_a_specimen_is_collected_before_it_is_counted_and_in_a_zone() -> None:
    when = datetime(2025, 1, 2, 3, 4, tzinfo=UTC)
    assert count(["monocyte"], created=when, collected=when).collected == when
    with pytest.raises(UsageError, match=r"was collected 2025-01-02T03:05:00\+00:00, after it was counted"):
        count(["monocyte"], created=when, collected=when.replace(minute=5))
    with pytest.raises(UsageError, match="collected"):
        count(["monocyte"], collected=datetime(2025, 1, 2))


def test_a_moment_is_taken_with_its_zone_and_without_one_as_the_computers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        assert moment("2025-03-04T09:05").isoformat() == "2025-03-04T09:05:00+05:30"
    finally:
        monkeypatch.undo()
        time.tzset()
    assert moment("2025-03-04 09:05:06Z").isoformat() == "2025-03-04T09:05:06+00:00"


@pytest.mark.parametrize("text", ["", "yesterday", "2025-03-04", "20250304", "2025-02-30T09:05", "0001-01-01T00:00"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a date and a time"):
        moment(text)
