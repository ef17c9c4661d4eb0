"""The public way in: a bundle becomes a predictor, photographs become results."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from buffycoat.errors import ImageError, UsageError
from buffycoat.predict.items import Item
from buffycoat.predict.look import MOST_PIXELS, boxed, checked, decode, look_at_all
from buffycoat.predict.results import Box, PhotographResult, Prediction

if TYPE_CHECKING:
    from buffycoat.bundle.answer import Answers
    from buffycoat.bundle.read import Bundle
    from buffycoat.predict.look import Looked
    from buffycoat.predict.pace import Pace
    from buffycoat.predict.pipeline import Work
    from buffycoat.predict.processes import Joined
    from buffycoat.records.card import BundleCard, OperatingPoint

Image = Path | str | bytes | NDArray[np.uint8]
"""A file, the bytes of one, or pixels: uint8 (H, W, 3) RGB."""

Also = Callable[[Item, PhotographResult], None]

_FEW = 2  # images that are looked at on the calling thread: a pool would cost more than it gains


class Predictor:
    """Classifies the leukocytes of photographs with an exported network.

    Safe to use from several threads. Made with :meth:`load`.

    Examples
    --------
    >>> from buffycoat.predict import Predictor
    >>> predictor = Predictor.load("bundle")                       # doctest: +SKIP
    >>> for photograph in predictor.predict(["a.jpg", "b.png"]):   # doctest: +SKIP
    ...     print(photograph.image, [cell.label for cell in photograph.cells])
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int | None = None,
        views: Literal[1, 4] = 1,
        batch: int | None = None,
        max_pixels: int = MOST_PIXELS,
        processes: bool = False,
    ) -> None:
        from buffycoat.imaging.view import View
        from buffycoat.predict.session import Session

        self.bundle = bundle
        self.card: BundleCard = bundle.card
        self.views: Literal[1, 4] = views
        self.max_pixels = max_pixels
        self._threads, self._batch, self._processes = threads, batch, processes
        self.view = View(self.card.frame, self.card.view_px, self.card.input_px)
        self._point = _operating_point(self.card, views)
        self.session = Session(bundle.model)
        self.pace: Pace | None = None

    @classmethod
    def load(
        cls,
        bundle: Path | str | None = None,
        *,
        threads: int | None = None,
        views: Literal[1, 4] = 1,
        batch: int | None = None,
        max_pixels: int = MOST_PIXELS,
        processes: bool = False,
    ) -> Predictor:
        """Open a bundle.

        Parameters
        ----------
        bundle
            Its folder; None for the one that comes with the package.
        threads
            Photographs looked at side by side in :meth:`predict` and :meth:`stream`; None: found by measurement.
        views
            4 averages the answers over four quarter turns: a little surer, four times the work of the network.
        batch
            Cells that the network takes at once, at most; None: found by measurement.
        max_pixels
            Larger photographs are refused.
        processes
            Whether many photographs are looked at in processes beside this one, which is faster than its own
            threads. Your main module is then imported again by each: keep what it does under
            ``if __name__ == "__main__"``.

        Raises
        ------
        DataError
            There is no bundle, or it is damaged or of another version.
        UsageError
            The bundle was not calibrated for so many views.
        """
        from buffycoat.bundle.default import default_bundle
        from buffycoat.bundle.read import open_bundle

        if threads is not None and threads < 1:
            raise UsageError(f"threads must be at least 1, not {threads}.")
        if batch is not None and batch < 1:
            raise UsageError(f"batch must be at least 1, not {batch}.")
        opened = open_bundle(default_bundle() if bundle is None else Path(bundle))
        return cls(opened, threads=threads, views=views, batch=batch, max_pixels=max_pixels, processes=processes)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of every table."""
        return self.card.classes

    def predict(self, images: Image | Iterable[Image]) -> list[PhotographResult]:
        """Classify one image or several.

        Parameters
        ----------
        images
            Paths, the bytes of files, or arrays uint8 (H, W, 3) RGB.

        Returns
        -------
        One result per image, in order. An image that cannot be used has an `error`; nothing is raised for it.
        """
        single = isinstance(images, (Path, str, bytes, np.ndarray))
        return list(self.stream([images] if single else images))  # type: ignore[list-item,arg-type]

    def stream(self, images: Iterable[Image]) -> Iterator[PhotographResult]:
        """Classify any number of images in flat memory: results come in order, while later images are read."""
        yield from self.run(_items(images))

    def run(
        self,
        items: Iterable[Item],
        *,
        stop: threading.Event | None = None,
        also: Also | None = None,
        surely_many: bool = False,
    ) -> Iterator[PhotographResult]:
        """Yield one result per item, in order; see :func:`buffycoat.predict.pipeline.run`.

        Parameters
        ----------
        items
            What to look at.
        stop
            Once set, no further item is taken.
        also
            Called with each item and its result, on the thread that made it.
        surely_many
            Whether processes, if there are to be some, are started at once: see :mod:`buffycoat.worker_source`.
        """
        from buffycoat.predict import pipeline
        from buffycoat.predict.pace import Pace
        from buffycoat.settings import usable_cores

        source = iter(items)
        first: deque[Item] = deque()
        heavy = 0
        for item in source:
            first.append(item)
            heavy += pipeline.weight(item)
            if len(first) > _FEW or heavy >= pipeline.MOST_BYTES:
                break
        if len(first) <= _FEW and heavy < pipeline.MOST_BYTES:
            if not (stop is not None and stop.is_set()):
                yield from _then(self.work, also)(list(first), 1)
            return
        del item
        pace = Pace(usable_cores(), threads=self._threads, batch=self._batch)
        self.pace = pace
        with self._hands(pace.more_hands, at_once=surely_many) as work:
            yield from pipeline.run(itertools.chain(_handing_over(first), source), _then(work, also), pace, stop=stop)

    def _hands(self, joined: Joined, *, at_once: bool) -> AbstractContextManager[Work]:
        """Return who does the work: this process, or others beside it; `joined` is called when there are more."""
        if not self._processes:
            return nullcontext(self.work)
        from buffycoat.predict.processes import Order, beside

        return beside(Order(self.bundle, self.views, self.max_pixels), self.work, joined, at_once=at_once)

    def work(self, items: Sequence[Item], batch: int) -> list[PhotographResult]:
        """Return one result per item, computed on this thread, the network taking `batch` cells at a time."""
        return self._results(look_at_all(items, self.view, self.max_pixels), batch)

    def classify(self, rgb: NDArray[np.uint8], boxes: Sequence[Box]) -> tuple[Prediction, ...]:
        """Classify cells whose boxes are known, as where a person drew them.

        Parameters
        ----------
        rgb
            uint8 (H, W, 3), the field.
        boxes
            (x0, y0, x1, y1) px.

        Raises
        ------
        ImageError
            The array is no photograph, or a box is empty or outside it.
        """
        return self._results([boxed("array", checked(rgb, self.max_pixels), boxes, self.view)], 8)[0].cells

    def explain(self, rgb: NDArray[np.uint8], prediction: Prediction) -> NDArray[np.uint8]:
        """Return the crop of a cell with the class-activation map of its best class laid over it.

        Parameters
        ----------
        rgb
            uint8 (H, W, 3), the photograph at full size.
        prediction
            One of its cells.

        Returns
        -------
        uint8 (S, S, 3) RGB: what the network saw, enlarged; see :mod:`buffycoat.predict.explain`.
        """
        from buffycoat.predict.explain import overlay

        seen, cam = self.activation(rgb, prediction)
        return overlay(seen, cam)

    def activation(
        self, rgb: NDArray[np.uint8], prediction: Prediction
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return the network's view of a cell, uint8 (S, S, 3), and its best class's activation map, float32 (h, w)."""
        from buffycoat.imaging.view import as_inputs

        rgb = checked(rgb, self.max_pixels)
        height, width = rgb.shape[:2]
        if prediction.box == (0, 0, width, height):
            seen = self.view.whole(rgb)
        else:
            seen = boxed("array", rgb, [prediction.box], self.view).views[0]
        explained = self.session.explain(as_inputs(seen[None], self.card.mean, self.card.std))
        return seen, explained.cam[0, self.card.classes.index(prediction.best)]

    def decoded(self, item: Item) -> NDArray[np.uint8]:
        """Return an item's photograph at the size it was looked at.

        Raises
        ------
        ImageError
            It cannot be read.
        """
        if item.content is None:
            raise ImageError(item.name, item.error or "empty")
        return decode(item.content, self.view, self.max_pixels)[0]

    def _results(self, looked: Sequence[Looked], batch: int) -> list[PhotographResult]:
        from buffycoat.predict.answers import photograph_results

        seen = [view for one in looked for view in one.views]
        return list(photograph_results(looked, self._answers(seen, batch) if seen else None, self.card.classes))

    def _answers(self, seen: list[NDArray[np.uint8]], batch: int) -> Answers:
        from buffycoat.bundle.answer import answer
        from buffycoat.imaging.view import as_inputs, turned

        logits: list[NDArray[np.float32]] = []
        unlikeness: list[NDArray[np.float32]] = []
        batches = -(-len(seen) // batch)
        for one in range(batches):  # of one size, or nearly: a network takes longest for a cell that is left over
            some = seen[one * len(seen) // batches : (one + 1) * len(seen) // batches]
            inputs = as_inputs(np.stack(some), self.card.mean, self.card.std)
            given = [self.session.classify(turn) for turn in turned(inputs, self.views)]
            logits.append(np.stack([raw for raw, _ in given]))
            unlikeness.append(np.stack([far for _, far in given]))
        return answer(np.concatenate(logits, axis=1), np.concatenate(unlikeness, axis=1), self._point)


def _then(work: Work, also: Also | None) -> Work:
    """Return work after which every item and its result are shown to `also`."""
    if also is None:
        return work

    def both(handful: Sequence[Item], batch: int) -> list[PhotographResult]:
        results = work(handful, batch)
        for item, result in zip(handful, results, strict=True):
            also(item, result)
        return results

    return both


def _handing_over(items: deque[Item]) -> Iterator[Item]:
    """Yield the items and hold none that was taken."""
    while items:
        yield items.popleft()


def _operating_point(card: BundleCard, views: int) -> OperatingPoint:
    for known, point in card.operating.items():
        if known == str(views):
            return point
    calibrated = " and ".join(sorted(card.operating))
    raise UsageError(
        f"The bundle {card.name!r} is calibrated for {calibrated} view(s), not for {views}.",
        hint=f"Choose --views {min(card.operating)}.",
    )


def _items(images: Iterable[Image]) -> Iterator[Item]:
    for place, image in enumerate(images, start=1):
        if isinstance(image, (str, Path)):
            yield Item(str(image), Path(image))
        elif isinstance(image, bytes):
            yield Item(f"bytes {place}", image)
        elif isinstance(image, np.ndarray):
            yield Item(f"array {place}", image)
        else:
            raise TypeError(f"expected a path, bytes or an array, found {type(image).__name__}")
