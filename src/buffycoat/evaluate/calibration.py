"""Probabilities that mean what they say: temperature scaling, and how far off probabilities are.

Sources: Guo et al., ICML 2017 (temperature scaling, expected calibration error); Brier, Mon. Weather Rev. 78
(1950) 1; Nixon et al., CVPR Workshops 2019 (bins of equal mass).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

BINS = 15
LOWEST, HIGHEST = 0.2, 10.0
"""Temperatures considered: with few rows, all of them right, the likelihood alone would ask for a temperature of 0."""
TINY = 1e-12
"""Probabilities are not taken for smaller than this: a single 0 would make a log loss infinite."""


def log_of(probabilities: ArrayLike) -> Floats:
    """Return the logarithm of probabilities, those below :data:`TINY` taken for it."""
    logs: Floats = np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), TINY))
    return logs


def fit_temperature(log_probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the temperature that makes the probabilities of these rows as likely as can be.

    Parameters
    ----------
    log_probabilities
        Shape ``(n, C)``: logarithms of probabilities, or logits (a constant added to a row changes nothing).
    labels
        Shape ``(n,)``: class numbers from 0.

    Returns
    -------
    float
        Between :data:`LOWEST` and :data:`HIGHEST`; above 1 where the model is too sure of itself. 1 without rows.

    Examples
    --------
    >>> logs = np.log([[0.99, 0.01]] * 10)
    >>> round(float(rescale(np.exp(logs), fit_temperature(logs, [0] * 8 + [1] * 2))[0, 0]), 3)
    0.8
    """
    logs, true = np.asarray(log_probabilities, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    if not len(true):
        return 1.0

    def loss(log_inverse: float) -> float:
        # In the inverse temperature the loss is convex, so that there is one minimum to find.
        return -float(log_softmax(logs * np.exp(log_inverse), axis=1)[np.arange(len(true)), true].mean())

    found = minimize_scalar(loss, bounds=(-np.log(HIGHEST), -np.log(LOWEST)), method="bounded", options={"xatol": 1e-7})
    return float(np.clip(np.exp(-found.x), LOWEST, HIGHEST))


def cautious_temperature(log_probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the temperature nearest to 1 that is as good on these rows, within one standard error, as the best.

    Validation rows have chosen the epoch whose weights are kept, and so flatter them: the best temperature on them
    makes a network too sure on rows it never saw. With more rows the standard error shrinks, and this temperature
    nears the best. Parameters as in :func:`fit_temperature`. The rule is that of Breiman et al., Classification and
    Regression Trees (1984).

    Examples
    --------
    >>> logs = np.log([[0.99, 0.01]] * 10)
    >>> best, cautious = fit_temperature(logs, [0] * 8 + [1] * 2), cautious_temperature(logs, [0] * 8 + [1] * 2)
    >>> 1 < cautious < best
    True
    """
    best = fit_temperature(log_probabilities, labels)
    true = np.asarray(labels, dtype=np.int64)
    if len(true) < 2:
        return 1.0
    odds = softmax(np.asarray(log_probabilities, dtype=np.float64), axis=1)
    least = log_losses(rescale(odds, best), true)
    for step in np.linspace(0, 1, 201):
        temperature = float(best**step)
        worse = log_losses(rescale(odds, temperature), true) - least
        if worse.mean() <= worse.std(ddof=1) / np.sqrt(len(true)):
            return temperature
    return best


def rescale(probabilities: ArrayLike, temperature: float) -> Floats:
    """Return the probabilities at another temperature, shape ``(n, C)``: the order of the classes stays."""
    if temperature == 1.0:
        return np.array(probabilities, dtype=np.float64)
    scaled: Floats = softmax(log_of(probabilities) / temperature, axis=1)
    return scaled


def confidences(probabilities: ArrayLike) -> Floats:
    """Return each row's largest probability, shape ``(n,)``."""
    largest: Floats = np.asarray(probabilities, dtype=np.float64).max(axis=1)
    return largest


def verdicts(probabilities: ArrayLike, labels: ArrayLike) -> NDArray[np.bool_]:
    """Return which rows' largest probability is that of the true class, shape ``(n,)``."""
    right: NDArray[np.bool_] = np.asarray(probabilities).argmax(axis=1) == np.asarray(labels)
    return right


def log_losses(probabilities: ArrayLike, labels: ArrayLike) -> Floats:
    """Return each row's log loss (natural logarithm of the true class's probability, negated), shape ``(n,)``."""
    true = np.asarray(labels, dtype=np.int64)
    return -log_of(probabilities)[np.arange(len(true)), true]


def brier_scores(probabilities: ArrayLike, labels: ArrayLike) -> Floats:
    """Return each row's squared distance from certainty about the true class (0–2), shape ``(n,)``."""
    odds = np.asarray(probabilities, dtype=np.float64)
    truth = np.eye(odds.shape[1])[np.asarray(labels, dtype=np.int64)]
    scores: Floats = ((odds - truth) ** 2).sum(axis=1)
    return scores


def log_loss(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean log loss; 0 is perfect, ln C is knowing nothing."""
    return float(log_losses(probabilities, labels).mean())


def brier(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the Brier score over all classes (Brier's own: 0–2); for two classes twice the binary one."""
    return float(brier_scores(probabilities, labels).mean())


@dataclass(frozen=True)
class ReliabilityBin:
    """Rows of like confidence: how sure they were, and how often right."""

    low: float
    high: float
    count: int
    right: int
    confidence: float


def bin_of(confidence: ArrayLike, bins: int = BINS) -> Labels:
    """Return each row's bin of about equal mass, from 0, shape ``(n,)``; equal confidences share a bin."""
    sure = np.asarray(confidence, dtype=np.float64)
    edges = np.unique(np.quantile(sure, np.linspace(0, 1, bins + 1)[1:-1]))
    places: Labels = np.unique(np.searchsorted(edges, sure, side="left"), return_inverse=True)[1].astype(np.int64)
    return places


def reliability(probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS) -> tuple[ReliabilityBin, ...]:
    """Return the reliability diagram of the answers: bins of about equal mass, least sure first."""
    if not len(np.asarray(labels)):
        return ()
    sure, right = confidences(probabilities), verdicts(probabilities, labels)
    place = bin_of(sure, bins)
    return tuple(
        ReliabilityBin(
            low=float(sure[of].min()),
            high=float(sure[of].max()),
            count=int(of.sum()),
            right=int(right[of].sum()),
            confidence=float(sure[of].mean()),
        )
        for of in (place == number for number in range(int(place.max()) + 1))
    )


def expected_calibration_error(probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS) -> float:
    """Return the mean distance between how sure answers were and how often they were right (top class, equal mass).

    Few rows give a value above 0 even where the probabilities are perfect: :func:`chance_calibration_error` says how
    much.
    """
    found = reliability(probabilities, labels, bins)
    total = sum(one.count for one in found)
    return sum(abs(one.right - one.count * one.confidence) for one in found) / total if total else float("nan")


def chance_calibration_error(
    probabilities: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    bins: int = BINS,
    draws: int = 500,
    seed: int = 0,
) -> float:
    """Return the mean calibration error that perfect probabilities would show on these rows, by simulation.

    Rows of the same group, shape ``(n,)``, share their luck, as answers to one cell do; by default each has its own.
    """
    sure = confidences(probabilities)
    place = bin_of(sure, bins)
    units, unit = np.unique(np.arange(len(sure)) if groups is None else np.asarray(groups), return_inverse=True)
    right = np.random.default_rng(seed).random((draws, len(units)))[:, unit] < sure
    apart = np.zeros((draws, int(place.max()) + 1))
    for number in range(apart.shape[1]):
        of = place == number
        apart[:, number] = np.abs((right[:, of] - sure[of]).sum(axis=1))
    return float(apart.sum(axis=1).mean() / len(sure))
