"""Worker processes beside this one: what they look at does not wait for this process's Python lock.

Finding a cell is a hundred short calls, each of which takes the lock again: two threads wait for one another part of
their time. Processes do not. They are started while the work goes on, on the threads of this process until then, so
that a few photographs never wait for one. A photograph that makes a process fall over costs one row and not the run.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Literal

from buffycoat import worker_source
from buffycoat.errors import ImageError
from buffycoat.predict.items import Item, Remote
from buffycoat.predict.results import PhotographResult

if TYPE_CHECKING:
    from buffycoat.bundle.read import Bundle
    from buffycoat.predict.pipeline import Work

_PATIENCE_S = 5.0  # for a process that was asked to end
_READY_S = 60.0
_AFTER_S = 0.5  # of work on this process's own threads; a run that is over by then needs no other


@dataclass(frozen=True, slots=True)
class Order:
    """What a process needs to know before it is handed photographs."""

    bundle: Bundle
    views: Literal[1, 4]
    max_pixels: int


class ProcessLostError(Exception):
    """A process ended without an answer."""


class Process:
    """One worker process: handed photographs, it gives back results.

    Not safe to use from two threads at once.

    Attributes
    ----------
    worked_s
        Seconds of a processor it has used, as of its last answer.
    """

    def __init__(self, order: Order) -> None:
        self.worked_s = 0.0
        context = worker_source.start()
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, order), daemon=True, name="buffycoat-worker")
        try:
            self._process.start()
        finally:
            theirs.close()

    def wait(self) -> None:
        """Wait until it has opened the network.

        Raises
        ------
        ProcessLostError
            It ended before that, or takes too long.
        """
        if not self._ours.poll(_READY_S):
            self.end()
            raise ProcessLostError
        self._receive()

    def ask(self, items: Sequence[Item], batch: int) -> list[PhotographResult]:
        """Return one result per item.

        Raises
        ------
        ProcessLostError
            The process ended over it.
        """
        try:
            self._ours.send((items, batch))
        except OSError as error:
            raise ProcessLostError from error
        answer, self.worked_s = self._receive()
        if isinstance(answer, BaseException):
            raise answer
        return list(answer)

    def let_go(self) -> None:
        """Let it end: it waits for photographs, and sees that there will be none."""
        self._ours.close()

    def end(self, patience_s: float = _PATIENCE_S) -> None:
        """Wait for its end; one that does not come to it is killed."""
        self.let_go()
        self._process.join(patience_s)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def fate(self) -> str:
        """Return what became of a lost process, in words."""
        self._process.join(_PATIENCE_S)
        code = self._process.exitcode
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                return signal.Signals(-code).name
        return f"exit code {code}"

    def _receive(self) -> Any:
        try:
            return self._ours.recv()
        except (EOFError, OSError) as error:
            raise ProcessLostError from error


Joined = Callable[[Callable[[], float]], None]


class Processes:
    """As many worker processes as are asked at once, started as they are needed.

    Parameters
    ----------
    order
        What they work with.
    here
        Does the work on the calling thread while no process is ready.
    joined
        Called when one more process takes part, with what gives the seconds of a processor that all of them have used.
    at_once
        Whether processes are started with the first photographs, not after half a second's work.
    """

    def __init__(
        self, order: Order, here: Work, joined: Joined = lambda _worked: None, *, at_once: bool = False
    ) -> None:
        self._order, self._here, self._joined = order, here, joined
        self._lock = threading.Lock()
        self._idle: list[Process] = []
        self._all: set[Process] = set()
        self._asked = 0
        self._worked_before_s = 0.0  # by those that are lost
        self._starting: list[threading.Thread] = []
        self._useless = self._closed = False
        self._start_from = time.monotonic() + (0.0 if at_once else _AFTER_S)

    def work(self, items: Sequence[Item], batch: int) -> list[PhotographResult]:
        """Return one result per item; called from as many threads as there should be processes."""
        with self._lock:
            self._asked += 1
            process = self._idle.pop() if self._idle else None
            if process is None and self._needs_another():
                self._begin_one()
        try:
            if process is None:
                return self._here(items, batch)
            return self._ask(process, [fetched(item) for item in items], batch)
        finally:
            with self._lock:
                self._asked -= 1

    def apart(self, items: Sequence[Item], batch: int) -> list[PhotographResult]:
        """Return one result per item, never looking at one in this process while another can be started."""
        process = self._ready()
        if process is None:
            return self._here(items, batch)
        return self._ask(process, [fetched(item) for item in items], batch)

    def close(self, patience_s: float = _PATIENCE_S) -> None:
        """End every process, and start no other, though threads may still ask; none is waited for longer than this."""
        with self._lock:
            self._closed = True
            starting = list(self._starting)
        for thread in starting:
            thread.join()
        with self._lock:
            processes = list(self._all)
            self._all.clear()
            self._idle.clear()
        for process in processes:
            process.let_go()
        until = time.monotonic() + patience_s
        for process in processes:
            process.end(max(0.0, until - time.monotonic()))

    def worked_s(self) -> float:
        """Return the seconds of a processor that the processes have used so far."""
        with self._lock:
            return self._worked_before_s + sum(process.worked_s for process in self._all)

    def _needs_another(self) -> bool:
        known = len(self._all) + len(self._starting)
        return not (self._useless or self._closed) and self._asked > known and time.monotonic() >= self._start_from

    def _begin_one(self) -> None:
        thread = threading.Thread(target=self._start, name="buffycoat-start", daemon=True)
        self._starting.append(thread)
        thread.start()

    def _start(self) -> None:
        process = None
        try:
            process = self._new()
        finally:
            with self._lock:
                self._starting.remove(threading.current_thread())
        with self._lock:
            if process is None:
                self._useless = True  # the threads of this process go on alone
            else:
                self._idle.append(process)
        if process is not None:
            self._joined(self.worked_s)

    def _ready(self) -> Process | None:
        """Return an idle process or else a new one; None where none can be started."""
        with self._lock:
            idle = self._idle.pop() if self._idle else None
        return idle or self._new()

    def _new(self) -> Process | None:
        """Return one more process that is ready; None where none can be started."""
        if self._closed:
            return None
        try:
            process = Process(self._order)
            process.wait()
        # The process that workers are forked from may be gone (EOFError); a daemon may have no children (an assertion).
        except (ProcessLostError, OSError, EOFError, AssertionError):
            return None
        with self._lock:
            self._all.add(process)
        return process

    def _ask(self, process: Process, items: Sequence[Item], batch: int) -> list[PhotographResult]:
        """Ask a process; when it falls over, find out alone over which photograph."""
        try:
            results = process.ask(items, batch)
        except ProcessLostError:
            self._forget(process)
            if self._closed:
                raise  # nobody waits for the answer
            if len(items) > 1:
                return [self._alone(item, batch) for item in items]
            return [_unanswered(items[0], f"made the program that looked at it stop ({process.fate()})")]
        self._give_back(process)
        return results

    def _alone(self, item: Item, batch: int) -> PhotographResult:
        process = self._ready()
        if process is None:  # it need not be this one that felled the last
            return _unanswered(
                item, "not looked at: the program stopped over this or its neighbours, and did not start anew"
            )
        return self._ask(process, [item], batch)[0]

    def _give_back(self, process: Process) -> None:
        with self._lock:
            self._idle.append(process)

    def _forget(self, process: Process) -> None:
        with self._lock:
            self._all.discard(process)
            self._worked_before_s += process.worked_s
        process.end()


@contextmanager
def beside(order: Order, here: Work, joined: Joined, *, at_once: bool = False) -> Iterator[Work]:
    """Yield work that is done by processes beside this one, which end with the context; see :class:`Processes`."""
    processes = Processes(order, here, joined, at_once=at_once)
    try:
        yield processes.work
    except BaseException:  # stopped, or no more is wanted: what is under way is for nobody
        processes.close(patience_s=0)
        raise
    processes.close()


def fetched(item: Item) -> Item:
    """Return an item whose bytes can travel: what lies in object storage is read here, where the storage is open."""
    if not isinstance(item.content, Remote):
        return item
    from buffycoat.predict.look import read

    try:
        return replace(item, content=read(item.content))
    except ImageError as error:
        return replace(item, content=None, error=error.reason)


def _unanswered(item: Item, reason: str) -> PhotographResult:
    return PhotographResult(item.name, None, None, reason, (), "none")


def _serve(pipe: Connection, order: Order) -> None:
    """Look at photographs until the pipe closes; the process that started this one decides when to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    import cv2

    from buffycoat.predict.predictor import Predictor

    cv2.setNumThreads(1)
    predictor = Predictor(order.bundle, views=order.views, max_pixels=order.max_pixels)
    try:
        pipe.send(None)
        while True:
            items, batch = pipe.recv()
            try:
                answer: object = predictor.work(items, batch)
            except Exception:  # noqa: BLE001 - a defect: raised again where it is seen
                answer = RuntimeError(traceback.format_exc())
            pipe.send((answer, time.process_time()))
            del items, answer  # or they were held until the next come, and beside them
    except (EOFError, OSError):
        return
