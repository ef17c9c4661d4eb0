"""Batches of stored crops, drawn with weights, the same whatever the number of processes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from buffycoat.train.seeds import derive


@dataclass(frozen=True)
class Rows:
    """Rows of a role (training, validation, test) of one fold.

    Attributes
    ----------
    crops
        (n,) int64: places in the store of crops.
    labels
        (n,) int64: places in the study's classes.
    cell_ids
        n identifiers.
    """

    crops: NDArray[np.int64]
    labels: NDArray[np.int64]
    cell_ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.crops)


class CropBatches(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """A data set that is asked for whole batches: reads them from the memory-mapped store in one go."""

    def __init__(self, images: NDArray[np.uint8], rows: Rows) -> None:
        self._images = images
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, places: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (B, 3, S, S) uint8 crops, in channels-last memory as they are stored, and (B,) int64 labels."""
        crops = self._images[self._rows.crops[places]]
        return torch.from_numpy(crops).permute(0, 3, 1, 2), torch.from_numpy(self._rows.labels[places])


class InOrder(Sampler[list[int]]):
    """Every row once, in order, in batches: for validation and prediction."""

    def __init__(self, count: int, batch_size: int) -> None:
        self._count, self._size = count, batch_size

    def __iter__(self) -> Iterator[list[int]]:
        for start in range(0, self._count, self._size):
            yield list(range(start, min(start + self._size, self._count)))

    def __len__(self) -> int:
        return math.ceil(self._count / self._size)


class Weighted(Sampler[list[int]]):
    """Rows drawn with replacement by weight, about as many an epoch as there are rows.

    What epoch k draws depends on the seed and k alone: not on the epochs before it (an interrupted training goes
    on as if nothing had happened) nor on the number of processes (each takes its share of every batch).

    Parameters
    ----------
    weights
        (n,) positive numbers: how often a row is drawn, relative to the others.
    batch_size
        Rows a batch over all processes; an epoch holds whole batches only, at least one.
    rank, world
        This process and the number of processes.
    """

    def __init__(
        self, weights: NDArray[np.float64], batch_size: int, seed: int, *, rank: int = 0, world: int = 1
    ) -> None:
        if batch_size % world:
            raise ValueError(f"batch size {batch_size} is not a multiple of {world} processes")
        self._weights = torch.as_tensor(weights, dtype=torch.float64)
        self._size, self._seed, self._rank, self._world = batch_size, seed, rank, world
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch to draw for, from 0; Lightning calls this before each."""
        self._epoch = epoch

    def __len__(self) -> int:
        return max(1, round(len(self._weights) / self._size))

    def __iter__(self) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(derive(self._seed, "draw", self._epoch))
        drawn = torch.multinomial(self._weights, len(self) * self._size, replacement=True, generator=generator)
        share = self._size // self._world
        for batch in drawn.view(len(self), self._size):
            yield batch[self._rank * share : (self._rank + 1) * share].tolist()
