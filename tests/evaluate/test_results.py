"""``evaluate``: tables in, every figure of the report out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score

from buffycoat.errors import DataError
from buffycoat.evaluate import evaluate
from buffycoat.evaluate.metrics import OVERALL
from buffycoat.records.documents import Estimate, Results
from tests.evaluate.evaluation_cases import CLASSES, cells_of, predictions_of, spelt

EXACT = "exact binomial (Clopper–Pearson)"


def run(predictions: pl.DataFrame, cells: pl.DataFrame, **changes: Any) -> Results:
    options: dict[str, Any] = {
        "classes": CLASSES,
        "titles": {},
        "synthetic": False,
        "seed": 1,
        "protocol": "by hand",
        "majority": dict.fromkeys(predictions.select("repeat", "fold").unique().iter_rows(), "neutrophil"),
        "replicates": 500,
    }
    return evaluate(predictions, cells, **{**options, **changes})


TRUTH = spelt("n" * 12 + "e" * 6 + "l" * 4)
ANSWERS = spelt("n" * 10 + "ee" + "eeeen" + "l" + "lll" + "n")
CELLS = cells_of(TRUTH)
PREDICTIONS = predictions_of(CELLS, ANSWERS, folds=2)


def limits(estimate: Estimate) -> tuple[float, float]:
    assert estimate.interval.low is not None and estimate.interval.high is not None
    return estimate.interval.low, estimate.interval.high


def test_the_figures_are_scikit_learns_and_the_confusion_is_by_true_row() -> None:
    model = run(PREDICTIONS, CELLS).models[0]
    assert model.confusion == ((10, 2, 0), (1, 4, 1), (1, 0, 3))
    assert (model.n, model.cells, model.groups, model.right) == (22, 22, 22, 17)
    assert model.accuracy.value == pytest.approx(17 / 22)
    assert (model.accuracy.numerator, model.accuracy.denominator) == (17, 22)
    assert model.balanced_accuracy.value == pytest.approx(balanced_accuracy_score(TRUTH, ANSWERS))
    assert model.macro_f1.value == pytest.approx(f1_score(TRUTH, ANSWERS, average="macro"))
    assert [one.support for one in model.classes] == [12, 6, 4]
    assert model.per_fold_accuracy == pytest.approx((9 / 11, 8 / 11))
    assert model.collapsed is None


def test_every_interval_holds_its_value_and_names_its_method() -> None:
    model = run(PREDICTIONS, CELLS).models[0]
    shares = [model.accuracy, *(getattr(one, name) for one in model.classes for name in ("sensitivity", "precision"))]
    assert {one.interval.method for one in shares} == {EXACT}
    made = [one.f1 for one in model.classes]
    assert {one.interval.method for one in made} == {f"{EXACT} of the hits among cells of or called the class"}
    means = [getattr(model, name) for name in OVERALL if name != "accuracy"]
    assert {one.interval.method for one in means} == {"MOVER from the classes' limits (mid-P)"}
    for one in (*shares, *made, *means):
        low, high = limits(one)
        assert one.value is not None and 0 <= low <= one.value <= high <= 1


def test_the_order_of_rows_changes_nothing() -> None:
    shuffled = PREDICTIONS.sample(fraction=1, shuffle=True, seed=3)
    assert run(shuffled, CELLS.sample(fraction=1, shuffle=True, seed=4)) == run(PREDICTIONS, CELLS)


def test_results_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    results = run(PREDICTIONS, CELLS)
    results.write(tmp_path / "results.json")
    assert Results.read(tmp_path / "results.json") == results


def test_copies_of_one_cell_get_intervals_by_group() -> None:
    copies = 5
    cells = cells_of(
        [label for label in TRUTH for _ in range(copies)], [f"g{n:02d}" for n in range(22) for _ in range(copies)]
    )
    copied = predictions_of(cells, [answer for answer in ANSWERS for _ in range(copies)])
    model, alone = run(copied, cells, replicates=4000).models[0], run(PREDICTIONS, CELLS, replicates=4000).models[0]
    assert (model.n, model.groups) == (110, 22)
    assert model.accuracy.value == alone.accuracy.value
    assert "22 groups" in model.accuracy.interval.method
    assert limits(model.accuracy) == pytest.approx(limits(alone.accuracy), abs=0.06)
    assert limits(model.macro_f1) == pytest.approx(limits(alone.macro_f1), abs=0.1)  # a class of four cells


def test_repeated_predictions_of_a_cell_get_intervals_by_cell() -> None:
    repeats = pl.concat([PREDICTIONS.with_columns(repeat=pl.lit(repeat)) for repeat in range(4)])
    model = run(repeats, CELLS).models[0]
    assert (model.n, model.cells, model.groups, model.right) == (88, 22, 22, 68)
    assert len(model.per_fold_accuracy) == 8
    assert "22 groups" in model.accuracy.interval.method
    once = run(PREDICTIONS, CELLS).models[0]
    assert limits(model.macro_f1) == pytest.approx(limits(once.macro_f1), abs=0.1)


def test_classes_that_share_groups_and_err_together_widen_the_limits_of_their_mean() -> None:
    labels, answers = spelt("ne" * 20), spelt("ne" * 14 + "en" * 6)  # wrong about both cells of a patient, or neither
    alone = cells_of(labels)
    patients = cells_of(labels, [f"g{number // 2:02d}" for number in range(40)])
    apart, together = (
        limits(run(predictions_of(cells, answers), cells).models[0].balanced_accuracy) for cells in (alone, patients)
    )
    assert together[1] - together[0] == pytest.approx(np.sqrt(2) * (apart[1] - apart[0]), rel=1e-6)


@pytest.mark.parametrize("copies", [1, 3])
def test_a_model_without_errors_still_has_limits_below_one(copies: int) -> None:
    cells = cells_of(
        [label for label in TRUTH for _ in range(copies)], [f"g{n}" for n in range(22) for _ in range(copies)]
    )
    model = run(predictions_of(cells, cells.get_column("label").to_list()), cells).models[0]
    everything = [
        model.accuracy,
        model.balanced_accuracy,
        model.macro_specificity,
        model.macro_precision,
        model.macro_f1,
        *(getattr(one, name) for one in model.classes for name in ("sensitivity", "specificity", "precision", "f1")),
    ]
    for one in everything:
        low, high = limits(one)
        assert one.value == 1 and low < 1 and high == 1
    assert limits(model.accuracy)[0] == pytest.approx(0.025 ** (1 / 22))  # 22 of 22 groups


def test_a_collapsed_model_is_flagged_and_its_undefined_figures_are_none() -> None:
    results = run(predictions_of(CELLS, ["neutrophil"] * 22), CELLS, titles={"net": "A net"})
    model = results.models[0]
    assert model.collapsed == "neutrophil"
    assert [one.precision.value for one in model.classes] == [pytest.approx(12 / 22), None, None]
    assert model.classes[1].precision.interval.low is None
    assert model.macro_precision.value is None
    assert "undefined for eosinophil, lymphocyte" in model.macro_precision.interval.method
    assert model.balanced_accuracy.value == pytest.approx(1 / 3)
    assert model.macro_specificity.value == pytest.approx(2 / 3)
    for fixed in (model.balanced_accuracy, model.macro_specificity):
        assert fixed.interval.low is None and "by definition" in fixed.interval.method
    assert model.accuracy.interval.low is not None
    assert "A net collapsed: it calls every cell neutrophil." in results.remarks
    assert any(one.startswith("A net does not beat always answering the largest class (") for one in results.remarks)


def test_a_network_that_gave_one_answer_in_some_folds_is_told() -> None:
    """Over all folds it has several answers; in two of them it learned nothing."""
    truth = spelt("nelnelnelnel" * 4)
    cells = cells_of(truth)
    answers = [truth[k] if k % 4 > 1 else ("neutrophil", "eosinophil")[k % 4] for k in range(48)]  # fold k % 4
    results = run(predictions_of(cells, answers, folds=4), cells, titles={"net": "A net"})
    assert results.models[0].collapsed is None
    (said,) = [remark for remark in results.remarks if "collapsed" in remark]
    assert said.startswith("A net collapsed in 2 of 4 trainings") and "fold 1; fold 2" in said


def test_a_single_mistake_in_a_small_fold_is_no_collapse() -> None:
    """Folds of three cells: one mistake makes two answers one."""
    truth = spelt("nen" * 20)
    cells = cells_of(truth)
    answers = list(truth)
    answers[1] = answers[22] = "neutrophil"
    results = run(predictions_of(cells, answers, folds=20), cells, titles={"net": "A net"})
    assert not any("collapsed" in remark for remark in results.remarks)


def test_the_majority_line_answers_the_largest_class_of_each_folds_training_rows() -> None:
    # Fold 0 trains on mostly neutrophils. Fold 1 trains on mostly lymphocytes, three of them set aside for
    # validation: those are training rows too. Held-out rows have no say.
    roles = {
        0: {"train": "c000 c001 c002 c012", "test": "c018"},
        1: {"train": "c000 c001 c018", "validation": "c019 c020"},
    }
    splits = pl.DataFrame(
        [
            (0, fold, cell, role)
            for fold, sides in roles.items()
            for role, cells in sides.items()
            for cell in cells.split()
        ],
        schema=["repeat", "fold", "cell_id", "role"],
        orient="row",
    )
    majority = run(PREDICTIONS, CELLS, majority=splits).majority
    expected = ["neutrophil" if place % 2 == 0 else "lymphocyte" for place in range(22)]
    assert majority.right == sum(said == true for said, true in zip(expected, TRUTH, strict=True))
    assert majority.title == "Always the largest class" and majority.model == "majority"
    assert majority.n == 22 and majority.collapsed is None


@pytest.mark.parametrize(
    ("majority", "named"),
    [
        ({(0, 0): "neutrophil"}, "repeat 0, fold 1 is None"),
        ({(0, 0): "neutrophil", (0, 1): "blast"}, "'blast'"),
        (pl.DataFrame({"repeat": [0], "fold": [0], "cell_id": ["c000"], "role": ["test"]}), "no training rows"),
    ],
)
def test_a_baseline_without_an_answer_is_refused(majority: Any, named: str) -> None:
    with pytest.raises(DataError, match=named):
        run(PREDICTIONS, CELLS, majority=majority)


def test_models_come_in_the_order_of_their_titles_and_others_after_them() -> None:
    tables = [predictions_of(CELLS, ANSWERS, model=name) for name in ("alpha", "beta", "gamma")]
    results = run(pl.concat(tables), CELLS, titles={"gamma": "Gamma", "beta": "Beta", "absent": "Absent"})
    assert [model.title for model in results.models] == ["Gamma", "Beta", "alpha"]
    assert [(one.first, one.second) for one in results.comparisons] == [
        ("gamma", "beta"),
        ("gamma", "alpha"),
        ("beta", "alpha"),
    ]


def test_a_class_without_held_out_cells_is_said_and_has_no_sensitivity() -> None:
    cells = cells_of(spelt("nnnneee"))
    results = run(predictions_of(cells, spelt("nnneeel")), cells)
    model = results.models[0]
    assert model.classes[2].sensitivity.value is None and model.macro_sensitivity.value is None
    assert model.balanced_accuracy.value == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert any("No held-out cell is of class lymphocyte" in remark for remark in results.remarks)


def test_a_model_with_fewer_rows_than_the_others_is_said() -> None:
    tables = [predictions_of(CELLS, ANSWERS, model="a"), predictions_of(CELLS, ANSWERS, model="b").head(10)]
    assert any(
        "b has predictions for 10 of 22 held-out rows" in remark for remark in run(pl.concat(tables), CELLS).remarks
    )


@st.composite
def studies(draw: st.DrawFn) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Draw a small study: any labels and answers, cells in groups or not, one repeat or two, one model or two."""
    size = draw(st.integers(1, 14))
    letters = st.lists(st.sampled_from("nel"), min_size=size, max_size=size).map("".join)
    groups = draw(st.none() | st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=size, max_size=size))
    cells = cells_of(spelt(draw(letters)), groups)
    folds = draw(st.integers(1, 2))
    tables = [
        predictions_of(cells, spelt(draw(letters)), model=model, repeat=repeat, folds=folds)
        for model in draw(st.sampled_from(["a", "ab"]))
        for repeat in range(draw(st.integers(1, 2)))
    ]
    return pl.concat(tables), cells


@pytest.mark.slow
@given(studies())
@settings(max_examples=60, deadline=None)
def test_whatever_the_predictions_the_figures_keep_their_promises(study: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    predictions, cells = study
    answers = dict.fromkeys(((repeat, fold) for repeat in range(2) for fold in range(2)), "neutrophil")
    results = run(predictions, cells, majority=answers, replicates=100)
    for model in (*results.models, results.majority):
        assert sum(map(sum, model.confusion)) == model.n
        assert sum(one.support for one in model.classes) == model.n
        assert model.accuracy.value == pytest.approx(model.right / model.n)
        averages = [model.accuracy, model.balanced_accuracy, model.macro_sensitivity, model.macro_specificity]
        per_class = [
            getattr(one, name) for one in model.classes for name in ("sensitivity", "specificity", "precision", "f1")
        ]
        for one in (*averages, model.macro_precision, model.macro_f1, *per_class):
            low, high = one.interval.low, one.interval.high
            assert (low is None) == (high is None) == ("undefined" in one.interval.method)
            if one.value is None:
                assert low is None
            elif low is not None and high is not None:
                assert 0 <= low <= one.value + 1e-9 and one.value - 1e-9 <= high <= 1
    for pair in results.comparisons:
        low, high = pair.difference.interval.low, pair.difference.interval.high
        assert pair.difference.value is not None and low is not None and high is not None
        assert -1 <= low <= pair.difference.value + 1e-9 and pair.difference.value - 1e-9 <= high <= 1
        assert 0 <= pair.p_value <= pair.p_adjusted <= 1


@pytest.mark.parametrize(("cells", "groups"), [(350, 350), (2487, 71), (6000, 3000)])
def test_evaluation_is_quick(cells: int, groups: int) -> None:
    """Three models and 5000 resamples take seconds at most, also where thousands of groups are all unlike."""
    generator = np.random.default_rng(2)
    group = np.arange(cells) % groups
    true = generator.integers(0, 3, groups)[group]
    table = cells_of([CLASSES[place] for place in true], [f"g{number}" for number in group])
    tables = []
    for model in "abc":
        said = np.where(generator.random(cells) < 0.85, true, generator.integers(0, 3, cells))
        tables.append(predictions_of(table, [CLASSES[place] for place in said], model=model))
    start = time.process_time()
    run(pl.concat(tables), table, replicates=5000)
    assert time.process_time() - start < 12


def test_balanced_accuracy_and_mean_sensitivity_are_one_figure_with_one_interval() -> None:
    generator = np.random.default_rng(4)
    group = np.arange(90) // 2
    true = generator.integers(0, 3, 45)[group]
    said = np.where(generator.random(90) < 0.8, true, generator.integers(0, 3, 90))
    table = cells_of([CLASSES[place] for place in true], [f"g{number}" for number in group])
    results = run(predictions_of(table, [CLASSES[place] for place in said], model="a"), table, replicates=500)
    assert results.models[0].balanced_accuracy == results.models[0].macro_sensitivity
