"""From what the network gives to what is said: one way for measuring a bundle and for using it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from buffycoat.records.card import SET_LEVEL, OperatingPoint

Floats = NDArray[np.float64]
Reason = Literal["uncertain", "unlike"]


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers for n cells and C classes.

    Attributes
    ----------
    probabilities
        float64 (n, C), calibrated; rows sum to one.
    best
        int64 (n,), the class of the largest probability, the first of them where several are equal.
    sets
        bool (n, C), the conformal set at :data:`SET_LEVEL`.
    unlikeness
        float64 (n,), mean over the views.
    uncertain, unlike
        bool (n,): left unidentified for that reason.
    """

    probabilities: Floats
    best: NDArray[np.int64]
    sets: NDArray[np.bool_]
    unlikeness: Floats
    uncertain: NDArray[np.bool_]
    unlike: NDArray[np.bool_]

    def reason(self, cell: int) -> Reason | None:
        """Return why a cell is left unidentified, or None where it is identified; being unlike goes first."""
        if self.unlike[cell]:
            return "unlike"
        return "uncertain" if self.uncertain[cell] else None


def softmax(logits: NDArray[np.floating]) -> Floats:
    """Return probabilities over the last axis, in float64."""
    shifted = np.asarray(logits, np.float64) - np.max(logits, axis=-1, keepdims=True)
    grown = np.exp(shifted)
    return np.asarray(grown / grown.sum(axis=-1, keepdims=True), np.float64)


def over_views(logits: NDArray[np.floating]) -> Floats:
    """Return the mean probabilities (n, C) of logits (views, n, C), not calibrated."""
    return np.asarray(softmax(logits).mean(axis=0), np.float64)


def rescale(probabilities: Floats, temperature: float) -> Floats:
    """Return calibrated probabilities, p ∝ p ** (1 / temperature) (Guo et al. 2017: logits over a temperature)."""
    return softmax(np.log(np.maximum(probabilities, 1e-300)) / temperature)


def answer(logits: NDArray[np.floating], unlikeness: NDArray[np.floating], point: OperatingPoint) -> Answers:
    """Return the answers to cells.

    Parameters
    ----------
    logits
        (views, n, C), as the network gave them for each view of each cell.
    unlikeness
        (views, n).
    point
        The card's operating point for that number of views.
    """
    probabilities = rescale(over_views(logits), point.temperature)
    distance = np.asarray(np.mean(unlikeness, axis=0), np.float64)
    thresholds = np.array(point.conformal[SET_LEVEL], np.float64)
    return Answers(
        probabilities=probabilities,
        best=probabilities.argmax(axis=1),
        sets=1 - probabilities <= thresholds,
        unlikeness=distance,
        uncertain=probabilities.max(axis=1) < point.certain_threshold,
        unlike=~(distance <= point.unlike_threshold),  # a distance that is no number is unlike, too
    )
