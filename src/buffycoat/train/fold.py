"""Training one network on one fold: from rows of the store to predictions on disk, resumable at every epoch."""

from __future__ import annotations

import json
import logging
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader

from buffycoat.errors import TrainingError, UsageError
from buffycoat.files import fingerprint, write_json, write_parquet
from buffycoat.networks.build import NetworkSpec, build, card
from buffycoat.networks.start import StartWeights
from buffycoat.networks.weights import WeightsReport
from buffycoat.records.documents import NetworkCard
from buffycoat.train import checkpoint
from buffycoat.train.augment import Views
from buffycoat.train.batches import CropBatches, InOrder, Rows, Weighted
from buffycoat.train.config import TrainConfig
from buffycoat.train.distributed import Processes
from buffycoat.train.history import History, OnEpoch
from buffycoat.train.judging import Judge
from buffycoat.train.module import Classifier
from buffycoat.train.precision import choose
from buffycoat.train.predictions import as_table, predict
from buffycoat.train.seeds import derive
from buffycoat.train.stages import leading_stages

DONE = "done.json"
FILES = ("history.csv", "predictions.parquet", "validation.parquet", "network.json")
"""What a finished fold leaves, besides its weights."""


@dataclass(frozen=True)
class FoldJob:
    """All that decides the outcome of one fold.

    Attributes
    ----------
    rows
        By role: ``"train"``, ``"validation"`` and ``"test"``.
    sampling
        How often a training row of each class is drawn, relative to once; by class.
    stored_side_px
        Side of the stored crops in pixels of the reference field.
    data_hash
        Of the store of crops, so that a fold trained on other pixels is never taken for this one.
    folder
        Where the fold's files go.
    start
        What the study found for `weights` when it began; None: whatever is found now. It is no part of the key: a
        study never changes it.
    """

    network: NetworkSpec
    weights: str
    config: TrainConfig
    classes: tuple[str, ...]
    rows: Mapping[str, Rows]
    sampling: Mapping[str, float]
    stored_side_px: int
    data_hash: str
    seed: int
    repeat: int
    fold: int
    folder: Path
    tensorboard: bool = False
    start: StartWeights | None = None

    def key(self) -> str:
        """Return a hash of everything that decides the outcome."""
        rows = {role: list(zip(part.cell_ids, part.labels.tolist(), strict=True)) for role, part in self.rows.items()}
        return fingerprint(
            [
                [self.network.name, self.weights, self.config.model_dump(), self.classes, rows, dict(self.sampling)],
                [self.stored_side_px, self.data_hash, self.seed, self.repeat, self.fold, choose(self.config.precision)],
            ]
        )

    def is_done(self) -> bool:
        """Say whether this very fold was trained to its end before."""
        try:
            found = json.loads((self.folder / DONE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return bool(found.get("key") == self.key()) and all((self.folder / name).is_file() for name in FILES)


def run_fold(job: FoldJob, images: NDArray[np.uint8], processes: Processes, *, on_epoch: OnEpoch | None = None) -> None:
    """Train, predict the held-out and the validation rows, and write the fold's files.

    Parameters
    ----------
    images
        (N, S, S, 3) uint8, memory-mapped: the store the rows point into.

    Raises
    ------
    TrainingError
        The loss is no longer a number, or the weights the study began with are no longer found.
    KeyboardInterrupt
        Ctrl-C; the next run goes on from the last checkpoint, an epoch or a few before.
    """
    if job.is_done():
        return
    if processes.is_first:
        _prepare(job)
    processes.wait()
    seed = derive(job.seed, job.network.name, job.repeat, job.fold)
    torch.manual_seed(seed)
    network, report = _built(job)
    classifier = _classifier(job, network, report, seed)
    resume = checkpoint.usable_checkpoint(job.folder)
    judge = Judge(job.config.patience)
    history = History(job.folder / "history.csv", job.network.name, job.repeat, job.fold, on_epoch)
    loader, validation = _loaders(job, images, processes, seed)
    with _quiet(), _interruptible():
        trainer = _trainer(job, processes, [history, judge, checkpoint.LastEpoch(job.folder, judge)])
        try:
            trainer.fit(classifier, loader, validation, ckpt_path=resume, weights_only=True)
        except ArithmeticError as error:
            raise TrainingError(
                f"{job.network.title}, fold {job.fold + 1}: {error}.",
                hint="Lower it with --set train.learning_rate=… or train in fp32 with --set train.precision=32.",
            ) from error
        except SystemExit as error:  # Lightning ends the process on Ctrl-C; the conductor has more to say
            raise KeyboardInterrupt from error
    if processes.is_first:
        checkpoint.write_kept(job.folder, judge)
        checkpoint.read_kept(job.folder, classifier.kept)
        card(job.network, classifier.kept, job.config.input_px, report).write(job.folder / "network.json")
        classifier.to(trainer.strategy.root_device)
        _write_predictions(job, classifier, images, bf16=trainer.precision == "bf16-mixed")
        _finish(job, history, judge)
    processes.wait()


def describe(job: FoldJob) -> NetworkCard:
    """Return the card of the network, as it was built for this fold."""
    return NetworkCard.read(job.folder / "network.json")


def _prepare(job: FoldJob) -> None:
    """Leave only files of this very fold in its folder."""
    key = job.folder / "key.json"
    try:
        same = json.loads(key.read_text(encoding="utf-8")).get("key") == job.key()
    except (OSError, ValueError):
        same = False
    for left in job.folder.glob(".*"):  # what a kill left half-written
        left.unlink(missing_ok=True)
    if not same:
        for name in (checkpoint.LAST, checkpoint.KEPT, DONE, *FILES):
            (job.folder / name).unlink(missing_ok=True)
        write_json(key, {"key": job.key()})


def _built(job: FoldJob) -> tuple[nn.Module, WeightsReport]:
    weights = job.weights if job.start is None else job.start.choice(job.weights)
    network, report = build(job.network, len(job.classes), weights, job.config.input_px, drop=job.config.dropout)
    return network, report if job.start is None else job.start.held(report, job.network.title)


def _classifier(job: FoldJob, network: nn.Module, report: WeightsReport, seed: int) -> Classifier:
    views = Views(
        min(1.0, job.config.view_px / job.stored_side_px), job.config.input_px, job.network.mean, job.network.std
    )
    frozen = leading_stages(network, job.config.frozen_stages) if report.pretrained else ()
    return Classifier(network, frozen, views, job.config, seed)


def _loaders(
    job: FoldJob, images: NDArray[np.uint8], processes: Processes, seed: int
) -> tuple[DataLoader[Any], DataLoader[Any] | None]:
    train, validation = job.rows["train"], job.rows["validation"]
    weights = np.array([job.sampling[job.classes[place]] for place in train.labels], dtype=np.float64)
    batch = job.config.batch_size
    if batch % processes.world:
        raise UsageError(
            f"A batch of {batch} cannot be shared out to {processes.world} processes.",
            hint="Choose a multiple: --set train.batch_size=…",
        )
    drawn = Weighted(weights, batch, seed, rank=processes.rank, world=processes.world)
    loader = DataLoader(CropBatches(images, train), sampler=drawn, batch_size=None)
    if not len(validation):
        return loader, None
    return loader, DataLoader(CropBatches(images, validation), sampler=InOrder(len(validation), batch), batch_size=None)


def _trainer(job: FoldJob, processes: Processes, callbacks: list[lightning.Callback]) -> lightning.Trainer:
    config = job.config
    logger: Any = False
    if job.tensorboard:
        from lightning.pytorch.loggers import TensorBoardLogger

        logger = TensorBoardLogger(job.folder / "tensorboard", name=None, version="")
    return lightning.Trainer(
        accelerator="auto" if torch.cuda.is_available() else "cpu",
        devices=processes.local_world,
        num_nodes=processes.nodes,
        strategy="ddp" if processes.world > 1 else "auto",
        precision=choose(config.precision),
        max_epochs=config.epochs,
        callbacks=callbacks,
        plugins=[checkpoint.AtomicCheckpointIO()],
        logger=logger,
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        deterministic="warn" if torch.cuda.is_available() else True,  # some layers have no such way on a card
    )


def _write_predictions(job: FoldJob, classifier: Classifier, images: NDArray[np.uint8], *, bf16: bool) -> None:
    for role, name in (("validation", "validation.parquet"), ("test", "predictions.parquet")):
        rows = job.rows[role]
        probabilities = predict(classifier, images, rows, classes=len(job.classes), bf16=bf16)
        table = as_table(probabilities, rows, job.classes, job.network.name, job.repeat, job.fold)
        write_parquet(job.folder / name, table)


def _finish(job: FoldJob, history: History, judge: Judge) -> None:
    (job.folder / checkpoint.LAST).unlink(missing_ok=True)
    write_json(
        job.folder / DONE,
        {"key": job.key(), "epochs": len(history.rows), "kept_epoch": judge.epoch, "validation_loss": judge.loss},
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's advertisements and advice for other situations off the terminal."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "lightning")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            warnings.filterwarnings("ignore", message=".*have no `val_dataloader`.*")  # said by the study, in words
            warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
            # Lightning calls what newer releases of PyTorch call old; no business of the user's.
            warnings.filterwarnings("ignore", category=FutureWarning, module=r"(lightning|torch)\.")
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"(lightning|torch)\.")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Give the Ctrl-C handler back, which Lightning switches off when it is interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
