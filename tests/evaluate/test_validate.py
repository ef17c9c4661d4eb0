"""Predictions that cannot be trusted are refused, with the rows named."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buffycoat.errors import DataError
from buffycoat.evaluate import validate_predictions
from tests.evaluate.evaluation_cases import CLASSES, cells_of, predictions_of, spelt

CELLS = cells_of(spelt("nnel"))
GOOD = predictions_of(CELLS, spelt("nnel"))


def altered(**columns: list[object]) -> pl.DataFrame:
    """Return the good predictions with the first rows of some columns replaced."""
    changed = {name: [*values, *GOOD.get_column(name).to_list()[len(values) :]] for name, values in columns.items()}
    columns_of = [pl.Series(name, values, strict=False) for name, values in changed.items()]
    return GOOD.with_columns(columns_of)


def test_good_predictions_come_back_as_they_were() -> None:
    assert validate_predictions(GOOD, CELLS, CLASSES).equals(GOOD)


@given(st.lists(st.floats(1e-3, 1), min_size=3, max_size=3))
@settings(deadline=None)
def test_single_precision_probabilities_are_good_enough(odds: list[float]) -> None:
    row = {f"p_{name}": pl.lit(odd / sum(odds), pl.Float32) for name, odd in zip(CLASSES, odds, strict=True)}
    validate_predictions(GOOD.with_columns(**row), CELLS, CLASSES)


@pytest.mark.parametrize(
    ("predictions", "named"),
    [
        (altered(p_neutrophil=[float("nan")]), "not finite (1 rows: row 0, net, c000)"),
        (altered(p_neutrophil=[None]), "missing or not finite"),
        (altered(p_neutrophil=[float("inf")]), "not finite"),
        (altered(p_neutrophil=[0.5]), "do not sum to one (1 rows: row 0, net, c000)"),
        # sums to one all the same
        (altered(p_neutrophil=[1.1], p_eosinophil=[-0.2]), "outside 0 to 1"),
        (altered(label=["basophil"]), "the label is none of neutrophil, eosinophil, lymphocyte"),
        # predictions of a table whose labels have since been corrected
        (altered(label=["eosinophil"]), "the label is not the cell's (1 rows: row 0, net, c000)"),
        (altered(cell_id=["c999"]), "not in the table of cells (1 rows: row 0, net, c999)"),
        (altered(model=[None]), "model, repeat or fold is missing"),
        (pl.concat([GOOD, GOOD.head(1)]), "twice in one fold (2 rows: row 0, net, c000; row 4, net, c000)"),
        (pl.concat([GOOD, GOOD.head(1).with_columns(fold=pl.lit(1, pl.Int64))]), "held out in two folds of one repeat"),
        # two models that had other splits cannot be compared
        (
            pl.concat([GOOD, GOOD.with_columns(model=pl.lit("other"), fold=pl.lit(3, pl.Int64))]),
            "held out in another fold by another model (8 rows: row 0, net, c000",
        ),
        (GOOD.drop("p_lymphocyte"), "column 'p_lymphocyte' is missing"),
        (GOOD.with_columns(p_basophil=0.0), "unknown classes: p_basophil"),
        (GOOD.with_columns(p_neutrophil=pl.lit("much")), "column 'p_neutrophil' should hold Float64"),
        (GOOD.clear(), "no rows"),
    ],
)
def test_what_is_wrong_is_named_with_its_rows(predictions: pl.DataFrame, named: str) -> None:
    with pytest.raises(DataError) as caught:
        validate_predictions(predictions, CELLS, CLASSES)
    assert named in str(caught.value)


def test_all_faults_are_named_together() -> None:
    with pytest.raises(DataError, match=r"sum to one.*not in the table of cells"):
        validate_predictions(altered(p_neutrophil=[0.1], cell_id=["c000", "strange"]), CELLS, CLASSES)


def test_the_same_cell_in_another_repeat_is_no_fault() -> None:
    twice = pl.concat([GOOD, GOOD.with_columns(repeat=pl.lit(1, pl.Int64), fold=pl.lit(2, pl.Int64))])
    assert validate_predictions(twice, CELLS, CLASSES).height == 8
