"""Garbage is not looked for while modules load, once in a process, and again afterwards."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from buffycoat.cli.starting import uncollected


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


def test_it_waits_inside_and_goes_on_after() -> None:
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_a_fault_does_not_leave_it_off() -> None:
    with pytest.raises(ImportError), uncollected():
        raise ImportError
    assert gc.isenabled()


def test_a_second_command_of_one_process_freezes_nothing_more() -> None:
    with uncollected():
        pass
    made = [[k] for k in range(100)]
    with uncollected():
        assert gc.isenabled()
    assert any(one is made for one in gc.get_objects())  # what is frozen is not among them


def test_who_has_turned_it_off_finds_it_off() -> None:
    gc.disable()
    try:
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
        assert gc.get_freeze_count() == 0
    finally:
        gc.enable()
