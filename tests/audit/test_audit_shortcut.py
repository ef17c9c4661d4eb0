from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from buffycoat.audit.background import _balanced, _discriminant, _folds, _guess, _limits, guess_from_background
from buffycoat.audit.shortcut import omega_squared, shortcuts
from buffycoat.audit.units import COLUMNS, KINDS, Units
from tests.simulated import Tally, trials


def _units(sizes: dict[str, int], apart: float, seed: int = 0) -> Units:
    """Return groups whose background is bluer by `apart` deviations from class to class."""
    generator = np.random.default_rng(seed)
    labels = np.array([name for name, count in sizes.items() for _ in range(count)], np.str_)
    step = np.array([list(sizes).index(name) for name in labels], np.float64) * apart
    columns = sorted({column for kind in KINDS for column in kind.columns} | set(COLUMNS))
    values = {column: generator.normal(200, 5, len(labels)) for column in columns}
    values["blue"] = values["blue"] + 5 * step
    groups = np.array([f"g{k}" for k in range(len(labels))], np.str_)
    return Units(labels, groups, np.ones(len(labels), np.int64), values)


@pytest.mark.parametrize("apart", [0.0, 0.7, 2.0])
def test_the_effect_is_omega_squared_and_its_p_value_that_of_the_f_test(apart: float) -> None:
    generator = np.random.default_rng(4)
    codes = np.repeat([0, 1, 2], [12, 20, 9])
    values = generator.normal(size=len(codes)) + apart * codes
    f, p = stats.f_oneway(*(values[codes == code] for code in range(3)))
    expected = max(0.0, 2 * (f - 1) / (2 * (f - 1) + len(codes)))  # Olejnik and Algina, equation for one factor
    effect, p_value = omega_squared(values[:, None], codes)
    assert effect == pytest.approx(expected, abs=1e-9)
    assert p_value == pytest.approx(p, abs=0.03)


def test_a_shortcut_is_named_where_it_is_planted_and_only_there() -> None:
    planted = {one.name: one for one in shortcuts(_units({"neutrophil": 40, "eosinophil": 25, "monocyte": 12}, 2.0))}
    assert planted["background-colour"].flag == "serious" and planted["sharpness"].flag == "sound"
    assert "monocyte stands highest" in planted["background-colour"].sentence
    assert [spread.groups for spread in planted["background-colour"].classes] == [40, 25, 12]
    none = shortcuts(_units({"neutrophil": 40, "eosinophil": 25, "monocyte": 12}, 0.0))
    assert all(one.flag == "sound" for one in none)


def test_the_class_is_guessed_from_the_background_only_where_it_can_be() -> None:
    guessed = guess_from_background(_units({"neutrophil": 40, "eosinophil": 25}, 2.5))
    blind = guess_from_background(_units({"neutrophil": 40, "eosinophil": 25}, 0.0))
    assert guessed is not None and blind is not None
    assert guessed.flag == "serious" and (guessed.balanced_accuracy.value or 0) > 0.8
    assert blind.flag == "sound" and 0.3 < (blind.balanced_accuracy.value or 0) < 0.7


@pytest.mark.slow
def test_no_more_alarms_than_the_level_allows() -> None:
    alarms = sum(
        guess.flag != "sound"
        for seed in range(40)
        if (guess := guess_from_background(_units({"neutrophil": 20, "eosinophil": 15}, 0.0, seed), seed)) is not None
    )
    assert alarms <= 6  # of 40 at the 5 % level: more has a probability below 1 %


@pytest.mark.slow
@pytest.mark.coverage
@pytest.mark.parametrize(
    "sizes", [{"neutrophil": 149, "eosinophil": 74, "monocyte": 14}, {"neutrophil": 40, "monocyte": 6}]
)
@pytest.mark.parametrize("apart", [0.0, 1.5, 3.0])
def test_limits_of_the_guess_hold_its_mean_over_sets(sizes: dict[str, int], apart: float) -> None:
    """0.93 to 0.98. Cross-validated guesses taken for independent: 0.85 at chance."""
    found, deviations = [], []
    for seed in range(trials(300)):
        units, generator = _units(sizes, apart, seed), np.random.default_rng(seed)
        codes = np.unique(units.labels, return_inverse=True)[1].astype(np.int64)
        values = np.column_stack([units.values[column] for column in COLUMNS])
        found.append((_guess(values, codes, _folds(codes, seed)) == codes, codes))
        if seed < 20:  # the deviation under permutation hardly differs from set to set
            shuffled = [generator.permutation(codes) for _ in range(20)]
            by_chance = [_balanced(_guess(values, one, _folds(one, seed)) == one, one) for one in shuffled]
            deviations.append(np.std(by_chance))
    truth = np.mean([_balanced(right, codes) for right, codes in found])
    tally = Tally()
    for right, codes in found:
        tally.add("guess", _limits(right, codes, float(np.mean(deviations))), float(truth))
    tally.check("guess")


def test_the_discriminant_is_the_usual_one() -> None:
    units = _units({"neutrophil": 60, "eosinophil": 45, "monocyte": 30}, 1.0)
    values = np.column_stack([units.values[column] for column in COLUMNS])
    codes = np.unique(units.labels, return_inverse=True)[1].astype(np.int64)
    theirs = LinearDiscriminantAnalysis(priors=[1 / 3] * 3, solver="lsqr").fit(values, codes).predict(values)
    ours = _discriminant(values, codes, np.unique(codes), values)
    assert (ours == theirs).mean() > 0.95  # ours is shrunken a little


def test_one_group_a_class_says_nothing() -> None:
    units = _units({"neutrophil": 1, "eosinophil": 1}, 3.0)
    assert shortcuts(units) == [] and guess_from_background(units) is None
