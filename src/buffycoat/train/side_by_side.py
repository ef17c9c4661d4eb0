"""Folds trained side by side, each in a process of its own with its share of the cores.

Networks of this size on batches of this size use two cores badly and one core well: two folds on one core each end
sooner than one after the other on both.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal

import cv2
import torch

from buffycoat.errors import BuffycoatError, TrainingError
from buffycoat.imaging.crops import CropStore
from buffycoat.train.distributed import Processes
from buffycoat.train.fold import FoldJob, run_fold
from buffycoat.train.precision import threads as all_threads

_MEMORY_EACH = 5 << 29  # bytes; EfficientNet-Lite0 at 192 px takes 1.7 GB at its height
_LOOK_S = 1.0

OnEpoch = Callable[[int, int, dict[str, Any]], None]
"""Called with the place of the job, its epochs done, and the epoch's figures."""
OnDone = Callable[[int], None]
"""Called with the place of a job that has ended."""
News = tuple[Literal["epoch", "done", "failed"], int, Any]


@dataclass(frozen=True)
class Crew:
    """How many folds train at once, and with how many threads each: part of repeating a result to the last digit."""

    workers: int
    threads: int


def crew(jobs: int, wanted: int | None = None) -> Crew:
    """Return how to share the machine out to so many folds.

    Parameters
    ----------
    wanted
        So many at once; None: as many as there are threads, within the machine's memory. A graphics card has one.
    """
    threads = all_threads()
    if wanted is None:
        fit = max(1, _memory() // _MEMORY_EACH)
        wanted = 1 if torch.cuda.is_available() else min(threads, fit)
    workers = max(1, min(wanted, jobs))
    return Crew(workers, max(1, threads // workers))


def run_folds(
    jobs: Sequence[FoldJob], store: Path, crew: Crew, *, on_epoch: OnEpoch | None = None, on_done: OnDone | None = None
) -> None:
    """Train the folds, in the order given, as many at once as the crew has workers; finished ones are passed over.

    Parameters
    ----------
    store
        Folder of the crops that the jobs' rows point into.

    Raises
    ------
    TrainingError
        A fold cannot go on, or its process ended without a word.
    KeyboardInterrupt
        Ctrl-C; the last checkpoint of every fold is kept.
    """
    epoch, done = on_epoch or (lambda *_: None), on_done or (lambda _: None)
    left = []
    for place, job in enumerate(jobs):
        if job.is_done():
            done(place)
        else:
            left.append(place)
    if crew.workers == 1:
        images = CropStore.open(store).images
        for place in left:

            def tell(n: int, _: int, row: dict[str, Any], place: int = place) -> None:
                epoch(place, n, row)

            run_fold(jobs[place], images, Processes(), on_epoch=tell)
            done(place)
        return
    context = multiprocessing.get_context("spawn")
    tasks, news = context.Queue(), context.Queue()
    for place in left:
        tasks.put((place, jobs[place]))
    workers = [
        context.Process(target=_work, args=(store, crew.threads, tasks, news), daemon=True)
        for _ in range(min(crew.workers, len(left)))
    ]
    for _ in workers:
        tasks.put(None)
    try:
        for worker in workers:
            worker.start()
        _listen(len(left), workers, news, epoch, done)
    finally:
        for worker in workers:
            worker.kill()
        tasks.cancel_join_thread()


def _listen(count: int, workers: Sequence[BaseProcess], news: Any, on_epoch: OnEpoch, on_done: OnDone) -> None:
    while count:
        try:
            kind, place, what = news.get(timeout=_LOOK_S)
        except queue.Empty:
            for worker in workers:
                if worker.exitcode:
                    raise TrainingError(
                        f"A process that trained ended without a word (exit code {worker.exitcode}).",
                        hint="Out of memory, perhaps: try --jobs 1. Finished folds are kept, and begun ones go on.",
                    ) from None
            continue
        if kind == "epoch":
            on_epoch(place, *what)
        elif kind == "done":
            count -= 1
            on_done(place)
        else:
            raise _revived(*what)


def _work(store: Path, threads: int, tasks: Any, news: Any) -> None:
    """Train what comes until nothing comes; runs in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process hears it, and ends this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    images = CropStore.open(store).images
    while (task := tasks.get()) is not None:
        place, job = task

        def tell(epoch: int, _: int, figures: dict[str, Any], place: int = place) -> None:
            news.put(("epoch", place, (epoch, figures)))

        try:
            run_fold(job, images, Processes(), on_epoch=tell)
        except BuffycoatError as error:
            news.put(("failed", place, (type(error), error.what, error.hint)))
            return
        except Exception:  # noqa: BLE001 (a defect: its traceback is carried over to the first process)
            news.put(("failed", place, (RuntimeError, traceback.format_exc(), None)))
            return
        news.put(("done", place, None))


def _end_with_parent() -> None:
    """End this process as soon as the one that started it has ended, however it ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _revived(kind: type[Exception], what: str, hint: str | None) -> Exception:
    """Return the error of another process; its kinds differ in how they are made, not in what they hold."""
    if not issubclass(kind, BuffycoatError):
        return RuntimeError(what)
    error = kind.__new__(kind)
    BuffycoatError.__init__(error, what, hint=hint)
    return error


def _memory() -> int:
    """Return the machine's memory in bytes, or plenty where it does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 1 << 40
