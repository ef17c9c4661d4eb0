"""How far probabilities may be trusted: no row judges itself, and promises hold on rows drawn from a known truth."""

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from buffycoat.evaluate import calibration
from buffycoat.evaluate.aside import OTHER_FOLDS, OWN_VALIDATION, by_other_rows, calibrated, fitting_rows, folds_of
from buffycoat.evaluate.conformal import class_thresholds
from buffycoat.evaluate.held_out import HeldOut, held_out
from buffycoat.evaluate.trust import trust
from buffycoat.records.trust import Trust
from tests.evaluate.evaluation_cases import cells_of

CLASSES = ("neutrophil", "eosinophil", "lymphocyte", "monocyte")
SHARES = np.array([0.57, 0.27, 0.1, 0.06])


def study(seed: int, n: int = 326, folds: int = 5, sharpness: float = 3.0) -> tuple[HeldOut, HeldOut, pl.DataFrame]:
    """Return held-out and validation rows of a model whose temperature is known, and the cells."""
    rng = np.random.default_rng(seed)
    true = rng.choice(4, size=n, p=SHARES)
    cells = cells_of([CLASSES[k] for k in true])

    def table(rows: NDArray[np.int64], fold: int) -> pl.DataFrame:
        logits = rng.normal(0, 1, (len(rows), 4))
        logits[np.arange(len(rows)), true[rows]] += 2.2
        odds = softmax((2.2 * logits + np.log(SHARES)) * sharpness, axis=1)  # calibrated but for the sharpness
        return pl.DataFrame(
            {
                "model": ["net"] * len(rows),
                "repeat": [0] * len(rows),
                "fold": [fold] * len(rows),
                "cell_id": [f"c{k:03d}" for k in rows],
                "label": [CLASSES[k] for k in true[rows]],
                **{f"p_{name}": odds[:, place] for place, name in enumerate(CLASSES)},
            }
        )

    order = rng.permutation(n)
    held = [table(order[fold::folds] if folds > 1 else order[: n // 3], fold) for fold in range(folds)]
    inner = []
    for fold in range(folds):
        others = np.setdiff1d(order, order[fold::folds] if folds > 1 else order[: n // 3])
        inner.append(table(rng.choice(others, 27 if folds > 1 else 60, replace=False), fold))
    found = [held_out(pl.concat(part), cells, CLASSES)["net"] for part in (held, inner)]
    return found[0], found[1], cells


def measured(seed: int, **changes: float) -> Trust:
    held, validation, _ = study(seed)
    found = trust(held, validation, classes=CLASSES, seed=1, replicates=300, **changes)
    assert found is not None
    return found


def test_the_rows_that_fit_a_fold_are_never_of_its_groups() -> None:
    held, validation, _ = study(1)
    for repeat, _fold, of in folds_of(held):
        rows = fitting_rows(held, validation, repeat, of)
        assert 60 < len(rows.cell) < len(validation.cell)
        assert not set(rows.group.tolist()) & set(held.group[of].tolist())


def test_a_folds_own_labels_change_neither_its_temperature_nor_its_thresholds() -> None:
    held, validation, _ = study(2)
    of = held.fold == 0
    # Turn the labels of fold 0 about, in the validation rows of the other folds, too.
    turned = dict(zip(held.cell[of].tolist(), ((held.true[of] + 1) % 4).tolist(), strict=True))

    def relabelled(rows: HeldOut) -> HeldOut:
        true = np.array([turned.get(c, t) for c, t in zip(rows.cell.tolist(), rows.true.tolist(), strict=True)])
        return HeldOut(**{**rows.__dict__, "true": true})

    first = calibrated(held, validation)
    second = calibrated(relabelled(held), relabelled(validation))
    assert first[2][0] == second[2][0]
    assert first[2][1:] != second[2][1:]

    def thresholds(found: tuple[HeldOut, HeldOut, tuple[float, ...]]) -> NDArray[np.float64]:
        chosen = by_other_rows(found[0], found[1], lambda rows: class_thresholds(rows.odds, rows.true))
        assert chosen is not None
        mine: NDArray[np.float64] = chosen[of]
        return mine

    # Other folds' rows are at other temperatures now, which held fold 0's labels; at their old ones nothing moves.
    kept = HeldOut(**{**relabelled(held).__dict__, "odds": first[0].odds})
    assert np.array_equal(thresholds(first), thresholds((kept, first[1], first[2])))


def test_scaling_mends_what_sharpening_spoilt() -> None:
    found = measured(3).calibration
    assert found.temperature == pytest.approx(3.0, rel=0.4)
    assert len(found.temperatures) == 5 and found.rows == 135
    for name in ("error", "brier", "log_loss"):
        before, after = getattr(found, f"{name}_before"), getattr(found, f"{name}_after")
        assert after.value < before.value
        for one in (before, after):
            assert one.interval.low <= one.value <= one.interval.high
    held, _, _ = study(3)
    assert found.error_before.value == pytest.approx(calibration.expected_calibration_error(held.odds, held.true))
    assert sum(one.count for one in found.bins_after) == 326


@pytest.mark.slow
def test_the_promises_are_kept_on_average() -> None:
    covered, wrong = [], []
    for seed in range(12):
        held, validation, _ = study(seed)
        found = trust(held, validation, classes=CLASSES, seed=1, replicates=50)
        assert found is not None
        covered.append(found.sets.covered.value or 0)
        wrong.append(((found.abstention.wrong.numerator or 0), (found.abstention.wrong.denominator or 0)))
    assert np.mean(covered) == pytest.approx(0.905, abs=0.02)
    errors, answered = np.sum(wrong, axis=0)
    assert errors / answered < 0.06


def test_thresholds_say_where_they_come_from() -> None:
    found = measured(4)
    assert found.sets.source == found.abstention.source == OTHER_FOLDS
    held, validation, _ = study(4, folds=1)
    single = trust(held, validation, classes=CLASSES, seed=1, replicates=50)
    assert single is not None and single.sets.source == OWN_VALIDATION
    assert any(one.always for one in single.sets.classes)  # 60 validation rows hold too few monocytes


def test_a_stricter_rate_answers_less() -> None:
    strict, loose = (measured(5, error_rate=rate).abstention for rate in (0.02, 0.2))
    assert (strict.answered.value or 0) < (loose.answered.value or 0)
    assert strict.threshold > loose.threshold
    assert strict.certain_accuracy == loose.certain_accuracy
    coverage = [point.coverage for point in strict.curve]
    assert coverage == sorted(coverage) and coverage[-1] == 1 and len(coverage) <= 200


def test_without_validation_rows_nothing_is_said() -> None:
    held, validation, _ = study(6)
    assert trust(held, None, classes=CLASSES, seed=1, replicates=50) is None
    assert trust(held, validation.take(np.zeros(135, dtype=bool)), classes=CLASSES, seed=1, replicates=50) is None
