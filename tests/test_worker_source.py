"""Processes are started early only where there is surely enough for them to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from buffycoat import worker_source
from buffycoat.worker_source import surely_many


def test_files_and_entries_of_folders_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_source, "MANY", 5)
    folder = tmp_path / "fields"
    folder.mkdir()
    for place in range(4):
        (folder / f"{place}.jpg").touch()
    assert not surely_many([str(folder)])
    assert surely_many([str(folder), str(folder / "0.jpg")])
    assert surely_many([str(folder / f"{place}.jpg") for place in range(5)])


def test_what_a_glance_cannot_tell_counts_as_one() -> None:
    assert not surely_many(["-", "fields/**/*.jpg", "s3://bucket/fields", "zero\0in it", ""])


def test_what_starts_workers_early_is_light() -> None:
    heavy = "print(sorted({'numpy', 'cv2', 'onnxruntime', 'pydantic'} & sys.modules.keys()))"
    code = f"import sys; import buffycoat.worker_source, buffycoat.cli.predict; {heavy}"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60).stdout
    assert said.strip() == "[]"
