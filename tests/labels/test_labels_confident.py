"""Confident learning against an example done by hand and against its authors' own implementation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buffycoat.labels.confident import (
    NOBODY,
    confident_classes,
    confident_joint,
    estimate_joint,
    joint,
    thresholds,
    wrong_shares,
)
from tests.labels.flips import flipped, simulated

# Five cells of class 0 and three of class 1, chosen so that every rule has something to do.
ODDS = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.5, 0.5], [0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.8, 0.2]])
GIVEN = np.array([0, 0, 0, 0, 0, 1, 1, 1])


def test_the_example_done_by_hand() -> None:
    limits = thresholds(ODDS, GIVEN)
    assert limits.tolist() == pytest.approx([(0.9 + 0.8 + 0.7 + 0.5 + 0.1) / 5, (0.8 + 0.7 + 0.2) / 3])  # 0.6, 0.567
    confident = confident_classes(ODDS, limits)
    assert confident.tolist() == [0, 0, 0, NOBODY, 1, 1, 1, 0]
    counts = confident_joint(GIVEN, confident, 2)
    assert counts.tolist() == [[3, 1], [1, 2]]
    # rows scaled to the five and three labels there are, then to a whole of one
    found = joint(counts, np.array([5.0, 3.0]))
    assert found.ravel().tolist() == pytest.approx([3.75 / 8, 1.25 / 8, 1 / 8, 2 / 8])
    assert wrong_shares(found).tolist() == pytest.approx([2.25 / 8, 1 / 4, 1 / 3])


def test_a_cell_that_reaches_two_thresholds_goes_to_the_likelier_class() -> None:
    assert confident_classes(np.array([[0.45, 0.55]]), np.array([0.4, 0.5])).tolist() == [1]


def test_weights_count_as_copies() -> None:
    times = np.array([2, 1, 3, 0, 1, 1, 4, 2])
    copies = np.repeat(np.arange(8), times)
    weighted = estimate_joint(ODDS, GIVEN, times.astype(float))
    assert weighted == pytest.approx(estimate_joint(ODDS[copies], GIVEN[copies]))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 0.3))
def test_a_joint_sums_to_one_and_keeps_the_labels(seed: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    true = rng.choice(4, 120, p=[0.5, 0.25, 0.15, 0.1])
    labels = flipped(true, noise, rng)
    found = estimate_joint(simulated(true, rng), labels)
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()
    assert found.sum(axis=1) == pytest.approx(np.bincount(labels, minlength=4) / len(labels))
    assert ((wrong_shares(found)[0] >= -1e-12) & (wrong_shares(found)[0] <= 1)).all()


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.25])
def test_it_agrees_with_the_authors_implementation(noise: float) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what its imports say of other packages is not ours to answer
        from cleanlab.count import compute_confident_joint
        from cleanlab.count import estimate_joint as their_joint

    rng = np.random.default_rng(5)
    true = rng.choice(4, 600, p=[0.5, 0.25, 0.15, 0.1])
    labels, odds = flipped(true, noise, rng), simulated(true, rng)
    confident = confident_classes(odds, thresholds(odds, labels))
    ours = confident_joint(labels, confident, 4)
    theirs = compute_confident_joint(labels=labels, pred_probs=odds, calibrate=False)
    assert np.array_equal(ours, theirs)
    # Scaled to the labels, theirs is rounded to whole cells.
    assert estimate_joint(odds, labels) == pytest.approx(their_joint(labels=labels, pred_probs=odds), abs=2 / 600)
