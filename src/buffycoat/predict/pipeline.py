"""Many photographs at once: decode, find, crop and infer overlap, the answers come in the order of the inputs.

A worker thread takes a handful of photographs from decoding to the network's answer. While one worker infers another
decodes (both outside Python's lock), and every core stays busy. At most a few handfuls are under way, and of bytes that
came out of archives at most `MOST_BYTES`: memory does not grow with the number of inputs.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from buffycoat.predict.crew import Crew
from buffycoat.predict.items import Item
from buffycoat.predict.pace import Pace
from buffycoat.predict.results import PhotographResult

MOST_BYTES = 256 << 20
"""Bytes of inputs under way (a single larger one goes alone)."""

Work = Callable[[Sequence[Item], int], list[PhotographResult]]
"""From some inputs and a batch size to one result each."""


def run(
    items: Iterable[Item], work: Work, pace: Pace, *, stop: threading.Event | None = None
) -> Iterator[PhotographResult]:
    """Yield one result per item, in order.

    Parameters
    ----------
    items
        Taken as they are needed, a few handfuls ahead of the results.
    work
        What is done with a handful; called from several threads.
    pace
        How many threads work and how large a handful is; it learns while the work goes on.
    stop
        Once set, no further item is taken; what is under way is finished and yielded.
    """
    source = iter(items)
    pending: deque[tuple[Future[list[PhotographResult]], int]] = deque()
    with _one_thread_each(), Crew[list[PhotographResult]](lambda: pace.threads) as crew:
        more, held = True, 0
        while more or pending:
            while more and held < MOST_BYTES and len(pending) < 2 * pace.threads + 1:
                handful, heavy = _take(source, pace.handful, MOST_BYTES - held, stop)
                more = bool(handful)
                if handful:
                    held += heavy
                    pending.append((crew.submit(partial(_do, handful, work, pace)), heavy))
                    del handful  # only the worker holds it
            if pending:
                future, heavy = pending.popleft()
                results = future.result()
                held -= heavy
                yield from results


def weight(item: Item) -> int:
    """Return the bytes that an item holds in memory while it waits."""
    if isinstance(item.content, bytes):
        return len(item.content)
    return item.content.nbytes if isinstance(item.content, np.ndarray) else 0


def _take(source: Iterator[Item], size: int, most_bytes: int, stop: threading.Event | None) -> tuple[list[Item], int]:
    """Return at most `size` items and their bytes; none is begun beyond `most_bytes`."""
    handful: list[Item] = []
    heavy = 0
    while len(handful) < size and heavy < most_bytes and not (stop is not None and stop.is_set()):
        item = next(source, None)
        if item is None:
            break
        handful.append(item)
        heavy += weight(item)
    return handful, heavy


def _do(handful: Sequence[Item], work: Work, pace: Pace) -> list[PhotographResult]:
    began = time.monotonic()
    results = work(handful, pace.batch)
    pace.done(len(handful), time.monotonic() - began)
    return results


_cv2_lock = threading.Lock()
_cv2_state: dict[str, Any] = {"users": 0, "before": 0}


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Keep OpenCV to one thread a call while our own threads fill the cores; then put it back."""
    import cv2

    with _cv2_lock:
        if _cv2_state["users"] == 0:
            _cv2_state["before"] = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _cv2_state["users"] += 1
    try:
        yield
    finally:
        with _cv2_lock:
            _cv2_state["users"] -= 1
            if _cv2_state["users"] == 0:
                cv2.setNumThreads(_cv2_state["before"])
