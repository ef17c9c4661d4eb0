"""What the documents tell a reader to type exists: every command of ours, its options and every target of make."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from buffycoat.cli.main import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = (
    ROOT / "README.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if "decisions" not in path.parts),
)
FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`]+)`")


def typed(text: str) -> Iterator[tuple[list[str], bool]]:
    """Yield every command of a document in words, and whether it is whole: in a sentence it may be only named."""
    for block in FENCED.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            yield from ((words, "…" not in line) for words in _commands(line))
    for mention in INLINE.findall(FENCED.sub("", text)):
        if mention.startswith(("buffycoat ", "make ")):
            yield from ((words, False) for words in _commands(" ".join(mention.split())))


def _commands(line: str) -> Iterator[list[str]]:
    """Yield the commands of ours, and of make, on one line of a shell."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";|&")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set(";|&"):
            for name in ("buffycoat", "make"):
                if name in words[:1] or (name in words and words[0] == "docker"):
                    yield words[words.index(name) :]
            words = []
        else:
            words.append(word)


def all_typed() -> list[Any]:
    """Return every command of every document once, as a case of a test."""
    found: dict[str, Any] = {}
    for document in DOCUMENTS:
        for words, whole in typed(document.read_text(encoding="utf-8")):
            line = shlex.join(words)
            case = pytest.param(words, whole, id=f"{document.relative_to(ROOT).as_posix()}: {line}")
            found.setdefault(f"{line}{whole}", case)
    return list(found.values())


CASES = all_typed()


@pytest.fixture(scope="module")
def idle() -> Any:
    """Return the command line that does nothing: what it accepts stays."""
    command = typer.main.get_command(app)
    left: list[Any] = [command]
    while left:
        one = left.pop()
        one.callback = None
        left += getattr(one, "commands", {}).values()
    return command


def _exit_code(command: Any, words: list[str]) -> int:
    with pytest.raises(SystemExit) as left:
        command.main(words, prog_name="buffycoat")
    return int(left.value.code or 0)


@pytest.mark.parametrize(("words", "whole"), [case for case in CASES if case.values[0][0] == "buffycoat"])
def test_the_command_line_takes_what_is_typed(
    idle: Any, words: list[str], whole: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = _exit_code(idle, words[1:]), capsys.readouterr().err
    assert code == 0 or (not whole and "Missing argument" in said), said


@pytest.mark.parametrize(("words", "whole"), [case for case in CASES if case.values[0][0] == "make"])
def test_make_has_what_is_typed(words: list[str], whole: bool) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_documents_were_read() -> None:
    """A change of style in the documents must not empty the tests above."""
    lines = {shlex.join(case.values[0]) for case in CASES}
    assert len(lines) > 50
    assert {"make study", "make test", "make bundle", "buffycoat review"} <= lines
    assert "buffycoat report results" in lines, "the second command of a line"
    assert "buffycoat predict --null - --out cells.jsonl" in lines, "a command that another feeds"
    assert any(line.startswith("buffycoat study olympus-bx53") for line in lines), "one over two lines"


@pytest.mark.parametrize("line", ["study --no-such-option", "no-such-command", "data show", "synth smears --n many"])
def test_a_wrong_command_line_is_noticed(idle: Any, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code(idle, line.split()) == 2
    assert "Error" in capsys.readouterr().err
