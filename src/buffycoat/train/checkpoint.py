"""What is kept while a fold trains: the last epoch, to go on from, and the weights to be used.

The checkpoint is private to its study folder and deleted when the fold is done; it is read with PyTorch's
weights-only loader, which runs no code. Weights that stay are written as safetensors.
"""

from __future__ import annotations

import errno
import logging
import math
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import Checkpoint
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from buffycoat.files import replacing
from buffycoat.train.judging import Judge

LAST = "last.ckpt"
KEPT = "weights.safetensors"
_FULL_BYTES = 1 << 20  # a disk with less than this left counts as full

_log = logging.getLogger("buffycoat")


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it: a kill while writing leaves the one before."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:  # noqa: ARG002
        """Write `checkpoint` in one step (Lightning's own way takes its size in memory and in /tmp as well)."""
        with _writing(Path(path)) as temporary:
            torch.save(checkpoint, temporary)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = True) -> dict[str, Any]:  # noqa: ARG002
        """Read a checkpoint, never running code from it."""
        return dict(super().load_checkpoint(path, map_location, weights_only=True))


class LastEpoch(Checkpoint):
    """Keeps the state after a whole epoch, to go on from; not after every one where that would cost too much.

    A big network takes a second to write and little more to train an epoch: the state is written when the time
    since the last writing is at least `patience` times what writing took. An interruption costs what was trained
    since; the outcome is the same.
    """

    def __init__(self, folder: Path, judge: Judge, *, patience: float = 12.0) -> None:
        self._folder, self._judge, self._patience = folder, judge, patience
        self._written, self._cost = -math.inf, 0.0

    def on_train_epoch_end(self, trainer: lightning.Trainer, _: lightning.LightningModule) -> None:
        """Write the weights to keep and the checkpoint, if it is time."""
        began = time.monotonic()
        due = began - self._written >= self._patience * self._cost
        if not trainer.strategy.broadcast(due):  # every process must come along, or none
            return
        if trainer.is_global_zero:
            write_kept(self._folder, self._judge)
        trainer.save_checkpoint(self._folder / LAST)
        self._written = time.monotonic()
        self._cost = self._written - began


def write_kept(folder: Path, judge: Judge) -> None:
    """Write the weights that a judge holds as safetensors, in one step, if they are not there yet.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    if judge.weights is None:
        return
    with _writing(folder / KEPT) as temporary:
        save_file({name: value.contiguous() for name, value in judge.weights.items()}, temporary)
    judge.weights = None


def read_kept(folder: Path, network: nn.Module) -> None:
    """Load the weights to keep into a network of the same shape."""
    network.load_state_dict(load_file(folder / KEPT))


def usable_checkpoint(folder: Path) -> Path | None:
    """Return the checkpoint to go on from, or None; a damaged one is set aside with a warning.

    The weights to keep belong to it: without them it is of no use.
    """
    path = folder / LAST
    if not path.exists():
        return None
    try:
        with safe_open(folder / KEPT, "pt"):
            pass
        found = torch.load(path, map_location="cpu", weights_only=True)
        intact = isinstance(found, dict) and {"state_dict", "epoch", "optimizer_states"} <= found.keys()
    except Exception as error:  # noqa: BLE001 (torch raises a zoo of errors for a damaged file)
        _log.debug("checkpoint %s: %s", path, error)
        intact = False
    if not intact:
        _log.warning("The checkpoint %s is damaged; this fold starts from its beginning.", path)
        path.unlink(missing_ok=True)  # another process may have been faster
        return None
    return path


@contextmanager
def _writing(path: Path) -> Iterator[Path]:
    """Write in one step; the libraries' own errors on a full disk become ours.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    with replacing(path) as temporary:
        try:
            yield temporary
        except (RuntimeError, SafetensorError) as error:
            number = errno.ENOSPC if shutil.disk_usage(path.parent).free < _FULL_BYTES else errno.EIO
            raise OSError(number, str(error)) from error
