"""Comparisons of two models: the test, the interval, and the sentence."""

from __future__ import annotations

from itertools import product

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, bootstrap, permutation_test
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from buffycoat.evaluate.compare import compare_all, exact_mcnemar, holm, sign_flips
from buffycoat.evaluate.held_out import held_out
from buffycoat.evaluate.intervals import PAIRED, fewer
from buffycoat.evaluate.verdicts import sentence
from buffycoat.records.documents import Comparison, Estimate, Interval
from tests.evaluate.evaluation_cases import CLASSES, cells_of, predictions_of, spelt


def compared(*tables: pl.DataFrame, cells: pl.DataFrame) -> tuple[Comparison, ...]:
    models = held_out(pl.concat(tables), cells, CLASSES)
    return compare_all(list(models.values()), {name: name for name in models})


@given(st.integers(0, 60), st.integers(0, 60))
@settings(deadline=None)
def test_mcnemar_is_the_binomial_test_on_the_discordant_cells(first_only: int, second_only: int) -> None:
    total = first_only + second_only
    theirs = binomtest(first_only, total, 0.5).pvalue if total else 1.0
    assert exact_mcnemar(first_only, second_only) == pytest.approx(theirs)


def test_mcnemar_is_statsmodels() -> None:
    for first_only, second_only in ((13, 29), (0, 1), (7, 7), (40, 12)):
        theirs = mcnemar([[50, first_only], [second_only, 20]], exact=True).pvalue
        assert exact_mcnemar(first_only, second_only) == pytest.approx(theirs)


@pytest.mark.parametrize("p_values", [[0.2], [0.04, 0.01], [0.03, 0.03, 1, 0], [0.001, 0.02, 0.9, 0.021, 0.3, 0.0004]])
def test_holm_is_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_holm_as_worked_in_textbooks() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


LIMITS = Interval(low=-0.01, high=0.07, method="")


@pytest.mark.parametrize(
    ("value", "limits", "settled", "expected"),
    [
        (0.03, (-0.01, 0.07), False, "A is better than B by 0.03 (−0.01 to 0.07): these data do not settle it."),
        # the better one comes first, and the limits turn with it
        (-0.03, (-0.07, 0.01), False, "B is better than A by 0.03 (−0.01 to 0.07): these data do not settle it."),
        (0.12, (0.08, 0.16), True, "A is better than B by 0.12 (0.08 to 0.16)."),
        (
            0.0,
            (-0.05, 0.05),
            False,
            "A and B are right equally often (−0.05 to 0.05): these data do not tell them apart.",
        ),
        # a difference too small for two decimals is not printed as nought; no minus stands before a nought
        (0.003, (-0.0004, 0.0062), False, "A is better than B by 0.003 (0.000 to 0.006): these data do not settle it."),
        (0.5, (None, None), False, "A is better than B by 0.50 (interval undefined): these data do not settle it."),
    ],
)
def test_the_sentence_says_who_is_better_by_how_much_and_whether_that_is_settled(
    value: float, limits: tuple[float | None, float | None], settled: bool, expected: str
) -> None:
    difference = Estimate(value=value, interval=Interval(low=limits[0], high=limits[1], method=""))
    assert sentence("A", "B", difference, settled=settled) == expected


def test_a_clear_lead_is_settled() -> None:
    cells = cells_of(spelt("n" * 40 + "e" * 20))
    good, poor = spelt("n" * 40 + "e" * 20), spelt("e" * 20 + "n" * 40)
    (found,) = compared(predictions_of(cells, poor, model="a"), predictions_of(cells, good, model="b"), cells=cells)
    assert (found.first_only_right, found.second_only_right) == (0, 40)
    assert found.difference.value == pytest.approx(-2 / 3)
    assert found.p_value == pytest.approx(2 * 0.5**40) and found.p_adjusted == found.p_value
    assert found.settled and found.sentence.startswith("b is better than a by 0.67 (")
    assert found.method == "exact McNemar test on 60 cells"
    assert found.difference.interval.method == PAIRED


def test_models_with_the_same_answers_differ_by_nothing_and_the_interval_has_a_width() -> None:
    cells = cells_of(spelt("nnnnneeeeelllll"))
    answers = spelt("nnnneeeeeelllln")
    tables = [predictions_of(cells, answers, model=name) for name in "ab"]
    (found,) = compared(*tables, cells=cells)
    assert found.p_value == 1.0 and not found.settled and found.difference.value == 0
    # none of 15 cells sets them apart; one more each way would: 1.96 · √(2/17) / √17
    assert (found.difference.interval.low, found.difference.interval.high) == pytest.approx((-0.163, 0.163), abs=1e-3)


def test_three_models_are_three_comparisons_corrected_together() -> None:
    cells = cells_of(spelt("n" * 30 + "e" * 30))
    answers = {"a": "n" * 30 + "e" * 30, "b": "n" * 30 + "n" * 8 + "e" * 22, "c": "n" * 60}
    found = compared(*(predictions_of(cells, spelt(said), model=name) for name, said in answers.items()), cells=cells)
    assert [(one.first, one.second) for one in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [one.p_adjusted for one in found] == pytest.approx(holm([one.p_value for one in found]))
    assert all(one.method.endswith("Holm-corrected over 3") for one in found)


def test_copies_of_one_cell_are_one_cell_to_the_test() -> None:
    """Ten photographs of each of three cells: 20 discordant photographs are 2 discordant cells."""
    labels = spelt("n" * 10 + "e" * 10 + "l" * 10)
    cells = cells_of(labels, [name for name in ("g1", "g2", "g3") for _ in range(10)])
    poor = spelt("e" * 20 + "e" * 10)
    (found,) = compared(predictions_of(cells, labels, model="a"), predictions_of(cells, poor, model="b"), cells=cells)
    assert (found.first_only_right, found.second_only_right) == (20, 0)
    assert found.p_value == pytest.approx(0.5)
    assert found.method == "exact sign-flip test on 30 cells in 3 groups"
    number = 2 * fewer(30, 3)
    assert found.difference.interval.method == f"{PAIRED} at the effective number of cells (3 groups: {number:.3g})"
    assert not found.settled


def test_over_repeats_the_test_counts_the_answers_that_the_difference_counts() -> None:
    cells = cells_of(spelt("nne"))
    # model a names c000 in one of two repeats, b in none
    a = [predictions_of(cells, spelt(said), model="a", repeat=repeat) for repeat, said in enumerate(("nne", "ene"))]
    b = [predictions_of(cells, spelt("ene"), model="b", repeat=repeat) for repeat in (0, 1)]
    (found,) = compared(*a, *b, cells=cells)
    assert (found.first_only_right, found.second_only_right) == (1, 0)
    assert found.method == "exact sign-flip test on 3 cells, each answered 2 times"
    assert found.p_value == 1.0
    assert found.difference.value == pytest.approx(5 / 6 - 4 / 6)


@given(st.lists(st.integers(-4, 4), max_size=9))
@settings(deadline=None)
def test_sign_flips_are_all_the_ways_to_turn_the_leads(leads: list[int]) -> None:
    sums = [abs(sum(np.multiply(signs, leads))) for signs in product((-1, 1), repeat=len(leads))]
    assert sign_flips(leads) == pytest.approx(np.mean([one >= abs(sum(leads)) for one in sums]))


@given(st.integers(0, 40), st.integers(0, 40))
@settings(deadline=None)
def test_sign_flips_of_single_cells_are_mcnemars_test(first_only: int, second_only: int) -> None:
    leads = [1] * first_only + [-1] * second_only + [0] * 5
    assert sign_flips(leads) == pytest.approx(exact_mcnemar(first_only, second_only))


def test_sign_flips_agree_with_scipys_permutation_test() -> None:
    leads = np.array([3, 1, 1, -1, 2, -2, 1, 4, 0, 1])
    theirs = permutation_test((leads,), np.sum, permutation_type="samples", n_resamples=2**10).pvalue
    assert sign_flips(leads) == pytest.approx(theirs)


def test_sign_flips_find_as_many_differences_that_are_not_there_as_is_stated() -> None:
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(60), rng.integers(1, 6, 60))
    found = []
    for _ in range(1000):
        shared = rng.normal(size=60)[group]  # what makes all cells of a group hard for a model
        first, second = (shared * 0.5 + rng.normal(size=60)[group] + rng.normal(size=len(group)) > -1 for _ in "ab")
        found.append(sign_flips(np.bincount(group, weights=first * 1.0 - second * 1.0)) < 0.05)
    assert 0.025 <= np.mean(found) <= 0.06  # exact: never above 0.05 but by chance


def test_the_bootstrap_of_a_difference_agrees_with_scipys() -> None:
    cells = cells_of(spelt("n" * 60 + "e" * 40))
    answers = {"a": "n" * 55 + "e" * 45, "b": "n" * 48 + "e" * 40 + "n" * 12}
    tables = pl.concat(predictions_of(cells, spelt(said), model=name) for name, said in answers.items())
    models = held_out(tables, cells, CLASSES)
    (found,) = compare_all(list(models.values()), {"a": "a", "b": "b"}, replicates=9999, seed=1)
    lead = models["a"].right.astype(float) - models["b"].right
    theirs = bootstrap((lead,), np.mean, n_resamples=9999, rng=2).confidence_interval
    assert found.bootstrap is not None and found.bootstrap.method.startswith("cluster bootstrap over 100 groups, BCa")
    assert (found.bootstrap.low, found.bootstrap.high) == pytest.approx((theirs.low, theirs.high), abs=0.011)


def test_a_settled_difference_says_where_the_test_over_folds_does_not_agree() -> None:
    difference = Estimate(value=0.12, interval=Interval(low=0.03, high=0.21, method=""))
    assert sentence("A", "B", difference, settled=True, by_folds=0.081) == (
        "A is better than B by 0.12 (0.03 to 0.21) on these cells; the test over folds does not agree "
        "(corrected p = 0.08)."
    )
    assert sentence("A", "B", difference, settled=True, by_folds=0.02) == "A is better than B by 0.12 (0.03 to 0.21)."


def test_where_all_folds_differ_equally_the_paired_test_decides() -> None:
    right, wrong = spelt("n" * 40), spelt("e" * 40)
    cells = cells_of(right)
    tables = [
        predictions_of(cells, answers, model=model, repeat=repeat, folds=5)
        for model, answers in (("a", right), ("b", wrong))
        for repeat in range(2)
    ]
    (found,) = compared(*tables, cells=cells)
    assert found.resampled is None and found.settled


def test_models_with_unlike_rows_are_compared_on_the_rows_both_have() -> None:
    cells = cells_of(spelt("nnee"))
    whole = predictions_of(cells, spelt("nnee"), model="a")
    half = predictions_of(cells, spelt("eeee"), model="b").head(2)
    (found,) = compared(whole, half, cells=cells)
    assert found.difference.value == pytest.approx(1.0) and found.first_only_right == 2


def test_models_without_a_common_row_are_not_compared() -> None:
    cells = cells_of(spelt("nnee"))
    tables = [predictions_of(cells, spelt("nnee"), model=name) for name in "ab"]
    assert compared(tables[0].head(2), tables[1].tail(2), cells=cells) == ()


def test_limits_that_leave_out_nought_are_not_shown_as_nought() -> None:
    near = Estimate(value=0.043, interval=Interval(low=0.004, high=0.081, method="-"))
    assert sentence("A", "B", near, settled=True) == "A is better than B by 0.043 (0.004 to 0.081)."
    assert "by 0.04 (0.00 to 0.08): these data do not" in sentence("A", "B", near, settled=False)
    far = Estimate(value=0.006, interval=Interval(low=-0.03, high=0.04, method="-"))
    assert sentence("A", "B", far, settled=False, images=32000).endswith("about 32\u202f000 images would.")
