"""``buffycoat synth`` as a user meets it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from buffycoat.cli.main import run


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


class Synth(Protocol):
    def __call__(self, *words: str) -> Done: ...


@pytest.fixture
def synth(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Synth:
    """Run the command as from a terminal; return its exit code and what it said, line breaks folded."""

    def command(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["buffycoat", "synth", *words])
        with pytest.raises(SystemExit) as left:
            run()
        said = capsys.readouterr()
        return Done(int(left.value.code or 0), " ".join(said.out.split()), " ".join(said.err.split()))

    return command


def test_a_set_is_written_and_the_next_step_named(synth: Synth, tmp_path: Path) -> None:
    out = tmp_path / "set"
    done = synth(str(out), "--n", "6", "--balanced")
    assert done.code == 0, done.err
    assert done.out.startswith("6 drawn fields with 6 leukocytes in")
    assert "neutrophil 2" in done.out  # the sixth cell goes to the first type
    assert "buffycoat study" in done.out
    assert len(list((out / "images").iterdir())) == 6
    # Finished already: nothing to do, nothing to say.
    assert synth(str(out), "--n", "6", "--balanced", "--quiet") == Done(0, "", "")


def test_faults_are_one_plain_message(synth: Synth, tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("mine", encoding="utf-8")
    for words, code, message in (
        ((str(tmp_path),), 5, "is not empty"),
        ((str(tmp_path / "new"), "--n", "0"), 2, "number of fields"),
        ((str(tmp_path / "new"), "--cells-per-field", "99"), 2, "leukocytes per field"),
        ((), 2, "OUT"),  # Typer's own message
    ):
        failed = synth(*words)
        assert failed.code == code, failed.err
        assert message in failed.err
        assert failed.out == ""


def test_help_explains_every_option(synth: Synth) -> None:
    shown = synth("--help").out
    for option in ("--n", "--seed", "--balanced", "--cells-per-field", "--quiet", "SYNTHETIC.json"):
        assert option in shown


def test_drawing_needs_no_heavy_library() -> None:
    code = (
        "import sys, buffycoat.synth.write, buffycoat.cli.synth; "
        "print([m for m in ('torch', 'matplotlib', 'sklearn') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
