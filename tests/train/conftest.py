"""A tiny learnable task: coloured discs, a tiny network, a few epochs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from buffycoat.networks.names import resolve
from buffycoat.train.batches import Rows
from buffycoat.train.config import AugmentConfig, TrainConfig
from buffycoat.train.fold import FoldJob

CLASSES = ("neutrophil", "eosinophil", "lymphocyte")
SIDE = 40
TINY = TrainConfig(
    epochs=4,
    batch_size=8,
    input_px=32,
    view_px=280,
    learning_rate=3e-3,
    averaging=0.5,
    patience=0,
    views=1,
    augment=AugmentConfig(colour=0.02, stain=0.05, light=0.01),
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def crops() -> NDArray[np.uint8]:
    """Return (60, 40, 40, 3) uint8 crops: discs whose colour tells the class, 20 of each in turn."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:SIDE, :SIDE]
    images = np.full((60, SIDE, SIDE, 3), 210, np.uint8)
    colours = np.array([[120, 60, 160], [200, 90, 90], [60, 60, 140]])
    for place, image in enumerate(images):
        centre = rng.uniform(16, 24, 2)
        disc = np.hypot(x - centre[0], y - centre[1]) < rng.uniform(9, 13)
        image[disc] = np.clip(colours[place % 3] + rng.normal(0, 12, (int(disc.sum()), 3)), 0, 255)
    return images


@pytest.fixture
def make_job(tmp_path: Path) -> Callable[..., FoldJob]:
    """Return a function that makes a job on the tiny task; fields can be replaced."""

    def rows(places: range) -> Rows:
        crops = np.array(places, dtype=np.int64)
        return Rows(crops, crops % 3, tuple(f"cell{place:02d}" for place in places))

    def make(folder: str = "fold", **changes: object) -> FoldJob:
        job = FoldJob(
            network=resolve("test_efficientnet"),
            weights="none",
            config=TINY,
            classes=CLASSES,
            rows={"train": rows(range(36)), "validation": rows(range(36, 48)), "test": rows(range(48, 60))},
            sampling=dict.fromkeys(CLASSES, 1.0),
            stored_side_px=320,
            data_hash="tiny",
            seed=5,
            repeat=0,
            fold=0,
            folder=tmp_path / folder,
        )
        return replace(job, **changes)  # type: ignore[arg-type]

    return make
