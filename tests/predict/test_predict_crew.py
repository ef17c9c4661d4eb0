"""No more threads work than are wanted, whatever is wanted while they do; none waits for work that is there."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError, Future
from functools import partial

import pytest

from buffycoat.predict.crew import Crew


class Watched:
    """Work that knows how many are at it."""

    def __init__(self) -> None:
        self.now, self.most, self._lock = 0, 0, threading.Lock()

    def __call__(self) -> int:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.002)
        with self._lock:
            self.now -= 1
        return threading.get_ident()


@pytest.mark.parametrize("wanted", [1, 2, 5])
def test_as_many_threads_work_as_are_wanted(wanted: int) -> None:
    work = Watched()
    with Crew[int](lambda: wanted) as crew:
        done = {future.result(5) for future in [crew.submit(work) for _ in range(60)]}
    assert work.most == len(done) == wanted


def test_how_many_are_wanted_may_change_at_any_time() -> None:
    wanted, work = [2], Watched()
    with Crew[int](lambda: wanted[0]) as crew:
        for now in (2, 4, 1, 3, 1, 4):
            wanted[0], work.most = now, 0
            for future in [crew.submit(work) for _ in range(40)]:
                assert future.result(5)
            assert work.most <= now
            if now > 1:
                assert work.most > 1


def test_work_that_comes_one_by_one_is_done_after_fewer_are_wanted() -> None:
    wanted = [4]
    with Crew[int](lambda: wanted[0]) as crew:
        for future in [crew.submit(lambda: 1) for _ in range(8)]:
            future.result(5)
        wanted[0] = 1  # three of four that sleep are not to be woken for it
        assert [crew.submit(partial(int, place)).result(5) for place in range(30)] == list(range(30))


def test_more_threads_join_in_what_was_given_before_they_were_wanted() -> None:
    wanted, work = [3], Watched()
    with Crew[int](lambda: wanted[0]) as crew:
        for future in [crew.submit(work) for _ in range(9)]:
            future.result(5)
        wanted[0], work.most = 1, 0
        waiting = [crew.submit(work) for _ in range(40)]
        waiting[5].result(5)
        assert work.most == 1
        wanted[0] = 3
        for future in waiting:
            future.result(5)
        assert work.most == 3


def test_what_is_raised_is_raised_where_the_result_is_asked_for() -> None:
    def fail() -> int:
        raise ZeroDivisionError

    with Crew[int](lambda: 1) as crew:
        failed, next_one = crew.submit(fail), crew.submit(lambda: 3)
        with pytest.raises(ZeroDivisionError):
            failed.result(5)
        assert next_one.result(5) == 3


def test_leaving_waits_for_what_was_begun_and_drops_the_rest() -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow() -> int:
        began.set()
        go_on.wait(5)
        return 7

    futures: list[Future[int]] = []
    with Crew[int](lambda: 1) as crew:
        futures += [crew.submit(slow), crew.submit(slow)]
        assert began.wait(5)
        threading.Timer(0.05, go_on.set).start()
    assert futures[0].result(0) == 7
    with pytest.raises(CancelledError):
        futures[1].result(0)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("buffycoat-")]
