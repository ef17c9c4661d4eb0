"""Guessing the class from the surroundings alone: light, colour and sharpness, never the cell.

Linear discriminants with equal priors, every group guessed by a rule learned without its fold: cheap, and enough to
see one class photographed on another day. The control with a network is the painted-out study.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from buffycoat.audit.units import COLUMNS, Units
from buffycoat.records.audit import Background, Flag
from buffycoat.records.documents import Estimate, Interval

_FOLDS = 5
_PERMUTATIONS = 199
_RIDGE = 0.05

Floats = NDArray[np.float64]


def guess_from_background(units: Units, seed: int = 0) -> Background | None:
    """Return the balanced accuracy of guessing the class from the background; None where classes are too few.

    Classes with fewer than two groups are left out: none of theirs can be guessed from another.
    """
    names, counts = np.unique(units.labels, return_counts=True)
    kept = [str(name) for name, count in zip(names, counts, strict=True) if count >= 2]
    if len(kept) < 2:
        return None
    rows = np.isin(units.labels, kept)
    codes = np.searchsorted(np.array(kept), units.labels[rows])
    values = np.column_stack([units.values[column][rows] for column in COLUMNS])
    right = _guess(values, codes, _folds(codes, seed)) == codes
    value = _balanced(right, codes)
    generator = np.random.default_rng(seed)
    chance_values = []
    for _ in range(_PERMUTATIONS):
        shuffled = generator.permutation(codes)
        chance_values.append(_balanced(_guess(values, shuffled, _folds(shuffled, seed)) == shuffled, shuffled))
    p_value = (1 + sum(found >= value - 1e-12 for found in chance_values)) / (1 + _PERMUTATIONS)
    low, high = _limits(right, codes, float(np.std(chance_values)))
    chance = 1 / len(kept)
    flag: Flag = "sound" if p_value >= 0.05 else "serious" if low > chance + 0.1 else "look"
    return Background(
        balanced_accuracy=Estimate(
            value=value,
            interval=Interval(
                low=low,
                high=high,
                method=f"MOVER from the classes' limits (Jeffreys), widened near chance, {len(codes)} groups",
            ),
        ),
        chance=chance,
        p_value=p_value,
        groups=len(codes),
        flag=flag,
        sentence=_sentence(value, chance, flag),
    )


def _sentence(value: float, chance: float, flag: Flag) -> str:
    if flag == "sound":
        return (
            f"From light, colour and sharpness of the background alone the class is guessed no better than by chance "
            f"(balanced accuracy {value:.2f}, chance {chance:.2f})."
        )
    return (
        f"From light, colour and sharpness of the background alone, without looking at any cell, the class is guessed "
        f"with a balanced accuracy of {value:.2f}, where chance gives {chance:.2f}: the classes were photographed "
        "differently, and a network may learn that instead of the cells."
    )


def _folds(codes: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Deal the units of each class to folds in turn."""
    generator = np.random.default_rng(seed)
    folds = np.zeros(len(codes), np.int64)
    for code in np.unique(codes):
        members = generator.permutation(np.flatnonzero(codes == code))
        folds[members] = np.arange(len(members)) % _FOLDS
    return folds


def _guess(values: Floats, codes: NDArray[np.int64], folds: NDArray[np.int64]) -> NDArray[np.int64]:
    guessed = np.full(len(codes), -1, np.int64)
    for fold in np.unique(folds):
        test = folds == fold
        known = np.unique(codes[~test])
        guessed[test] = known[_discriminant(values[~test], codes[~test], known, values[test])]
    return guessed


def _discriminant(values: Floats, codes: NDArray[np.int64], known: NDArray[np.int64], new: Floats) -> NDArray[np.int64]:
    middle, spread = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-9)
    values, new = (values - middle) / spread, (new - middle) / spread
    means = np.stack([values[codes == code].mean(axis=0) for code in known])
    apart = values - means[np.searchsorted(known, codes)]
    covariance = apart.T @ apart / max(len(values) - len(known), 1) + _RIDGE * np.eye(values.shape[1])
    weights = np.linalg.solve(covariance, means.T)
    scores = new @ weights - 0.5 * np.sum(means.T * weights, axis=0)
    return np.asarray(scores.argmax(axis=1), np.int64)


def _balanced(right: NDArray[np.bool_], codes: NDArray[np.int64]) -> float:
    return float(np.mean([right[codes == code].mean() for code in np.unique(codes)]))


def _limits(right: NDArray[np.bool_], codes: NDArray[np.int64], by_chance: float) -> tuple[float, float]:
    """Return limits of the balanced accuracy: Jeffreys's of each class, put together (MOVER), and widened near chance.

    A bootstrap within classes finds no spread where all of a small class is guessed, or none. And guesses by
    cross-validation are not independent: near chance they scatter by a quarter more (`by_chance`, their deviation under
    permutation), the less the more is guessed rightly.
    """
    counts = np.unique(codes, return_counts=True)[1]
    hits = np.bincount(np.unique(codes, return_inverse=True)[1], weights=right)
    shares, chance = hits / counts, 1 / len(counts)
    low, high = (betaincinv(hits + 0.5, counts - hits + 0.5, tail) for tail in (0.025, 0.975))
    below = np.where(hits > 0, shares - low, 0.0)
    above = np.where(hits < counts, high - shares, 0.0)
    alone = float(np.sqrt((chance * (1 - chance) / counts).sum())) / len(counts)
    value = float(shares.mean())
    wider = 1 + max(by_chance / alone - 1, 0.0) * min((1 - value) / (1 - chance), 1.0)
    reach = [wider * float(np.sqrt((side**2).sum())) / len(counts) for side in (below, above)]
    return max(value - reach[0], 0.0), min(value + reach[1], 1.0)
