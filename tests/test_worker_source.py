"""Processes are started early only where there is surely enough for them to do."""

from __future__ import annotations

import os
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


def test_what_a_glance_cannot_tell_counts_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = ["-", "fields/**/*.jpg", "s3://bucket/fields", "zero\0in it", ""]
    monkeypatch.setattr(worker_source, "MANY", 6)
    assert not surely_many(paths)
    monkeypatch.setattr(worker_source, "MANY", 5)
    assert surely_many(paths)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="what a process is deaf to is told by Linux")
def test_the_source_is_deaf_to_ctrl_c_from_its_first_moment() -> None:
    code = """
from multiprocessing import forkserver
from buffycoat import worker_source
worker_source.start()
status = open(f"/proc/{forkserver._forkserver._forkserver_pid}/status").read()
print(int(status.split("SigBlk:")[1].split()[0], 16) >> 1 & 1)
"""
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60).stdout
    assert said.strip() == "1"


def test_a_source_that_cannot_be_started_is_done_without(tmp_path: Path) -> None:
    """Its socket lies in the folder for temporary files, whose path may be too long for one."""
    fields, temporary = tmp_path / "fields", tmp_path / ("t" * 100)
    fields.mkdir()
    temporary.mkdir()
    for place in range(worker_source.MANY):
        (fields / f"{place}.jpg").touch()
    words = [sys.executable, "-m", "buffycoat", "predict", str(fields), "--out", str(tmp_path / "cells.csv")]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 1, done.stderr  # every file is empty, and says so
    assert (tmp_path / "cells.csv").read_text().count("empty file") == worker_source.MANY


def test_what_starts_workers_early_is_light() -> None:
    heavy = "print(sorted({'numpy', 'cv2', 'onnxruntime', 'pydantic'} & sys.modules.keys()))"
    code = f"import sys; import buffycoat.worker_source, buffycoat.cli.predict; {heavy}"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60).stdout
    assert said.strip() == "[]"
