"""The classical baseline: logistic regression on the measurements of nucleus and cytoplasm.

The measurements are standardised, carried into the features of a Gaussian kernel (Nyström's approximation: Williams
and Seeger, NIPS 13 (2000) 682), and weighed by a logistic regression in which every class counts alike: a smooth
boundary like a support-vector machine's, with probabilities. Width of the kernel and strength of the penalty are
chosen by grouped, stratified cross-validation inside the training rows, by log loss.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

WIDTHS = (0.003, 0.01)
"""γ of the kernel exp(−γ d²) on standardised measurements, d² being about twice their number."""
PENALTIES = (1.0, 3.0, 10.0, 30.0)
"""C of the logistic regression: the larger, the weaker the penalty."""
_USUAL = (0.01, 10.0)  # where the training rows are too few to choose
INNER_FOLDS = 4
"""Inner folds, fewer where a class has fewer groups."""
_MOST_FEATURES = 300  # of the kernel's: all training rows of a small set


@dataclass
class MeasurementClassifier:
    """Tells classes apart by measurements.

    Parameters
    ----------
    classes
        How many classes there are; those without a training row get the probability 0.
    seed
        Of the inner folds and the kernel's sample.

    Attributes
    ----------
    width, penalty
        What the inner cross-validation chose.
    """

    classes: int
    seed: int
    width: float = field(init=False, default=_USUAL[0])
    penalty: float = field(init=False, default=_USUAL[1])
    _fitted: Any = field(init=False, default=None)

    def fit(self, measurements: Floats, labels: Numbers, groups: NDArray[Any]) -> MeasurementClassifier:
        """Choose the settings and fit on all rows given.

        Parameters
        ----------
        measurements
            (n, m); NaN where one is undefined (the training rows' median is taken).
        labels
            (n,) class numbers from 0.
        groups
            (n,) what the inner folds must not part.
        """
        if len(np.unique(labels)) < 2:
            self._fitted = int(labels[0]) if len(labels) else 0
            return self
        self.width, self.penalty = self._choose(measurements, labels, groups)
        self._fitted = self._pipeline(self.width, self.penalty, len(labels)).fit(measurements, labels)
        return self

    def probabilities(self, measurements: Floats) -> Floats:
        """Return the probabilities (n, classes) of each row."""
        return self._spread(self._fitted, measurements)

    def _spread(self, fitted: Any, measurements: Floats) -> Floats:
        found = np.zeros((len(measurements), self.classes))
        if isinstance(fitted, int):
            found[:, fitted] = 1.0
        elif len(measurements):
            found[:, fitted.classes_] = fitted.predict_proba(measurements)
        return found

    def _choose(self, measurements: Floats, labels: Numbers, groups: NDArray[Any]) -> tuple[float, float]:
        folds = list(self._inner(labels, groups))
        if not folds:
            return _USUAL
        losses: dict[tuple[float, float], float] = {}
        for width in WIDTHS:
            for penalty in PENALTIES:
                odds = np.zeros((len(labels), self.classes))
                for train, held in folds:
                    pipeline = self._pipeline(width, penalty, len(train))
                    odds[held] = self._spread(pipeline.fit(measurements[train], labels[train]), measurements[held])
                right = np.clip(odds[np.arange(len(labels)), labels], 1e-6, 1)
                losses[width, penalty] = float(-np.log(right).mean())
        return min(losses, key=losses.__getitem__)

    def _inner(self, labels: Numbers, groups: NDArray[Any]) -> Iterator[tuple[Numbers, Numbers]]:
        from sklearn.model_selection import StratifiedGroupKFold

        fewest = min(len(np.unique(groups[labels == label])) for label in np.unique(labels))
        if fewest < 2:
            return
        splitter = StratifiedGroupKFold(min(INNER_FOLDS, fewest), shuffle=True, random_state=self.seed % 2**32)
        for train, held in splitter.split(np.zeros((len(labels), 1)), labels, groups):
            if len(held) and len(np.unique(labels[train])) > 1:
                yield train, held

    def _pipeline(self, width: float, penalty: float, rows: int) -> Any:
        from sklearn.impute import SimpleImputer
        from sklearn.kernel_approximation import Nystroem
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        features = min(_MOST_FEATURES, rows)
        return make_pipeline(
            SimpleImputer(strategy="median", keep_empty_features=True),
            StandardScaler(),
            Nystroem(gamma=width, n_components=features, random_state=self.seed % 2**32),
            LogisticRegression(C=penalty, class_weight="balanced", max_iter=5000),
        )
