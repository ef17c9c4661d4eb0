"""Labels flipped as people mistake them, and probabilities of a model that never saw the flips."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LIKE = {0: 1, 1: 0, 2: 3, 3: 2}
"""Which class each is mistaken for: neutrophil and eosinophil, lymphocyte and monocyte."""


def flipped(true: NDArray[np.int64], noise: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return labels of which a share `noise`, drawn at random, is the class it is mistaken for."""
    wrong = rng.random(len(true)) < noise
    return np.where(wrong, np.array([LIKE[int(k)] for k in true]), true).astype(np.int64)


def simulated(true: NDArray[np.int64], rng: np.random.Generator, skill: float = 3.0) -> NDArray[np.float64]:
    """Return probabilities of a model that is right more often the larger `skill` is."""
    logits = rng.normal(size=(len(true), 4)) * 1.5
    logits[np.arange(len(true)), true] += skill
    odds = np.exp(logits)
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), np.float64)
