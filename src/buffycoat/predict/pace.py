"""How many threads and how large a batch: found by measuring the work itself while it goes on.

What is fastest depends on the processor, the network, the disk and what else the machine does. So the work begins with
one thread a core and a batch known to be reasonable; then other settings are tried for a moment each, and the fastest
is kept. A trial waits until what it may lose, with all that was lost before, is a small share of the time that was
worked: a run of seconds is not spent on searching. Nothing is computed twice for it, and answers do not hang on it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

_LEAST_HANDFUL = 8  # photographs that a thread takes at once
_MOST_HANDFUL = 48
_HANDFUL_S = 0.1  # what it is to take, as far as these allow: handing over costs little then, and stopping too
START_BATCH = 8
BATCHES = (8, 4)  # larger ones gained a hundredth or nothing, and each worker keeps memory for one
_GAIN = 1.03  # a setting must be so much faster to be taken: noise is not a reason to change
_WARM_UP_S = 0.3
_WINDOW_S = 1.2
_LEAST_HANDFULS = 12  # in a window
_HOPELESS = 0.85  # of the best rate: a setting that is slower after a third of a window is not tried to its end
_MOST_LOST = 0.03  # of the time that the work has taken: no trial is begun that may lose more
_START_S = 0.4  # what starting one more process takes from the others
_BUSY = 0.85  # of a core, what a thread uses that does not wait for a disk or a network: more of them would not help


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
    """Threads at work, and cells that the network takes at once."""

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
        self._lock = threading.Lock()
        first = Setting(threads or cores, batch or START_BATCH)
        self._now = first
        self._best = first
        self._rates: dict[Setting, float] = {}
        self._first = clock()
        self._lost = 0.0
        self._worked: Callable[[], float] = time.process_time
        self._to_try = _plan(first, fix_threads=threads is not None, fix_batch=batch is not None)
        self._photograph_s = 0.0  # that a thread takes for one, lately
        self._begin()

    @property
    def threads(self) -> int:
        """Threads that may work now."""
        return self._now.threads

    @property
    def batch(self) -> int:
        """Cells that the network takes at once now."""
        return self._now.batch

    @property
    def handful(self) -> int:
        """Photographs that a thread takes at once now: a batch, or more where they are fast."""
        fast = min(_MOST_HANDFUL, round(_HANDFUL_S / self._photograph_s)) if self._photograph_s else 0
        return max(_LEAST_HANDFUL, self._now.batch, fast)

    @property
    def settled(self) -> Setting | None:
        """The setting that was found fastest; None while the search goes on."""
        return None if self._to_try or self._now != self._best else self._best

    @property
    def rates(self) -> dict[Setting, float]:
        """Photographs a second, of every setting measured so far."""
        return dict(self._rates)

    def done(self, photographs: int, seconds: float) -> None:
        """Count photographs that a thread looked at in so many seconds; this may change the setting."""
        with self._lock:
            each = seconds / photographs
            self._photograph_s = (self._photograph_s + each) / 2 if self._photograph_s else each
            self._count(photographs)

    def more_hands(self, worked: Callable[[], float]) -> None:
        """Take note that who does the work has changed: what was measured of the setting in force does not count.

        Parameters
        ----------
        worked
            Gives the seconds of a processor that they have used so far; before, it is this process that counts.
        """
        with self._lock:
            self._worked = worked
            if self._measures():
                self._begin()

    def _begin(self) -> None:
        self._since: float | None = None
        self._started = self._clock()
        self._worked_before = 0.0
        self._photographs = 0
        self._handfuls = 0

    def _measures(self) -> bool:
        return bool(self._to_try) or self._now not in self._rates

    def _count(self, photographs: int) -> None:
        if not self._measures():
            return
        now = self._clock()
        if self._since is None:
            # What was under way in the former setting does not count.
            if now - self._started >= _WARM_UP_S:
                self._since = now
                self._worked_before = self._worked()
            return
        self._photographs += photographs
        self._handfuls += 1
        passed = now - self._since
        if passed < _WINDOW_S / 3 or self._handfuls < _LEAST_HANDFULS / 3:
            return
        rate = self._photographs / passed
        hopeless = rate < _HOPELESS * self._rates.get(self._best, 0.0)
        if (hopeless and self._now != self._best) or (passed >= _WINDOW_S and self._handfuls >= _LEAST_HANDFULS):
            self._rates[self._now] = rate
            busy = (self._worked() - self._worked_before) / (passed * self._now.threads)
            self._next(now, waits=busy < _BUSY)

    def _next(self, now: float, *, waits: bool) -> None:
        """Keep the better of the setting in force and the best one so far; begin the next trial if it is time.

        More threads are tried where those at work wait.
        """
        trial, best = self._rates[self._now], self._rates[self._best]
        if self._now != self._best:
            if trial > _GAIN * best:
                self._best = self._now
            else:
                self._lost += (now - self._started) * max(0.0, 1 - trial / best)
        # The other batch sizes are tried with the best number of threads found so far.
        self._now = self._best
        while self._to_try:
            kind, value = self._to_try[0]
            setting = Setting(value, self._best.batch) if kind == "threads" else Setting(self._best.threads, value)
            if setting not in self._rates and (waits or setting.threads <= self._best.threads):
                may_lose = _may_lose(self._best, setting, self._photograph_s * self.handful)
                if self._lost + may_lose > _MOST_LOST * (now - self._first):
                    break  # the best one is measured again until then
                self._lost += _START_S / self._best.threads if setting.threads > self._best.threads else 0.0
                self._now = setting
                del self._to_try[0]
                break
            del self._to_try[0]
        self._begin()


def _may_lose(best: Setting, trial: Setting, handful_s: float) -> float:
    """Return the seconds of work that a trial may well lose; a handful takes a thread `handful_s`.

    One thread less does so much less, and one more may hinder the others by as much.
    """
    if trial.threads == best.threads:
        return 0.0
    between = handful_s / trial.threads
    lasts = max(_WARM_UP_S, between) + max(_WINDOW_S / 3, _LEAST_HANDFULS / 3 * between)
    fewer, more = sorted((trial.threads, best.threads))
    return lasts * (1 - fewer / more) + (_START_S / best.threads if trial.threads > best.threads else 0.0)


def _plan(first: Setting, *, fix_threads: bool, fix_batch: bool) -> list[tuple[str, int]]:
    """Return what is worth trying, in order."""
    plan: list[tuple[str, int]] = []
    if not fix_batch:
        plan += [("batch", size) for size in BATCHES if size != first.batch]
    if not fix_threads:
        more = sorted({first.threads + 1, first.threads + max(1, first.threads // 2)})
        fewer = [first.threads - 1] if first.threads > 1 else []  # last: a trial of it loses most
        plan += [("threads", count) for count in (*more, *fewer)]
    return plan
