"""Ctrl-C is heard at once, and what is said of it does not spoil the bar."""

from __future__ import annotations

import os
import signal

import pytest

from buffycoat.cli import predicting

SAID = "Stopping: finishing what is under way; Ctrl-C again stops at once.\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_is_answered_at_once_and_the_second_stops(
    capfd: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    with predicting._stopping(quiet=False) as stop:
        signal.raise_signal(number)
        assert stop.is_set()
        assert stop.number == number
        assert capfd.readouterr().err == SAID
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert capfd.readouterr().err == "", "once is enough"


def test_who_wants_quiet_has_it(capfd: pytest.CaptureFixture[str]) -> None:
    with predicting._stopping(quiet=True) as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
        assert capfd.readouterr().err == ""


def test_on_a_terminal_the_bar_is_cleared_first(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "isatty", lambda _: True)
    for terminal, before in (("xterm", "\r\x1b[2K"), ("dumb", "")):
        monkeypatch.setenv("TERM", terminal)
        predicting._acknowledge()
        assert capfd.readouterr().err == before + SAID


def test_a_closed_standard_error_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object) -> int:
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(os, "write", closed)
    predicting._acknowledge()
