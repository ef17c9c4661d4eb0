from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from buffycoat.morphology.summary import area_under_roc, summarise


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_the_area_agrees_with_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    values = np.array([float(value) for value, _ in rows])
    positive = np.array([yes for _, yes in rows])
    if positive.all() or not positive.any():
        return
    assert area_under_roc(values, positive) == pytest.approx(roc_auc_score(positive, values))


def cells() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "label": ["neutrophil"] * 3 + ["lymphocyte"] * 3 + ["eosinophil", "neutrophil", None],
            "excluded_by": [None] * 7 + ["thinned", "unlabelled"],
            "nucleus_roundness": [0.4, 0.5, 0.6, 0.8, 0.9, 0.95, None, 0.99, 0.1],
        }
    )


def test_a_summary_counts_what_cleaning_kept() -> None:
    (found,) = summarise(cells(), ("neutrophil", "eosinophil", "lymphocyte"), ("nucleus_roundness",))
    assert list(found.spreads) == ["neutrophil", "lymphocyte"]
    assert found.spreads["neutrophil"].n == 3
    assert found.spreads["neutrophil"].percentiles[2] == pytest.approx(0.5)
    assert found.area == pytest.approx(1.0)
    assert found.unit == "1"


def test_a_study_without_measurements_has_no_summary() -> None:
    assert summarise(cells().drop("nucleus_roundness"), ("neutrophil", "lymphocyte")) == []
    assert summarise(cells(), ("neutrophil",), ("nucleus_roundness",)) == []
