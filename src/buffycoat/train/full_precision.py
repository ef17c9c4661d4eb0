"""What computes in fp32 on a processor although a network trains in bf16, since it is faster so.

Gradients of strided and 5×5 depthwise convolutions take three to ten times as long in bf16 as in fp32 (oneDNN under
PyTorch 2.14), and were more than half of the time that EfficientNet trains. They hold hardly any of a network's
arithmetic, so bf16 has nothing to win there. Their forward pass is fast either way and stays as it is.

A wide linear layer that meets few rows, as AlexNet's hidden ones do, spends its time on turning its weights into bf16
and their gradients back: a third of AlexNet's step. In fp32 it reads its weights once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.padding import pad_same
from torch import nn

Forward = Callable[[torch.Tensor], torch.Tensor]

_WIDE = 1 << 20
"""Weights from which on a linear layer's conversions count."""

_FEW = 64
"""Rows up to which they cost more than the arithmetic."""


def fp32_where_faster(network: nn.Module) -> int:
    """Let the layers of `network` that train faster in fp32 do so under CPU autocast.

    Returns
    -------
    int
        How many layers were changed. Weights, names, and results outside autocast stay as they are.
    """
    changed = 0
    for part in network.modules():
        if isinstance(part, nn.Conv2d) and _slow(part):
            part.forward = partial(_convolve, part, part.forward)  # type: ignore[method-assign]
        elif type(part) is nn.Linear and part.weight.numel() >= _WIDE:
            part.forward = partial(_combine, part.forward)  # type: ignore[method-assign]
        else:
            continue
        changed += 1
    return changed


def _autocast(inputs: torch.Tensor) -> bool:
    return inputs.device.type == "cpu" and torch.is_autocast_enabled("cpu")


def _combine(plain: Forward, inputs: torch.Tensor) -> torch.Tensor:
    if not _autocast(inputs) or inputs.numel() > _FEW * inputs.shape[-1]:
        return plain(inputs)
    with torch.autocast("cpu", enabled=False):
        return plain(inputs.float())


def _slow(part: nn.Conv2d) -> bool:
    depthwise = 1 < part.groups == part.in_channels and part.bias is None
    known = type(part) in {nn.Conv2d, Conv2dSame} and not isinstance(part.padding, str)
    return known and depthwise and part.padding_mode == "zeros" and (max(part.stride) > 1 or max(part.kernel_size) > 3)


def _convolve(part: nn.Conv2d, plain: Forward, inputs: torch.Tensor) -> torch.Tensor:
    if not _autocast(inputs):
        return plain(inputs)
    padding: tuple[int, ...] | str = part.padding
    if isinstance(part, Conv2dSame):
        inputs, padding = pad_same(inputs, list(part.kernel_size), list(part.stride), list(part.dilation)), (0, 0)
    inputs = inputs.to(torch.get_autocast_dtype("cpu"))
    convolved = _Convolution.apply(inputs, part.weight, part.stride, padding, part.dilation, part.groups)
    return torch.as_tensor(convolved)


class _Convolution(torch.autograd.Function):
    """A convolution whose inputs and outputs are bf16, and whose gradients are computed in fp32."""

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, weight: torch.Tensor, *shape: Any) -> torch.Tensor:
        ctx.save_for_backward(inputs, weight)
        ctx.shape = shape
        stride, padding, dilation, groups = shape
        with torch.autocast("cpu", enabled=False):
            return torch.conv2d(inputs, weight.to(inputs.dtype), None, stride, padding, dilation, groups)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        inputs, weight = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.shape
        wanted = [ctx.needs_input_grad[0], ctx.needs_input_grad[1], False]
        with torch.autocast("cpu", enabled=False):
            to_inputs, to_weight, _ = torch.ops.aten.convolution_backward(
                gradients[0].float(),
                inputs.float(),
                weight.float(),
                None,
                stride,
                padding,
                dilation,
                False,
                [0, 0],
                groups,
                wanted,
            )
        return None if to_inputs is None else to_inputs.to(inputs.dtype), to_weight, None, None, None, None
