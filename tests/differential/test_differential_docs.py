"""The examples of the document run as they stand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from buffycoat.cli.main import app
from buffycoat.differential import read_ranges
from buffycoat.differential.sheet import Sheet

TEXT = (Path(__file__).resolve().parents[2] / "docs/differential.md").read_text(encoding="utf-8")


EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_the_document_has_examples() -> None:
    assert EXAMPLES


@pytest.mark.parametrize("code", EXAMPLES)
def test_python_examples(code: str) -> None:
    exec(compile(code, "docs/differential.md", "exec"), {})  # noqa: S102


def test_the_ranges_of_the_document_can_be_read(tmp_path: Path) -> None:
    (content,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    path = tmp_path / "ours.toml"
    path.write_text(content, encoding="utf-8")
    assert read_ranges(path).ranges[0].high == 75


def test_the_sheet_of_the_document_can_be_read(tmp_path: Path) -> None:
    (content,) = re.findall(r"```csv\n(.*?)```", TEXT, re.DOTALL)
    path = tmp_path / "slides.csv"
    path.write_text(content, encoding="utf-8")
    assert Sheet(path).of("12").wbc == 6.2


def test_the_command_takes_every_option_of_the_document() -> None:
    (lines,) = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    command = typer.main.get_command(app).commands["differential"]  # type: ignore[attr-defined]
    known = {name for parameter in command.params for name in parameter.opts}
    used = {word for line in lines.splitlines() for word in shlex.split(line, comments=True) if word.startswith("--")}
    used |= set(re.findall(r"`(--[a-z0-9-]+)", TEXT)) - {"--out"}
    assert used
    assert used <= known
    long = {name for name in known if name.startswith("--")} - {"--help"}
    assert sorted(name for name in long if name not in TEXT) == []


def test_fhir_is_checked_with_the_version_the_document_names() -> None:
    from fhir.resources import R4B

    assert R4B.__fhir_version__ == "4.3.0"
    assert "R4B (4.3)" in TEXT
