"""Cleaning: which rows leave by which rule, and an account that reconciles to the row."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buffycoat.clean import RECIPES, Recipe, apply, named, sampling_weights
from buffycoat.errors import DataError, UsageError
from buffycoat.records.documents import Cleaning
from buffycoat.records.tables import CELLS

# Rows as they come: image there or not, labels single, double or none, some left out in reading.
row_strategy = st.fixed_dictionaries(
    {
        "image": st.sampled_from(["there.jpg", "there.jpg", "there.jpg", None]),
        "label": st.sampled_from(["neutrophil", "neutrophil", "eosinophil", "basophil", "blast", None]),
        "label_count": st.sampled_from([0, 1, 1, 1, 2]),
        "group": st.sampled_from(["a", "b", "c", None]),
        "excluded_by": st.sampled_from([None, None, None, "unreadable", "thinned"]),
    }
)
recipe_strategy = st.builds(
    Recipe,
    drop_two_cell=st.booleans(),
    drop_classes=st.sampled_from([(), ("basophil",), ("basophil", "monocyte")]),
    thin=st.dictionaries(st.sampled_from(["neutrophil", "eosinophil", "monocyte"]), st.floats(0, 0.99)),
    min_per_class=st.none() | st.integers(1, 5),
    sampling=st.sampled_from(["balanced", "none", {"eosinophil": 2.5}]),
)


def table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    full = [dict.fromkeys(CELLS) | {"cell_id": f"c{number:03d}", **row} for number, row in enumerate(rows)]
    return pl.DataFrame(full, schema=dict(CELLS))


def plain(**counts: int) -> pl.DataFrame:
    """Return so many usable rows of each class, each its own group."""
    labels = [name for name, count in counts.items() for _ in range(count)]
    rows = [
        {"image": "there.jpg", "label": label, "label_count": 1, "group": f"g{n}"} for n, label in enumerate(labels)
    ]
    return table(rows)


def removed(cleaning: Cleaning) -> dict[str, int]:
    return {step.rule: step.removed for step in cleaning.steps if step.removed}


@pytest.mark.slow
@given(st.lists(row_strategy, max_size=40), recipe_strategy, st.integers(0, 3))
@settings(deadline=None)
def test_the_account_reconciles_to_the_row(rows: list[dict[str, Any]], recipe: Recipe, seed: int) -> None:
    cells = table(rows)
    cleaned, account = apply(recipe, cells, seed)
    assert cleaned.drop("excluded_by").equals(cells.drop("excluded_by")), "rows and their order stay"
    assert account.rows_before == len(rows) == sum(account.counts_before.values())
    assert account.rows_before - sum(step.removed for step in account.steps) == account.rows_after
    left = account.rows_before
    for step in account.steps:
        left -= step.removed
        assert sum(step.counts_after.values()) == left
        assert step.applied or step.removed == 0
    assert account.counts_after == account.steps[-1].counts_after
    out = Counter(cleaned.get_column("excluded_by").drop_nulls())
    steps: Counter[str] = Counter()
    for step in account.steps:
        steps[step.rule] += step.removed
    assert out == +steps, "the table names the same rules as the account"
    kept = cleaned.filter(pl.col("excluded_by").is_null())
    assert kept.height == account.rows_after
    assert kept.get_column("label").null_count() == kept.get_column("image").null_count() == 0
    assert set(account.sampling_weights) == set(kept.get_column("label"))


@pytest.mark.slow
@given(st.lists(row_strategy, max_size=30), recipe_strategy, st.randoms())
@settings(deadline=None)
def test_the_order_of_the_rows_does_not_matter(rows: list[dict[str, Any]], recipe: Recipe, random: Random) -> None:
    cells = table(rows)
    order = random.sample(range(len(rows)), len(rows))
    straight, account = apply(recipe, cells, 5)
    shuffled, other = apply(recipe, cells[order], 5)
    assert other == account
    assert shuffled.sort("cell_id").equals(straight.sort("cell_id"))


@pytest.mark.slow
@given(st.lists(row_strategy, max_size=30), recipe_strategy)
@settings(deadline=None)
def test_cleaning_what_is_clean_changes_nothing(rows: list[dict[str, Any]], recipe: Recipe) -> None:
    once, account = apply(recipe, table(rows), 5)
    twice, again = apply(recipe, once, 5)
    assert twice.equals(once) and again.rows_after == account.rows_after


def test_each_row_leaves_by_the_first_rule_that_concerns_it() -> None:
    image = {"image": "there.jpg"}
    cases: list[tuple[dict[str, Any], str | None, str | None]] = [
        # row, rule of the recipe "seeds", rule of "none"
        ({"label": "monocyte", "label_count": 1}, "no-image", "no-image"),
        ({"label_count": 0}, "no-image", "no-image"),
        (image | {"label_count": 0}, "unlabelled", "unlabelled"),
        (image | {"label_count": 2, "label_raw": "MONOCYTE, NEUTROPHIL"}, "two-cell", "mixed-label"),
        (image | {"label": "neutrophil", "label_count": 2}, "two-cell", None),
        (image | {"label": "basophil", "label_count": 1}, "dropped-class", None),
        (image | {"label": "monocyte", "label_count": 1}, None, None),
        # what reading left out stays out under its own name
        (image | {"label": "monocyte", "label_count": 1, "excluded_by": "unreadable"}, "unreadable", "unreadable"),
        # a count that was never made is no second cell
        (image | {"label": "monocyte"}, None, None),
    ]
    cells = table([row for row, _, _ in cases])
    for column, recipe in ((1, "seeds"), (2, "none")):
        cleaned, _ = apply(RECIPES[recipe], cells, 0)
        assert cleaned.get_column("excluded_by").to_list() == [case[column] for case in cases], recipe


def test_thinning_takes_the_share_by_seed_and_no_more() -> None:
    cells = plain(neutrophil=206, eosinophil=88)
    first, again, other = (apply(RECIPES["seeds"], cells, seed)[0] for seed in (1, 1, 2))
    gone = [set(of.filter(pl.col("excluded_by") == "thinned").get_column("cell_id")) for of in (first, again, other)]
    assert [len(of) for of in gone] == [21, 21, 21]
    assert gone[0] == gone[1] != gone[2]


def test_thinning_does_not_depend_on_what_else_is_in_the_table() -> None:
    cells = plain(neutrophil=100)
    both = pl.concat([cells, plain(eosinophil=50).with_columns(pl.format("e{}", "cell_id").alias("cell_id"))])
    alone, beside = (apply(RECIPES["seeds"], of, 3)[0].head(100) for of in (cells, both))
    assert alone.equals(beside)


def test_thinning_takes_whole_groups() -> None:
    rows = [{"image": "there.jpg", "label": "neutrophil", "label_count": 1, "group": f"g{n // 4}"} for n in range(200)]
    cleaned, account = apply(RECIPES["seeds"], table(rows), 0)
    assert removed(account) == {"thinned": 20}
    parts = cleaned.group_by("group").agg(pl.col("excluded_by").is_null().n_unique())
    assert parts.get_column("excluded_by").to_list() == [1] * 50


def test_thinning_never_takes_a_class_whole() -> None:
    recipe = RECIPES["none"].with_overrides(["thin.neutrophil=0.9"])
    rows = [{"image": "there.jpg", "label": "neutrophil", "label_count": 1, "group": "one"} for _ in range(5)]
    assert apply(recipe, table(rows), 0)[1].rows_after == 5


def test_rules_for_absent_classes_say_so_and_remove_nothing() -> None:
    _, account = apply(RECIPES["seeds"], plain(eosinophil=3, monocyte=2), 0)
    said = {step.rule: step.description for step in account.steps}
    assert removed(account) == {}
    assert said["dropped-class"] == "Class basophil: there is none, nothing to drop."
    assert said["thinned"] == "Neutrophil: there is none, nothing to thin."


@pytest.mark.parametrize(
    ("override", "named_name"),
    [
        ("drop_classes=basophill", "basophil"),
        ("thin.neutrophyl=0.3", "neutrophil"),
        ("sampling.monocite=3", "monocyte"),
        # a class outside the five, as the data spell it
        ("drop_classes=smudge-cell", "smudge cell"),
    ],
)
def test_a_misspelt_class_is_refused_with_the_right_spelling(override: str, named_name: str) -> None:
    cells = plain(neutrophil=5, eosinophil=3, **{"smudge cell": 2})
    with pytest.raises(UsageError, match=f"Did you mean '{named_name}'"):
        apply(RECIPES["seeds"].with_overrides([override]), cells, 0)


def test_min_per_class_leaves_out_what_is_rare_after_the_other_drops() -> None:
    recipe = RECIPES["none"].with_overrides(["min_per_class=4"])
    _, account = apply(recipe, plain(neutrophil=9, monocyte=3, basophil=4), 0)
    assert account.counts_after == {"neutrophil": 9, "basophil": 4}
    assert removed(account) == {"too-few": 3}
    assert "monocyte" in next(step.description for step in account.steps if step.rule == "too-few")


def test_a_cell_id_that_stands_twice_is_refused() -> None:
    cells = plain(neutrophil=2)
    with pytest.raises(DataError, match="c000"):
        apply(RECIPES["none"], pl.concat([cells, cells.head(1)]), 0)


LABELS = ["neutrophil"] * 16 + ["eosinophil"] * 4 + ["monocyte"]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], {"neutrophil": 1.0, "eosinophil": 4.0, "monocyte": 16.0}),  # every class drawn equally often
        (["balance=0.5"], {"neutrophil": 1.0, "eosinophil": 2.0, "monocyte": 4.0}),  # by the square root
        (["balance=0"], {"neutrophil": 1.0, "eosinophil": 1.0, "monocyte": 1.0}),
        (["sampling=none"], {"neutrophil": 1.0, "eosinophil": 1.0, "monocyte": 1.0}),
        (["sampling.monocyte=3"], {"neutrophil": 1.0, "eosinophil": 1.0, "monocyte": 3.0}),
    ],
)
def test_weights_raise_the_rare_classes(overrides: list[str], expected: dict[str, float]) -> None:
    assert sampling_weights(RECIPES["seeds"].with_overrides(overrides), LABELS) == pytest.approx(expected)


@given(st.lists(st.sampled_from(["neutrophil", "eosinophil", "blast"]), min_size=1))
@settings(deadline=None)
def test_balanced_weights_make_every_class_equally_frequent(labels: list[str]) -> None:
    weights = sampling_weights(RECIPES["seeds"], labels)
    drawn = {name: weights[name] * count for name, count in Counter(labels).items()}
    assert list(drawn.values()) == pytest.approx([max(Counter(labels).values())] * len(drawn))


def test_weights_of_no_rows_are_none() -> None:
    assert sampling_weights(RECIPES["seeds"], []) == {}


def test_an_unknown_recipe_is_refused_with_the_close_match() -> None:
    with pytest.raises(UsageError, match="Did you mean 'seeds'"):
        named("seed")


def test_the_account_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    _, account = apply(RECIPES["seeds"], plain(neutrophil=20, monocyte=3), 0)
    account.write(tmp_path / "cleaning.json")
    assert Cleaning.read(tmp_path / "cleaning.json") == account


@pytest.mark.real
@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (
            "seeds",
            [
                # rule, rows left; then by class after the last
                ("no-image", 366),
                ("unlabelled", 365),
                ("two-cell", 350),
                ("mixed-label", 350),
                ("dropped-class", 347),
                ("thinned", 326),
                ("sampling", 326),
            ],
        ),
        (
            "none",
            [
                ("no-image", 366),
                ("unlabelled", 365),
                ("two-cell", 365),
                ("mixed-label", 357),  # eight name two types; seven name one type twice and stay
                ("dropped-class", 357),
                ("thinned", 357),
                ("sampling", 357),
            ],
        ),
    ],
)
def test_the_410_image_set_step_by_step(real_data: Path, recipe: str, expected: list[tuple[str, int]]) -> None:
    from buffycoat.data.load import load

    cells = load("bccd", data_dir=real_data, download=False).cells
    _, account = apply(RECIPES[recipe], cells, 0)
    assert account.rows_before == 411
    left = 411
    found = []
    for step in account.steps:
        left -= step.removed
        found.append((step.rule, left))
    assert found == expected
    if recipe == "seeds":
        assert account.counts_after == {"neutrophil": 185, "eosinophil": 88, "lymphocyte": 33, "monocyte": 20}
