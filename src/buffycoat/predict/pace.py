"""How many threads and how large a batch: found by measuring the work itself while it goes on.

What is fastest depends on the processor, the network, the disk and what else the machine does. So the work begins with
one thread a core and a batch known to be reasonable; then other settings are tried for a moment each, nearest first,
and the fastest is kept. Nothing is computed twice for it, and answers do not depend on it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

START_BATCH = 8
_BATCHES = (12, 8, 4)  # larger ones gained nothing on any processor tried, and each thread keeps memory for one
_GAIN = 1.03  # a setting must be so much faster to be taken: noise is not a reason to change
_WARM_UP_S = 0.3
_WINDOW_S = 1.2
_LEAST_HANDFULS = 12  # in a window
_HOPELESS = 0.85  # of the best rate: a setting that is slower after a third of a window is not tried to its end


def rate_shown(photographs_per_second: float) -> str:
    """Return a rate for reading, never rounded to nought.

    Examples
    --------
    >>> [rate_shown(rate) for rate in (1234.4, 9.96, 0.31, 0.004)]
    ['1,234', '10', '0.3', '0.004']
    """
    if photographs_per_second >= 9.95:
        return f"{photographs_per_second:,.0f}"
    return f"{photographs_per_second:.1f}" if photographs_per_second >= 0.05 else f"{photographs_per_second:.1g}"


@dataclass(frozen=True, slots=True)
class Setting:
    """Threads at work, and photographs a batch."""

    threads: int
    batch: int


class Pace:
    """The setting in force, and the search for a better one.

    Parameters
    ----------
    cores
        Processor cores that may be used.
    threads, batch
        Fixed by the user; None where it is to be found.
    clock
        Seconds; for tests.
    """

    def __init__(
        self,
        cores: int,
        *,
        threads: int | None = None,
        batch: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._working = 0
        first = Setting(threads or cores, batch or START_BATCH)
        self.most_threads = threads or (cores + max(1, cores // 2))
        self._now = first
        self._best = first
        self._rates: dict[Setting, float] = {}
        self._to_try = _plan(first, self.most_threads, fix_threads=threads is not None, fix_batch=batch is not None)
        self._begin()

    @property
    def threads(self) -> int:
        """Threads that may work now."""
        return self._now.threads

    @property
    def batch(self) -> int:
        """Photographs a batch now."""
        return self._now.batch

    @property
    def settled(self) -> Setting | None:
        """The setting that was found fastest; None while the search goes on."""
        return None if self._to_try or self._now != self._best else self._best

    @property
    def rates(self) -> dict[Setting, float]:
        """Photographs a second, of every setting measured so far."""
        return dict(self._rates)

    @contextmanager
    def turn(self, photographs: int) -> Iterator[None]:
        """Wait until one more thread may work; count the photographs when it is done."""
        with self._changed:
            while self._working >= self._now.threads:
                self._changed.wait()
            self._working += 1
        try:
            yield
        finally:
            with self._changed:
                self._working -= 1
                self._count(photographs)
                self._changed.notify_all()

    def _begin(self) -> None:
        self._since: float | None = None
        self._started = self._clock()
        self._photographs = 0
        self._handfuls = 0

    def _count(self, photographs: int) -> None:
        if not self._to_try and self._now in self._rates:
            return
        now = self._clock()
        if self._since is None:
            # What was under way in the former setting does not count.
            if now - self._started >= _WARM_UP_S:
                self._since = now
            return
        self._photographs += photographs
        self._handfuls += 1
        passed = now - self._since
        if passed < _WINDOW_S / 3 or self._handfuls < _LEAST_HANDFULS / 3:
            return
        rate = self._photographs / passed
        hopeless = rate < _HOPELESS * self._rates.get(self._best, 0.0)
        if hopeless or (passed >= _WINDOW_S and self._handfuls >= _LEAST_HANDFULS):
            self._rates[self._now] = rate
            self._next()

    def _next(self) -> None:
        best, now = self._best, self._now
        if now != best and self._rates[now] > _GAIN * self._rates[best]:
            self._best = now
        # The other batch sizes are tried with the best number of threads found so far.
        self._now = self._best
        while self._to_try:
            kind, value = self._to_try.pop(0)
            setting = Setting(value, self._best.batch) if kind == "threads" else Setting(self._best.threads, value)
            if setting not in self._rates:
                self._now = setting
                break
        self._begin()


def _plan(first: Setting, most_threads: int, *, fix_threads: bool, fix_batch: bool) -> list[tuple[str, int]]:
    """Return what is worth trying, in order."""
    plan: list[tuple[str, int]] = []
    if not fix_batch:
        plan += [("batch", size) for size in _BATCHES if size != first.batch]
    if not fix_threads:
        around = sorted({max(1, first.threads - 1), first.threads + 1, most_threads} - {first.threads})
        plan += [("threads", count) for count in around if count <= most_threads]
    return plan
