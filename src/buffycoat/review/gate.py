"""The gate before the network: what waits goes through a few photographs at a time on each core, then a plain no.

Photographs that wait anyway are looked at together: fewer, larger steps of the network, and one change of thread for
several answers. One that comes alone goes through alone and at once. A thread that is done takes what waits itself: it
need not wait for the loop, which parses and answers meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from buffycoat.review.faults import Busy

T = TypeVar("T")
TOGETHER = 4
"""Photographs looked at together, at most: more gain little, and the first answer waits for the last."""

_TOGETHER_BYTES = 8 << 20  # what is larger goes through alone
_AHEAD = 1  # pieces of work that wait for a thread to take what waits then
_FIRST_GUESS_SECONDS = 0.1
_MEMORY = 0.1  # of the moving average


@dataclass(eq=False, slots=True)
class _Waiting(Generic[T]):
    content: bytes
    answer: asyncio.Future[T] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def give(self, found: T | Exception) -> None:
        """Answer whoever waits, if anybody still does."""
        if self.answer.done():
            return
        if isinstance(found, Exception):
            self.answer.set_exception(found)
        else:
            self.answer.set_result(found)


class Gate(Generic[T]):
    """Lets photographs through, a bounded number at a time.

    Parameters
    ----------
    look
        Answers for several photographs, in order; an exception in the place of an answer is raised where it is awaited.
        Called on `at_once` threads.
    at_once
        Pieces of work at the same time.
    waiting
        Requests that may wait; one more is refused.
    wait_seconds
        Longest wait for one's turn.
    """

    def __init__(
        self,
        look: Callable[[Sequence[bytes]], Sequence[T | Exception]],
        at_once: int,
        waiting: int,
        wait_seconds: float,
    ) -> None:
        self._look, self._at_once, self._most, self._wait_seconds = look, at_once, waiting + at_once, wait_seconds
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="gate")
        self._line: deque[_Waiting[T]] = deque()
        self._line_lock = threading.Lock()
        self._running = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._inside = 0
        self._seconds = _FIRST_GUESS_SECONDS  # for one photograph

    def refuse_full(self) -> None:
        """Raise Busy (503) when one more could not even wait: asked before a photograph is read, and again after."""
        if self._inside >= self._most:
            raise self._busy()

    async def ask(self, content: bytes) -> T:
        """Return the answer for a photograph, when its turn has come.

        Raises
        ------
        Busy
            503: too many wait, or the turn did not come in time; with the seconds after which it should.
        """
        self.refuse_full()
        self._inside += 1
        one: _Waiting[T] = _Waiting(content)
        with self._line_lock:
            self._line.append(one)
        too_long = asyncio.get_running_loop().call_later(self._wait_seconds, self._give_up, one)
        if self._running < self._at_once + _AHEAD:
            self._running += 1
            task = asyncio.create_task(self._run())
            self._tasks.add(task)  # the loop itself would let it be collected
            task.add_done_callback(self._tasks.discard)
        try:
            return await one.answer
        finally:
            too_long.cancel()
            self._leave_line(one)
            self._inside -= 1

    def close(self) -> None:
        """Wait for what runs, and end the threads."""
        self._threads.shutdown()

    def _give_up(self, one: _Waiting[T]) -> None:
        if self._leave_line(one):
            one.give(self._busy())

    def _leave_line(self, one: _Waiting[T]) -> bool:
        with self._line_lock:
            if one not in self._line:
                return False
            self._line.remove(one)
            return True

    async def _run(self) -> None:
        try:
            while self._line:
                answered, seconds = await asyncio.get_running_loop().run_in_executor(self._threads, self._answer_some)
                for one, answer in answered:
                    one.give(answer)
                if answered:
                    self._seconds += _MEMORY * (seconds / len(answered) - self._seconds)
                    del answered, one, answer  # or they were held while the next are looked at
        finally:
            self._running -= 1  # in the same step as the look at the line: who comes next begins anew

    def _answer_some(self) -> tuple[list[tuple[_Waiting[T], T | Exception]], float]:
        """Look at some of the line; return them with their answers, and the seconds that took."""
        together = self._take()
        if not together:  # who waited has left the line
            return [], 0.0
        began = time.monotonic()
        answers = self._answers([one.content for one in together])
        return list(zip(together, answers, strict=True)), time.monotonic() - began

    def _take(self) -> list[_Waiting[T]]:
        """Take this core's share of the line, so that none of them is idle while another has several."""
        with self._line_lock:
            share = min(TOGETHER, -(-len(self._line) // self._at_once))
            taken: list[_Waiting[T]] = []
            size = 0
            while len(taken) < share:
                size += len(self._line[0].content)
                if taken and size > _TOGETHER_BYTES:
                    break
                taken.append(self._line.popleft())
            return taken

    def _answers(self, contents: list[bytes]) -> Sequence[T | Exception]:
        """Look; where that fails, find out alone for which photograph, so that the others get their answers."""
        try:
            return self._look(contents)
        except Exception as error:  # noqa: BLE001 - raised again where it is awaited
            return [error] if len(contents) == 1 else [self._answers([one])[0] for one in contents]

    def _busy(self) -> Busy:
        return Busy(
            "More photographs wait than can be answered soon; try again.",
            self._inside * self._seconds / self._at_once,
            status=503,
        )
