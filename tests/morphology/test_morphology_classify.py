from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from buffycoat.morphology.classify import PENALTIES, WIDTHS, MeasurementClassifier


def clouds(n: int, seed: int, apart: float = 3.0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, n, p=[0.7, 0.2, 0.1])
    return rng.normal(size=(n, 6)) + apart * np.eye(3, 6)[labels], labels.astype(np.int64)


def test_it_learns_what_can_be_learned_and_says_how_sure_it_is() -> None:
    x, y = clouds(150, 0)
    test, true = clouds(400, 1)
    model = MeasurementClassifier(3, seed=5).fit(x, y, np.arange(len(y)))
    odds = model.probabilities(test)
    assert odds.sum(axis=1) == pytest.approx(np.ones(len(test)))
    assert (odds.argmax(axis=1) == true).mean() > 0.93
    assert model.width in WIDTHS and model.penalty in PENALTIES


def test_the_same_seed_gives_the_same_probabilities() -> None:
    x, y = clouds(80, 2)
    first, second = (MeasurementClassifier(3, seed=9).fit(x, y, np.arange(80)).probabilities(x) for _ in range(2))
    assert np.array_equal(first, second)


def test_missing_measurements_take_the_training_rows_median() -> None:
    x, y = clouds(90, 3)
    holed = x.copy()
    holed[::7, 4] = np.nan
    holed[:, 5] = np.nan
    odds = MeasurementClassifier(3, seed=1).fit(holed, y, np.arange(90)).probabilities(np.full((2, 6), np.nan))
    assert np.isfinite(odds).all() and np.array_equal(odds[0], odds[1])


def test_a_class_without_training_rows_is_never_named() -> None:
    x, y = clouds(60, 4)
    odds = MeasurementClassifier(5, seed=1).fit(x, y, np.arange(60)).probabilities(x)
    assert (odds[:, 3:] == 0).all()


def test_one_class_alone_is_always_answered() -> None:
    odds = (
        MeasurementClassifier(3, seed=1)
        .fit(np.zeros((4, 2)), np.full(4, 2), np.arange(4))
        .probabilities(np.ones((3, 2)))
    )
    assert odds.tolist() == [[0, 0, 1]] * 3


def test_a_class_of_one_group_leaves_the_settings_at_their_usual() -> None:
    x, y = clouds(40, 6)
    groups = np.where(y == 2, "one", np.arange(40).astype(str))
    model = MeasurementClassifier(3, seed=1).fit(x, y, groups)
    assert (model.width, model.penalty) == (0.01, 10.0)


def test_the_inner_folds_never_part_a_group() -> None:
    _, y = clouds(90, 7)
    groups = (np.arange(90) // 3) * 10 + y
    for train, held in MeasurementClassifier(3, seed=1)._inner(y, groups):
        assert not set(groups[train]) & set(groups[held])
        assert len(np.unique(y[train])) == 3
