"""``check_splits`` refuses what would make a result look better than it is."""

from __future__ import annotations

import polars as pl
import pytest

from buffycoat.errors import DataError
from buffycoat.split import check_splits, make_splits

CELLS = pl.DataFrame(
    {
        "cell_id": [f"c{number:02d}" for number in range(24)],
        "label": ["neutrophil", "eosinophil"] * 12,
        "group": [f"g{number // 2:02d}" for number in range(24)],
        "excluded_by": pl.Series([None] * 23 + ["thinned"], dtype=pl.String),
    }
)
GOOD = make_splits(CELLS, scheme="kfold", folds=3, seed=0)


def first(role: str, column: str = "cell_id") -> str:
    joined = GOOD.filter(role=role, fold=0).join(CELLS, on="cell_id")
    return str(joined[column][0])


def with_role(cell_id: str, role: str, splits: pl.DataFrame = GOOD) -> pl.DataFrame:
    return splits.with_columns(
        role=pl.when((pl.col("cell_id") == cell_id) & (pl.col("fold") == 0))
        .then(pl.lit(role))
        .otherwise(pl.col("role"))
    )


def test_what_make_splits_makes_is_trusted() -> None:
    check_splits(GOOD, CELLS)


@pytest.mark.parametrize(
    ("splits", "named"),
    [
        # one of a group's two cells is held out, the other trained on: the leak this is here for
        (with_role(first("train"), "test"), f"1 groups stand on two sides: {first('train', 'group')}"),
        (with_role(first("train"), "validation"), f"1 groups stand on two sides: {first('train', 'group')}"),
        (with_role(first("train"), "test"), "held out more than once in one repeat: " + first("train")),
        (pl.concat([GOOD, GOOD.head(1)]), "more than one row in a fold: c00"),
        (with_role("c00", "trian"), "unknown roles 'trian' (known: train, validation, test)"),
        (GOOD.with_columns(role=pl.lit(None, pl.String)), "unknown roles None"),
        (GOOD.with_columns(cell_id=pl.col("cell_id").str.replace("c00", "c99")), "not in the table: c99"),
        (GOOD.with_columns(cell_id=pl.col("cell_id").str.replace("c22", "c23")), "that cleaning left out: c23"),
        (GOOD.filter((pl.col("role") != "test") | (pl.col("fold") != 1)), "repeat 0, fold 1 has no test rows"),
        (GOOD.filter((pl.col("role") != "train") | (pl.col("fold") != 2)), "repeat 0, fold 2 has no train rows"),
        (GOOD.clear(), "there are no rows"),
        (GOOD.drop("fold"), "column 'fold' is missing"),
    ],
)
def test_faults_are_named(splits: pl.DataFrame, named: str) -> None:
    with pytest.raises(DataError) as caught:
        check_splits(splits, CELLS)
    assert named in str(caught.value)


def test_a_class_that_is_held_out_but_never_trained_on_is_named() -> None:
    labels = dict(zip(CELLS["cell_id"], CELLS["label"], strict=True))
    lost = GOOD.filter(
        (pl.col("role") != "train") | (pl.col("cell_id").replace_strict(labels) != "eosinophil") | (pl.col("fold") != 0)
    )
    with pytest.raises(DataError, match="repeat 0, fold 0 has no training rows of eosinophil"):
        check_splits(lost, CELLS)


def test_only_the_first_of_many_are_named() -> None:
    every_second = pl.int_range(pl.len()) % 2 == 0
    leaked = GOOD.filter(fold=0).with_columns(
        role=pl.when(every_second).then(pl.lit("train")).otherwise(pl.lit("test"))
    )
    with pytest.raises(DataError, match=r"11 groups stand on two sides: g00, g01, g02, g03, g04 and 6 more"):
        check_splits(leaked, CELLS)
