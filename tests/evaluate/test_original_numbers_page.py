"""docs/original-numbers.md holds no figure that our own functions do not give."""

from __future__ import annotations

import re
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import multivariate_hypergeom

from buffycoat.evaluate import metrics
from buffycoat.evaluate.compare import exact_mcnemar
from buffycoat.evaluate.intervals import clopper_pearson
from tests.evaluate.test_published_rows import CLASSES, PRINTED, SUPPORT, N

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "original-numbers.md").read_text(encoding="utf-8")
DATA = {"neutrophil": 206, "eosinophil": 88, "monocyte": 20, "lymphocyte": 33}
PRINTED_MEANS = {"alexnet": ("0.25", "0.75"), "resnet": ("9.92", "0.94"), "efficientnet": ("0.86", "0.97")}
TITLES = {"alexnet": "AlexNet", "resnet": "ResNet", "efficientnet": "EfficientNet"}
Matrix = NDArray[np.int64]


def matrices(model: str) -> list[Matrix]:
    return PRINTED[model].on_the_shared_hold_out()


def majority() -> Matrix:
    matrix = np.zeros((4, 4), np.int64)
    matrix[:, int(np.argmax(SUPPORT))] = SUPPORT
    return matrix


def row(title: str, matrix: Matrix, printed: tuple[str, str]) -> str:
    right = int(np.trace(matrix))
    low, high = clopper_pearson(right, N)
    means = [float(metrics.OVERALL[name](matrix)) for name in ("macro_sensitivity", "macro_specificity")]
    return (
        f"| {title} | {right} of {N} | {right / N:.3f} | {float(low):.3f}–{float(high):.3f} | "
        f"{printed[0]}, {means[0]:.3f} | {printed[1]}, {means[1]:.3f} |"
    )


@pytest.mark.parametrize("model", PRINTED)
def test_the_table_of_figures(model: str) -> None:
    for matrix in matrices(model):  # both of EfficientNet's give the same line
        assert row(TITLES[model], matrix, PRINTED_MEANS[model]) in PAGE


def test_the_line_of_the_largest_class() -> None:
    assert row("always the largest class", majority(), ("–", "–")) in PAGE


def test_the_matrices() -> None:
    columns = [matrices("alexnet"), matrices("resnet"), matrices("efficientnet")]
    assert [len(found) for found in columns] == [1, 1, 2]
    flat = [matrix for found in columns for matrix in found]
    for place, name in enumerate(CLASSES):
        cells = " | ".join(" ".join(map(str, matrix[place])) for matrix in flat)
        assert f"| {name} | {cells} |" in PAGE


def test_the_permuted_names() -> None:
    chances = {}
    for order in permutations(CLASSES):
        chances[order] = float(multivariate_hypergeom.pmf(SUPPORT, [DATA[name] for name in order], N))
    assert len(chances) == 24 and sum(DATA.values()) == 347
    assert f"{chances[CLASSES]:.0e}" == "9e-22" and "probability of 9e-22" in PAGE
    best = max(chances.values())
    likeliest = [dict(zip(CLASSES, order, strict=True)) for order, p in chances.items() if np.isclose(p, best)]
    assert f"({best:.4f})" in PAGE and len(likeliest) == 2
    assert all((one["lymphocyte"], one["neutrophil"]) == ("neutrophil", "eosinophil") for one in likeliest)
    alphabetical = dict(zip(CLASSES, sorted(CLASSES), strict=True))
    assert alphabetical in likeliest
    for printed, true in alphabetical.items():
        assert f"| {printed} | {true} |" in PAGE


def against_majority(matrix: Matrix) -> tuple[int, int, float]:
    largest = int(np.argmax(SUPPORT))
    first = int(np.trace(matrix) - matrix[largest, largest])
    second = int(SUPPORT[largest] - matrix[largest, largest])
    return first, second, exact_mcnemar(first, second)


@pytest.mark.parametrize("model", PRINTED)
def test_each_against_the_largest_class(model: str) -> None:
    for matrix in matrices(model):
        first, second, p = against_majority(matrix)
        assert f"| {TITLES[model]}, always the largest class | {first} | {second} | {p:.3f} |" in PAGE


def pairs() -> set[tuple[int, int]]:
    """Return every way EfficientNet's and ResNet's errors may overlap: cells only the first or second has right."""
    (resnet,) = matrices("resnet")
    found = set()
    for efficientnet in matrices("efficientnet"):
        wrong = [m.sum(axis=1) - np.diag(m) for m in (efficientnet, resnet)]
        for both in range(int(np.minimum(*wrong).sum()) + 1):
            found.add((int(wrong[1].sum()) - both, int(wrong[0].sum()) - both))
    return found


def test_efficientnet_against_resnet() -> None:
    found = pairs()
    first, second = (sorted({pair[k] for pair in found}) for k in (0, 1))
    p = sorted(exact_mcnemar(*pair) for pair in found)
    line = f"| {first[0]} to {first[-1]} | {second[0]} to {second[-1]} | {p[0]:.3f} to {p[-1]:.3f} |"
    assert f"| EfficientNet, ResNet {line}" in PAGE


def test_no_other_figure_stands_on_the_page() -> None:
    """Every number in the text is one of those computed above, printed by the seeds, or counted in the data."""
    known = {"35", "410", "347", "24", "95", "0", "1", "4", "0.0045", "9e-22", "0.96"}
    known |= {str(n) for n in DATA.values()} | {str(n) for n in SUPPORT}
    known |= {"9.92", "0.97", "0.86", "0.94", "0.25", "0.75"}
    for matrix in (*(m for model in PRINTED for m in matrices(model)), majority()):
        low, high = clopper_pearson(int(np.trace(matrix)), N)
        figures = [
            np.trace(matrix) / N,
            low,
            high,
            *(metrics.OVERALL[f"macro_{n}"](matrix) for n in ("sensitivity", "specificity")),
        ]
        figures += list(metrics.sensitivity(matrix))
        known |= {f"{float(figure):.3f}" for figure in figures} | {str(int(np.trace(matrix)))}
        known |= {str(int(count)) for count in matrix.ravel()}
        first, second, p = against_majority(matrix)
        known |= {str(first), str(second), f"{p:.3f}"}
    known |= {f"{exact_mcnemar(*pair):.3f}" for pair in pairs()} | {str(n) for pair in pairs() for n in pair}
    found = set(re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?:e-\d+)?(?![\w])", PAGE))
    assert found - known == set()
