"""``buffycoat export`` says at once what it can say without the workbench."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from buffycoat.cli.main import run


@pytest.mark.parametrize("model", ["", ":resnet18"])
def test_where_there_is_no_study_nothing_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], model: str
) -> None:
    monkeypatch.setitem(sys.modules, "buffycoat.study.export", None)  # an import of it would fail
    monkeypatch.setattr(sys, "argv", ["buffycoat", "export", f"{tmp_path}{model}", "--out", str(tmp_path / "b")])
    with pytest.raises(SystemExit) as stopped:
        run()
    assert stopped.value.code == 3
    err = " ".join(capfd.readouterr().err.split())
    assert "holds no study." in err
    assert "buffycoat study DATA --out DIR" in err
    assert not (tmp_path / "b").exists()
