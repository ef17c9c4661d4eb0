"""The moving average of the weights: steadier than the last step on few images."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

Tensors = tuple[torch.Tensor, ...] | list[torch.Tensor]


def averaged(network: nn.Module, decay: float) -> AveragedModel:
    """Return an averaged copy of `network`, buffers (batch-norm statistics) included.

    The decay grows to `decay` as min(decay, (1 + n) / (10 + n)), so that the random start is soon forgotten.
    """
    copy = AveragedModel(network, multi_avg_fn=_towards(decay), use_buffers=True)
    copy.requires_grad_(False)
    return copy


def _towards(decay: float) -> Callable[[Tensors, Tensors, torch.Tensor | int], None]:
    @torch.no_grad()
    def step(averages: Tensors, current: Tensors, count: torch.Tensor | int) -> None:
        if not averages[0].is_floating_point():  # batch norm counts its batches
            for average, value in zip(averages, current, strict=True):
                average.copy_(value)
            return
        n = float(count)
        torch._foreach_lerp_(list(averages), list(current), 1 - min(decay, (1 + n) / (10 + n)))

    return step
