"""How large a network is: parameters and multiply-adds."""

from __future__ import annotations

import torch
from torch import nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode


def parameters(model: nn.Module) -> int:
    """Return the number of trainable and frozen parameters (running statistics are not parameters)."""
    return sum(parameter.numel() for parameter in model.parameters())


def multiply_adds(model: nn.Module, input_px: int) -> int:
    """Return the multiply-adds of one RGB image of `input_px` × `input_px` in convolutions and matrix products.

    Papers call this figure "FLOPs"; counted as operations it is twice as many. Normalisation, activations and
    pooling are left out, as is the custom. Only shapes go through the model: nothing is computed.
    """
    with FlopCounterMode(display=False) as counter:
        outputs(model, input_px)
    return int(counter.get_total_flops()) // 2


def outputs(model: nn.Module, input_px: int) -> tuple[int, ...]:
    """Return the shape of what a network gives for one image, computing shapes only: neither copied nor changed."""
    shapes = {name: tensor.to("meta") for name, tensor in (*model.named_parameters(), *model.named_buffers())}
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.no_grad():
            found = functional_call(model, shapes, (torch.empty(1, 3, input_px, input_px, device="meta"),))
    finally:
        for module in training:
            module.training = True
    return tuple(found.shape)
