"""The search for the fastest setting finds it, changes nothing without gain, and costs little."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from buffycoat.predict.pace import Pace, Setting


class Clock:
    """Time that passes only when work is done."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _drive(pace: Pace, clock: Clock, speed: Callable[[Setting], float], handfuls: int = 30_000) -> None:
    for _ in range(handfuls):
        setting = Setting(pace.threads, pace.batch)
        clock.now += setting.batch / speed(setting)
        pace.done(setting.batch, setting.threads * setting.batch / speed(setting))


def _waiting(cores: int, clock: Clock, **fixed: int) -> Pace:
    """Return the pace of work that waits for a disk most of the time."""
    pace = Pace(cores, clock=clock, **fixed)
    pace.more_hands(lambda: 0.0)
    return pace


@pytest.mark.parametrize(
    ("speed", "expected"),
    [
        (lambda setting: 400.0, Setting(2, 8)),  # nothing gains: nothing changes
        (lambda setting: 400.0 + setting.batch, Setting(2, 8)),  # a gain within the noise
        (lambda setting: 100.0 * setting.batch, Setting(2, 8)),
        (lambda setting: 4000.0 / setting.batch, Setting(2, 4)),
        (lambda setting: 200.0 * setting.threads, Setting(3, 8)),  # work that waits for a disk
        (lambda setting: 900.0 / setting.threads, Setting(1, 8)),  # a core that is taken by others
        (lambda setting: 4000.0 / setting.batch * setting.threads, Setting(3, 4)),
    ],
)
def test_the_fastest_setting_is_found(speed: Callable[[Setting], float], expected: Setting) -> None:
    clock = Clock()
    pace = _waiting(2, clock)
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
    assert (pace.threads, pace.batch) == (3, 5)
    assert set(pace.rates) == {Setting(3, 5)}
    pace = Pace(4, threads=1, clock=clock)
    _drive(pace, clock, lambda setting: 100.0 * setting.batch)
    assert pace.settled == Setting(1, 8)


@pytest.mark.parametrize("fastest", [600.0, 20.0, 4.0, 1.0])
def test_little_time_is_lost_to_settings_that_lose(fastest: float) -> None:
    def speed(setting: Setting) -> float:
        return {1: 0.5, 2: 1.0, 3: 0.75}[setting.threads] * fastest

    for handfuls in (100, 500, 2000, 20_000):
        clock = Clock()
        pace = _waiting(2, clock)
        done = 0
        for _ in range(handfuls):
            done += pace.batch
            _drive(pace, clock, speed, 1)
        assert done / clock.now > 0.95 * fastest


def test_a_trial_that_may_lose_waits_until_it_is_a_small_share_of_the_run() -> None:
    clock = Clock()
    pace = _waiting(8, clock, batch=8)
    began: dict[int, float] = {}
    for _ in range(20_000):
        began.setdefault(pace.threads, clock.now)
        _drive(pace, clock, lambda setting: 100.0 * min(setting.threads, 8), 1)
    assert set(began) == {7, 8, 9, 12}
    assert 0 < began[9] < began[12] < began[7]
    assert pace.settled == Setting(8, 8)


def test_what_was_measured_before_all_hands_were_there_does_not_count() -> None:
    clock = Clock()
    pace = _waiting(2, clock)
    slow = 0.9  # the first processes are starting
    while clock.now < 1.0:
        _drive(pace, clock, lambda setting: 600.0 * slow, 1)
    pace.more_hands(lambda: 0.0)
    _drive(pace, clock, lambda setting: 600.0, 500)
    assert pace.rates[Setting(2, 8)] == pytest.approx(600.0, rel=0.01)
    assert pace.batch == 8


@pytest.mark.parametrize(("speed", "expected"), [(3.0, 8), (400.0, 20), (700.0, 35), (9000.0, 48)])
def test_a_handful_takes_a_tenth_of_a_second(speed: float, expected: int) -> None:
    clock = Clock()
    pace = Pace(2, clock=clock)
    assert pace.handful == 8
    _drive(pace, clock, lambda setting: speed, 2000)
    assert pace.handful == expected


def test_a_handful_becomes_small_where_photographs_become_slow() -> None:
    clock = Clock()
    pace = Pace(2, clock=clock)
    _drive(pace, clock, lambda setting: 700.0, 20_000)
    assert pace.handful == 35
    pace.done(pace.handful, 35.0)
    assert pace.handful == 8


def test_a_handful_holds_a_batch() -> None:
    assert Pace(2, batch=64).handful == 64


@pytest.mark.parametrize(("busy", "tried"), [(1.0, {1, 2}), (0.9, {1, 2}), (0.7, {1, 2, 3})])
def test_more_threads_are_tried_where_those_at_work_wait(busy: float, tried: set[int]) -> None:
    clock = Clock()
    pace = Pace(2, clock=clock)
    pace.more_hands(lambda: 2 * busy * clock.now)
    _drive(pace, clock, lambda setting: 600.0)
    assert {setting.threads for setting in pace.rates} == tried
