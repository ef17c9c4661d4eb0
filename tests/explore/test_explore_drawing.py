"""What is drawn depends on the seed and the cells, and on nothing else."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buffycoat.explore.drawing import drawn_by_class, example_candidates, fair_shares


@pytest.mark.parametrize(
    ("available", "most", "expected"),
    [
        ({"a": 10, "b": 10}, 10, {"a": 5, "b": 5}),
        ({"a": 100, "b": 3}, 50, {"a": 47, "b": 3}),  # what the small class leaves goes to the large one
        ({"a": 2, "b": 3}, 50, {"a": 2, "b": 3}),  # no more than there are
        ({"a": 9, "b": 9, "c": 9}, 4, {"a": 1, "b": 1, "c": 2}),
        ({"a": 0, "b": 5}, 3, {"a": 0, "b": 3}),
        ({"a": 5}, 0, {"a": 0}),
        ({}, 5, {}),
    ],
)
def test_shares(available: dict[str, int], most: int, expected: dict[str, int]) -> None:
    assert fair_shares(available, most) == expected


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 50), max_size=6), st.integers(0, 200))
def test_shares_are_fair(available: dict[str, int], most: int) -> None:
    shares = fair_shares(available, most)
    assert sum(shares.values()) == min(most, sum(available.values()))
    assert all(shares[name] <= available[name] for name in available)
    short = [shares[name] for name in available if shares[name] < available[name]]
    assert not short or max(shares.values()) - min(short) <= 1  # nobody has more while another lacks


ROWS = pl.DataFrame(
    {
        "cell_id": [f"c{place:03d}" for place in range(60)],
        "label": ["neutrophil"] * 40 + ["monocyte"] * 20,
        "group": [f"g{place // 4}" for place in range(60)],
    }
)


def test_the_order_of_the_rows_does_not_matter() -> None:
    drawn = drawn_by_class(ROWS, 10, seed=1)
    again = drawn_by_class(ROWS.sample(fraction=1, shuffle=True, seed=9), 10, seed=1)
    assert {name: part["cell_id"].to_list() for name, part in drawn.items()} == {
        name: part["cell_id"].to_list() for name, part in again.items()
    }
    assert {name: part.height for name, part in drawn.items()} == {"neutrophil": 5, "monocyte": 5}
    other = drawn_by_class(ROWS, 10, seed=2)
    assert drawn["neutrophil"]["cell_id"].to_list() != other["neutrophil"]["cell_id"].to_list()


def test_examples_come_from_as_many_groups_as_there_are() -> None:
    neutrophils = ROWS.filter(pl.col("label") == "neutrophil")
    first = example_candidates(neutrophils, "neutrophil", seed=0)
    assert first["group"].head(10).n_unique() == 10  # forty cells of ten groups
    assert sorted(first["cell_id"]) == sorted(neutrophils["cell_id"])


def test_cells_without_a_group_are_groups_of_their_own() -> None:
    rows = ROWS.with_columns(pl.lit(None, pl.String).alias("group"))
    assert example_candidates(rows, "all", seed=0)["cell_id"].n_unique() == 60
