"""What the desk asks of a classifier, and the bundle's predictor behind it."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from buffycoat.errors import ImageError
from buffycoat.records.documents import Estimate
from buffycoat.review.settings import ReviewSettings

if TYPE_CHECKING:
    from buffycoat.predict import Prediction
    from buffycoat.records.card import BundleCard

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Found:
    """One cell, as the program sees it; the fields are those of ``predict.Prediction``."""

    box: Box
    label: str
    best: str
    probability: float
    probabilities: dict[str, float]
    conformal: tuple[str, ...]
    reason: str | None
    unlikeness: float
    touches_border: bool


@dataclass(frozen=True, slots=True)
class Looked:
    """One photograph, as the program sees it."""

    width: int
    height: int
    framing: str
    cells: tuple[Found, ...]


class Classifier(Protocol):
    """Finds and names the leukocytes of a photograph; used from several threads at once."""

    @property
    def name(self) -> str:
        """Name and hash of what answers, as it shall stand in the log."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes it knows."""

    @property
    def expected(self) -> Estimate | None:
        """The accuracy its card promises for the cells it was measured on, or None."""

    @property
    def card(self) -> BundleCard | None:
        """The card of the bundle behind it, or None."""

    def look(self, content: bytes) -> Looked:
        """Find and name; raises ImageError where the bytes are no usable photograph."""

    def name_boxes(self, rgb: NDArray[np.uint8], boxes: Sequence[Box]) -> tuple[Found, ...]:
        """Name what lies in boxes that a person drew."""

    def explain(self, rgb: NDArray[np.uint8], box: Box) -> NDArray[np.uint8] | None:
        """Return the view of a cell under the map of what speaks for its class; None where there is no map."""


class LazyClassifier:
    """Loads the classifier when it is first asked: pages that need none start at once.

    Raises
    ------
    DataError
        On first use: the bundle is missing or damaged.
    """

    def __init__(self, settings: ReviewSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._loaded: Classifier | None = None

    def get(self) -> Classifier:
        """Return the classifier."""
        with self._lock:
            if self._loaded is None:
                self._loaded = load(self._settings)
            return self._loaded


def load(settings: ReviewSettings) -> Classifier:
    """Return the classifier the settings name: the one of a test, a bundle's, or the default bundle's."""
    if settings.classifier is not None:
        module, _, maker = settings.classifier.partition(":")
        made: Classifier = getattr(importlib.import_module(module), maker)()
        return made
    return BundleClassifier(settings)


class BundleClassifier:
    """A bundle's predictor, asked one photograph at a time: the processor's cores are shared by those who ask."""

    def __init__(self, settings: ReviewSettings) -> None:
        from buffycoat.predict import Predictor

        self._predictor = Predictor.load(settings.bundle, threads=1, max_pixels=settings.most_pixels)

    @property
    def name(self) -> str:
        """Name of the bundle, and the beginning of its network's hash."""
        return f"{self._predictor.card.name} {self._predictor.card.model_sha256[:12]}"

    @property
    def classes(self) -> tuple[str, ...]:
        """The bundle's classes."""
        return self._predictor.classes

    @property
    def expected(self) -> Estimate | None:
        """The accuracy measured on the study's held-out cells."""
        return self._predictor.card.operating["1"].accuracy

    @property
    def card(self) -> BundleCard | None:
        """The bundle's card."""
        return self._predictor.card

    def look(self, content: bytes) -> Looked:
        """Find and name; raises ImageError where the bytes are no usable photograph."""
        result = self._predictor.predict(content)[0]
        if result.error is not None or result.width is None or result.height is None:
            raise ImageError("photograph", result.error or "unreadable")
        return Looked(result.width, result.height, result.framing, tuple(_found(cell) for cell in result.cells))

    def name_boxes(self, rgb: NDArray[np.uint8], boxes: Sequence[Box]) -> tuple[Found, ...]:
        """Name what lies in boxes that a person drew."""
        return tuple(_found(cell) for cell in self._predictor.classify(rgb, boxes))

    def explain(self, rgb: NDArray[np.uint8], box: Box) -> NDArray[np.uint8] | None:
        """Return the view of a cell under its activation map."""
        return self._predictor.explain(rgb, self._predictor.classify(rgb, [box])[0])


def _found(cell: Prediction) -> Found:
    return Found(
        box=cell.box,
        label=cell.label,
        best=cell.best,
        probability=float(cell.probability),
        probabilities={name: float(value) for name, value in cell.probabilities.items()},
        conformal=cell.conformal,
        reason=cell.reason,
        unlikeness=float(cell.unlikeness),
        touches_border=cell.touches_border,
    )
