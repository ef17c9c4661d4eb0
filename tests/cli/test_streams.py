"""Standard streams that are closed, full, left by their reader or too narrow end in words, or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from buffycoat.cli import main
from buffycoat.cli.console import remarks, results
from buffycoat.cli.streams import standard_streams

Run = Callable[[Callable[[], None]], int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command of one function as the program would: its exit code."""

    def call(command: Callable[[], None]) -> int:
        for console in (results, remarks):
            console.cache_clear()  # what Rich could not print it would print next time
        app = typer.Typer(cls=main._Commands, add_completion=False)
        app.callback()(lambda: None)
        app.command("go")(command)
        monkeypatch.setattr(main, "app", app)
        monkeypatch.setattr(sys, "argv", ["buffycoat", "go"])
        with pytest.raises(SystemExit) as stopped:
            main.run()
        return int(stopped.value.code or 0)

    return call


def _by_print() -> None:
    typer.echo("a result")


def _by_rich() -> None:
    results().print("a result")


def _by_bytes() -> None:
    sys.stdout.buffer.write(b"a result")


@pytest.mark.parametrize("say", [_by_print, _by_rich, _by_bytes])
def test_a_reader_who_left_ends_the_program_as_a_signal_would(
    say: Callable[[], None], run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert run(say) == 141
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("say", [_by_print, _by_rich, _by_bytes])
def test_a_full_disk_behind_standard_output_is_told(
    say: Callable[[], None], run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Path("/dev/full").open("w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert run(say) == 5
    assert "standard output cannot be written: No space left" in capsys.readouterr().err


@pytest.mark.parametrize("say", [_by_print, _by_rich, _by_bytes])
def test_results_that_have_nowhere_to_go_are_told(
    say: Callable[[], None], run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert run(say) == 5
    assert "standard output cannot be written: it is closed" in capsys.readouterr().err
    assert run(lambda: None) == 0  # nobody misses what says nothing


@pytest.mark.parametrize("place", [None, "/dev/full"])
def test_remarks_that_have_nowhere_to_go_are_lost(
    place: str | None, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def remark() -> None:
        remarks().print("a remark")
        sys.stderr.write("another\n")
        _by_print()

    with Path(place or os.devnull).open("w") as stream:
        monkeypatch.setattr(sys, "stderr", stream if place else None)
        assert run(remark) == 0
    assert capsys.readouterr().out == "a result\n"


def test_characters_that_the_terminal_lacks_are_escaped(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def speak() -> None:
        typer.echo("10⁹/L, caf\udce9.jpg")
        results().print("≥")

    with (tmp_path / "out.txt").open("w", encoding="latin-1") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert run(speak) == 0
    assert (tmp_path / "out.txt").read_text() == "10\\u2079/L, caf\\udce9.jpg\n\\u2265\n"


def test_the_streams_are_given_back(capfd: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    with standard_streams():
        assert sys.stdout is not before[0]
        sys.stdout.write("inside\n")
    assert (sys.stdout, sys.stderr) == before
    assert capfd.readouterr().out == "inside\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirection", "code"),
    [("| true; exit ${PIPESTATUS[0]}", 141), (">/dev/full", 5), (">&-", 5), ("2>&-", 0), ("<&-", 0)],
)
def test_the_program_itself_in_a_shell(redirection: str, code: int) -> None:
    command = f"{sys.executable} -m buffycoat card {redirection}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
