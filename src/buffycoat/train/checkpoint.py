"""What is kept while a fold trains: the last epoch, to go on from, and the best weights, to be used.

The checkpoint is private to its study folder and deleted when the fold is done; it is read with PyTorch's
weights-only loader, which runs no code. Weights that stay are written as safetensors.
"""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path
from typing import Any, cast

import lightning
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import Checkpoint
from safetensors.torch import load_file, save_file
from torch import nn

from buffycoat.files import replacing
from buffycoat.train.module import Classifier

LAST = "last.ckpt"
BEST = "weights.safetensors"

_log = logging.getLogger("buffycoat")


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it: a kill while writing leaves the one before."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write `checkpoint` in one step."""
        with replacing(Path(path)) as temporary:
            super().save_checkpoint(checkpoint, temporary, storage_options)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = True) -> dict[str, Any]:  # noqa: ARG002
        """Read a checkpoint, never running code from it."""
        return dict(super().load_checkpoint(path, map_location, weights_only=True))


class BestWeights(lightning.Callback):
    """Remembers the weights of the epoch with the lowest validation loss; without validation rows, the last."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / BEST
        self.loss, self.epoch = math.inf, 0
        self._weights: dict[str, torch.Tensor] | None = None

    def on_validation_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Remember the kept network's weights where they are the best so far."""
        loss = float(trainer.callback_metrics["validation_loss"])
        if loss < self.loss:
            self.loss = loss
            self._remember(trainer, module)

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Remember the weights of an epoch that nothing judges."""
        if "validation_loss" not in trainer.callback_metrics:
            self._remember(trainer, module)

    def _remember(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self.epoch = trainer.current_epoch + 1
        kept = cast(Classifier, module).kept
        self._weights = {name: value.detach().clone() for name, value in kept.state_dict().items()}

    def write(self) -> None:
        """Write the best weights as safetensors, in one step, if they are not there yet."""
        if self._weights is not None:
            with replacing(self._path) as temporary:
                save_file({name: value.contiguous() for name, value in self._weights.items()}, temporary)
            self._weights = None

    def state_dict(self) -> dict[str, float]:
        """Return what a checkpoint must remember."""
        return {"loss": self.loss, "epoch": self.epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what a checkpoint remembered."""
        self.loss, self.epoch = float(state_dict["loss"]), int(state_dict["epoch"])


class LastEpoch(Checkpoint):
    """Keeps the state after a whole epoch, to go on from; not after every one where that would cost too much.

    A big network takes a second to write and little more to train an epoch: the state is written when the time
    since the last writing is at least `patience` times what writing took. An interruption costs what was trained
    since; the outcome is the same.
    """

    def __init__(self, folder: Path, best: BestWeights, *, patience: float = 12.0) -> None:
        self._path, self._best, self._patience = folder / LAST, best, patience
        self._written, self._cost = -math.inf, 0.0

    def on_train_epoch_end(self, trainer: lightning.Trainer, _: lightning.LightningModule) -> None:
        """Write the best weights and the checkpoint, if it is time."""
        began = time.monotonic()
        due = began - self._written >= self._patience * self._cost
        if not trainer.strategy.broadcast(due):  # every process must come along, or none
            return
        if trainer.is_global_zero:
            self._best.write()
        trainer.save_checkpoint(self._path)
        self._written = time.monotonic()
        self._cost = self._written - began


def usable_checkpoint(folder: Path) -> Path | None:
    """Return the checkpoint to go on from, or None; a damaged one is set aside with a warning."""
    path = folder / LAST
    if not path.exists():
        return None
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        intact = isinstance(found, dict) and {"state_dict", "epoch", "optimizer_states"} <= found.keys()
    except Exception as error:  # noqa: BLE001 (torch raises a zoo of errors for a damaged file)
        _log.debug("checkpoint %s: %s", path, error)
        intact = False
    if not intact:
        _log.warning("The checkpoint %s is damaged; this fold starts from its beginning.", path)
        path.unlink()
        return None
    return path


def read_weights(path: Path, network: nn.Module) -> None:
    """Load weights written by :class:`BestWeights` into a network of the same shape."""
    network.load_state_dict(load_file(path))
