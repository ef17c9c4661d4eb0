"""Numbers of cells: against statsmodels, printed tables and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint, samplesize_confint_proportion

from buffycoat.evaluate.compare import compare_all, exact_mcnemar
from buffycoat.evaluate.enough import cells_for, images_for_t_test, pairs_needed, rounded_up, sample_sizes
from buffycoat.evaluate.held_out import held_out
from buffycoat.evaluate.overlap import corrected_t_test
from buffycoat.records.documents import Interval
from buffycoat.records.evidence import ResampledTest
from tests.evaluate.evaluation_cases import CLASSES, cells_of, predictions_of, spelt


@pytest.mark.parametrize("half_width", [0.02, 0.05, 0.1])
@pytest.mark.parametrize("share", [0.5, 0.85, 0.98])
def test_cells_are_the_fewest_whose_exact_interval_is_so_narrow(share: float, half_width: float) -> None:
    found = cells_for(share, half_width)

    def width(cells: int) -> float:
        low, high = proportion_confint(share * cells, cells, method="beta")
        return float(high - low) / 2

    assert width(found) <= half_width + 1e-9 < width(found - 1) + 2e-9
    normal = samplesize_confint_proportion(share, half_width)
    assert normal <= found <= 1.2 * normal + 2 / half_width


@given(st.floats(0, 1), st.floats(0.01, 0.3))
@settings(deadline=None, max_examples=30)
def test_a_narrower_interval_never_takes_fewer_cells(share: float, half_width: float) -> None:
    assert cells_for(share, half_width / 1.5) >= cells_for(share, half_width)


def test_mcnemar_finds_the_difference_in_four_of_five_samples_of_that_size() -> None:
    first, second = 0.10, 0.05
    needed = math.ceil(pairs_needed(first, second, alpha=0.05))
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(needed, [first, second, 1 - first - second], size=3000)
    power = np.mean([exact_mcnemar(int(a), int(b)) < 0.05 for a, b, _ in drawn])
    assert 0.74 < power < 0.84  # the exact test is a little stricter than the formula
    assert pairs_needed(0.1, 0.1, alpha=0.05) == math.inf


def test_the_sentence_names_how_many_images_would_settle_it() -> None:
    cells = cells_of(spelt("n" * 30 + "e" * 30))
    answers = {"a": "n" * 30 + "e" * 28 + "nn", "b": "n" * 27 + "eee" + "e" * 27 + "nnn"}
    tables = [predictions_of(cells, spelt(said), model=name) for name, said in answers.items()]
    models = [next(iter(held_out(table, cells, CLASSES).values())) for table in tables]
    (found,) = compare_all(models, {"a": "A", "b": "B"})
    assert (found.first_only_right, found.second_only_right) == (4, 0)
    assert not found.settled and found.images_needed is not None
    assert found.images_needed == rounded_up(max(pairs_needed(4 / 60, 0, alpha=0.05), 61))
    assert found.sentence.endswith(f"do not settle it; about {found.images_needed} images would.")
    assert binomtest(round(found.images_needed * 4 / 60), round(found.images_needed * 4 / 60)).pvalue < 0.05


def test_over_repeats_the_images_asked_for_settle_it_by_folds_too() -> None:
    """The corrected t-test over ten folds takes more than the test on cells does."""
    rng = np.random.default_rng(5)
    ratio, folds, level, cells = 0.25, 10, 0.05, 300
    spread = 0.03  # of a fold's difference, at 300 cells
    standard = (np.arange(folds) - 4.5) / np.std(np.arange(folds), ddof=1)
    small = corrected_t_test(0.02 + spread * standard, ratio)
    assert small is not None and small.p_value > level
    found = ResampledTest(
        statistic=small.statistic,
        degrees=small.degrees,
        p_value=small.p_value,
        p_adjusted=small.p_value,
        interval=Interval(low=small.low, high=small.high, method=""),
        method="",
        decides=True,
    )
    needed = images_for_t_test(found, cells, alpha=level)
    # folds of that many cells, their differences correlated as the correction assumes
    error = spread * math.sqrt(cells / needed)
    shared = rng.normal(0, error * math.sqrt(ratio), size=(2000, 1))
    drawn = 0.02 + shared + rng.normal(0, error, size=(2000, folds))
    p_values = [one.p_value for row in drawn if (one := corrected_t_test(row, ratio)) is not None]
    assert np.mean(np.array(p_values) < level) == pytest.approx(0.8, abs=0.03)
    assert images_for_t_test(found, cells, alpha=level / 6) > needed > cells


def test_copies_of_one_cell_do_not_count_as_more() -> None:
    truth = spelt("n" * 30 + "e" * 30)
    said = spelt("n" * 27 + "eee" + "e" * 24 + "n" * 6)
    once, groups = cells_of(truth), [f"g{k}" for k in range(60)]
    alone = sample_sizes(next(iter(held_out(predictions_of(once, said), once, CLASSES).values())), CLASSES)
    thrice = cells_of(truth * 3, groups * 3)
    copied = sample_sizes(next(iter(held_out(predictions_of(thrice, said * 3), thrice, CLASSES).values())), CLASSES)
    for one, three in zip(alone, copied, strict=True):
        assert (three.figure, three.name, three.share) == (one.figure, one.name, one.share)
        assert three.cells == 3 * one.cells
        assert three.half_width == pytest.approx(one.half_width, rel=0.06)
        assert three.targets[0].cells == pytest.approx(3 * one.targets[0].cells, rel=0.15)
    assert [one.name for one in alone] == [None, "neutrophil", "eosinophil"]
