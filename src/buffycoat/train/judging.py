"""Which epoch's weights are kept, and when training has gone on long enough.

The inner validation rows are few, so the epoch with the very lowest loss is mostly luck: with 26 rows it was the sixth
of thirty, and the network it kept was undertrained. Weights of a later epoch are therefore kept unless they are worse
than the best by more than one standard error of the rows' paired differences (the one-standard-error rule of Breiman
et al. 1984, section 3.4.3, with training time in place of tree size); training stops when that has been so for
`patience` epochs in a row.
"""

from __future__ import annotations

import math
from typing import Any, cast

import lightning
import torch

from buffycoat.train.module import Classifier


def clearly_worse(losses: torch.Tensor, best: torch.Tensor) -> bool:
    """Say whether the rows' losses are worse than the best by more than one standard error of the difference.

    Parameters
    ----------
    losses, best
        (n,) losses of the same rows.

    Examples
    --------
    >>> clearly_worse(torch.tensor([0.5, 0.2, 0.9]), torch.tensor([0.4, 0.4, 0.7]))
    False
    >>> clearly_worse(torch.tensor([0.5, 0.6, 0.9]), torch.tensor([0.4, 0.4, 0.7]))
    True
    """
    difference = losses - best
    if len(difference) < 2:
        return bool(difference.mean() > 0)
    return bool(difference.mean() > difference.std() / math.sqrt(len(difference)))


class Judge(lightning.Callback):
    """Holds the weights to keep, and stops training that only gets worse.

    Attributes
    ----------
    epoch
        The epoch, from 1, whose weights are held; 0: none yet.
    weights
        Those weights, or None once they were written.
    """

    def __init__(self, patience: int) -> None:
        self._patience, self._waited = patience, 0
        self._best: torch.Tensor | None = None
        self.epoch = 0
        self.loss: float | None = None
        self.weights: dict[str, torch.Tensor] | None = None

    def on_train_start(self, trainer: lightning.Trainer, _: lightning.LightningModule) -> None:
        """Stay stopped where the process died between the last epoch and the predictions."""
        if self._patience and self._waited >= self._patience:
            trainer.should_stop = True

    def on_validation_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Judge the epoch by its validation rows.

        Raises
        ------
        ArithmeticError
            The loss is no longer a number.
        """
        losses = cast(Classifier, module).validation_losses()
        mean = float(losses.mean())
        if not math.isfinite(mean):
            raise ArithmeticError(f"the validation loss is {mean} in epoch {trainer.current_epoch + 1}")
        worse = self._best is not None and clearly_worse(losses, self._best)
        if self._best is None or mean < float(self._best.mean()):
            self._best = losses
        if not worse:
            self._hold(trainer, module, mean)
        self._waited = self._waited + 1 if worse else 0
        stop = bool(self._patience) and self._waited >= self._patience
        if trainer.strategy.reduce_boolean_decision(stop, all=False):
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Hold the weights of an epoch that nothing judges."""
        if "validation_loss" not in trainer.callback_metrics:
            self._hold(trainer, module, None)

    def _hold(self, trainer: lightning.Trainer, module: lightning.LightningModule, loss: float | None) -> None:
        self.epoch, self.loss = trainer.current_epoch + 1, loss
        kept = cast(Classifier, module).kept
        self.weights = {name: value.detach().clone() for name, value in kept.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must remember; the weights are written beside it."""
        return {"epoch": self.epoch, "loss": self.loss, "waited": self._waited, "best": self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what a checkpoint remembered."""
        self.epoch, self.loss = state_dict["epoch"], state_dict["loss"]
        self._waited, self._best = state_dict["waited"], state_dict["best"]
