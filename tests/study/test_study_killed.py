"""A study of folds and seeds, killed and begun again, ends with the very files of one that was left alone."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.study.conftest import MODELS, command, wait_for

FOLDS_AND_SEEDS = (
    *("--preset", "standard", "--jobs", "1"),
    *("--set", "split.folds=2", "--set", "train_seeds=2", "--set", "baseline=false"),
)
ENVIRONMENT = {"OMP_NUM_THREADS": "1"}
FILES = ("predictions.parquet", "validation.parquet", "seeds.parquet", "results.json")


def _kill_at(begun: Path, words: list[str]) -> None:
    """Run the command until a fold has left this file, then kill it as a power cut would."""
    process = subprocess.Popen(
        words, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **ENVIRONMENT}
    )
    try:
        wait_for(begun, process)
    finally:
        process.kill()
        process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL


def _finish(words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, **ENVIRONMENT})
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_folds_and_seeds_killed_midway_leave_the_same_bytes(drawn: Path, tmp_path: Path) -> None:
    """Killed while the first fold trains with its second seed: one training is done, one half done, two are to come."""
    out, whole = tmp_path / "out", tmp_path / "whole"
    first = out / "models" / MODELS[0] / "r0f0"
    _kill_at(first / "seed1" / "last.ckpt", command(drawn, out, *FOLDS_AND_SEEDS, models=MODELS[:1]))
    stamp = (first / "done.json").stat().st_mtime_ns
    assert not (first / "seed1" / "done.json").exists()
    for folder in (out, whole):
        _finish(command(drawn, folder, *FOLDS_AND_SEEDS, models=MODELS[:1]))
    assert (first / "done.json").stat().st_mtime_ns == stamp, "a finished fold is not trained again"
    for name in FILES:
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name
