"""Every row counts once, under the name the report shows."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from buffycoat.clean.rules import counts as counted_by_cleaning
from buffycoat.explore.counts import class_counts, one_cell_rows
from buffycoat.records.tables import CELLS


def table(*rows: dict[str, Any]) -> pl.DataFrame:
    filled = [{"cell_id": f"c{place}", "image": f"{place}.png", **row} for place, row in enumerate(rows)]
    return pl.DataFrame(filled, schema=dict(CELLS))


ROWS = table(
    {"label": "neutrophil", "label_count": 1},
    {"label": "neutrophil", "label_count": 1, "excluded_by": "thinned"},  # left out, yet found
    {"label": "neutrophil", "label_count": 2},  # two of one type: a row of its own kind
    {"label": None, "label_count": 2},  # two of different types
    {"label": None, "label_count": 0},
    {"label": "basophil", "label_count": 1, "image": None},  # a row without an image
    {"label": "smudge cell", "label_count": None},  # a folder says what it holds, not how many
)


def test_each_row_under_its_name_in_the_projects_order() -> None:
    found = class_counts(ROWS)
    assert found == {"neutrophil": 2, "basophil": 1, "smudge cell": 1, "two-cell": 2, "unlabelled": 1}
    assert list(found)[:2] == ["neutrophil", "basophil"]
    assert sum(found.values()) == ROWS.height


def test_the_same_as_cleaning_counts() -> None:
    assert class_counts(ROWS) == counted_by_cleaning(ROWS)


def test_rows_that_can_be_looked_at() -> None:
    assert one_cell_rows(ROWS)["cell_id"].to_list() == ["c0", "c1", "c6"]


@pytest.mark.parametrize("empty", [ROWS.head(0)])
def test_no_rows(empty: pl.DataFrame) -> None:
    assert class_counts(empty) == {}
