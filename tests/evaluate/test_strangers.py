"""Telling strangers from cells: the area against scikit-learn, its limits against DeLong's components."""

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr
from scipy.stats import t as student
from sklearn.metrics import roc_auc_score

from buffycoat.evaluate.strangers import CELL, COLUMNS, unlike_of
from buffycoat.records.trust import Unlike
from tests.evaluate.evaluation_cases import cells_of, spelt

Floats = NDArray[np.float64]


def table(folds: list[tuple[Floats, Floats]], *, repeat_items: bool = True) -> pl.DataFrame:
    """Return scores of cells c000 … dealt to folds in order, and of strangers shown to every fold."""
    rows: list[tuple[object, ...]] = []
    first = 0
    for fold, (cells, strangers) in enumerate(folds):
        for k, score in enumerate(cells):
            rows.append(("net", 0, fold, CELL, f"c{first + k:03d}", k % 4 != 0, score))
        for k, score in enumerate(strangers):
            rows.append(("net", 0, fold, "red cells", f"red {k if repeat_items else (fold, k)}", None, score))
        first += len(cells)
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def measured(folds: list[tuple[Floats, Floats]], groups: list[str | None] | None = None) -> Unlike:
    count = sum(len(cells) for cells, _ in folds)
    found = unlike_of(table(folds), cells_of(spelt("n" * count), groups), "net")
    assert found is not None
    return found


def test_the_area_of_one_fold_is_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    cells, strangers = rng.normal(0, 1, 80).round(1), rng.normal(1.2, 1, 40).round(1)  # with ties
    (kind,) = measured([(cells, strangers)]).kinds
    truth = np.r_[np.zeros(80), np.ones(40)]
    assert kind.auroc.value == pytest.approx(roc_auc_score(truth, np.r_[cells, strangers]))
    assert kind.pictures == 40


def test_the_limits_of_one_fold_are_delongs() -> None:
    """His structural components pair by pair, from the definition; limits on the logit scale (Pepe, 2003)."""
    rng = np.random.default_rng(8)
    cells, strangers = rng.normal(0, 1, 50).round(1), rng.normal(1.0, 1, 30).round(1)
    pairs = np.array([[(s > c) + 0.5 * (s == c) for s in strangers] for c in cells])
    of_cells, of_strangers = pairs.mean(axis=1).var(ddof=1) / 50, pairs.mean(axis=0).var(ddof=1) / 30
    area, variance = pairs.mean(), of_cells + of_strangers
    degrees = variance**2 / (of_cells**2 / 49 + of_strangers**2 / 29)
    reach = student.ppf(0.975, degrees) * np.sqrt(variance) / (area * (1 - area))
    (kind,) = measured([(cells, strangers)]).kinds
    assert kind.auroc.value == pytest.approx(area)
    limits = kind.auroc.interval
    assert (limits.low, limits.high) == pytest.approx(tuple(expit(logit(area) + np.array([-reach, reach]))))


def test_folds_of_other_scales_are_not_mixed() -> None:
    rng = np.random.default_rng(2)
    folds = [(10 ** (3 * k) + rng.normal(0, 1, 30), 10 ** (3 * k) + rng.normal(2, 1, 20)) for k in range(3)]
    (kind,) = measured(folds).kinds
    alone = [roc_auc_score(np.r_[np.zeros(30), np.ones(20)], np.r_[fold]) for fold in map(np.concatenate, folds)]
    assert kind.auroc.value == pytest.approx(np.mean(alone))


def test_right_cells_lost_are_those_beyond_what_95_percent_of_strangers_reach() -> None:
    cells, strangers = np.arange(40.0), np.arange(20.0, 60.0)
    (kind,) = measured([(cells, strangers)]).kinds
    # two of 40 strangers (20 and 21) may be missed; cells from 22 on are lost, those at 24, 28, … being wrong ones
    assert kind.lost.denominator == 30
    assert kind.lost.numerator == sum(1 for k in range(22, 40) if k % 4)


def test_a_perfect_score_has_limits_from_the_number_of_pictures() -> None:
    found = measured([(np.arange(30.0), np.arange(100.0, 120.0))])
    low = found.kinds[0].auroc.interval.low
    assert found.kinds[0].auroc.value == 1 and low == pytest.approx(0.832, abs=1e-3)
    assert found.detected[0].value == 1


def test_groups_of_cells_widen_the_limits() -> None:
    rng = np.random.default_rng(3)
    once, strangers = rng.normal(0, 1, 40), rng.normal(1.5, 1, 40)
    alone = measured([(once, strangers)]).kinds[0].auroc.interval
    thrice = measured([(np.repeat(once, 3), strangers)], [f"g{k // 3}" for k in range(120)]).kinds[0].auroc.interval
    assert alone.low is not None and thrice.low is not None
    assert thrice.low == pytest.approx(alone.low, abs=1e-3)


def test_no_scores_no_figures() -> None:
    empty = pl.DataFrame(schema=COLUMNS)
    assert unlike_of(empty, cells_of(spelt("n")), "net") is None


@pytest.mark.slow
@pytest.mark.parametrize("apart", [1.0, 2.5])
def test_limits_of_the_area_hold_the_truth(apart: float) -> None:
    truth = float(ndtr(apart / np.sqrt(2)))
    rng, held = np.random.default_rng(4), 0
    for _ in range(400):
        strangers = rng.normal(apart, 1, 60)
        # the same strangers, scored anew by each of three folds with some noise of the fold's own
        folds = [(rng.normal(0, 1, 50), strangers + 0) for _ in range(3)]
        limits = measured(folds).kinds[0].auroc.interval
        assert limits.low is not None and limits.high is not None
        held += limits.low <= truth <= limits.high
    assert 0.93 - 0.022 <= held / 400 <= 0.97 + 0.022, held / 400
