"""Threads that each take the next piece of work; how many may take one is said anew as often as one likes.

A pool of the most threads with a gate before the work would hand a turn from thread to thread. Where worker processes
keep every core busy, a thread that is woken waits for its turn on one, some milliseconds each time: an eighth of the
work was lost to it. Here a thread that may work goes on with the next piece by itself; one too many takes none.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

Done = TypeVar("Done")


class Crew(Generic[Done]):
    """Threads at work; a context manager.

    Parameters
    ----------
    wanted
        How many may work now, one at least; asked before each piece is taken. Threads are started as they are wanted.
    """

    def __init__(self, wanted: Callable[[], int]) -> None:
        self._wanted = wanted
        self._lock = threading.Lock()
        self._work_there = threading.Condition(self._lock)
        self._more_wanted = threading.Condition(self._lock)
        self._queue: deque[tuple[Future[Done], Callable[[], Done]]] = deque()
        self._threads: list[threading.Thread] = []
        self._parked = 0
        self._ended = False

    def __enter__(self) -> Crew[Done]:
        return self

    def __exit__(self, *_: object) -> None:
        """Drop what was not begun, and wait for what was."""
        with self._lock:
            self._ended = True
            dropped = list(self._queue)
            self._queue.clear()
            self._work_there.notify_all()
            self._more_wanted.notify_all()
        for future, _call in dropped:
            future.cancel()
        for thread in self._threads:
            thread.join()

    def submit(self, call: Callable[[], Done]) -> Future[Done]:
        """Let a thread call this; what it returns or raises is the future's."""
        future: Future[Done] = Future()
        with self._lock:
            self._queue.append((future, call))
            while len(self._threads) < self._wanted():
                self._start_one()
            self._wake_parked()
            self._work_there.notify()
        return future

    def _start_one(self) -> None:
        place = len(self._threads)
        thread = threading.Thread(target=self._work, args=(place,), name=f"buffycoat-{place}", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _wake_parked(self) -> None:
        if self._parked and len(self._threads) - self._parked < self._wanted():
            self._more_wanted.notify_all()

    def _work(self, place: int) -> None:
        while (taken := self._take(place)) is not None:
            future, call = taken
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
                    future.set_exception(error)
            del taken, future, call  # only who asked holds the result

    def _take(self, place: int) -> tuple[Future[Done], Callable[[], Done]] | None:
        """Return the next piece of work for the thread at this place; None when there will be none."""
        with self._lock:
            while not self._ended:
                if place >= self._wanted():
                    self._work_there.notify()  # it may have been woken in another's place
                    self._parked += 1
                    self._more_wanted.wait()
                    self._parked -= 1
                elif self._queue:
                    self._wake_parked()
                    return self._queue.popleft()
                else:
                    self._work_there.wait()
        return None
