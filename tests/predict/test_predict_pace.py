"""The search for the fastest setting finds it, changes nothing without gain, and never goes beyond its threads."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from buffycoat.predict.pace import Pace, Setting


class Clock:
    """Time that passes only when work is done."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _drive(pace: Pace, clock: Clock, speed: Callable[[Setting], float], handfuls: int = 8000) -> None:
    for _ in range(handfuls):
        setting = Setting(pace.threads, pace.batch)
        with pace.turn(setting.batch):
            clock.now += setting.batch / speed(setting)


@pytest.mark.parametrize(
    ("speed", "expected"),
    [
        (lambda setting: 400.0, Setting(2, 8)),  # nothing gains: nothing changes
        (lambda setting: 400.0 + setting.batch, Setting(2, 8)),  # a gain within the noise
        (lambda setting: 100.0 * setting.batch, Setting(2, 12)),
        (lambda setting: 4000.0 / setting.batch, Setting(2, 4)),
        (lambda setting: 200.0 * setting.threads, Setting(3, 8)),  # work that waits for a disk
        (lambda setting: 900.0 / setting.threads, Setting(1, 8)),  # a core that is taken by others
        (lambda setting: 4000.0 / setting.batch * setting.threads, Setting(3, 4)),
    ],
)
def test_the_fastest_setting_is_found(speed: Callable[[Setting], float], expected: Setting) -> None:
    clock = Clock()
    pace = Pace(2, clock=clock)
    _drive(pace, clock, speed)
    assert pace.settled == expected
    measured = pace.rates
    assert measured[expected] == pytest.approx(speed(expected), rel=0.05)
    _drive(pace, clock, speed, 500)
    assert pace.rates == measured  # the search ends


def test_what_the_user_fixes_stays() -> None:
    clock = Clock()
    pace = Pace(4, threads=3, batch=5, clock=clock)
    _drive(pace, clock, lambda setting: 100.0)
    assert (pace.threads, pace.batch, pace.most_threads) == (3, 5, 3)
    pace = Pace(4, threads=1, clock=clock)
    _drive(pace, clock, lambda setting: 100.0 * setting.batch)
    assert pace.settled == Setting(1, 12)


def test_no_more_threads_work_than_are_allowed() -> None:
    pace = Pace(2, threads=2, batch=1)
    at_work, most, lock = [0], [0], threading.Lock()

    def work() -> None:
        for _ in range(50):
            with pace.turn(1):
                with lock:
                    at_work[0] += 1
                    most[0] = max(most[0], at_work[0])
                with lock:
                    at_work[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] <= 2
