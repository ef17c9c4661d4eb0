"""The results published for the 410-image set on 35 held-out images, recomputed from the rows they print."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from buffycoat.evaluate import evaluate, metrics
from buffycoat.evaluate.compare import exact_mcnemar
from buffycoat.evaluate.published import PrintedClass, consistent_matrices
from buffycoat.records.documents import ModelResult

# In the order and under the names printed; the data fit "lymphocyte" = neutrophil and so on, see the last test.
CLASSES = ("neutrophil", "eosinophil", "monocyte", "lymphocyte")
SUPPORT = (6, 3, 3, 23)
N = 35


@dataclass(frozen=True)
class Printed:
    right: int
    accuracy: float
    rows: tuple[tuple[float, float, float], ...]  # sensitivity, specificity, precision
    mean_sensitivity: float
    mean_specificity: float
    interval: tuple[float, float]  # exact 95 % limits of the accuracy, not printed: computed here
    matrices: int  # how many confusion matrices round to these rows

    def consistent(self) -> list[NDArray[np.int64]]:
        classes = [PrintedClass(name, *row) for name, row in zip(CLASSES, self.rows, strict=True)]
        return consistent_matrices(classes, right=self.right, n=N)

    def on_the_shared_hold_out(self) -> list[NDArray[np.int64]]:
        """EfficientNet's rows settle the support of every class, and all three met the same 35 images."""
        return [matrix for matrix in self.consistent() if tuple(matrix.sum(axis=1)) == SUPPORT]


PRINTED = {
    "efficientnet": Printed(
        right=32,
        accuracy=0.914,
        rows=((0.833, 1.0, 1.0), (1.0, 0.938, 0.6), (0.667, 1.0, 1.0), (0.957, 0.917, 0.957)),
        mean_sensitivity=0.86,
        mean_specificity=0.96,  # printed 0.97; the rows give 0.9635
        interval=(0.769, 0.982),
        matrices=2,
    ),
    "resnet": Printed(
        right=28,
        accuracy=0.800,
        rows=((1.0, 0.759, 0.462), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (0.696, 1.0, 1.0)),
        mean_sensitivity=0.924,  # printed 9.92
        mean_specificity=0.94,
        interval=(0.631, 0.916),
        matrices=5,  # two classes without any error may share six cells as they like; one way on the shared hold-out
    ),
    "alexnet": Printed(
        right=6,
        accuracy=0.171,
        rows=((1.0, 0.0, 0.171), (0.0, 1.0, 0.0), (0.0, 1.0, 0.0), (0.0, 1.0, 0.0)),
        mean_sensitivity=0.25,
        mean_specificity=0.75,
        interval=(0.066, 0.336),
        matrices=378,  # every way to share 29 cells among three classes that it never names
    ),
}


def predictions_of(matrix: NDArray[np.int64], model: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Write a confusion matrix out as predictions of single cells, and their table."""
    pairs = [(t, p) for t in range(4) for p in range(4) for _ in range(int(matrix[t, p]))]
    ids = [f"cell_{number:02d}" for number in range(len(pairs))]
    labels = [CLASSES[true] for true, _ in pairs]
    odds = {f"p_{name}": [float(called == place) for _, called in pairs] for place, name in enumerate(CLASSES)}
    predictions = pl.DataFrame(
        {"model": [model] * N, "repeat": [0] * N, "fold": [0] * N, "cell_id": ids, "label": labels, **odds}
    )
    return predictions, pl.DataFrame({"cell_id": ids, "label": labels, "group": ids})


def evaluated(matrix: NDArray[np.int64], model: str) -> ModelResult:
    predictions, cells = predictions_of(matrix, model)
    results = evaluate(
        predictions,
        cells,
        classes=CLASSES,
        titles={},
        synthetic=False,
        seed=0,
        protocol="35 held-out images",
        majority={(0, 0): "lymphocyte"},
        replicates=200,
    )
    return results.models[0]


@pytest.mark.parametrize("model", PRINTED)
def test_the_rows_leave_few_matrices_and_each_gives_the_rows_again(model: str) -> None:
    printed = PRINTED[model]
    found = printed.consistent()
    assert len(found) == printed.matrices
    for matrix in found:
        assert matrix.sum() == N and np.trace(matrix) == printed.right
        assert metrics.accuracy(matrix) == pytest.approx(printed.accuracy, abs=5e-4)
        for place, row in enumerate(printed.rows):
            assert metrics.sensitivity(matrix)[place] == pytest.approx(row[0], abs=5.01e-4)
            assert metrics.specificity(matrix)[place] == pytest.approx(row[1], abs=5.01e-4)
            if matrix[:, place].sum():
                assert metrics.precision(matrix)[place] == pytest.approx(row[2], abs=5.01e-4)
            else:  # printed as 0
                assert row[2] == 0 and np.isnan(metrics.precision(matrix)[place])
        assert metrics.OVERALL["macro_sensitivity"](matrix) == pytest.approx(printed.mean_sensitivity, abs=6e-3)
        assert metrics.OVERALL["macro_specificity"](matrix) == pytest.approx(printed.mean_specificity, abs=6e-3)


@pytest.mark.parametrize("model", PRINTED)
def test_evaluating_such_predictions_gives_what_was_printed(model: str) -> None:
    printed = PRINTED[model]
    matrix = printed.on_the_shared_hold_out()[0]
    result = evaluated(matrix, model)
    assert (result.right, result.n) == (printed.right, N)
    assert result.confusion == tuple(map(tuple, matrix.tolist()))
    limits = result.accuracy.interval
    assert limits.low is not None and limits.high is not None
    assert (round(limits.low, 3), round(limits.high, 3)) == printed.interval
    for one, row, support in zip(result.classes, printed.rows, SUPPORT, strict=True):
        assert one.support == support
        assert one.sensitivity.value == pytest.approx(row[0], abs=5.01e-4)
        assert one.specificity.value == pytest.approx(row[1], abs=5.01e-4)
        if one.precision.denominator:
            assert one.precision.value == pytest.approx(row[2], abs=5.01e-4)
        else:
            assert one.precision.value is None


def test_the_mean_sensitivity_printed_as_9_92_is_0_924() -> None:
    (matrix,) = PRINTED["resnet"].on_the_shared_hold_out()
    value = evaluated(matrix, "resnet").macro_sensitivity.value
    assert value is not None and round(value, 3) == 0.924


def test_alexnet_collapsed_and_its_precisions_printed_as_0_are_undefined() -> None:
    (matrix,) = PRINTED["alexnet"].on_the_shared_hold_out()
    result = evaluated(matrix, "alexnet")
    assert result.collapsed == "neutrophil"
    assert [one.precision.value is None for one in result.classes] == [False, True, True, True]
    assert result.macro_precision.value is None


def test_efficientnets_rows_settle_the_hold_out_and_the_others_fit_it() -> None:
    assert {tuple(matrix.sum(axis=1)) for matrix in PRINTED["efficientnet"].consistent()} == {SUPPORT}
    assert all(printed.on_the_shared_hold_out() for printed in PRINTED.values())


def test_the_ranking_of_efficientnet_over_resnet_is_not_established() -> None:
    """Whatever cells they share, the exact p-value is 0.29 or 0.34."""
    (resnet,) = PRINTED["resnet"].on_the_shared_hold_out()
    p_values = set()
    for efficientnet in PRINTED["efficientnet"].consistent():
        wrong = [np.diff([np.trace(m), m.sum()])[0] for m in (efficientnet, resnet)]
        wrong_by_class = [m.sum(axis=1) - np.diag(m) for m in (efficientnet, resnet)]
        # Cells both have wrong are of one class, and at most as many as either has wrong of it.
        for both in range(int(np.minimum(*wrong_by_class).sum()) + 1):
            p_values.add(round(exact_mcnemar(int(wrong[1]) - both, int(wrong[0]) - both), 3))
    assert p_values == {0.289, 0.344}


def test_figures_that_contradict_each_other_fit_no_matrix() -> None:
    rows = [PrintedClass("a", 1.0, 1.0, 1.0), PrintedClass("b", 1.0, 1.0, 1.0)]
    assert consistent_matrices(rows, right=9, n=10) == []
