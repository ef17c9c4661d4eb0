"""The network with its loss, optimiser and schedule, as Lightning runs it."""

from __future__ import annotations

import math
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import nn
from torch.nn import functional as F  # noqa: N812 (the name everybody knows)

from buffycoat.train.augment import Views, turned
from buffycoat.train.averaging import averaged
from buffycoat.train.config import TrainConfig
from buffycoat.train.full_precision import fp32_where_faster
from buffycoat.train.seeds import derive

Batch = tuple[torch.Tensor, torch.Tensor]


class Classifier(lightning.LightningModule):
    """A network in training.

    Parameters
    ----------
    network
        Takes (B, 3, input_px, input_px), returns (B, classes) logits.
    frozen
        Modules of `network` that stay as they came: no gradient, and batch norm by its stored statistics.
    views
        Turns stored crops into inputs.
    seed
        Of this fold; the random numbers of every step derive from it and the step alone.
    """

    def __init__(
        self, network: nn.Module, frozen: tuple[nn.Module, ...], views: Views, config: TrainConfig, seed: int
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self._frozen = frozen
        for part in frozen:
            part.requires_grad_(False)
        self.averaged = averaged(self.network, config.averaging) if config.averaging else None
        fp32_where_faster(self.network)  # after the average was copied, which has no gradients to compute
        self._views, self._config, self._seed = views, config, seed
        self._generator = torch.Generator()
        self._sums: dict[str, list[float]] = {}
        self._losses: list[torch.Tensor] = []

    @property
    def kept(self) -> nn.Module:
        """The network whose weights are kept: the averaged one where averaging is on."""
        return self.network if self.averaged is None else self.averaged.module

    def on_train_epoch_start(self) -> None:
        """Hold the frozen parts still and start the sums anew."""
        for part in self._frozen:
            part.eval()
        self._sums["train"] = [0.0, 0.0, 0.0]

    def training_step(self, batch: Batch, place: int) -> torch.Tensor:
        """Return the mean loss of a batch of augmented crops.

        Every step is seeded by its place alone, so that a resumed training draws what it would have drawn.
        """
        seed = derive(self._seed, self.current_epoch, place, self.global_rank)
        torch.manual_seed(seed)  # dropout and stochastic depth draw from the global generator
        self._generator.manual_seed(derive(seed, "augment"))
        crops, labels = batch
        inputs = self._views.augmented(crops.cpu(), self._config.augment, self._generator).to(self.device)
        logits = self.network(inputs)
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=self._config.label_smoothing)
        if not torch.isfinite(loss):
            raise ArithmeticError(f"the loss is {loss.item()} in epoch {self.current_epoch + 1}")
        self._add("train", float(loss.detach()), logits, labels)
        return loss

    def on_before_optimizer_step(self, _: torch.optim.Optimizer) -> None:
        """Clip the gradient's norm; here, since Lightning's own clipping refuses the fused optimiser."""
        if self._config.clip_norm:
            nn.utils.clip_grad_norm_(self.network.parameters(), self._config.clip_norm)

    def on_train_batch_end(self, *_: Any) -> None:
        """Follow the step with the average."""
        if self.averaged is not None:
            self.averaged.update_parameters(self.network)

    def on_validation_epoch_start(self) -> None:
        """Start the sums anew."""
        self._sums["validation"] = [0.0, 0.0, 0.0]
        self._losses = []

    def validation_step(self, batch: Batch, _: int) -> None:
        """Add a batch of plain views to the validation sums; the kept network is the one judged."""
        crops, labels = batch
        self.kept.eval()
        logits = self.kept(self._views.plain(crops.cpu()).to(self.device))
        losses = F.cross_entropy(logits.float(), labels, reduction="none")
        self._losses.append(losses.detach().cpu())
        self._add("validation", float(losses.mean()), logits, labels)

    def validation_losses(self) -> torch.Tensor:
        """Return the (n,) losses of the validation rows in this epoch, in their order."""
        return torch.cat(self._losses)

    def on_train_epoch_end(self) -> None:
        """Publish the training figures for loggers."""
        if self.trainer.logger is None:
            return
        for name, value in self.figures("train").items():
            self.log(f"train_{name}", value)
        self.log("learning_rate", self.trainer.optimizers[0].param_groups[0]["lr"])

    def on_validation_epoch_end(self) -> None:
        """Publish the validation figures for callbacks (early stop, history)."""
        for name, value in self.figures("validation").items():
            self.log(f"validation_{name}", value, rank_zero_only=False)

    def figures(self, role: str) -> dict[str, float]:
        """Return mean loss and accuracy of the epoch so far, over all processes."""
        sums = torch.tensor(self._sums.get(role, [0.0, 0.0, 0.0]), dtype=torch.float64)
        if self.trainer.world_size > 1:
            sums = self.all_gather(sums).sum(0)  # type: ignore[union-attr]
        loss, right, count = sums.tolist()
        count = max(count, 1.0)
        return {"loss": loss / count, "accuracy": right / count}

    def _add(self, role: str, loss: float, logits: torch.Tensor, labels: torch.Tensor) -> None:
        sums = self._sums.setdefault(role, [0.0, 0.0, 0.0])
        sums[0] += loss * len(labels)
        sums[1] += float((logits.argmax(1) == labels).sum())
        sums[2] += len(labels)

    @torch.no_grad()
    def probabilities(self, crops: torch.Tensor) -> torch.Tensor:
        """Return (B, classes) float64 probabilities of the kept network, averaged over the configured views."""
        self.kept.eval()
        inputs = self._views.plain(crops).to(self.device)
        total = torch.zeros(len(crops), 1, dtype=torch.float64)
        for view in range(self._config.views):
            total = total + self.kept(turned(inputs, view)).double().softmax(1).cpu()
        return total / self._config.views

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW, decay on matrices only; the rate warms up linearly, then falls along a cosine, by step."""
        config = self._config
        trained = [p for p in self.network.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
        steps = max(3, int(self.trainer.estimated_stepping_batches))  # fewer leave one-cycle a phase of no length
        scheduler: torch.optim.lr_scheduler.LRScheduler
        if config.schedule == "one-cycle":
            scheduler = torch.optim.lr_scheduler.OneCycleLR(
                optimizer,
                max_lr=config.learning_rate,
                total_steps=steps,
                pct_start=max(config.warm_up, 2 / steps),
            )
        else:
            scheduler = torch.optim.lr_scheduler.LambdaLR(
                optimizer, lambda step: warm_then_cosine(step, steps, config.warm_up)
            )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def warm_then_cosine(step: int, steps: int, warm_up: float) -> float:
    """Return the share of the full learning rate at `step` of `steps`.

    Examples
    --------
    >>> warm_then_cosine(0, 100, 0.1), warm_then_cosine(10, 100, 0.1), round(warm_then_cosine(100, 100, 0.1), 3)
    (0.1, 1.0, 0.0)
    """
    warm = max(1, round(warm_up * steps))
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
