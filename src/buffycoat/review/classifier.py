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
    from buffycoat.predict import PhotographResult, Prediction
    from buffycoat.records.card import BundleCard

Box = tuple[int, int, int, int]
_CELLS_TOGETHER = 8  # in one run of the network
_MOST_SENT_BYTES = 8 << 20  # to another process; more is looked at here


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

    def look_at(self, contents: Sequence[bytes]) -> list[Looked | ImageError]:
        """Find and name in several photographs; what is no usable one has its error in its place."""

    def name_boxes(self, rgb: NDArray[np.uint8], boxes: Sequence[Box]) -> tuple[Found, ...]:
        """Name what lies in boxes that a person drew."""

    def close(self) -> None:
        """End what was started for it."""

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

    def close(self) -> None:
        """Close the classifier, if it was loaded."""
        with self._lock:
            if self._loaded is not None:
                self._loaded.close()


def load(settings: ReviewSettings) -> Classifier:
    """Return the classifier the settings name: the one of a test, a bundle's, or the default bundle's."""
    if settings.classifier is not None:
        module, _, maker = settings.classifier.partition(":")
        made: Classifier = getattr(importlib.import_module(module), maker)()
        return made
    return BundleClassifier(settings)


class BundleClassifier:
    """A bundle's predictor. The processor's cores are shared by those who ask.

    Several photographs at once are looked at in processes beside this one, started when they are first asked for: a
    server that shares one Python lock with its network waits for it most of the time.
    """

    def __init__(self, settings: ReviewSettings) -> None:
        from buffycoat.predict import Predictor
        from buffycoat.predict.processes import Order, Processes

        self._predictor = Predictor.load(settings.bundle, threads=1, max_pixels=settings.most_pixels)
        order = Order(self._predictor.bundle, self._predictor.views, settings.most_pixels)
        self._processes = Processes(order, self._predictor.work)

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
        seen = _looked(self._predictor.predict(content)[0])
        if isinstance(seen, ImageError):
            raise seen
        return seen

    def look_at(self, contents: Sequence[bytes]) -> list[Looked | ImageError]:
        """Find and name in several photographs; what is no usable one has its error in its place."""
        from buffycoat.predict.items import Item

        items = [Item("photograph", content) for content in contents]
        here = sum(map(len, contents)) > _MOST_SENT_BYTES
        work = self._predictor.work if here else self._processes.work
        return [_looked(result) for result in work(items, _CELLS_TOGETHER)]

    def name_boxes(self, rgb: NDArray[np.uint8], boxes: Sequence[Box]) -> tuple[Found, ...]:
        """Name what lies in boxes that a person drew."""
        return tuple(_found(cell) for cell in self._predictor.classify(rgb, boxes))

    def explain(self, rgb: NDArray[np.uint8], box: Box) -> NDArray[np.uint8] | None:
        """Return the view of a cell under its activation map."""
        return self._predictor.explain(rgb, self._predictor.classify(rgb, [box])[0])

    def close(self) -> None:
        """End the processes."""
        self._processes.close()


def _looked(result: PhotographResult) -> Looked | ImageError:
    if result.error is not None or result.width is None or result.height is None:
        return ImageError("photograph", result.error or "unreadable")
    return Looked(result.width, result.height, result.framing, tuple(_found(cell) for cell in result.cells))


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
