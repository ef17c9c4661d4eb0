"""The examples of docs/predict.md run as they stand."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import typer.main
from PIL import Image

from buffycoat.cli.main import app
from buffycoat.errors import BuffycoatError
from buffycoat.predict.formats import format_of
from buffycoat.predict.rows import columns

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "predict.md").read_text(encoding="utf-8")


def test_the_python_examples_run(
    bundle: Path, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(bundle, tmp_path / "bundle")
    shutil.copy(photographs / "0.jpg", tmp_path / "a.jpg")
    with Image.open(photographs / "1.jpg") as picture:
        picture.save(tmp_path / "b.png")
    shutil.copytree(photographs, tmp_path / "slides")
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    assert len(examples) == 4
    names: dict[str, object] = {}
    for example in examples:
        exec(example, names)  # noqa: S102 (our own document)
    assert getattr(names["picture"], "shape", None) == (384, 384, 3)
    assert capsys.readouterr().out.startswith("a.jpg None ['")


def test_every_column_and_ending_is_described() -> None:
    for name in columns(()):
        assert f"`{name}`" in DOCUMENT or name in ("x1", "y0"), name
    for ending in re.findall(r"`(\.\w+)`", DOCUMENT):
        assert format_of(Path(f"o{ending}"), ()).ending
    with pytest.raises(BuffycoatError):
        format_of(Path("o.doc"), ())


def test_every_option_is_described() -> None:
    text = DOCUMENT + (Path(__file__).resolve().parents[2] / "docs" / "cluster.md").read_text(encoding="utf-8")
    command = typer.main.get_command(app).commands["predict"]  # type: ignore[attr-defined]
    known = {name for parameter in command.params for name in parameter.opts if name.startswith("--")}
    assert sorted(name for name in known if name not in text) == []
