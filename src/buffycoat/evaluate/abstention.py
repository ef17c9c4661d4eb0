"""Saying "unidentified": how many errors are left when the least certain answers are withheld.

Sources: El-Yaniv and Wiener, J. Mach. Learn. Res. 11 (2010) 1605 (risk and coverage); the added error of
:func:`choose_threshold` is that of conformal risk control (Angelopoulos et al., ICLR 2024).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from buffycoat.evaluate.calibration import confidences, verdicts
from buffycoat.evaluate.held_out import worth

Floats = NDArray[np.float64]

WITHHOLD_ALL = 1.01
"""A threshold that no probability reaches: the stated error rate cannot be had."""


@dataclass(frozen=True)
class RiskCoverage:
    """Share of wrong answers by share of answered rows, the most certain first; one point per distinct confidence.

    Attributes
    ----------
    coverage, risk, threshold
        Shape ``(m,)``: rows answered when only those with at least the threshold are, as a share of all; wrong ones
        among them; the threshold, falling.
    """

    coverage: Floats
    risk: Floats
    threshold: Floats

    @property
    def area(self) -> float:
        """Mean risk over all coverages (AURC), each row counted at the coverage its own confidence stands for."""
        steps = np.diff(self.coverage, prepend=0.0)
        return float((steps * self.risk).sum())


def risk_coverage(probabilities: ArrayLike, labels: ArrayLike) -> RiskCoverage:
    """Return the risk–coverage curve of probabilities ``(n, C)`` and class numbers ``(n,)``."""
    sure, right = confidences(probabilities), verdicts(probabilities, labels)
    order = np.argsort(-sure, kind="stable")
    answered = np.arange(1, len(order) + 1)
    wrong = np.cumsum(~right[order])
    last = np.flatnonzero(np.diff(sure[order], append=-1.0) != 0)  # equal confidences are answered together
    return RiskCoverage(
        coverage=answered[last] / max(len(order), 1), risk=wrong[last] / answered[last], threshold=sure[order][last]
    )


def choose_threshold(
    probabilities: ArrayLike, labels: ArrayLike, error_rate: float, groups: ArrayLike | None = None
) -> float:
    """Return the lowest largest-probability at which an answer is given so that few answers are wrong.

    Parameters
    ----------
    probabilities
        Shape ``(n, C)``, calibrated, of rows that the model was not trained on.
    labels
        Shape ``(n,)``: class numbers from 0.
    error_rate
        Share of the answers that may be wrong.
    groups
        Shape ``(n,)``: rows of the same group count as parts of one. By default every row counts as one.

    Returns
    -------
    float
        Of all thresholds that keep (wrong + 1) / (answered + 1) within the rate the one that answers most; 0 where
        everything may be answered; :data:`WITHHOLD_ALL` where none does. The added error makes up for having chosen
        the threshold on these very rows: by simulation the rate is kept on average from 100 rows on (in single
        samples it may be missed), so measure it on others.
    """
    sure, right = confidences(probabilities), verdicts(probabilities, labels)
    if not len(sure):
        return WITHHOLD_ALL
    order = np.argsort(-sure, kind="stable")
    counts = np.ones(len(sure)) if groups is None else worth(np.asarray(groups))
    last = np.flatnonzero(np.diff(sure[order], append=-1.0) != 0)  # equal confidences are answered together
    answered, wrong = np.cumsum(counts[order])[last], np.cumsum((counts * ~right)[order])[last]
    fits = (wrong + 1) / (answered + 1) <= error_rate + 1e-9
    if not fits.any():
        return WITHHOLD_ALL
    most = int(np.flatnonzero(fits)[-1])
    return 0.0 if most == len(fits) - 1 else float(sure[order][last][most])


def fewest_answers(error_rate: float) -> int:
    """Return how many answers, all of them right, it takes before any threshold can promise this rate.

    Examples
    --------
    >>> fewest_answers(0.05), fewest_answers(0.02)
    (19, 49)
    """
    return int(np.ceil(1 / error_rate - 1 - 1e-9))
