"""Worker processes answer like this one, and one that falls over costs at most the photograph that felled it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from buffycoat.predict import PhotographResult, Predictor, processes
from buffycoat.predict.items import Item, Remote
from buffycoat.predict.look import MOST_PIXELS
from buffycoat.predict.processes import Order, Processes, ProcessLostError, fetched


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start processes with the first photographs."""
    monkeypatch.setattr(processes, "_AFTER_S", 0.0)


@pytest.fixture
def team(predictor: Predictor, at_once: None) -> Iterator[Processes]:
    made = Processes(Order(predictor.bundle, 1, MOST_PIXELS), predictor.work)
    yield made
    made.close()


def _workers() -> list[psutil.Process]:
    return [one for one in psutil.Process().children(recursive=True) if _is_worker(one)]


def _is_worker(process: psutil.Process) -> bool:
    try:
        parent = process.parent()
        has_parent = parent is not None and parent.pid != os.getpid()
        return has_parent and not process.children() and "forkserver" in " ".join(process.cmdline())
    except psutil.Error:  # it ended while it was being asked
        return False


def _until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def _items(photographs: Path, times: int = 1) -> list[Item]:
    paths = [*sorted(photographs.glob("*.jpg")), photographs / "none.jpg"]
    return [Item(f"{path.name}\n{k}", path) for k in range(times) for path in paths]


@pytest.mark.slow
def test_answers_are_those_of_threads_and_workers_end_with_the_run(
    predictor: Predictor, photographs: Path, at_once: None
) -> None:
    items = _items(photographs, 60)
    expected = list(predictor.run(items))
    other = Predictor(predictor.bundle, processes=True, threads=2, batch=4)
    seen, found = 0, []
    for result in other.run(items):
        found.append(result)
        if len(found) == 100:  # the rest waits for a process to be there
            _until(lambda: bool(_workers()))
        seen = max(seen, len(_workers()) if len(found) % 50 == 0 else 0)
    assert found == expected
    assert seen
    _until(lambda: not _workers())


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(team: Processes, predictor: Predictor, photographs: Path) -> None:
    items = _items(photographs)
    expected = predictor.work(items, 8)
    worked = 0.0
    for _ in range(3):
        _ready(team, items)
        assert team.work(items, 8) == expected
        assert team.worked_s() > worked
        worked = team.worked_s()
        for one in _workers():
            one.send_signal(signal.SIGKILL)
            one.wait()
        assert team.work(items, 8) == expected
    assert _workers()


def _ready(team: Processes, items: Sequence[Item]) -> None:
    def idle() -> bool:
        team.work(items[:1], 1)
        return bool(team._idle)

    _until(idle)


@pytest.mark.slow
def test_where_no_process_can_be_started_this_one_does_the_work(
    predictor: Predictor, photographs: Path, at_once: None
) -> None:
    impossible: Any = 3  # no bundle is calibrated for three views: every process ends over it
    team = Processes(Order(predictor.bundle, impossible, MOST_PIXELS), predictor.work)
    items = _items(photographs)
    expected = predictor.work(items, 8)
    assert team.work(items, 8) == expected
    _until(lambda: team._useless)
    assert team.work(items, 8) == expected
    assert not _workers()
    team.close()


def test_a_few_photographs_start_no_process(
    predictor: Predictor, photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(order: Order) -> None:
        raise AssertionError("started")

    monkeypatch.setattr(processes, "Process", refuse)
    other = Predictor(predictor.bundle, processes=True)
    items = _items(photographs)
    assert list(other.run(items)) == list(predictor.run(items))


class _Fragile:
    """Stands for a process that falls over a photograph called *poison*."""

    made = 0
    worked_s = 1.0

    def __init__(self, _: Order) -> None:
        type(self).made += 1
        self.alive = True

    def wait(self) -> None: ...

    def let_go(self) -> None: ...

    def end(self, patience_s: float = 0) -> None:
        self.alive = False

    def fate(self) -> str:
        return "SIGSEGV"

    def ask(self, items: Sequence[Item], _: int) -> list[PhotographResult]:
        assert self.alive
        if any(item.name == "poison" for item in items):
            raise ProcessLostError
        return [PhotographResult(item.name, 1, 1, None, (), "none") for item in items]


def _team_of(kind: type[_Fragile], predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> Processes:
    """Return a team whose processes are of this kind, one of them ready."""
    monkeypatch.setattr(processes, "Process", kind)
    team = Processes(Order(predictor.bundle, 1, MOST_PIXELS), predictor.work)
    _ready(team, [Item("x", None, error="x")])
    return team


def test_the_photograph_that_fells_a_process_is_named_and_the_others_are_answered(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch, at_once: None
) -> None:
    team = _team_of(_Fragile, predictor, monkeypatch)
    items = [Item(name, b"") for name in ("a", "poison", "b", "c")]
    found = team.work(items, 8)
    team.close()
    assert [result.image for result in found] == ["a", "poison", "b", "c"]
    assert [result.error for result in found] == [
        None,
        "made the program that looked at it stop (SIGSEGV)",
        None,
        None,
    ]


class _Slow(_Fragile):
    """Stands for a process that is killed while it looks."""

    asked = threading.Event()

    def ask(self, items: Sequence[Item], _: int) -> list[PhotographResult]:
        if items[0].name == "slow":
            self.asked.set()
            _until(lambda: not self.alive)
            raise ProcessLostError
        return super().ask(items, _)


def test_who_asks_while_all_is_closed_starts_nothing_and_accuses_nobody(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch, at_once: None
) -> None:
    team = _team_of(_Slow, predictor, monkeypatch)
    made = _Slow.made
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(team.work, [Item("slow", b""), Item("next", b"")], 8)
        assert _Slow.asked.wait(10)
        team.close(patience_s=0)
        with pytest.raises(ProcessLostError):
            asked.result(10)
    assert _Slow.made == made


def test_a_process_that_cannot_be_forked_leaves_the_work_here(
    predictor: Predictor, photographs: Path, monkeypatch: pytest.MonkeyPatch, at_once: None
) -> None:
    def gone(order: Order) -> None:
        raise EOFError("unexpected EOF")  # as where the process they are forked from was killed

    monkeypatch.setattr(processes, "Process", gone)
    team = Processes(Order(predictor.bundle, 1, MOST_PIXELS), predictor.work)
    items = _items(photographs)
    expected = predictor.work(items, 8)
    assert team.work(items, 8) == expected
    _until(lambda: team._useless)
    assert not team._starting
    assert team.work(items, 8) == expected
    team.close()


@pytest.mark.parametrize("at_once", [False, True])
def test_processes_are_started_at_once_where_that_was_asked_for(
    predictor: Predictor, photographs: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    begun: list[Processes] = []

    def begin(team: Processes) -> None:
        begun.append(team)

    monkeypatch.setattr(Processes, "_begin_one", begin)
    monkeypatch.setattr(processes, "_AFTER_S", 60.0)
    other = Predictor(predictor.bundle, processes=True)
    list(other.run(_items(photographs), surely_many=at_once))
    assert bool(begun) == at_once


def test_what_lies_in_a_storage_is_read_before_it_travels(photographs: Path) -> None:
    path = (photographs / "0.jpg").absolute()
    here = Item("a", path)
    assert fetched(here) is here
    far = fetched(Item("b", Remote(f"file://{path}", str(path))))
    assert (far.name, far.content) == ("b", path.read_bytes())
    lost = fetched(Item("c", Remote(f"file://{path}.no", f"{path}.no")))
    assert (lost.content, lost.error) == (None, "missing")


def test_where_no_other_process_starts_no_photograph_is_accused(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch, at_once: None
) -> None:
    team = _team_of(_Fragile, predictor, monkeypatch)

    def refuse(order: Order) -> None:
        raise OSError("no memory")

    monkeypatch.setattr(processes, "Process", refuse)
    found = team.work([Item(name, b"") for name in ("a", "poison")], 8)
    team.close()
    assert [result.image for result in found] == ["a", "poison"]
    assert all("not looked at" in (result.error or "") for result in found)
