"""A tiny study: few small fields drawn by the program, tiny networks, one or two epochs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from buffycoat.study.config import StudyConfig, configure
from buffycoat.synth.write import BALANCED_SHARES, write_set

TINY = (
    "train.epochs=2",
    "train.input_px=32",
    "train.batch_size=8",
    "train.views=1",
    "train.frozen_stages=0",
    "frame.stored_px=48",
    "unlike=false",
)
MODELS = ("test_efficientnet", "test_resnet")


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:  # of the module, so that studies made for a whole module have it too
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a set of 40 synthetic fields; not to be changed."""
    folder = tmp_path_factory.mktemp("drawn") / "set"
    write_set(folder, 40, 11, shares=BALANCED_SHARES)
    return folder


@pytest.fixture
def smears(drawn: Path, tmp_path: Path) -> Path:
    """Return a copy of the drawn set that a test may change."""
    return Path(shutil.copytree(drawn, tmp_path / "smears"))


@pytest.fixture(scope="session")
def tiny() -> StudyConfig:
    """Return the configuration of the tiny study."""
    return configure(preset="quick", models=MODELS, weights="none", settings=TINY)


def command(drawn: Path, out: Path, *more: str, models: Sequence[str] = MODELS) -> list[str]:
    """Return the command of a tiny study of six epochs, long enough to be killed in the middle of one."""
    settings = [part for setting in (*TINY, "train.epochs=6") for part in ("--set", setting)]
    chosen = [part for model in models for part in ("--model", model)]
    study = ["study", str(drawn), "--out", str(out), "--weights", "none", *chosen, *settings, *more]
    return [sys.executable, "-m", "buffycoat", *study]


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait until the process has written this file."""
    end = time.monotonic() + 240
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.02)
