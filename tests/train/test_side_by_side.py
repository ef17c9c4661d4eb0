from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from buffycoat.errors import ImageError, TrainingError
from buffycoat.imaging.crops import CropItem, build_crops
from buffycoat.records.documents import FrameSpec
from buffycoat.train.fold import FoldJob
from buffycoat.train.side_by_side import Crew, _revived, crew, run_folds


@pytest.fixture
def store(crops: NDArray[np.uint8], tmp_path: Path) -> Path:
    """Return the folder of a store that holds the tiny task's crops."""
    items = []
    for place, image in enumerate(crops):
        path = tmp_path / f"{place:02d}.png"
        Image.fromarray(image).save(path)
        items.append(CropItem(f"cell{place:02d}", path))
    build_crops(items, FrameSpec(mode="whole", stored_px=crops.shape[1]), tmp_path / "store")
    return tmp_path / "store"


@pytest.mark.parametrize(
    ("threads", "jobs", "wanted", "found"),
    [
        (8, 15, None, Crew(8, 1)),  # one fold a core
        (8, 3, None, Crew(3, 2)),  # few folds share all cores
        (8, 1, None, Crew(1, 8)),
        (1, 15, None, Crew(1, 1)),
        (2, 15, 4, Crew(4, 1)),  # as asked for, even if more than there are cores
        (8, 2, 4, Crew(2, 4)),  # never more than there are folds
    ],
)
def test_the_machine_is_shared_out_to_the_folds(
    monkeypatch: pytest.MonkeyPatch, threads: int, jobs: int, wanted: int | None, found: Crew
) -> None:
    monkeypatch.setattr("buffycoat.train.side_by_side.all_threads", lambda: threads)
    monkeypatch.setattr("buffycoat.train.side_by_side._memory", lambda: 1 << 40)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert crew(jobs, wanted) == found


def test_little_memory_means_fewer_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buffycoat.train.side_by_side.all_threads", lambda: 8)
    monkeypatch.setattr("buffycoat.train.side_by_side._memory", lambda: 6 << 30)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert crew(15) == Crew(2, 4)


def test_an_error_of_another_process_keeps_its_kind_and_words() -> None:
    error = _revived(ImageError, "a.jpg: truncated", "Look at it.")
    assert isinstance(error, ImageError)
    assert str(error) == "a.jpg: truncated\nLook at it."
    assert isinstance(_revived(ZeroDivisionError, "Traceback …", None), RuntimeError)


@pytest.mark.slow
def test_folds_side_by_side_come_out_as_one_after_the_other(store: Path, make_job: Callable[..., FoldJob]) -> None:
    heard: list[tuple[int, int]] = []
    done: list[int] = []

    def on_epoch(place: int, epoch: int, figures: dict[str, Any]) -> None:
        assert figures["train_loss"] > 0
        heard.append((place, epoch))

    jobs = [make_job(f"beside{fold}", fold=fold) for fold in range(3)]
    run_folds(jobs, store, Crew(2, 1), on_epoch=on_epoch, on_done=done.append)
    assert sorted(heard) == [(place, epoch) for place in range(3) for epoch in range(1, 5)]
    assert sorted(done) == [0, 1, 2]
    alone = [make_job(f"alone{fold}", fold=fold) for fold in range(3)]
    run_folds(alone, store, Crew(1, 1))
    for one, other in zip(jobs, alone, strict=True):
        found, expected = (pl.read_parquet(job.folder / "predictions.parquet") for job in (one, other))
        assert found.equals(expected)
    done.clear()
    run_folds(jobs, store, Crew(2, 1), on_done=done.append)
    assert done == [0, 1, 2], "finished folds are passed over, and counted"


@pytest.mark.slow
def test_a_fault_in_a_fold_ends_the_others_and_is_told(store: Path, make_job: Callable[..., FoldJob]) -> None:
    from buffycoat.train.config import TrainConfig

    wild = TrainConfig(epochs=3, batch_size=8, input_px=32, learning_rate=1e30, clip_norm=0, precision="32")
    jobs = [make_job("wild", config=wild), make_job("tame", fold=1)]
    with pytest.raises(TrainingError, match="fold 1: the loss is") as caught:
        run_folds(jobs, store, Crew(2, 1))
    assert "learning_rate" in str(caught.value.hint)
    for child in multiprocessing.active_children():
        child.join(10)
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_a_process_killed_from_outside_is_noticed(store: Path, make_job: Callable[..., FoldJob]) -> None:
    def kill(*_: object) -> None:
        for child in multiprocessing.active_children():
            child.kill()

    with pytest.raises(TrainingError, match=r"ended without a word.*-9") as caught:
        run_folds([make_job("a"), make_job("b", fold=1)], store, Crew(2, 1), on_epoch=kill)
    assert "--jobs 1" in str(caught.value.hint)
