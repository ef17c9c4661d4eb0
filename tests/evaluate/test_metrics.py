"""Figures of merit, held against scikit-learn and against what is true of every confusion matrix."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from sklearn.metrics import (
    balanced_accuracy_score,
    confusion_matrix,
    precision_recall_fscore_support,
    recall_score,
)

from buffycoat.evaluate import metrics

Matrix = NDArray[np.int64]

matrices = st.integers(2, 5).flatmap(lambda size: hnp.arrays(np.int64, (size, size), elements=st.integers(0, 12)))


def written_out(matrix: Matrix) -> tuple[list[int], list[int]]:
    pairs = [(t, p) for t, p in np.ndindex(*matrix.shape) for _ in range(int(matrix[t, p]))]
    return [t for t, _ in pairs], [p for _, p in pairs]


@pytest.mark.slow
@given(matrices)
@settings(deadline=None)
def test_every_figure_is_scikit_learns_where_it_is_defined(matrix: Matrix) -> None:
    true, predicted = written_out(matrix)
    if not true:
        assert np.isnan(metrics.accuracy(matrix))
        return
    labels = list(range(len(matrix)))
    np.testing.assert_array_equal(metrics.confusion(true, predicted, len(matrix)), matrix)
    np.testing.assert_array_equal(confusion_matrix(true, predicted, labels=labels), matrix)
    precision, recall, f1, _ = precision_recall_fscore_support(true, predicted, labels=labels, zero_division=np.nan)
    for name, theirs in (("precision", precision), ("sensitivity", recall), ("f1", f1)):
        np.testing.assert_allclose(metrics.PER_CLASS[name](matrix), theirs, err_msg=name)
    for place in labels:  # specificity is the recall of "not this class"
        others = [np.array(of) != place for of in (true, predicted)]
        theirs = recall_score(*others, labels=[True], average=None, zero_division=np.nan)
        np.testing.assert_allclose(metrics.specificity(matrix)[place], theirs[0])
    if set(predicted) <= set(true) and len(set(true)) > 1:  # scikit-learn warns otherwise
        np.testing.assert_allclose(metrics.balanced_accuracy(matrix), balanced_accuracy_score(true, predicted))


@given(matrices)
@settings(deadline=None)
def test_a_macro_average_is_the_mean_or_undefined(matrix: Matrix) -> None:
    for name in ("sensitivity", "specificity", "precision", "f1"):
        per_class = metrics.PER_CLASS[name](matrix)
        macro = metrics.OVERALL[f"macro_{name}"](matrix)
        assert np.isnan(macro) if np.isnan(per_class).any() else macro == pytest.approx(per_class.mean())


@given(st.lists(hnp.arrays(np.int64, (3, 3), elements=st.integers(0, 9)), min_size=1, max_size=4))
@settings(deadline=None)
def test_a_stack_of_matrices_gives_what_each_gives_alone(stack: list[Matrix]) -> None:
    for figure in (*metrics.OVERALL.values(), *metrics.PER_CLASS.values()):
        np.testing.assert_array_equal(figure(np.stack(stack)), np.stack([figure(one) for one in stack]))


@given(matrices, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_the_classes_does_not_matter(matrix: Matrix, random: Random) -> None:
    order = list(range(len(matrix)))
    random.shuffle(order)
    turned = matrix[np.ix_(order, order)]
    for figure in metrics.OVERALL.values():
        np.testing.assert_allclose(figure(turned), figure(matrix))
    for figure in metrics.PER_CLASS.values():
        np.testing.assert_allclose(figure(turned), figure(matrix)[order])


@pytest.mark.parametrize(
    ("matrix", "figure", "expected"),
    [
        # a class never named has no precision, and its F1 is a true nought
        ([[3, 0], [2, 0]], "precision", [0.6, np.nan]),
        ([[3, 0], [2, 0]], "f1", [0.75, 0.0]),
        # a class without cells has no sensitivity; every other cell may still be called so falsely
        ([[3, 1], [0, 0]], "sensitivity", [0.75, np.nan]),
        ([[3, 1], [0, 0]], "specificity", [np.nan, 0.75]),
        # a class that neither occurs nor is named has no F1 at all
        ([[3, 0], [0, 0]], "f1", [1.0, np.nan]),
    ],
)
def test_a_share_of_nothing_is_undefined_and_not_0(matrix: list[list[int]], figure: str, expected: list[float]) -> None:
    np.testing.assert_allclose(metrics.PER_CLASS[figure](np.array(matrix)), expected)


def test_balanced_accuracy_leaves_out_classes_without_cells() -> None:
    assert metrics.balanced_accuracy(np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]])) == pytest.approx((0.75 + 1) / 2)
