from __future__ import annotations

import copy

import pytest
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import nn

from buffycoat.networks.build import build, resolve
from buffycoat.train.full_precision import fp32_where_faster


def _gradients(network: nn.Module, inputs: torch.Tensor, *, bf16: bool) -> tuple[torch.Tensor, list[torch.Tensor]]:
    network.zero_grad()
    inputs = inputs.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        out = network(inputs)
    (out.float() * torch.arange(out.numel()).view_as(out).sin()).sum().backward()
    assert inputs.grad is not None
    return out.detach(), [inputs.grad, *(p.grad for p in network.parameters() if p.grad is not None)]


@pytest.mark.parametrize(
    "convolution",
    [
        nn.Conv2d(8, 8, 5, padding=2, groups=8, bias=False),
        nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8, bias=False),
        nn.Conv2d(8, 8, 5, padding=4, dilation=2, groups=8, bias=False),
        Conv2dSame(8, 8, 3, stride=2, groups=8, bias=False),
        Conv2dSame(8, 8, 5, stride=2, groups=8, bias=False),
    ],
    ids=["5x5", "strided", "dilated", "same 3x3", "same 5x5"],
)
@pytest.mark.parametrize("side", [11, 12])
def test_the_answers_stay_and_the_gradients_are_those_of_fp32(convolution: nn.Conv2d, side: int) -> None:
    torch.manual_seed(1)
    inputs = torch.randn(4, 8, side, side).contiguous(memory_format=torch.channels_last)
    changed = copy.deepcopy(convolution)
    assert fp32_where_faster(changed) == 1
    plain, _ = _gradients(convolution, inputs, bf16=True)
    exact_out, exact = _gradients(convolution, inputs, bf16=False)
    out, gradients = _gradients(changed, inputs, bf16=True)
    assert torch.equal(out, plain)
    assert out.dtype == torch.bfloat16
    for ours, theirs in zip(gradients, exact, strict=True):
        assert ours.dtype == theirs.dtype
        assert (ours - theirs).norm() < 0.02 * theirs.norm()
    same_out, same = _gradients(changed, inputs, bf16=False)
    assert torch.equal(same_out, exact_out)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(same, exact, strict=True))


@pytest.mark.parametrize(
    "convolution",
    [
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),  # fast as it is
        nn.Conv2d(8, 16, 5, padding=2, bias=False),  # not depthwise
        nn.Conv2d(8, 8, 5, padding="same", groups=8, bias=False),
        nn.Conv2d(8, 8, 5, padding=2, groups=8, bias=False, padding_mode="reflect"),
    ],
    ids=["3x3", "dense", "padding by word", "reflecting"],
)
def test_other_convolutions_are_left_alone(convolution: nn.Conv2d) -> None:
    assert fp32_where_faster(convolution) == 0


def test_a_whole_network_keeps_its_names_and_answers() -> None:
    torch.manual_seed(2)
    network = build(resolve("efficientnet"), 4, "none", 64)[0].eval()
    names = list(network.state_dict())
    inputs = torch.randn(2, 3, 64, 64)
    with torch.autocast("cpu", torch.bfloat16):
        before = network(inputs)
        assert fp32_where_faster(network) == 11
        after = network(inputs)
    assert torch.equal(before, after)
    assert list(network.state_dict()) == names


def test_wide_layers_that_meet_few_rows_compute_in_fp32() -> None:
    torch.manual_seed(3)
    wide = nn.Linear(1024, 1024)
    changed = copy.deepcopy(wide)
    assert fp32_where_faster(changed) == 1
    few, many = torch.randn(64, 1024), torch.randn(65, 1024)
    exact_out, exact = _gradients(wide, few, bf16=False)
    out, gradients = _gradients(changed, few, bf16=True)
    assert torch.equal(out, exact_out)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(gradients, exact, strict=True))
    assert torch.equal(_gradients(changed, many, bf16=True)[0], _gradients(wide, many, bf16=True)[0])
    assert fp32_where_faster(nn.Linear(1024, 4)) == 0
