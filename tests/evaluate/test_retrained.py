"""Two models trained with several seeds: another implementation's parts, known cases, and the verdict."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from buffycoat.evaluate.compare import Paired, compare_all, holm
from buffycoat.evaluate.enough import images_with_training
from buffycoat.evaluate.held_out import HeldOut, held_out
from buffycoat.evaluate.retrained import Retrained, Trainings, retrained
from buffycoat.evaluate.verdicts import sentence
from buffycoat.records.base import Estimate, Interval
from buffycoat.records.documents import Comparison
from buffycoat.records.evidence import WithTraining
from tests.evaluate.evaluation_cases import CLASSES, cells_of, predictions_of, spelt

FOLDS = 5


def trained(right: np.ndarray[tuple[int, ...], np.dtype[np.float64]], model: str = "net") -> Trainings:
    cell = np.arange(len(right))
    return Trainings(model, cell, cell, cell % FOLDS, right)


def drawn(seed: int, seeds: int = 3, n: int = 100) -> Trainings:
    rng = np.random.default_rng(seed)
    chance = rng.beta(4, 1, n)[:, None] + rng.normal(0, 0.1, (FOLDS, seeds))[np.arange(n) % FOLDS]
    return trained((rng.random((n, seeds)) < chance).astype(float))


def test_the_parts_are_those_of_a_layout_with_trainings_in_folds() -> None:
    first, second = drawn(1), drawn(2)
    found = retrained(first, second)
    assert found is not None
    single, shared = [], []
    for one in (first, second):
        table = {"cell": np.repeat(one.cell, one.seeds), "fold": np.repeat(one.fold, one.seeds)}
        long = pd.DataFrame(table | {"seed": np.tile(np.arange(one.seeds), len(one.cell)), "right": one.right.ravel()})
        parts = [anova_lm(ols("right ~ C(cell) + C(seed)", long[long["fold"] == fold]).fit()) for fold in range(FOLDS)]
        residual = sum(part.loc["Residual", "sum_sq"] for part in parts) / sum(
            part.loc["Residual", "df"] for part in parts
        )
        single.append(residual / 100)
        of_folds = sum(part.loc["C(seed)", "mean_sq"] / 20 for part in parts) / FOLDS**2  # folds of 20 cells each
        shared.append(max(of_folds - single[-1], 0))
    assert min(shared) > 0
    assert found.from_training == pytest.approx(sum(shared) / 3)
    lead = first.right.mean(axis=1) - second.right.mean(axis=1)
    assert found.value == pytest.approx(lead.mean())
    assert found.from_cells == pytest.approx((100 * lead.var(ddof=1) + 2) / 102**2)
    cells = found.from_cells - sum(single) / 3
    scatter = cells**2 / 99 + sum(((a + b) / 3) ** 2 / 10 for a, b in zip(single, shared, strict=True))
    assert found.degrees == pytest.approx((found.from_cells + found.from_training) ** 2 / scatter)


def test_one_seed_of_both_or_one_group_of_cells_tells_nothing() -> None:
    once = drawn(1, seeds=1)
    assert retrained(once, drawn(2, seeds=1)) is None
    both = drawn(3)
    one = Trainings("net", both.cell, np.zeros_like(both.cell), both.fold, both.right)
    assert retrained(one, one) is None


def test_seeds_that_agree_leave_the_limits_of_the_cells() -> None:
    right = (np.arange(100) % 5 > 0).astype(float)
    worse = (np.arange(100) % 3 > 0).astype(float)
    found = retrained(trained(np.stack([right] * 2, axis=1)), trained(np.stack([worse] * 2, axis=1)))
    assert found is not None and found.from_training == 0
    cells = cells_of(spelt("n" * 100))
    said = [spelt("".join("n" if one else "e" for one in answers)) for answers in (right, worse)]
    tables = [predictions_of(cells, answers, model=name) for answers, name in zip(said, "ab", strict=True)]
    models = held_out(pl.concat(tables), cells, CLASSES)
    alone = Paired.of(models["a"], models["b"]).difference()
    assert (found.low, found.high) == pytest.approx((alone.interval.low, alone.interval.high), abs=0.002)


def test_the_same_answers_of_all_leave_a_width() -> None:
    found = retrained(trained(np.ones((30, 2))), trained(np.ones((30, 2))))
    assert found is not None and found.low == -found.high and found.high > 0.05


def test_cells_that_change_by_themselves_are_counted_once() -> None:
    """They are in the spread of the means over seeds already: what training adds is what moves many cells together."""
    rng = np.random.default_rng(4)
    single: list[Retrained] = []
    together: list[Retrained] = []
    for _ in range(200):
        chance = rng.beta(4, 1, 200)
        shift = rng.normal(0, 0.08, (FOLDS, 2))[np.arange(200) % FOLDS]
        for store, by in ((single, 0.0), (together, shift)):
            right = (rng.random((200, 2)) < np.clip(chance[:, None] + by, 0, 1)).astype(float)
            found = retrained(trained(right), trained(np.ones((200, 1))))
            assert found is not None and found.seeds == (2, 1)
            store.append(found)
    noise = float(np.mean(chance * (1 - chance))) / 200
    assert np.mean([one.from_training for one in single]) < noise / 2
    assert np.mean([one.from_training for one in together]) == pytest.approx(0.08**2 / FOLDS / 2, rel=0.35)
    assert np.mean([one.degrees for one in together]) < np.mean([one.degrees for one in single])


def test_trainings_are_read_off_stored_predictions_cell_by_cell() -> None:
    cells = cells_of(spelt("nnee" * 5))
    own = predictions_of(cells, spelt("nnee" * 5), folds=2)
    again = predictions_of(cells, spelt("nnen" * 5), folds=2).with_columns(take=pl.lit(1, pl.Int32))
    once = predictions_of(cells, spelt("eeee" * 5), folds=2, model="other")
    held = held_out(pl.concat([own, once]), cells, CLASSES)
    shuffled = again.filter(pl.col("cell_id") != "c000").sample(fraction=1, shuffle=True, seed=3)
    found = Trainings.of(held["net"], shuffled, cells, CLASSES)
    assert found.seeds == 2 and len(found.cell) == 19, "only cells that every training was asked"
    assert found.right.sum(axis=0).tolist() == [19, 14]
    assert Trainings.of(held["other"], shuffled, cells, CLASSES).seeds == 1
    pair = retrained(found, Trainings.once(held["other"]))
    assert pair is not None and pair.value == pytest.approx((19 + 14) / 2 / 19 - 10 / 19)


def models_of(**answers: tuple[str, ...]) -> tuple[list[HeldOut], dict[str, Trainings]]:
    """Return models and their trainings from what each said of 60 neutrophils and 40 eosinophils, seed by seed."""
    cells = cells_of(spelt("n" * 60 + "e" * 40))
    own = pl.concat(predictions_of(cells, spelt(said[0]), model=name, folds=5) for name, said in answers.items())
    others = [
        predictions_of(cells, spelt(text), model=name, folds=5).with_columns(take=pl.lit(take, pl.Int32))
        for name, said in answers.items()
        for take, text in enumerate(said[1:], 1)
    ]
    held = held_out(own, cells, CLASSES)
    return list(held.values()), {
        name: Trainings.of(one, pl.concat(others), cells, CLASSES) for name, one in held.items()
    }


RIGHT = "n" * 60 + "e" * 40
GOOD = "n" * 60 + "e" * 35 + "n" * 5
FAIR = "n" * 60 + "e" * 20 + "n" * 20
POOR = "e" * 60 + "e" * 20 + "n" * 20


def compared(**answers: tuple[str, ...]) -> tuple[Comparison, ...]:
    models, trainings = models_of(**answers)
    return compare_all(models, {name: name.upper() for name in answers}, trainings=trainings)


def test_a_lead_that_another_seed_would_undo_is_not_settled() -> None:
    (once,) = compare_all(models_of(a=(GOOD, FAIR), b=(FAIR, GOOD))[0], {"a": "A", "b": "B"})
    assert once.settled and once.with_training is None
    (found,) = compared(a=(GOOD, FAIR), b=(FAIR, GOOD))
    assert found.p_adjusted < 0.05 and not found.settled
    assert found.with_training is not None and found.with_training.difference.value == pytest.approx(0)
    assert found.sentence.startswith("A is better than B by 0.15 (0.07 to 0.22)")
    assert ", as trained here; with the chance of training counted (2 seeds: −" in found.sentence
    assert found.sentence.endswith("these data do not settle it; with so few seeds no number of images would.")


def test_a_lead_that_holds_with_every_seed_is_settled_and_says_by_how_much() -> None:
    a_little = "n" * 60 + "e" * 34 + "n" * 6
    (found,) = compared(a=(GOOD, a_little), b=(POOR,))
    assert found.settled and found.with_training is not None and found.with_training.seeds == (2, 1)
    limits = found.with_training.difference.interval
    assert limits.low is not None and limits.low > 0 and "cells and training together" in limits.method
    assert "; with the chance of training counted, by 0.74 (" in found.sentence
    assert found.sentence.endswith("; 2 seeds of A).")


def test_p_values_with_training_are_corrected_together() -> None:
    found = compared(a=(RIGHT, GOOD), b=(FAIR, GOOD), c=(POOR, POOR), d=(GOOD,), e=(FAIR,))
    anew = [one.with_training for one in found if one.with_training is not None]
    assert len(found) == 10 and len(anew) == 9, "of d and e nothing is known"
    assert [one.p_adjusted for one in anew] == pytest.approx(holm([one.p_value for one in anew]))
    for one in found:
        assert not one.settled or one.with_training is None or one.with_training.p_adjusted < 0.05


def test_more_images_help_only_as_far_as_training_leaves_them_to() -> None:
    found = retrained(drawn(1), trained(np.array([[1.0, 0, 0, 0, 0]] * 20).reshape(100, 1)))
    assert found is not None
    few, many = (images_with_training(found, 100, alpha=alpha) for alpha in (0.05, 0.0001))
    assert few <= many
    (undone,) = compared(a=(GOOD, FAIR), b=(FAIR, GOOD))
    assert undone.images_needed is None
    (turned,) = compared(a=(GOOD, POOR), b=(FAIR, GOOD))
    assert turned.images_needed is None, "more images would settle it the other way"
    (wavering,) = compared(a=(GOOD, FAIR), b=(FAIR,))
    assert not wavering.settled and wavering.with_training is not None
    assert wavering.images_needed is None or wavering.images_needed > 100


LIMITS = Interval(low=0.07, high=0.23, method="-")


def anew(value: float, low: float, high: float, p: float, seeds: tuple[int, int] = (2, 2)) -> WithTraining:
    difference = Estimate(value=value, interval=Interval(low=low, high=high, method="-"))
    return WithTraining(
        difference=difference, seeds=seeds, from_cells=0.02, from_training=0.01, p_value=p, p_adjusted=p
    )


@pytest.mark.parametrize(
    ("found", "repeats", "expected"),
    [
        (anew(0.14, 0.05, 0.23, 0.001), 1, "; with the chance of training counted, by 0.14 (0.05 to 0.23; 2 seeds)."),
        # limits that leave out nought are not shown as nought
        (
            anew(0.14, 0.004, 0.23, 0.04, (3, 2)),
            3,
            "; with the chance of training counted, by 0.140 (0.004 to 0.230; 3 and 2 seeds on the first split).",
        ),
        (
            anew(0.10, -0.02, 0.22, 0.1, (1, 5)),
            1,
            ", as trained here; with the chance of training counted (5 seeds of B: −0.02 to 0.22), these data do not "
            "settle it; about 900 images would.",
        ),
        # of several comparisons corrected together the p value withholds what the limits alone would not
        (
            anew(0.10, 0.01, 0.19, 0.12),
            1,
            ", as trained here; with the chance of training counted (2 seeds: 0.01 to 0.19, corrected p = 0.12), these "
            "data do not settle it; about 900 images would.",
        ),
    ],
)
def test_the_sentence_says_what_becomes_of_a_lead_with_training_counted(
    found: WithTraining, repeats: int, expected: str
) -> None:
    ahead = Estimate(value=0.15, interval=LIMITS)
    said = sentence("A", "B", ahead, settled=True, images=900, anew=found, repeats=repeats)
    assert said == f"A is better than B by 0.15 (0.07 to 0.23){expected}"
    back = found.difference.interval
    turned = found.model_copy(
        update={
            "seeds": found.seeds[::-1],
            "difference": Estimate(
                value=-(found.difference.value or 0),
                interval=Interval(low=-(back.high or 0), high=-(back.low or 0), method="-"),
            ),
        }
    )
    behind = Estimate(value=-0.15, interval=Interval(low=-0.23, high=-0.07, method="-"))
    assert sentence("B", "A", behind, settled=True, images=900, anew=turned, repeats=repeats) == said


def test_what_the_cells_do_not_settle_says_so_as_ever() -> None:
    near = Estimate(value=0.03, interval=Interval(low=-0.01, high=0.07, method="-"))
    assert sentence("A", "B", near, settled=False, images=900, anew=anew(0.02, -0.03, 0.07, 0.4)) == (
        "A is better than B by 0.03 (−0.01 to 0.07): these data do not settle it; about 900 images would."
    )


def test_both_doubts_of_a_lead_are_said() -> None:
    ahead = Estimate(value=0.15, interval=LIMITS)
    said = sentence("A", "B", ahead, settled=True, by_folds=0.2, anew=anew(0.14, 0.05, 0.23, 0.001))
    assert said == (
        "A is better than B by 0.15 (0.07 to 0.23) on these cells; the test over folds does not agree (corrected "
        "p = 0.20); with the chance of training counted, by 0.14 (0.05 to 0.23; 2 seeds)."
    )


def test_results_of_an_earlier_version_are_read() -> None:
    (found,) = compared(a=(GOOD, FAIR), b=(FAIR, GOOD))
    earlier = found.model_dump(mode="json")
    del earlier["with_training"]
    assert Comparison.model_validate(earlier).with_training is None
