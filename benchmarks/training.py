"""Training speed of the three networks: Buffycoat's folds against a plain loop, in turn, in one run.

    python benchmarks/training.py [DATA] [--rounds 3] [--steps 8]

The plain loop is what a tutorial shows: a torchvision data set that decodes each JPEG every epoch, augments it image
by image, fp32, default memory layout, AdamW as it comes. Both train the same network at the same input size and batch
size on the same rows; only whole training steps are timed, the first steps of each turn being left out. Buffycoat
trains as many folds side by side as a study would here, and their images a second add up while all of them run; the
plain loop has all cores to itself. Prints a Markdown table of the median images a second, and of the ratio over the
rounds.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import polars as pl
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from buffycoat import settings
from buffycoat.clean.recipe import apply
from buffycoat.data.load import load
from buffycoat.imaging.crops import CropItem, CropStore, build_crops
from buffycoat.networks.build import build
from buffycoat.networks.names import NetworkSpec
from buffycoat.study.config import StudyConfig, configure
from buffycoat.train.augment import Views
from buffycoat.train.batches import CropBatches, Rows, Weighted
from buffycoat.train.config import TrainConfig
from buffycoat.train.module import Classifier
from buffycoat.train.precision import choose
from buffycoat.train.side_by_side import crew

WARM_STEPS = 3


@dataclass(frozen=True)
class Job:
    """What is trained."""

    spec: NetworkSpec
    config: TrainConfig
    classes: int
    rows: Rows
    views: Views
    store: Path
    steps: int


class Photographs(Dataset[tuple[torch.Tensor, int]]):
    """Decodes and augments one photograph at a time."""

    def __init__(self, paths: list[Path], labels: list[int], input_px: int) -> None:
        self._paths, self._labels = paths, labels
        self._transform = v2.Compose(
            [
                v2.RandomRotation(180),
                v2.RandomResizedCrop(input_px, scale=(0.7, 1.0)),
                v2.RandomHorizontalFlip(),
                v2.ColorJitter(0.2, 0.2, 0.1, 0.02),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize([0.5] * 3, [0.5] * 3),
            ]
        )

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, int]:
        with Image.open(self._paths[place]) as image:
            return self._transform(image.convert("RGB")), self._labels[place]


class Clock(lightning.Callback):
    """Times whole training steps."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(self, *_: Any) -> None:
        """Note the time."""
        self.ends.append(time.perf_counter())


def rate(ends: list[float], batch_size: int) -> float:
    """Return images a second from the ends of steps, the first ones left out."""
    timed = ends[WARM_STEPS:]
    return batch_size * (len(timed) - 1) / (timed[-1] - timed[0])


def plain(network: nn.Module, photographs: Photographs, config: TrainConfig, steps: int) -> float:
    loader = DataLoader(photographs, batch_size=config.batch_size, shuffle=True, drop_last=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate)
    network.train()
    ends: list[float] = []

    def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            yield from loader

    for inputs, labels in batches():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(inputs), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        ends.append(time.perf_counter())
        if len(ends) == steps + WARM_STEPS:
            return rate(ends, config.batch_size)
    raise AssertionError


class Gate(lightning.Callback):
    """Holds a training until all of them are warm."""

    def __init__(self, barrier: Barrier) -> None:
        self._barrier, self._done = barrier, 0

    def on_train_batch_end(self, *_: Any) -> None:
        """Wait for the others where warming ends."""
        self._done += 1
        if self._done == WARM_STEPS:
            self._barrier.wait()


def one_fold(job: Job, threads: int, barrier: Barrier, told: Any) -> None:
    """Train some steps in a process of its own and tell when each ended."""
    torch.set_num_threads(threads)
    clock = Clock()
    sampler = Weighted(np.ones(len(job.rows)), job.config.batch_size, seed=1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(
            accelerator="cpu",
            precision=choose(job.config.precision),
            max_steps=job.steps + WARM_STEPS,
            limit_val_batches=0,
            callbacks=[Gate(barrier), clock],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
            deterministic=True,
        )
        network = build(job.spec, job.classes, "none", job.config.input_px, drop=job.config.dropout)[0]
        classifier = Classifier(network, (), job.views, job.config, seed=1)
        images = CropStore.open(job.store).images
        trainer.fit(classifier, DataLoader(CropBatches(images, job.rows), sampler=sampler, batch_size=None))
    told.put(clock.ends)


def ours(job: Job) -> float:
    """Return images a second of folds side by side, counted while all of them run."""
    together = crew(15)
    context = multiprocessing.get_context("spawn")
    barrier, told = context.Barrier(together.workers), context.Queue()
    workers = [
        context.Process(target=one_fold, args=(job, together.threads, barrier, told)) for _ in range(together.workers)
    ]
    for worker in workers:
        worker.start()
    ends = [told.get() for _ in workers]
    for worker in workers:
        worker.join()
    until = min(times[-1] for times in ends)  # perf_counter is one clock for all processes
    return sum(rate([t for t in times if t <= until], job.config.batch_size) for times in ends)


def contest(
    model: str, config: StudyConfig, cells: pl.DataFrame, root: Path, folder: Path, rounds: int, steps: int
) -> tuple[int, list[float], list[float]]:
    spec, train = config.network(model), config.train[model]
    ids = cells["cell_id"].to_list()
    classes = sorted(set(cells["label"]))
    labels = [classes.index(label) for label in cells["label"]]
    rows = Rows(CropStore.open(folder).rows(ids), np.array(labels), tuple(ids))
    views = Views(train.view_px / config.frame.side_px, train.input_px, spec.mean, spec.std)
    photographs = Photographs([root / image for image in cells["image"]], labels, train.input_px)

    job = Job(spec, train, len(classes), rows, views, folder, steps)

    def network() -> nn.Module:
        return build(spec, len(classes), "none", train.input_px, drop=train.dropout)[0]

    turns: tuple[Callable[[], float], Callable[[], float]] = (
        lambda: ours(job),
        lambda: plain(network(), photographs, train, steps),
    )
    measured: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for turn, found in zip(turns, measured, strict=True):
            found.append(turn())
    return train.input_px, *measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="bccd")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8)
    options = parser.parse_args()
    config = configure(preset="standard")
    data = load(options.data)
    cells, _ = apply(config.recipe, data.cells, config.seed)
    cells = cells.filter(pl.col("excluded_by").is_null())
    with tempfile.TemporaryDirectory() as folder:
        items = [CropItem(cell_id, data.root / image) for cell_id, image in cells.select("cell_id", "image").rows()]
        build_crops(items, config.frame, Path(folder))
        print(f"{settings.usable_cores()} cores, torch {torch.__version__}, {choose('auto')}, batch size 32,")
        print(f"{crew(15).workers} folds side by side, {options.rounds} rounds of {options.steps} steps, in turn\n")
        print("| network | input px | Buffycoat, images/s | plain loop, images/s | ratio (min to max) |")
        print("|---|---|---|---|---|")
        for model in config.models:
            input_px, mine, theirs = contest(
                model, config, cells, data.root, Path(folder), options.rounds, options.steps
            )
            ratios = [a / b for a, b in zip(mine, theirs, strict=True)]
            print(
                f"| {config.network(model).title} | {input_px} | {statistics.median(mine):.1f} "
                f"| {statistics.median(theirs):.1f} "
                f"| {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |",
                flush=True,
            )


if __name__ == "__main__":
    main()
