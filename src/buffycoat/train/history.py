"""``history.csv`` of one fold: a row an epoch, written as training goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import lightning
import polars as pl

from buffycoat.files import write_csv
from buffycoat.records.tables import HISTORY
from buffycoat.train.module import Classifier

OnEpoch = Callable[[int, int, dict[str, Any]], None]
"""Called with the epochs done, the most there will be, and the epoch's figures."""


class History(lightning.Callback):
    """Collects the figures of every epoch; a checkpoint remembers them, so a resumed fold has them all."""

    def __init__(self, path: Path, model: str, repeat: int, fold: int, on_epoch: OnEpoch | None) -> None:
        self._path, self._key = path, {"model": model, "repeat": repeat, "fold": fold}
        self._on_epoch = on_epoch
        self._started = time.monotonic()
        self.rows: list[dict[str, Any]] = []

    def on_train_epoch_start(self, *_: Any) -> None:
        """Start the clock."""
        self._started = time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Add the epoch's row and write the table."""
        classifier = cast(Classifier, module)
        train = classifier.figures("train")
        judged = "validation_loss" in trainer.callback_metrics
        validation = classifier.figures("validation") if judged else {"loss": None, "accuracy": None}
        row: dict[str, Any] = {
            **self._key,
            "epoch": trainer.current_epoch + 1,
            "train_loss": train["loss"],
            "train_accuracy": train["accuracy"],
            "validation_loss": validation["loss"],
            "validation_accuracy": validation["accuracy"],
            "learning_rate": float(trainer.optimizers[0].param_groups[0]["lr"]),
            "seconds": round(time.monotonic() - self._started, 3),
        }
        self.rows.append(row)
        if trainer.is_global_zero:
            write_csv(self._path, pl.DataFrame(self.rows, schema=dict(HISTORY)))
        if self._on_epoch is not None:
            self._on_epoch(trainer.current_epoch + 1, int(trainer.max_epochs or 0), row)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must remember."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what a checkpoint remembered."""
        self.rows = list(state_dict["rows"])
