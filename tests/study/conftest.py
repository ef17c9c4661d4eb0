"""A tiny study: few small fields drawn by the program, tiny networks, one or two epochs."""

from __future__ import annotations

import shutil
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


@pytest.fixture(autouse=True)
def _one_thread() -> None:
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
