"""The gate before the network: as many photographs at once as there are cores, a short queue, then a plain no."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from buffycoat.review.faults import Busy

T = TypeVar("T")
_FIRST_GUESS_SECONDS = 0.1
_MEMORY = 0.1  # of the moving average


class Gate:
    """Lets work through, a bounded amount at a time.

    Parameters
    ----------
    at_once
        Pieces of work that run at the same time, each on a thread.
    waiting
        Requests that may wait; one more is refused.
    wait_seconds
        Longest wait.
    """

    def __init__(self, at_once: int, waiting: int, wait_seconds: float) -> None:
        self._at_once, self._most, self._wait_seconds = at_once, waiting + at_once, wait_seconds
        self._threads = anyio.CapacityLimiter(at_once)
        self._turn = asyncio.Semaphore(at_once)
        self._inside = 0
        self._seconds = _FIRST_GUESS_SECONDS

    def refuse_full(self) -> None:
        """Raise Busy (503) when one more could not even wait: asked before a photograph is read, and again after."""
        if self._inside >= self._most:
            raise self._busy()

    async def pass_through(self, work: Callable[[], T]) -> T:
        """Do the work on a thread when its turn comes.

        Raises
        ------
        Busy
            503: too many wait, or the turn did not come in time; with the seconds after which it should.
        """
        self.refuse_full()
        self._inside += 1
        try:
            try:
                await asyncio.wait_for(self._turn.acquire(), self._wait_seconds)
            except TimeoutError:
                raise self._busy() from None
            try:
                began = time.monotonic()
                done = await anyio.to_thread.run_sync(work, limiter=self._threads)
                self._seconds += _MEMORY * (time.monotonic() - began - self._seconds)
                return done
            finally:
                self._turn.release()
        finally:
            self._inside -= 1

    def _busy(self) -> Busy:
        return Busy(
            "More photographs wait than can be answered soon; try again.",
            self._inside * self._seconds / self._at_once,
            status=503,
        )
