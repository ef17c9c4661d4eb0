"""``buffycoat data``: what a person and what a program reads from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from buffycoat.cli import data as data_command
from buffycoat.cli.console import remarks, results
from buffycoat.errors import DataError, UsageError


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> object:
    app = typer.Typer()
    data_command.register(app)
    for console in (results, remarks):
        console.cache_clear()

    def invoke(*arguments: str) -> str:
        for console in (results, remarks):
            console.cache_clear()
        outcome = CliRunner().invoke(app, ["data", *arguments], catch_exceptions=False)
        assert outcome.exit_code == 0, outcome.output
        return outcome.stdout

    yield invoke
    for console in (results, remarks):
        console.cache_clear()


def call(run: object, *arguments: str) -> str:
    assert callable(run)
    return str(run(*arguments))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("neutrophil/1.jpg", "neutrophil/2.jpg", "[odd] name/1.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / "monocyte").mkdir()
    return tmp_path


def test_show_counts_and_faults(run: object, folder: Path) -> None:
    said = call(run, "show", str(folder))
    assert "neutrophil" in said
    assert "66.7%" in said
    assert "[odd] name" in said  # a name is text, not markup
    assert "3 groups in 3 rows" in said
    assert "monocyte: no image in this class folder" in said


def test_show_json(run: object, folder: Path) -> None:
    said = json.loads(call(run, "show", str(folder), "--json"))
    assert said["counts"] == {"neutrophil": 2, "[odd] name": 1}
    assert said["files"] == said["rows"] == said["groups"] == 3
    assert said["faults"][0]["file"] == "monocyte"
    assert not said["synthetic"]


def test_show_names_the_first_faults_and_all_on_demand(run: object, folder: Path) -> None:
    for i in range(15):
        (folder / f"empty {i:02d}").mkdir()
    assert "empty 14" not in call(run, "show", str(folder))
    assert "empty 14" in call(run, "show", str(folder), "--faults")


def test_list_tells_where_sets_are_or_how_to_get_them(run: object, tmp_path: Path) -> None:
    said = call(run, "list", "--data-dir", str(tmp_path))
    assert "buffycoat data fetch bccd" in said
    assert "synthetic:N@SEED" in said
    assert "8.7 MB" in said
    sets = json.loads(call(run, "list", "--json"))["sets"]
    assert [(one["name"], one["at"]) for one in sets] == [("bccd", None), ("synthetic", None)]


@pytest.mark.real
def test_list_finds_the_real_set(run: object, real_data: Path) -> None:
    assert "dataset-master/dataset-master" in call(run, "list", "--data-dir", str(real_data))


@pytest.mark.real
def test_fetch_is_content_with_what_is_here(run: object, real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUFFYCOAT_DATA", str(real_data))
    assert "complete and checked" in call(run, "fetch", "bccd")


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        (("fetch", "bcd"), UsageError, "Did you mean 'bccd'?"),
        (("show", "./nowhere"), DataError, "does not exist"),
    ],
)
def test_errors_are_plain(
    run: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], kind: type, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind) as caught:
        call(run, *arguments)
    assert said in str(caught.value)


def test_fetch_draws_a_synthetic_set(run: object, tmp_path: Path) -> None:
    said = call(run, "fetch", "synthetic:2@9", "--data-dir", str(tmp_path), "--quiet")
    assert str(tmp_path) in said.replace("\n", "")
    assert len(list(tmp_path.rglob("images/*.jpg"))) == 2
