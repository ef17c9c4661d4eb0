"""A network of six layers, fast to export: what timm's classifiers have, and no more."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

FEATURES = 24
INPUT_PX = 32

Network = TypeVar("Network", bound=nn.Module)


class SmallNetwork(nn.Module):
    """Convolutions, one of them depthwise, normalised, with ReLU6; global pooling; one linear layer."""

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_layer(3, 8, stride=2),
            *_layer(8, 16),
            *_layer(16, 16, stride=2, groups=16),
            *_layer(16, 12, size=1),
            *_layer(12, FEATURES),
        )
        self.head = nn.Linear(FEATURES, classes)

    def forward_features(self, inputs: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.body(inputs)
        return found

    def forward_head(self, found: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        pooled = found.mean((2, 3))
        answer: torch.Tensor = pooled if pre_logits else self.head(pooled)
        return answer

    def get_classifier(self) -> nn.Linear:
        return self.head

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.forward_head(self.forward_features(inputs))


def small_network() -> SmallNetwork:
    """Return the network with statistics as after some training, and a head that tells inputs apart."""
    torch.manual_seed(3)
    return settled(SmallNetwork(), torch.randn(16, 3, INPUT_PX, INPUT_PX))


def settled(model: Network, inputs: torch.Tensor) -> Network:
    """Give a network the normalisation statistics of these inputs, and a head that tells them apart; returns it.

    With statistics of nothing in particular a deep network is chaotic: it answers otherwise in 32 and in 64 bits.
    """
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the plain mean of what is seen
    model.train()
    with torch.no_grad():
        for _ in range(2):
            model(inputs)
    head = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    nn.init.normal_(head.weight, std=head.in_features**-0.5)
    nn.init.normal_(head.bias, std=0.5)
    return model.eval()


def _layer(before: int, after: int, *, size: int = 3, stride: int = 1, groups: int = 1) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(before, after, size, stride, size // 2, groups=groups, bias=False)
    return convolution, nn.BatchNorm2d(after), nn.ReLU6()
