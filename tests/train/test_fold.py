from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from buffycoat.errors import OutputError, TrainingError
from buffycoat.networks.names import resolve
from buffycoat.records.tables import HISTORY, prediction_columns
from buffycoat.train.batches import Rows
from buffycoat.train.distributed import Processes
from buffycoat.train.fold import FoldJob, describe, run_fold
from tests.train.conftest import CLASSES, TINY

MakeJob = Callable[..., FoldJob]
ALONE = Processes()
WORSENING = TINY.model_copy(update={"epochs": 60, "patience": 2, "learning_rate": 0.05, "averaging": 0.0})


class PowerCutError(Exception):
    """Ends a training without warning."""


def _stop_after(epochs: int) -> Callable[[int, int, dict[str, float]], None]:
    def on_epoch(done: int, _: int, __: dict[str, float]) -> None:
        if done == epochs:
            raise PowerCutError

    return on_epoch


def _predictions(job: FoldJob) -> pl.DataFrame:
    return pl.read_parquet(job.folder / "predictions.parquet")


def _history(job: FoldJob) -> pl.DataFrame:
    return pl.read_csv(job.folder / "history.csv").drop("seconds")


def test_a_fold_learns_and_leaves_its_files(make_job: MakeJob, crops: NDArray[np.uint8]) -> None:
    job = make_job(config=TINY.model_copy(update={"epochs": 12, "views": 4}))
    seen: list[int] = []
    run_fold(job, crops, ALONE, on_epoch=lambda done, *_: seen.append(done))
    assert seen == list(range(1, 13))
    table = _predictions(job)
    assert dict(table.schema) == prediction_columns(CLASSES)
    assert table["cell_id"].to_list() == list(job.rows["test"].cell_ids)
    shares = table.select(pl.sum_horizontal(pl.col("^p_.*$"))).to_series()
    assert shares.to_numpy() == pytest.approx(1)
    guessed = table.select(pl.concat_list("^p_.*$").list.arg_max()).to_series()
    assert float(np.mean(guessed.to_numpy() == job.rows["test"].labels)) >= 0.9
    history = pl.read_csv(job.folder / "history.csv", schema_overrides=dict(HISTORY))
    assert history["epoch"].to_list() == seen
    assert history["validation_loss"][-1] < history["validation_loss"][0]
    validation = pl.read_parquet(job.folder / "validation.parquet")
    assert validation["cell_id"].to_list() == list(job.rows["validation"].cell_ids)
    assert describe(job).parameters > 0
    assert not (job.folder / "last.ckpt").exists()


@pytest.mark.slow
def test_two_runs_give_the_same_predictions(make_job: MakeJob, crops: NDArray[np.uint8]) -> None:
    jobs = make_job("first"), make_job("second")
    for job in jobs:
        torch.manual_seed(int.from_bytes(job.folder.name.encode(), "big") % 1000)  # what ran before must not matter
        run_fold(job, crops, ALONE)
    assert _predictions(jobs[0]).equals(_predictions(jobs[1]))
    other = make_job("third", seed=6)
    run_fold(other, crops, ALONE)
    assert not _predictions(other).equals(_predictions(jobs[0]))


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [1, 3])
def test_an_interrupted_fold_ends_as_an_uninterrupted_one(
    make_job: MakeJob, crops: NDArray[np.uint8], epochs: int
) -> None:
    job, whole = make_job("interrupted"), make_job("whole")
    with pytest.raises(PowerCutError):
        run_fold(job, crops, ALONE, on_epoch=_stop_after(epochs + 1))  # dies before this epoch's checkpoint
    done: list[int] = []
    run_fold(job, crops, ALONE, on_epoch=lambda epoch, *_: done.append(epoch))
    assert done[0] > 1, "it went on, it did not begin anew"
    run_fold(whole, crops, ALONE)
    assert _predictions(job).equals(_predictions(whole))
    assert _history(job).equals(_history(whole))


@pytest.mark.slow
def test_a_damaged_checkpoint_costs_the_fold_and_nothing_else(
    make_job: MakeJob, crops: NDArray[np.uint8], caplog: pytest.LogCaptureFixture
) -> None:
    job, whole = make_job("damaged"), make_job("whole")
    with pytest.raises(PowerCutError):
        run_fold(job, crops, ALONE, on_epoch=_stop_after(3))
    checkpoint = job.folder / "last.ckpt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    with caplog.at_level(logging.WARNING, "buffycoat"):
        run_fold(job, crops, ALONE)
    assert "is damaged" in caplog.text
    run_fold(whole, crops, ALONE)
    assert _predictions(job).equals(_predictions(whole))


@pytest.mark.slow
def test_a_finished_fold_is_not_trained_again_and_a_changed_one_is(make_job: MakeJob, crops: NDArray[np.uint8]) -> None:
    job = make_job()
    run_fold(job, crops, ALONE)
    seen: list[int] = []
    run_fold(job, crops, ALONE, on_epoch=lambda done, *_: seen.append(done))
    assert seen == []
    changed = make_job(seed=8)
    run_fold(changed, crops, ALONE, on_epoch=lambda done, *_: seen.append(done))
    assert seen == [1, 2, 3, 4]


def test_training_that_only_gets_worse_stops_and_keeps_the_weights_before(
    make_job: MakeJob, crops: NDArray[np.uint8]
) -> None:
    job = make_job(config=WORSENING)
    run_fold(job, crops, ALONE)
    history, done = _history(job), json.loads((job.folder / "done.json").read_text())
    assert history.height < WORSENING.epochs
    assert history.height - done["kept_epoch"] == WORSENING.patience
    kept = history.filter(pl.col("epoch") == done["kept_epoch"])["validation_loss"].item()
    assert kept == pytest.approx(done["validation_loss"])
    assert kept < history["validation_loss"][-1]


@pytest.mark.slow
def test_frozen_stages_of_a_pretrained_network_do_not_move(
    make_job: MakeJob, crops: NDArray[np.uint8], tmp_path: Path
) -> None:
    first = make_job("first")
    run_fold(first, crops, ALONE)
    weights = first.folder / "weights.safetensors"
    frozen = make_job("frozen", weights=str(weights), config=TINY.model_copy(update={"frozen_stages": 2}))
    run_fold(frozen, crops, ALONE)
    before, after = load_file(weights), load_file(frozen.folder / "weights.safetensors")
    still = [name for name in before if torch.equal(before[name], after[name])]
    stem = [name for name in before if name.startswith(("conv_stem", "bn1", "blocks.0", "blocks.1"))]
    assert set(stem) <= set(still)
    assert any(name.startswith("blocks.2") for name in set(before) - set(still))


def test_a_loss_that_is_no_number_is_said_so(make_job: MakeJob, crops: NDArray[np.uint8]) -> None:
    job = make_job(config=TINY.model_copy(update={"learning_rate": 1e30, "clip_norm": 0.0}))
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) in epoch \d") as caught:
        run_fold(job, crops, ALONE)
    assert "learning_rate" in str(caught.value.hint)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["efficientnet", "test_resnet", "test_vit"])
def test_the_head_has_as_many_outputs_as_classes(make_job: MakeJob, crops: NDArray[np.uint8], name: str) -> None:
    config = TINY.model_copy(update={"epochs": 1, "input_px": 160 if name == "test_vit" else 32})
    job = make_job(network=resolve(name), config=config)
    run_fold(job, crops, ALONE)
    assert len([column for column in _predictions(job).columns if column.startswith("p_")]) == len(CLASSES)


def test_without_validation_rows_the_last_epoch_is_kept(make_job: MakeJob, crops: NDArray[np.uint8]) -> None:
    job = make_job()
    none = Rows(np.array([], np.int64), np.array([], np.int64), ())
    job = make_job(rows={**job.rows, "validation": none}, config=TINY.model_copy(update={"patience": 2}))
    run_fold(job, crops, ALONE)
    history = _history(job)
    assert history.height == TINY.epochs
    assert history["validation_loss"].null_count() == TINY.epochs
    assert '"kept_epoch": 4' in (job.folder / "done.json").read_text()
    assert _predictions(job).height == len(job.rows["test"])


@pytest.mark.slow
def test_a_fold_stopped_between_early_stop_and_predictions_ends_the_same(
    make_job: MakeJob, crops: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, whole = make_job("stopped", config=WORSENING), make_job("whole", config=WORSENING)

    def cut(*_: object, **__: object) -> None:
        raise PowerCutError

    with monkeypatch.context() as patched, pytest.raises(PowerCutError):
        patched.setattr("buffycoat.train.fold._write_predictions", cut)
        run_fold(job, crops, ALONE)
    run_fold(job, crops, ALONE)
    run_fold(whole, crops, ALONE)
    assert _history(whole).height < WORSENING.epochs, "it stopped early"
    assert _history(job).equals(_history(whole))
    assert _predictions(job).equals(_predictions(whole))


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("torch.save", RuntimeError("PytorchStreamWriter failed writing file")),
        ("buffycoat.train.checkpoint.save_file", SafetensorError("No space left on device")),
    ],
)
def test_a_disk_that_fills_up_while_training_is_said_in_words(
    make_job: MakeJob, crops: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch, place: str, error: Exception
) -> None:
    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(place, full)
    monkeypatch.setattr("buffycoat.train.checkpoint._FULL_BYTES", 1 << 60)
    with pytest.raises(OutputError, match="the disk is full") as caught:
        run_fold(make_job(), crops, ALONE)
    assert caught.value.hint == "Free some room and run the command again."


def test_one_cycle_and_bf16_train_too(make_job: MakeJob, crops: NDArray[np.uint8]) -> None:
    job = make_job(config=TINY.model_copy(update={"schedule": "one-cycle", "precision": "bf16", "epochs": 2}))
    run_fold(job, crops, ALONE)
    rates = _history(job)["learning_rate"].to_list()
    assert 0 < rates[-1] < rates[0] <= TINY.learning_rate


@pytest.mark.slow
def test_tensorboard_gets_training_and_validation_figures(make_job: MakeJob, crops: NDArray[np.uint8]) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    job = make_job(tensorboard=True)
    run_fold(job, crops, ALONE)
    events = event_accumulator.EventAccumulator(str(job.folder / "tensorboard"))
    events.Reload()
    wanted = {"train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "learning_rate"}
    assert wanted <= set(events.Tags()["scalars"])
