"""How often 95 % limits hold a known truth on sets like the real one: 326 cells in 291 groups, a few of two classes.

Limits are to hold it in 0.93 to 0.97 of the sets. Exact ones may do so more often, and limits put together from exact
ones where a rare class or few strangers decide. What was found stands beside each test and in docs/results/honest.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, softmax

from buffycoat.evaluate.calibration import brier_scores, expected_calibration_error, log_losses, rescale
from buffycoat.evaluate.compare import Paired
from buffycoat.evaluate.error_limits import calibration_error
from buffycoat.evaluate.held_out import HeldOut
from buffycoat.evaluate.metrics import OVERALL, PER_CLASS
from buffycoat.evaluate.model import model_result
from buffycoat.evaluate.shares import Means
from buffycoat.evaluate.spread import part_variance
from buffycoat.evaluate.strangers import _Fold, _lost, auroc
from buffycoat.evaluate.trust import trust
from buffycoat.records.base import Estimate, Interval
from tests.simulated import Tally, trials

pytestmark = [pytest.mark.slow, pytest.mark.coverage]
Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

CLASSES = ("neutrophil", "eosinophil", "lymphocyte", "monocyte")
# The groups of the 410-image set by the classes of their cells.
REAL = (
    *[(0,)] * 149, *[(1,)] * 74, *[(2,)] * 23, *[(3,)] * 14,
    *[(0, 0)] * 14, *[(1, 1)] * 4, *[(2, 2)] * 3, *[(3, 3)] * 2,
    *[(0, 1)] * 3, (0, 2), (2, 3), (1, 3), (0, 0, 1, 1), (0, 0, 2, 2),
)  # fmt: skip
AMPLE = (*[(0,)] * 400, *[(1,)] * 300, *[(2,)] * 150, *[(3,)] * 100, *[(0, 1)] * 60, *[(2, 2, 3)] * 40)
CALLED = np.array([[0, 0.75, 0.1, 0.15], [0.9, 0, 0.05, 0.05], [0.4, 0.1, 0, 0.5], [0.5, 0.1, 0.4, 0]])
"""What a cell of each class (row) is called where it is called wrongly."""


def cells_of(groups: Iterable[tuple[int, ...]]) -> tuple[Numbers, Numbers]:
    """Return each cell's group and class."""
    parts = list(groups)
    number = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return number, np.concatenate([np.array(part, np.int64) for part in parts])


def fates(rng: np.random.Generator, group: Numbers, alike: float) -> Floats:
    """Return normal numbers, those of a group correlated."""
    shared = rng.normal(size=int(group.max()) + 1)[group]
    found: Floats = np.sqrt(alike) * shared + np.sqrt(1 - alike) * rng.normal(size=len(group))
    return found


def held_out(group: Numbers, true: Numbers, predicted: Numbers, odds: Floats | None = None) -> HeldOut:
    place, none = np.arange(len(group)), np.zeros(len(group), np.int64)
    return HeldOut("m", none, group % 5, place, group, true, predicted, np.eye(4)[predicted] if odds is None else odds)


@pytest.mark.parametrize(
    ("groups", "right"),
    [
        (REAL, (0.935, 0.784, 0.93, 0.8)),  # as the networks do
        (REAL, (0.98, 0.95, 0.98, 0.95)),  # an error or two in the small classes: a bootstrap holds means in 0.87
        (AMPLE, (0.935, 0.784, 0.93, 0.8)),
    ],
)
def test_figures_of_a_model(groups: tuple[tuple[int, ...], ...], right: tuple[float, ...]) -> None:
    """Means over the classes: 0.95 to 0.97. Figures of one class, exact at the effective number: 0.95 to 1.00."""
    group, true = cells_of(groups)
    shares = np.array(right)
    expected = np.bincount(true)[:, None] * (np.diag(shares) + (1 - shares)[:, None] * CALLED)
    means = ("balanced_accuracy", "macro_precision", "macro_specificity", "macro_f1")
    truth = {name: float(OVERALL[name](expected)) for name in means}
    truths = {name: PER_CLASS[name](expected).tolist() for name in ("sensitivity", "precision", "f1")}
    rng, tally = np.random.default_rng(1), Tally()
    for _ in range(trials(400)):
        wrong = (rng.random(len(true))[:, None] > CALLED.cumsum(axis=1)[true]).sum(axis=1)
        predicted = np.where(ndtr(fates(rng, group, 0.3)) < shares[true], true, np.minimum(wrong, 3))
        found = model_result(held_out(group, true, predicted), title="m", classes=CLASSES)
        for name in means:
            tally.add(name, getattr(found, name).interval, truth[name])
        for place, one in enumerate(found.classes):
            for name, of_classes in truths.items():
                tally.add(f"{name} {place}", getattr(one, name).interval, of_classes[place])
    for name in tally.held:
        tally.check(name, most=1.0 if " " in name else 0.97)


UNLIKE_SIZES = tuple((0,) * size for size in np.random.default_rng(3).choice([1, 1, 1, 2, 4, 8], size=120))


@pytest.mark.parametrize(
    ("groups", "alike", "most"),
    [(REAL, 0.4, 0.97), (AMPLE, 0.4, 0.97), (((0,) * 3,) * 22, 0.4, 0.99), (UNLIKE_SIZES, 0.4, 0.97)],
)
@pytest.mark.parametrize("right", [(0.89, 0.84), (0.98, 0.95)])
def test_a_paired_difference(
    groups: tuple[tuple[int, ...], ...], alike: float, most: float, right: tuple[float, float]
) -> None:
    """0.95 to 0.97; 0.99 where only three cells in all set the models apart. A bootstrap: 0.84 to 0.96."""
    group, true = cells_of(groups)
    rng, tally = np.random.default_rng(4), Tally()
    for _ in range(trials(500)):
        hard = rng.normal(size=len(true))  # for both models
        answers = []
        for share in right:
            fate = np.sqrt(0.5) * hard + np.sqrt(0.5) * rng.normal(size=len(true))
            own = np.sqrt(alike) * rng.normal(size=int(group.max()) + 1)[group] + np.sqrt(1 - alike) * fate
            answers.append(np.where(ndtr(own) < share, true, (true + 1) % 4))
        pair = Paired(*(held_out(group, true, answer) for answer in answers))
        tally.add("difference", pair.difference().interval, right[0] - right[1])
    tally.check("difference", most=most)


def _odds(rng: np.random.Generator, group: Numbers, true: Numbers) -> Floats:
    logits = np.stack([fates(rng, group, 0.4) for _ in range(4)], axis=1)
    logits[np.arange(len(true)), true] += 2.0
    found: Floats = softmax(1.5 * logits + np.log([0.57, 0.27, 0.1, 0.06]), axis=1)
    return found


@cache
def _many(groups: tuple[tuple[int, ...], ...], times: int = 300) -> tuple[Floats, Numbers]:
    """Return so many cells that what is found in them is the truth; several tests ask for it."""
    group, true = cells_of(groups * times)
    return _odds(np.random.default_rng(9), group, true), true


@pytest.mark.parametrize(("groups", "sets"), [(REAL, 300), (AMPLE, 300)])
def test_mean_scores(groups: tuple[tuple[int, ...], ...], sets: int) -> None:
    """Brier score and log loss: 0.97 to 0.98, for every set has as many cells of each class, and resamples have not."""
    group, true = cells_of(groups)
    odds, labels = _many(groups)
    brier, log_loss = (float(score(odds, labels).mean()) for score in (brier_scores, log_losses))
    rng, tally = np.random.default_rng(5), Tally()
    for seed in range(trials(sets)):
        own = _odds(rng, group, true)
        scores = np.stack([brier_scores(own, true), log_losses(own, true)], axis=1)
        means = Means(scores, group, seed=seed, replicates=1000)
        tally.add("Brier", means[0].interval, brier)
        tally.add("log loss", means[1].interval, log_loss)
    tally.check("Brier")
    tally.check("log loss")


NOTHING = Estimate(value=0.0, interval=Interval(low=None, high=None, method="not asked for"))


def test_figures_that_hang_on_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set size 0.94, one class alone 0.96, answered 0.97 (cells alone: 0.28, 0.36, 0.54).

    Of these the truth is the mean over sets of cells: another set sets other thresholds, too. How often a set holds the
    class and an answer is wrong is promised of the thresholds that are stored: 0.95 for endlessly many cells.
    """
    group, true = cells_of(REAL)
    odds, labels = _many(REAL, 100)
    sure, right = odds.max(axis=1), odds.argmax(axis=1) == labels
    rng, tally = np.random.default_rng(6), Tally()
    found = []
    monkeypatch.setattr("buffycoat.evaluate.trust.calibration_error", lambda held, seed: NOTHING)  # half of the time
    for seed in range(trials(300)):
        held = held_out(group, true, true, _odds(rng, group, true))
        one = trust(held, held, classes=CLASSES, seed=seed, replicates=10)
        assert one is not None
        found.append(
            {
                "size": one.sets.size,
                "single": one.sets.single,
                "answered": one.abstention.answered,
                "certain": one.abstention.certain_accuracy,
            }
        )
        # The thresholds are of probabilities at the model's one temperature.
        warmer = rescale(odds, one.calibration.temperature)
        walls = np.array([each.threshold for each in one.sets.classes])
        holds = 1 - warmer[np.arange(len(labels)), labels] <= walls[labels]
        tally.add("covered", one.sets.covered.interval, float(holds.mean()))
        answered = warmer.max(axis=1) >= one.abstention.threshold
        tally.add("wrong", one.abstention.wrong.interval, float(np.mean(~right[answered])))
    for name in found[0]:
        truth = float(np.mean([one[name].value for one in found]))
        if name == "certain":
            truth = float(right[sure >= np.quantile(sure, 0.1)].mean())
        for each in found:
            tally.add(name, each[name].interval, truth)
    tally.check("size", most=0.98)
    for name in ("single", "answered", "certain", "covered", "wrong"):
        tally.check(name, most=1.0)  # exact, the first two at the effective number


@pytest.mark.parametrize("sharpness", [1.0, 1.5])
def test_the_calibration_error(sharpness: float) -> None:
    """In groups: 0.97 to 0.99, too often; all misses on the side of 0."""
    group, true = cells_of(REAL)
    odds, labels = _many(REAL)
    many = held_out(np.arange(len(labels)), labels, labels, rescale(odds, 1 / sharpness))
    truth = expected_calibration_error(many.odds, labels)
    rng, tally = np.random.default_rng(10), Tally()
    for seed in range(trials(300)):
        own = rescale(_odds(rng, group, true), 1 / sharpness)
        found = calibration_error(held_out(group, true, true, own), seed=seed)
        tally.add("calibration error", found.interval, truth)
    tally.check("calibration error", most=0.99)


def _shown(rng: np.random.Generator, strangers: int, apart: float) -> list[_Fold]:
    """Return scores of 320 cells in five folds, and of strangers whom every fold's network scores."""
    group = np.repeat(np.arange(291), rng.choice([1] * 9 + [2], size=291))
    scores, right = fates(rng, group, 0.4), rng.random(len(group)) < 0.9
    base = rng.normal(size=strangers)
    folds = []
    for fold in range(5):
        own = group % 5 == fold
        others = apart + np.sqrt(0.8) * base + np.sqrt(0.2) * rng.normal(size=strangers)
        folds.append(_Fold(scores[own], group[own], right[own], others, np.arange(strangers)))
    return folds


@pytest.mark.parametrize(
    ("strangers", "apart", "least", "most"),
    [(60, 1.5, 0.93, 0.97), (60, 3.0, 0.93, 0.97), (20, 1.5, 0.92, 0.97), (20, 3.0, 0.88, 0.97), (3, 1.5, 0.86, 1.0)],
)
def test_strangers(strangers: int, apart: float, least: float, most: float) -> None:
    """Area: 0.93 to 0.95 with 60 strangers, with fewer 0.89 to 0.94. Right cells lost: 0.98 and more (cells: 0.13)."""
    rng, tally = np.random.default_rng(7), Tally()
    area, lost = float(ndtr(apart / np.sqrt(2))), float(ndtr(-apart - ndtri(0.05)))
    for _ in range(trials(300)):
        folds = _shown(rng, strangers, apart)
        tally.add("area", auroc(folds).interval, area)
        tally.add("lost", _lost(folds, strangers).interval, lost)
    tally.check("area", least, most)
    tally.check("lost", most=1.0)  # exact order statistics


@pytest.mark.parametrize(
    ("cells", "seeds", "shift", "folds"),
    [
        (326, 2, 0.15, 1),
        (326, 3, 0.15, 1),
        (326, 5, 0.15, 1),
        (326, 3, 0.04, 1),
        (66, 3, 0.25, 1),
        (326, 2, 0.15, 5),
        (326, 2, 0.4, 5),
        (66, 2, 0.25, 5),
    ],
)
def test_an_accuracy_and_its_spread_over_seeds(cells: int, seeds: int, shift: float, folds: int) -> None:
    """Accuracy 0.97 to 0.98 (with the normal distribution 0.92), standard deviation 0.97, its share 0.99."""
    rng, tally = np.random.default_rng(8), Tally()
    found, fold = [], np.arange(cells) % folds
    for _ in range(trials(600)):
        easy = rng.normal(1.9, 1.6, cells)[:, None] + rng.normal(0, shift, (folds, seeds))[fold]
        right = (easy + rng.normal(0, 0.6, (cells, seeds)) > 0).astype(np.float64)
        found.append(part_variance(right, np.arange(cells), "m", "M", fold))
    truth = float(ndtr(1.9 / np.sqrt(1.6**2 + 0.6**2 + shift**2)))
    deviation = float(np.sqrt(np.mean([np.var(one.accuracies, ddof=1) for one in found])))
    share = deviation**2 / float(np.var([one.accuracies[0] for one in found], ddof=1))
    for one in found:
        tally.add("accuracy", one.interval, truth)
        tally.add("deviation", one.deviation.interval, deviation)
        assert one.share_interval is not None
        tally.add("share", one.share_interval, share)
    tally.check("accuracy", most=0.98)
    tally.check("share", most=1.0)  # put together from two limits
    tally.check("deviation")
