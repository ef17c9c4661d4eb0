"""Splits: what must hold for every table, and the advice where one cannot be split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buffycoat.clean import RECIPES, apply
from buffycoat.errors import DataError, UsageError
from buffycoat.records.tables import SPLITS
from buffycoat.split import make_splits

CLASSES = ("neutrophil", "eosinophil", "monocyte")
Group = tuple[str, ...]


def table(groups: Iterable[Group], **extra: Any) -> pl.DataFrame:
    """Return a table of cells from the labels of each group."""
    rows = [(f"g{number:03d}", label) for number, group in enumerate(groups) for label in group]
    return pl.DataFrame(
        {
            "cell_id": [f"c{number:04d}" for number in range(len(rows))],
            "label": [label for _, label in rows],
            "group": [group for group, _ in rows],
            "excluded_by": pl.Series([None] * len(rows), dtype=pl.String),
            **extra,
        }
    )


def alone(**counts: int) -> pl.DataFrame:
    """Return so many cells of each class, each its own group."""
    return table((name,) for name, count in counts.items() for _ in range(count))


# Every class has at least four groups of its own, of one to four cells; others hold several classes, as patients do.
own_groups = st.tuples(
    *(
        st.lists(st.integers(1, 4).map(lambda n, name=name: (name,) * n), min_size=4, max_size=9)  # type: ignore[misc]
        for name in CLASSES
    )
)
patients = st.lists(st.lists(st.sampled_from(CLASSES), min_size=1, max_size=6).map(tuple), max_size=4)
grouped = st.builds(lambda own, mixed: table([*own[0], *own[1], *own[2], *mixed]), own_groups, patients)
ungrouped = st.builds(
    lambda a, b, c: alone(neutrophil=a, eosinophil=b, monocyte=c),
    st.integers(4, 40),
    st.integers(4, 20),
    st.integers(4, 9),
)
plans = st.fixed_dictionaries(
    {
        "scheme": st.sampled_from(["kfold", "holdout"]),
        "folds": st.integers(2, 4),
        "repeats": st.integers(1, 2),
        "test_share": st.sampled_from([0.1, 0.2, 0.4]),
        "validation_share": st.sampled_from([0.0, 0.15, 0.3]),
        "seed": st.integers(0, 5),
    }
)


@pytest.mark.slow
@given(grouped | ungrouped, plans)
@settings(max_examples=60, deadline=None)
def test_what_must_hold_for_every_split(cells: pl.DataFrame, plan: dict[str, Any]) -> None:
    splits = make_splits(cells, **plan)
    assert splits.schema == pl.Schema(SPLITS)
    known = splits.join(cells, on="cell_id")
    folds = plan["folds"] if plan["scheme"] == "kfold" else 1
    assert Counter(zip(splits["repeat"], splits["fold"], strict=True)) == {
        (repeat, fold): cells.height for repeat in range(plan["repeats"]) for fold in range(folds)
    }, "every cell has one part in every fold"
    sides = known.group_by("repeat", "fold", "group").agg(pl.col("role").n_unique())
    assert sides["role"].to_list() == [1] * sides.height, "groups never part"
    train = known.filter(role="train").group_by("repeat", "fold").agg(pl.col("label").n_unique())
    assert train["label"].to_list() == [3] * (folds * plan["repeats"]), "every class is in every training part"
    tested = known.filter(role="test")
    for repeat in range(plan["repeats"]):
        held_out = Counter(tested.filter(repeat=repeat)["cell_id"])
        assert set(held_out.values()) == {1}
        if plan["scheme"] == "kfold":
            assert len(held_out) == cells.height, "every cell is held out once per repeat"
        else:
            assert set(tested.filter(repeat=repeat)["label"]) == set(CLASSES), "a hold-out has cells of every class"
    if plan["validation_share"] == 0:
        assert "validation" not in splits["role"]


@given(grouped | ungrouped, plans, st.randoms())
@settings(max_examples=25, deadline=None)
def test_the_seed_decides_and_the_order_of_the_rows_does_not(
    cells: pl.DataFrame, plan: dict[str, Any], random: Random
) -> None:
    shuffled = cells[random.sample(range(cells.height), cells.height)]
    assert make_splits(shuffled, **plan).equals(make_splits(cells, **plan))


@given(ungrouped, st.integers(2, 4), st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_where_every_cell_is_its_own_group_folds_are_stratified_exactly(
    cells: pl.DataFrame, folds: int, seed: int
) -> None:
    splits = make_splits(cells, scheme="kfold", folds=folds, seed=seed).join(cells, on="cell_id")
    for name in CLASSES:
        held_out = [splits.filter(fold=fold, role="test", label=name).height for fold in range(folds)]
        assert max(held_out) - min(held_out) <= 1


def roles(splits: pl.DataFrame, cells: pl.DataFrame) -> dict[tuple[str, str], int]:
    joined = splits.join(cells, on="cell_id").group_by("role", "label").len()
    return {(role, label): count for role, label, count in joined.iter_rows()}


def test_a_hold_out_of_single_cells_is_the_rounded_share_of_each_class() -> None:
    cells = alone(neutrophil=185, eosinophil=88, lymphocyte=33, monocyte=20)
    found = roles(make_splits(cells, scheme="holdout", test_share=0.2, validation_share=0.15, seed=0), cells)
    assert {label: found["test", label] for label in ("neutrophil", "eosinophil", "lymphocyte", "monocyte")} == {
        "neutrophil": 37,
        "eosinophil": 18,
        "lymphocyte": 7,
        "monocyte": 4,
    }
    # 15 % of the 148, 70, 26 and 16 that are left
    assert [found["validation", label] for label in ("neutrophil", "eosinophil", "lymphocyte", "monocyte")] == [
        22,
        10,
        4,
        2,
    ]


def test_a_hold_out_of_groups_comes_near_the_share_of_each_class() -> None:
    random = Random(4)
    groups = [
        (name,) * random.randint(1, 9) for name, count in zip(CLASSES, (60, 30, 15), strict=True) for _ in range(count)
    ]
    cells = table(groups)
    found = roles(make_splits(cells, scheme="holdout", test_share=0.2, seed=1), cells)
    for name in CLASSES:
        total = sum(found[role, name] for role in ("train", "validation", "test"))
        assert found["test", name] / total == pytest.approx(0.2, abs=0.05)
        assert found["validation", name] / (total - found["test", name]) == pytest.approx(0.15, abs=0.06)


def test_repeats_and_seeds_are_drawn_anew() -> None:
    cells = alone(neutrophil=30, eosinophil=30)
    splits = make_splits(cells, scheme="kfold", repeats=2, seed=1)
    first, second = (splits.filter(repeat=repeat).drop("repeat") for repeat in (0, 1))
    assert not first.equals(second)
    assert not make_splits(cells, scheme="kfold", seed=2).drop("repeat").equals(first)
    assert make_splits(cells, scheme="kfold", seed=1).drop("repeat").equals(first), (
        "more repeats leave the first as it is"
    )


def test_rare_classes_are_held_out_and_set_aside_before_they_are_forgotten() -> None:
    cells = alone(neutrophil=100, eosinophil=50, basophil=4)
    found = roles(make_splits(cells, scheme="holdout", test_share=0.1, validation_share=0.1, seed=0), cells)
    assert (found["test", "basophil"], found["validation", "basophil"], found["train", "basophil"]) == (1, 1, 2)
    # of two training cells none is set aside
    few = alone(neutrophil=100, eosinophil=50, basophil=3)
    counted = roles(make_splits(few, scheme="holdout", test_share=0.1, validation_share=0.1, seed=0), few)
    assert ("validation", "basophil") not in counted and counted["train", "basophil"] == 2


def test_rows_left_out_by_cleaning_take_no_part() -> None:
    cells = alone(neutrophil=10, eosinophil=10).with_columns(
        excluded_by=pl.when(pl.col("cell_id") == "c0000").then(pl.lit("thinned"))
    )
    assert "c0000" not in make_splits(cells, scheme="kfold", folds=2, seed=0)["cell_id"]


def test_rows_without_a_group_are_groups_of_their_own() -> None:
    cells = alone(neutrophil=10, eosinophil=10).with_columns(group=pl.lit(None, pl.String))
    assert make_splits(cells, scheme="kfold", folds=5, seed=0).filter(role="test").height == 20


def test_the_split_the_data_came_with_is_kept_to() -> None:
    groups = [(name,) * 3 for name in CLASSES for _ in range(5)]
    sides = [side for _ in CLASSES for side in ("train", "train", "test", "train", "train") for _ in range(3)]
    cells = table(groups, given_split=sides)
    splits = make_splits(cells, scheme="given", seed=0)
    held_out = splits.join(cells, on="cell_id").filter((pl.col("role") == "test") != (pl.col("given_split") == "test"))
    assert held_out.is_empty() and splits["fold"].unique().to_list() == [0]
    assert splits.filter(role="validation").height == 9  # one group of four of each class


def test_of_a_group_on_both_given_sides_only_the_held_out_rows_stay(caplog: pytest.LogCaptureFixture) -> None:
    cells = table([(name,) * 2 for name in CLASSES for _ in range(3)], given_split=["train", "train", "test"] * 6)
    with caplog.at_level("WARNING", "buffycoat"):
        splits = make_splits(cells, scheme="given", validation_share=0, seed=0)
    parted = cells.group_by("group").agg(pl.col("given_split").n_unique()).filter(pl.col("given_split") == 2)["group"]
    left_out = cells.join(splits, on="cell_id", how="anti")
    assert set(left_out["group"]) == set(parted) and set(left_out["given_split"]) == {"train"}
    assert splits.filter(role="test").height == 6
    assert (
        f"{len(parted)} groups on both sides" in caplog.text and f"their {left_out.height} training rows" in caplog.text
    )


SIX = alone(neutrophil=6, eosinophil=6)


@pytest.mark.parametrize(
    ("cells", "plan", "named"),
    [
        (alone(neutrophil=9), {}, "all 9 rows are of one class, neutrophil"),
        (alone(neutrophil=9).head(0), {}, "no rows are left to split"),
        (alone(neutrophil=2, eosinophil=2), {}, "4 rows are fewer than 5 folds"),
        # the class is named with its groups, and what to do
        (alone(neutrophil=50, basophil=3), {}, "basophil (3)"),
        (alone(neutrophil=50, basophil=3), {}, "drop_classes=basophil, or use at most 3 folds"),
        # fifty photographs of two cells are two groups
        (table([("monocyte",) * 25] * 2 + [("neutrophil",)] * 50), {}, "monocyte (2)"),
        (alone(neutrophil=50, basophil=1), {"scheme": "holdout"}, "basophil (1)"),
        (SIX.with_columns(label=pl.lit(None, pl.String)), {}, "12 rows without a label would take part"),
        (SIX, {"scheme": "given"}, "does not come with a split of its own"),
        (SIX.with_columns(given_split=pl.lit(None, pl.String)), {"scheme": "given"}, "12 rows say something else"),
        (SIX.with_columns(given_split=pl.lit("valid")), {"scheme": "given"}, "should say 'train' or 'test'"),
        (SIX.with_columns(given_split=pl.lit("train")), {"scheme": "given"}, "repeat 0, fold 0 has no test rows"),
        (
            table([("neutrophil", "neutrophil"), ("eosinophil", "eosinophil")] * 2, given_split=["train", "test"] * 4),
            {"scheme": "given"},
            "repeat 0, fold 0 has no train rows",  # all of them are copies of what is held out
        ),
        (
            table([("neutrophil",), ("neutrophil",), ("eosinophil",)], given_split=["train", "test", "test"]),
            {"scheme": "given"},
            "has no training rows of eosinophil",
        ),
    ],
)
def test_what_cannot_be_split_is_refused_with_advice(cells: pl.DataFrame, plan: dict[str, Any], named: str) -> None:
    with pytest.raises(DataError) as caught:
        make_splits(cells, **{"scheme": "kfold", "seed": 0, **plan})
    assert named in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("plan", "named"),
    [
        ({"scheme": "kfolds"}, "Did you mean 'kfold'"),
        ({"folds": 1}, "folds should be 2 or more"),
        ({"seed": -1}, "seed should be 0 or more"),
        ({"repeats": 0}, "repeats should be 1 or more"),
        ({"test_share": 1.0}, "test_share should lie between 0 and 1"),
        ({"validation_share": -0.1}, "validation_share should be 0 or more"),
        ({"scheme": "given", "repeats": 2}, "cannot be repeated"),
        ({"folds": 0, "repeats": 0}, "folds should be 2 or more, found 0; repeats"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(plan: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        make_splits(SIX, **{"scheme": "kfold", "seed": 0, **plan})


@pytest.mark.real
def test_the_410_image_set_in_five_folds(real_data: Path) -> None:
    from buffycoat.data.load import load

    cells, _ = apply(RECIPES["seeds"], load("bccd", data_dir=real_data, download=False).cells, 0)
    splits = make_splits(cells, scheme="kfold", folds=5, seed=0).join(cells, on="cell_id")
    assert splits.filter(role="test").height == 326
    per_fold = splits.filter(role="test", label="monocyte").group_by("fold").len()
    assert per_fold["len"].to_list() == [4] * 5


def test_a_part_is_not_made_of_the_big_groups() -> None:
    """33 sets of overlapping fields among 326 cells: held-out cells must hang together no more than the others."""
    groups = [f"pair{number // 2}" for number in range(66)] + [f"single{number}" for number in range(260)]
    labels = ["neutrophil" if number % 3 else "eosinophil" for number in range(33)]
    cells = pl.DataFrame(
        {
            "cell_id": [f"c{number:03d}" for number in range(326)],
            "label": [labels[number // 2] if number < 66 else labels[number % 33] for number in range(326)],
            "group": groups,
            "excluded_by": pl.Series([None] * 326, dtype=pl.String),
        }
    )
    shares = []
    for seed in range(20):
        splits = make_splits(cells, scheme="holdout", test_share=0.2, validation_share=0.1, seed=seed)
        held = splits.filter(pl.col("role") == "test").join(cells, on="cell_id")
        assert held.height == pytest.approx(0.2 * 326, abs=4)
        shares.append(held.filter(pl.col("group").str.starts_with("pair")).height / held.height)
    assert float(np.mean(shares)) == pytest.approx(66 / 326, abs=0.05)
