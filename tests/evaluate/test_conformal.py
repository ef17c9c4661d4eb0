"""Prediction sets against crepes, and their promise by simulation."""

import numpy as np
import pytest
from crepes import ConformalClassifier
from numpy.typing import NDArray
from scipy.special import softmax

from buffycoat.evaluate import conformal


def drawn(seed: int, n: int, classes: int = 4) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, size=n, p=np.array([0.5, 0.25, 0.15, 0.1])[:classes])
    logits = rng.normal(0, 1, (n, classes))
    logits[np.arange(n), labels] += 2
    return softmax(logits, axis=1), labels.astype(np.int64)


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_sets_are_those_of_crepes_by_class(level: float) -> None:
    odds, labels = drawn(1, 200)
    fresh, _ = drawn(2, 100)
    thresholds = conformal.class_thresholds(odds, labels, level)
    ours = conformal.prediction_sets(fresh, thresholds)
    theirs = np.zeros_like(ours)
    for place in range(4):
        of = labels == place
        one_class = ConformalClassifier().fit(1 - odds[of, place])
        found = one_class.predict_p(1 - fresh[:, [place]], smoothing=False)
        theirs[:, place] = found[:, 0] > 1 - level + 1e-12
    assert np.array_equal(ours, theirs)


def test_the_promise_holds_for_the_rarest_class_too() -> None:
    held = np.zeros(4)
    asked = np.zeros(4)
    for seed in range(150):
        odds, labels = drawn(seed, 160)
        thresholds = conformal.class_thresholds(odds[:120], labels[:120])
        sets = conformal.prediction_sets(odds[120:], thresholds)
        for place in range(4):
            of = labels[120:] == place
            asked[place] += of.sum()
            held[place] += sets[of, place].sum()
    covered = held / asked
    assert np.all(covered > 0.89), covered
    assert np.all(covered < 0.96), covered  # no more than the few rows of a class force


def test_a_class_with_too_few_rows_is_always_named() -> None:
    assert conformal.fewest_rows(0.9) == 9
    few = np.full((8, 2), 0.5)
    assert conformal.class_thresholds(few, [1] * 8).tolist() == [conformal.ALWAYS, conformal.ALWAYS]
    enough = np.full((9, 2), 0.5)
    assert conformal.class_thresholds(enough, [1] * 9).tolist() == [conformal.ALWAYS, 0.5]
    assert conformal.prediction_sets([[1e-9, 1 - 1e-9]], [conformal.ALWAYS, 0.5]).all()


def test_photographs_of_one_cell_count_as_one_cell() -> None:
    rng = np.random.default_rng(3)
    scores = rng.random(9)
    odds = np.stack([1 - scores, scores], axis=1).repeat(4, axis=0)  # class 0, four photographs of each of nine cells
    labels, groups = np.zeros(36, dtype=np.int64), np.arange(9).repeat(4)
    once = conformal.class_thresholds(odds[::4], labels[::4])
    assert conformal.class_thresholds(odds, labels, groups=groups).tolist() == pytest.approx(once.tolist())
    assert conformal.class_thresholds(odds, labels, groups=groups // 2)[0] == conformal.ALWAYS, "five cells only"


def test_the_promise_holds_where_rows_come_in_groups() -> None:
    """Ten groups of twelve rows: counted one by one they promise 0.90 and hold less."""
    rng = np.random.default_rng(5)
    covered: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(1500):
        level = rng.normal(0, 1, 11)[:, None] + rng.normal(0, 0.3, (11, 12))
        wrong = 1 / (1 + np.exp(-level))
        odds = np.stack([1 - wrong, wrong], axis=2)
        labels, groups = np.zeros(120, dtype=np.int64), np.arange(10).repeat(12)
        for grouped, shares in covered.items():
            found = conformal.class_thresholds(odds[:10].reshape(-1, 2), labels, groups=groups if grouped else None)
            shares.append(float((wrong[10] <= found[0]).mean()))
    assert np.mean(covered[True]) > 0.89 > np.mean(covered[False])


def test_a_set_may_be_empty() -> None:
    assert not conformal.prediction_sets([[0.5, 0.5]], [0.2, 0.2]).any()
