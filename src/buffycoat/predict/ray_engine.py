"""The same pipeline on Ray Data: many machines, or the cores of one, and the same answers in the same order.

The driver walks the sources and writes the file, as without Ray; what is between (decode, find, crop, infer) runs
in actors, each with a process of its own beside it that holds the network: a photograph that makes it fall over costs
one row, as on one machine. An actor that dies is replaced and its photographs are done again. Inputs go out in windows,
so that the driver's memory stays flat.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from buffycoat.errors import UsageError
from buffycoat.predict.items import Item, Remote
from buffycoat.predict.results import PhotographResult, Prediction

if TYPE_CHECKING:
    from buffycoat.bundle.read import Bundle
    from buffycoat.predict.predictor import Predictor

_WINDOW = 20_000
_WINDOW_BYTES = 256 << 20  # of photographs that come from archives, which travel with their window
_BATCH = 8
_HANDFUL = 64  # photographs a task
COLUMNS = ("name", "path", "address", "content", "error")
"""What travels of an item, in the order that :func:`decode_item` takes."""


class RayEngine:
    """Answers items on a Ray cluster.

    Parameters
    ----------
    bundle
        Sent to the workers as it was checked: swapping its files later changes nothing.
    address
        Of a running cluster ("auto", "ray://host:10001"); None starts one on this machine, which ends with
        :meth:`close`.
    workers
        Actors, one core each; None: as many as the cluster has cores.

    Raises
    ------
    UsageError
        Ray is not installed, or no cluster answers.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        views: int = 1,
        max_pixels: int,
        address: str | None = None,
        workers: int | None = None,
        window: int = _WINDOW,
    ) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # Ray raises what matters; its log files keep the rest
        try:
            import ray
            import ray.data
        except ImportError as error:
            raise UsageError("--engine ray needs Ray.", hint="pip install 'buffycoat[scale]'") from error
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        self._ray: Any = ray
        self._settings = (bundle, views, max_pixels)
        self._window = window
        try:
            self._ray.init(
                address=address or "local",  # else Ray would join whichever cluster it finds on this machine
                num_cpus=None if address else workers,
                include_dashboard=None if address else False,
                log_to_driver=False,
                logging_level="ERROR",
                ignore_reinit_error=True,
            )
        except Exception as error:
            words = " ".join(str(error).split())[:300]
            if address is None:
                raise UsageError(f"Ray did not start on this machine: {words}") from error
            raise UsageError(f"No Ray cluster answers at {address}: {words}") from error
        self._workers = workers or max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        context = self._ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.execution_options.preserve_order = True

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        self._ray.shutdown()

    def __call__(self, items: Iterable[Item], *, stop: threading.Event | None = None) -> Iterator[PhotographResult]:
        """Yield one result per item, in order."""
        source = iter(items)
        while not (stop is not None and stop.is_set()) and (window := _take(source, self._window)):
            for result in self._answer(window):
                yield result
                if stop is not None and stop.is_set():
                    return

    def _answer(self, window: Sequence[Item]) -> Iterator[PhotographResult]:
        workers = min(self._workers, -(-len(window) // _HANDFUL))
        rows = [encode_item(place, item) for place, item in enumerate(window)]
        answered = self._ray.data.from_items(rows, override_num_blocks=-(-len(rows) // _HANDFUL)).map_batches(
            Worker,
            fn_constructor_args=self._settings,
            batch_size=_HANDFUL,
            compute=self._ray.data.ActorPoolStrategy(size=workers),
            num_cpus=1,
        )  # Ray restarts a lost actor and does its tasks again, without end, unless told otherwise
        due, early = 0, dict[int, PhotographResult]()
        for row in answered.iter_rows():
            early[int(row["place"])] = decode_result(str(row["result"]))
            while due in early:
                yield early.pop(due)
                due += 1


class Worker:
    """One actor: photographs in, results out; a process beside it looks at them."""

    def __init__(self, bundle: Bundle, views: int, max_pixels: int) -> None:
        from buffycoat.predict.processes import Order, Processes

        self._order = Order(bundle, 4 if views == 4 else 1, max_pixels)
        self._predictor: Predictor | None = None
        self._processes = Processes(self._order, self._here)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Answer a handful of rows made by :func:`encode_item`."""
        columns = zip(*(batch[name] for name in COLUMNS), strict=True)
        items = [decode_item(*values) for values in columns]
        results = [encode_result(result) for result in self._processes.apart(items, _BATCH)]
        return {"place": batch["place"], "result": np.array(results, object)}

    def _here(self, items: Sequence[Item], batch: int) -> list[PhotographResult]:
        """Look at photographs in the actor itself, where no process can be started."""
        if self._predictor is None:
            import cv2

            from buffycoat.predict.predictor import Predictor

            cv2.setNumThreads(1)
            order = self._order
            self._predictor = Predictor(order.bundle, views=order.views, max_pixels=order.max_pixels)
        return self._predictor.work(items, batch)


def _take(source: Iterator[Item], most: int) -> list[Item]:
    window: list[Item] = []
    heavy = 0
    while len(window) < most and heavy < _WINDOW_BYTES:
        item = next(source, None)
        if item is None:
            break
        window.append(item)
        heavy += len(item.content) if isinstance(item.content, bytes) else 0
    return window


def encode_item(place: int, item: Item) -> dict[str, Any]:
    """Return an item as a row of plain values; names as bytes, since not every file name is text.

    Raises
    ------
    TypeError
        The item is an array: those do not travel.
    """
    if isinstance(item.content, np.ndarray):
        raise TypeError("arrays are not sent to a cluster; give paths or bytes")
    remote = item.content if isinstance(item.content, Remote) else None
    path = os.fsencode(item.content.absolute()) if isinstance(item.content, Path) else b""
    if remote is not None:
        path = remote.path.encode("utf-8", "surrogateescape")
    return {
        "place": place,
        "name": item.name.encode("utf-8", "surrogateescape"),
        "path": path,
        "address": remote.address.encode("utf-8", "surrogateescape") if remote is not None else b"",
        "content": item.content if isinstance(item.content, bytes) else b"",
        "error": item.error or "",
    }


def decode_item(name: bytes, path: bytes, address: bytes, content: bytes, error: str) -> Item:
    """Return the item behind a row; what only the driver needs to know did not travel."""
    known = name.decode("utf-8", "surrogateescape")
    if error:
        return Item(known, None, error=error)
    if address:
        given, place = (value.decode("utf-8", "surrogateescape") for value in (address, path))
        return Item(known, Remote(given, place))
    return Item(known, Path(os.fsdecode(path)) if path else bytes(content))


def encode_result(result: PhotographResult) -> str:
    """Return a result as JSON; numbers come back to the last bit."""
    document = dataclasses.asdict(result)
    document["image"] = result.image.encode("utf-8", "surrogateescape").hex()
    return json.dumps(document)


def decode_result(text: str) -> PhotographResult:
    """Return the result behind :func:`encode_result`."""
    document = json.loads(text)
    document["image"] = bytes.fromhex(document["image"]).decode("utf-8", "surrogateescape")
    document["cells"] = tuple(
        Prediction(**{**cell, "box": tuple(cell["box"]), "conformal": tuple(cell["conformal"])})
        for cell in document["cells"]
    )
    return PhotographResult(**document)
