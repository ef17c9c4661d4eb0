"""The parts of a report by themselves: numbers, sentences, colours, drawings, and the table in the terminal."""

from __future__ import annotations

import io
import itertools
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from buffycoat import taxonomy
from buffycoat.records.base import Estimate, Interval
from buffycoat.records.documents import Comparison, ModelResult, NetworkCard, Results
from buffycoat.records.evidence import ResampledTest, Spread, WithTraining
from buffycoat.records.tables import HISTORY
from buffycoat.report.colours import DARK, LIGHT, contrast, palettes
from buffycoat.report.figures.bars import before_after
from buffycoat.report.figures.confusion import confusion_matrix
from buffycoat.report.figures.curves import curve
from buffycoat.report.figures.diagrams import diagrams
from buffycoat.report.figures.forest import accuracy_forest, difference_forest, sensitivity_forest
from buffycoat.report.markdown import tables
from buffycoat.report.numbers import with_interval
from buffycoat.report.svg import Drawing, free_place, ticks
from buffycoat.report.terminal import comparison_table, summary
from buffycoat.report.views import methods
from buffycoat.report.words import against_majority, cautions, conclusion, headline, ranking
from tests.report.make_study import FOUR, exact, model_result

TRUE = np.array([0] * 12 + [1] * 6 + [2] * 3 + [3] * 2)


def model(name: str, wrong: int, classes: tuple[str, ...] = FOUR) -> ModelResult:
    answer = TRUE.copy()
    answer[:wrong] = 1
    return model_result(name, name.upper(), classes, TRUE, answer, len(TRUE))


def always(name: str) -> ModelResult:
    return model_result(name, name.upper(), FOUR, TRUE, np.zeros_like(TRUE), len(TRUE))


def compared(first: str, second: str, p: float) -> Comparison:
    return Comparison(
        first=first,
        second=second,
        difference=exact(1, 10),
        first_only_right=4,
        second_only_right=1,
        p_value=p / 2,
        p_adjusted=p,
        settled=p < 0.05,
        method="exact McNemar",
        sentence=f"{first} and {second} were compared.",
    )


def results(*models: ModelResult, comparisons: tuple[Comparison, ...] = (), synthetic: bool = False) -> Results:
    return Results(
        classes=FOUR,
        synthetic=synthetic,
        seed=1,
        n=len(TRUE),
        protocol="One hold-out.",
        majority=always("largest"),
        models=models,
        comparisons=comparisons,
    )


def against(*p_values: float) -> Results:
    """Return models beside the largest class, each ahead of it with that p value."""
    models = [model(name, 3) for name in "abc"[: len(p_values)]]
    pairs = [compared(one.model, "largest", p) for one, p in zip(models, p_values, strict=True)]
    return results(*models).model_copy(update={"against_majority": tuple(pairs)})


def test_who_beats_the_largest_class_is_said_in_one_sentence() -> None:
    lead = with_interval(exact(1, 10))
    assert against_majority(against(0.01, 0.02)) == (
        f"Every model is better than always answering the largest class; the smallest lead is {lead}, the "
        "largest corrected p\u00a0=\u00a00.020."
    )
    assert against_majority(against(0.01, 0.4)) == (
        f"A is better than always answering the largest class; its lead is {lead}, the corrected p\u00a0=\u00a00.010."
    )
    assert against_majority(against(0.4)) == ""


@pytest.mark.parametrize(
    ("study", "words"),
    [
        (results(), "No model has finished yet."),
        (results(always("a")), "no model learned to tell the classes apart: A collapsed."),
        (results(model("a", 2), always("b")), "B collapsed: it gave every cell the same answer."),
        (results(model("b", 5), model("a", 2), comparisons=(compared("b", "a", 0.3),)), "is not established"),
        (results(model("b", 5), model("a", 2), comparisons=(compared("a", "b", 0.3),)), "corrected p\u00a0=\u00a00.30"),
        (results(model("b", 9), model("a", 0), comparisons=(compared("a", "b", 0.01),)), "is unlikely to be chance"),
        (results(model("b", 5), model("a", 2)), "A named 21 of 23 held-out cells correctly"),  # the best, not the first
        (results(model("b", 5), model("a", 2)), "B came next"),  # not compared
        (results(model("a", 2), synthetic=True), "On synthetic smears, "),
    ],
)
def test_headline_follows_from_the_numbers(study: Results, words: str) -> None:
    assert words in headline(study)


@pytest.mark.parametrize(
    ("study", "words"),
    [
        (results(model("a", 0)), "A made no mistake on these cells"),
        (results(model("a", 2)), "Of its 2 mistakes, 2 are between neutrophil and eosinophil"),
        (results(model("a", 2)), "monocyte (2 cells)"),  # few cells, wide interval
        (against(0.4), "A is not shown to do better than always answering the largest class"),
        (results(model("a", 2), always("b")), "B (always “neutrophil”) collapsed"),
        (results(model("a", 2), synthetic=True), "they say nothing about blood"),
        (results(model("a", 2)), "Another laboratory's smears"),
    ],
)
def test_conclusion_follows_from_the_numbers(study: Results, words: str) -> None:
    assert words in " ".join(conclusion(study))


def printed(study: Results, width: int) -> str:
    console = Console(width=width, record=True, force_terminal=True, color_system="standard", file=open_nowhere())
    console.print(comparison_table(study))
    return console.export_text(styles=True)


def open_nowhere() -> io.StringIO:
    return io.StringIO()


def test_a_method_is_named_once_however_many_cells_it_counted_for_each_model() -> None:
    def with_method(name: str, method: str) -> ModelResult:
        found = model(name, 2)
        interval = found.accuracy.interval.model_copy(update={"method": method})
        estimate = found.accuracy.model_copy(update={"interval": interval})
        return found.model_copy(update={"accuracy": estimate, "balanced_accuracy": estimate})

    counted = "exact binomial at the effective number of cells (291 groups: {}; Korn–Graubard)"
    models = [with_method(f"m{k}", counted.format(n)) for k, n in enumerate(("308", "1.21e+03", "296", "308"))]
    assert methods(results(*models)) == counted.format("296 to 1.21e+03")
    assert methods(results(*models[:1])) == counted.format("308")
    other = with_method("other", "bootstrap, 5000 replicates")
    assert methods(results(models[0], other)) == f"{counted.format('308')}; bootstrap, 5000 replicates"


@pytest.mark.parametrize("width", [80, 100, 160])
def test_terminal_table_holds_every_number_and_marks_the_collapsed_in_red(width: int) -> None:
    study = results(model("good", 2), always("bad"))
    text = printed(study, width)
    for one in (*study.models, study.majority):
        for estimate in (one.accuracy, one.balanced_accuracy, one.macro_sensitivity, one.macro_specificity):
            value, limits = with_interval(estimate).rstrip(")").split(" (")
            assert value in text
            assert limits in text
        assert f"{one.right}/{one.n}" in text
    red = [line for line in text.splitlines() if "\x1b[1;31m" in line]
    assert any("BAD" in line for line in red)
    assert any("collapsed" in line for line in red)
    assert not any("GOOD" in line for line in red)
    assert "not for diagnosis" in text


def test_terminal_says_synthetic_and_where_the_report_is() -> None:
    console = Console(width=100, record=True, file=open_nowhere())
    console.print(summary(results(model("a", 2), synthetic=True), "out/report.html"))
    text = console.export_text()
    assert "SYNTHETIC" in text
    assert "out/report.html" in text


@pytest.mark.parametrize("palette", [LIGHT, DARK])
@pytest.mark.parametrize("role", ["ink", "muted", "first", "second", "bad", "warn"])
def test_text_stands_out_from_its_paper(palette: dict[str, str], role: str) -> None:
    assert contrast(palette[role], palette["paper"]) >= 4.5
    grounds = {"warn": "warn-wash", "bad": "blush"}
    assert contrast(palette[role], palette[grounds.get(role, "panel")]) >= 4.5
    assert contrast(palette["on-first"], palette["first"]) >= 4.5


def test_colours_of_classes_stand_out_in_light_and_dark() -> None:
    names = [*taxonomy.CLASS_NAMES, *(f"class {k}" for k in range(8))]
    light, dark = palettes(names)
    for k in range(len(names)):
        assert contrast(dark[f"k{k}"], dark["paper"]) >= 4.5
        assert contrast(light[f"k{k}"], light["paper"]) >= 1.9  # yellows are light; the name stands beside each
    assert len({light[f"k{k}"] for k in range(len(names))}) == len(names)


@given(
    low=st.floats(-1e4, 1e4),
    span=st.floats(1e-3, 1e4),
    about=st.integers(2, 8),
)
def test_ticks_are_even_and_within(low: float, span: float, about: int) -> None:
    marks = ticks(low, low + span, about)
    assert all(low - 1e-6 * span <= mark <= low + span + 1e-6 * span for mark in marks)
    assert len(marks) <= about + 2
    steps = np.diff(marks)
    assert np.allclose(steps, steps[0] if len(steps) else 0, atol=1e-6)


def card(name: str, family: str) -> NetworkCard:
    return NetworkCard.model_validate(
        {
            "name": name,
            "title": name,
            "family": family,
            "idea": "An idea.",
            "block": "A block.",
            "reference": "A paper.",
            "parameters": 1,
            "multiply_adds": 1,
            "input_px": 128,
            "weights": "none",
            "pretrained": False,
        }
    )


def parsed(drawing: Drawing) -> ElementTree.Element:
    return ElementTree.fromstring(drawing.standalone(palettes(FOUR)[0]))  # noqa: S314 (our own)


@pytest.mark.parametrize(
    ("name", "family", "count", "words"),
    [
        ("resnet18", "resnet", 1, "2 convolutions"),
        ("resnet50", "resnet", 1, "3 convolutions"),  # bottlenecks
        ("tf_efficientnet_lite0", "efficientnet", 2, "depthwise convolution, narrowing"),  # Lite: no squeeze
        ("efficientnet_b0", "efficientnet", 2, "squeeze-and-excitation"),
        ("alexnet", "alexnet", 1, "4096"),
        ("convnext_tiny", "other", 1, "four stages"),
    ],
)
def test_diagrams_fit_their_network(name: str, family: str, count: int, words: str) -> None:
    drawn = diagrams(card(name, family), 4)
    assert len(drawn) == count
    assert words in drawn[0][0].title
    for drawing, caption in drawn:
        assert caption
        parsed(drawing)


def test_confusion_matrix_shows_counts_and_row_shares() -> None:
    texts = [node.text for node in parsed(confusion_matrix([[3, 1], [0, 0]], ("a", "b"), "X")).iter() if node.text]
    assert {"3", "0.750", "1", "0.250", "a (4)", "b (0)"} <= set(texts)
    assert texts.count("0.000") == 0  # a row of nothing has no shares


@pytest.mark.parametrize("classes", [1, 2, 13])
def test_drawings_of_any_number_of_classes_and_models_are_whole(classes: int) -> None:
    names = tuple(f"class {k}" for k in range(classes))
    true = np.arange(classes * 3) % classes
    models = tuple(model_result(f"m{k}", f"Model {k}", names, true, true, len(true)) for k in range(20))
    study = results().model_copy(update={"classes": names, "models": models})
    pairs = [compared("m0", "m1", 0.5), compared("m2", "m0", 0.01)]
    for drawing in (
        accuracy_forest(study),
        sensitivity_forest(study),
        difference_forest(pairs, {}),
        before_after(dict.fromkeys(names, 3), {}, "Rows"),
        confusion_matrix(models[0].confusion, names, "X"),
    ):
        root = parsed(drawing)
        for node in root.iter():
            for at in ("x", "y", "cx", "cy"):
                value = node.get(at)
                assert value is None or float(value) == float(value), "not a number"


@pytest.mark.parametrize("loss", [[0.5], [2.0, float("nan"), 1.0], [None, None], [1.0, float("inf"), 0.5]])
def test_curves_of_odd_histories(loss: list[float | None]) -> None:
    rows = [
        dict(zip(HISTORY, ("m", 0, 0, k + 1, value, 0.5, value, 0.5, 1e-3, 1.0), strict=True))
        for k, value in enumerate(loss)
    ]
    drawing = curve(pl.DataFrame(rows, schema=dict(HISTORY)), "M", "loss")
    assert "nan" not in drawing.inline().split("<", 2)[2]
    parsed(drawing)


def test_settled_stands_with_what_was_not_measured() -> None:
    pair = (compared("a", "b", 0.01),)
    several = [model(name, 2).model_copy(update={"per_fold_accuracy": (0.8, 0.9, 0.9, 1.0, 0.9)}) for name in "ab"]
    seeds, shared = cautions(results(*several, comparisons=pair))
    assert "trained with one seed)" in seeds and "was not measured" in seeds
    assert "The 5 folds' training sets share most of their rows" in shared and "with care" in shared
    limits = Interval(low=-0.02, high=0.3, method="-")
    beside = ResampledTest(
        statistic=2, degrees=4, p_value=0.1, p_adjusted=0.1, interval=limits, method="t", decides=False
    )
    again = (pair[0].model_copy(update={"resampled": beside}),)
    assert "repeats would tell" in cautions(results(*several, comparisons=again))[1]
    assert cautions(results(model("a", 2), model("b", 3), comparisons=(compared("a", "b", 0.4),))) == []


SPREAD = Spread(
    model="a",
    seeds=2,
    accuracies=(0.9, 0.86),
    deviation=Estimate(value=0.028, interval=Interval(low=0.01, high=0.9, method="-")),
    from_cells=0.02,
    share=0.6,
    interval=Interval(low=0.7, high=1.0, method="-"),
    sentence="-",
)


def anew(p: float) -> WithTraining:
    return WithTraining(
        difference=Estimate(value=0.08, interval=Interval(low=-0.01, high=0.17, method="-")),
        seeds=(2, 1),
        from_cells=0.03,
        from_training=0.02,
        p_value=p / 2,
        p_adjusted=p,
    )


def test_seeds_that_an_earlier_version_measured_are_said_beside_settled() -> None:
    pair = (compared("a", "b", 0.01),)
    found = results(model("a", 2), model("b", 3), comparisons=pair).model_copy(update={"spread": (SPREAD,)})
    (said,) = cautions(found)
    assert (
        "neither limits nor the p values on cells count the seed of training" in said
        and "by 0.028 (standard deviation, 0.010–0.900; 2 seeds)" in said
    )


def test_limits_with_training_are_explained_and_what_they_leave_out_is_named() -> None:
    pair = (compared("a", "b", 0.01).model_copy(update={"with_training": anew(0.02)}),)
    found = results(model("a", 2), model("b", 3), comparisons=pair).model_copy(update={"spread": (SPREAD,)})
    (said,) = cautions(found)
    assert said.startswith(
        "With training: the difference of the mean accuracies over the seeds, which trained the same"
    )
    assert "B was trained with one seed and is taken as trained here" in said and "settled only where" in said
    (said,) = cautions(found.model_copy(update={"baselines": ("b",)}))
    assert said.endswith("B is taken as fitted.") and "one seed" not in said


def test_a_lead_that_training_withholds_says_so() -> None:
    pair = compared("a", "b", 0.01).model_copy(update={"with_training": anew(0.12), "settled": False})
    found = results(model("a", 1), model("b", 3), comparisons=(pair,))
    assert ranking(found).endswith(
        "is not established: with the chance of training counted it could be chance (corrected p\xa0=\xa00.12)."
    )


def test_the_tables_show_the_difference_with_training_and_a_line_where_it_was_not_measured() -> None:
    with_seeds = compared("a", "b", 0.01).model_copy(update={"with_training": anew(0.12), "settled": False})
    found = results(model("a", 1), model("b", 3), model("c", 4), comparisons=(with_seeds, compared("b", "c", 0.01)))
    rows = [line for line in tables(found).splitlines() if line.startswith("|")]
    (head,) = [line for line in rows if line.startswith("| pair |")]
    assert head.endswith("| p, McNemar, Holm | with training (95 %) | p, with training, Holm | settled |")
    assert any(line.endswith("| 0.010 | 0.080 (−0.010 to 0.170) | 0.12 | no |") for line in rows)
    assert any(line.endswith("| 0.010 | – | – | yes |") for line in rows)


def test_a_leaking_study_marks_its_tables() -> None:
    sound = results(model("a", 2), model("b", 3)).model_copy(update={"remarks": ("By hand.",)})
    leaking = sound.model_copy(update={"leaked": "The split leaks: all.", "remarks": ("The split leaks: all.",)})
    assert "LEAKING" not in tables(sound) and "Note: By hand." in tables(sound)
    text = tables(leaking)
    assert text.startswith("**LEAKING SPLIT, allowed on purpose:** The split leaks: all.")
    assert text.count("(leaking split) |") == 3, "each model, and the largest class"


def test_repeats_show_how_far_they_lie_apart() -> None:
    once = model("a", 2)
    twice = once.model_copy(update={"n": 2 * once.n, "repeats": 2, "per_fold_accuracy": (0.8, 0.9, 0.9, 1.0)})
    (words,) = cautions(results(twice))
    assert words.startswith("A, over 2 repeats") and "from 0.850 to 0.950 (mean over folds)" in words


def test_answers_to_the_same_cells_are_not_called_cells() -> None:
    once = model("a", 2)
    rare = tuple(row.model_copy(update={"support": 60, "cells": 20}) for row in once.classes)
    often = once.model_copy(update={"n": 3 * once.n, "right": 3 * once.right, "repeats": 3, "classes": rare})
    assert f"{3 * once.right} of {3 * once.n} times correctly what {once.cells} held-out cells are" in headline(
        results(often)
    )
    assert any(
        "Intervals are wide where cells are few" in text and "20 cells" in text for text in conclusion(results(often))
    )


def test_repeated_hold_outs_are_repeats_too() -> None:
    """Five hold-outs test most cells once: how many there were cannot be told from the number of answers."""
    once = model("a", 2)
    again = once.model_copy(update={"n": once.n + 3, "repeats": 5, "per_fold_accuracy": (0.8, 0.9, 0.7, 0.9, 1.0)})
    (words,) = cautions(results(again))
    assert words.startswith("A, over 5 repeats") and words.endswith("from 0.700 to 1.000.")


def test_what_could_be_chance_is_said_with_the_test_that_doubts_it() -> None:
    """McNemar's p is small, the corrected t-test's is not: the sentence must not quote the small one."""
    pair = compared("a", "b", 0.003)
    limits = Interval(low=-0.02, high=0.3, method="-")
    doubt = ResampledTest(statistic=0.8, degrees=2, p_value=0.46, p_adjusted=0.46, interval=limits, method="t")
    one, two = model("a", 1), model("b", 3)
    doubted = pair.model_copy(update={"settled": False, "resampled": doubt})
    assert "could be chance (corrected p\xa0=\xa00.46)" in ranking(results(one, two, comparisons=(doubted,)))
    torn = pair.model_copy(update={"settled": False})
    assert "do not agree" in ranking(results(one, two, comparisons=(torn,)))


@given(st.floats(0, 400), st.lists(st.floats(0, 400), max_size=8))
def test_a_label_finds_the_nearest_free_place_wherever_the_others_stand(wanted: float, others: list[float]) -> None:
    taken: list[float] = []
    for place in [*others, wanted]:
        taken.append(free_place(place, taken, 15))
    assert all(abs(one - other) > 14.9 for one, other in itertools.combinations(taken, 2))
    assert free_place(wanted, [], 15) == wanted
