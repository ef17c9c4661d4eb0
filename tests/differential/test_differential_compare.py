"""Two counts: exact tests, held against SciPy, and sentences that say no more than they show."""

from __future__ import annotations

import csv
import io
from collections.abc import Hashable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, fisher_exact

from buffycoat.differential import compare, compare_cells, count
from buffycoat.differential.limits import percent
from buffycoat.differential.write import text_of
from buffycoat.errors import UsageError
from buffycoat.taxonomy import CLASS_NAMES

counts = st.dictionaries(st.sampled_from(CLASS_NAMES), st.integers(0, 150), min_size=1)
labels = st.sampled_from([*CLASS_NAMES[:3], None, "artefact"])


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(first=counts, second=counts)
def test_independent_counts_take_fishers_test_with_holms_correction(
    first: dict[str, int], second: dict[str, int]
) -> None:
    a, b = count(first, counted_by="person"), count(second, counted_by="person")
    found = compare(a, b)
    n, m = a.denominator, b.denominator
    p_values = []
    for row in found.types:
        x, y = first.get(row.name, 0), second.get(row.name, 0)
        p_values.append(fisher_exact(np.array([[x, n - x], [y, m - y]])).pvalue if n and m else 1.0)
        assert row.p_value == pytest.approx(min(1.0, p_values[-1]))
        limits = row.difference.interval
        if row.difference.value is not None:
            assert limits.low is not None
            assert limits.high is not None
            assert limits.low <= (row.difference.value or 0) <= limits.high
    ranked = np.sort(p_values)
    stepped = np.minimum(1, np.maximum.accumulate(ranked * np.arange(len(ranked), 0, -1)))
    assert sorted(row.p_adjusted for row in found.types) == pytest.approx(stepped.tolist())


def test_a_difference_beyond_counting_error_is_named_and_the_rest_is_not() -> None:
    a = count({"neutrophil": 120, "lymphocyte": 76, "eosinophil": 4}, counted_by="program")
    b = count({"neutrophil": 100, "lymphocyte": 72, "eosinophil": 28}, counted_by="person")
    found = compare(a, b)
    differing = [row.name for row in found.types if row.differs]
    assert differing == ["eosinophil"]
    assert "Eosinophils differ by more than counting error." in found.sentences
    row = next(row for row in found.types if row.name == "eosinophil")
    assert row.difference.value == pytest.approx(12.0)
    assert "4 of 200 (2.0 %) by the program, 28 of 200 (14.0 %) by a person" in row.sentence
    assert row.difference.interval.low is not None
    assert row.difference.interval.low > 0


def test_no_difference_shown_is_not_called_equality() -> None:
    a = count({"neutrophil": 12, "lymphocyte": 8}, counted_by="person")
    found = compare(a, a, names=("first reader", "second reader"))
    assert not any(row.differs for row in found.types)
    assert found.sentences[0] == "No type differs by more than counting error."
    assert "does not show that the counts are the same" in found.sentences[1]


def test_a_type_one_count_could_not_assess_is_left_out_and_said_to_be() -> None:
    a = count({"neutrophil": 100}, known=("neutrophil", "lymphocyte"))
    b = count({"neutrophil": 97, "basophil": 3}, counted_by="person")
    found = compare(a, b)
    assert {row.name for row in found.types} == {"neutrophil", "lymphocyte"}
    assert any("Eosinophils, basophils and monocytes were not compared" in sentence for sentence in found.sentences)


def test_a_type_that_is_no_class_of_the_program_is_not_counted_as_none() -> None:
    program = count({"neutrophil": 180, "lymphocyte": 20}, known=("neutrophil", "lymphocyte"))
    person = count({"neutrophil": 150, "lymphocyte": 20, "blast": 30}, counted_by="person")
    for found in (compare(program, person), compare(person, program)):
        assert {row.name for row in found.types} == {"neutrophil", "lymphocyte"}
        assert any("lasts" in sentence and "not compared" in sentence for sentence in found.sentences)
    other = count({"neutrophil": 170}, counted_by="person")
    assert {"neutrophil", "blast"} <= {row.name for row in compare(person, other).types}, (
        "a person who has none saw none"
    )


def test_an_empty_count_cannot_be_compared() -> None:
    found = compare(count([], counted_by="person"), count({"monocyte": 5}, counted_by="person"))
    assert not any(row.differs for row in found.types)
    assert "nothing to compare" in found.sentences[0]
    assert not any("the same" in sentence for sentence in found.sentences)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(labels, labels), max_size=80))
def test_the_same_cells_take_mcnemars_test(pairs: list[tuple[str | None, str | None]]) -> None:
    first, second = [one for one, _ in pairs], [other for _, other in pairs]
    found = compare_cells(first, second)
    both = [(a, b) for a, b in pairs if a in CLASS_NAMES and b in CLASS_NAMES]
    assert found.compared == len(both)
    assert found.agreed == sum(a == b for a, b in both)
    for row in found.types:
        x = sum(a == row.name != b for a, b in both)
        y = sum(b == row.name != a for a, b in both)
        assert (row.first_only, row.second_only) == (x, y)
        expected = binomtest(x, x + y, 0.5).pvalue if x + y else 1.0
        assert row.p_value == pytest.approx(expected)
        if both:
            assert row.difference.value == pytest.approx(100 * (y - x) / len(both))
            limits = row.difference.interval
            assert limits.low is not None
            assert limits.high is not None
            assert limits.low <= (row.difference.value or 0) <= limits.high
        assert row.first.numerator == sum(a == row.name for a, _ in both)
        assert row.first.denominator == row.second.denominator == len(both)
        if both:
            assert row.first.value is not None
            assert row.second.value is not None
            assert row.second.value - row.first.value == pytest.approx(row.difference.value), "the columns subtract"


def test_cells_can_be_given_by_identifier_in_any_order() -> None:
    found = compare_cells(
        {"a": "monocyte", "b": "neutrophil", "c": None}, {"b": "monocyte", "a": "monocyte", "d": "eos"}
    )
    assert (found.compared, found.agreed) == (2, 1)
    assert (found.first_denominator, found.second_denominator) == (2, 3)
    assert "The percentages compared are of these 2 cells; the program named 2 and the person 3." in found.sentences
    assert not any("percentages" in sentence for sentence in compare_cells(["monocyte"], ["neutrophil"]).sentences)


def test_the_columns_of_a_comparison_subtract_wherever_it_stands() -> None:
    first: dict[Hashable, str | None] = {k: "neutrophil" if k < 23 else "lymphocyte" for k in range(40)}
    second: dict[Hashable, str | None] = {
        **first,
        **{k: "neutrophil" if k < 92 else "monocyte" for k in range(40, 100)},
    }
    found = compare_cells(first, second, names=("the program", "reader one"))
    (row,) = [row for row in found.types if row.name == "neutrophil"]
    assert (row.first.value, row.second.value, row.difference.value) == (57.5, 57.5, 0.0)
    made = count(first.values(), slide="S", comparison=found)
    for form in ("table", "html"):
        said = " ".join(text_of([made], form).split())
        assert "Percent of the 40 cells that both named" in said
        assert "75.0" not in said, "the reader's share of other cells"
    rows = {row["type"]: row for row in csv.DictReader(io.StringIO(text_of([made], "csv")))}
    for line in (rows["neutrophil"], rows["monocyte"]):
        apart = float(line["other_percent"]) - float(line["compared_percent"])
        assert apart == pytest.approx(float(line["difference_points"]))
    assert rows["monocyte"]["percent_high"] == f"{percent(0, 40).interval.high:.10g}", "of its own cells"


def test_lists_of_different_length_are_no_pairs() -> None:
    with pytest.raises(UsageError, match="same cells"):
        compare_cells(["monocyte"], [])


def test_one_sided_disagreement_between_readers_is_found_where_an_independent_test_would_miss_it() -> None:
    first = ["neutrophil"] * 170 + ["eosinophil"] * 30
    second = ["neutrophil"] * 160 + ["eosinophil"] * 40
    paired = compare_cells(first, second)
    apart = compare(count(first, counted_by="person"), count(second, counted_by="person"))
    assert {row.name for row in paired.types if row.differs} == {"neutrophil", "eosinophil"}
    assert not any(row.differs for row in apart.types)
