"""AlexNet, the plain network every other is compared with, started so that it can learn."""

from __future__ import annotations

import torch
from torch import nn

DROP = 0.3
"""Dropout before each hidden fully connected layer. The paper's 0.5 suits a million photographs, not hundreds."""


def alexnet(classes: int, drop: float = DROP) -> nn.Module:
    """Return torchvision's AlexNet with `classes` outputs and He initialisation.

    torchvision's default initialisation shrinks the signal at every layer of a network without normalisation: from
    scratch it collapses into answering one class. He initialisation (He et al. 2015) keeps the variance of the
    activations from layer to layer; the last layer starts small, so that the first answers are near even.

    Parameters
    ----------
    classes
        Outputs of the last layer.
    drop
        Dropout probability, 0–1.
    """
    from torchvision.models import alexnet as architecture

    with torch.device("meta"):  # its own initialisation would only cost time: 57 million numbers, drawn to be replaced
        model: nn.Module = architecture(weights=None, num_classes=classes, dropout=drop)
    model.to_empty(device="cpu")
    initialise(model)
    return model


def initialise(model: nn.Module) -> None:
    """Draw the weights anew by He's rule (in place) from torch's global generator."""
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    nn.init.normal_(layers[-1].weight, std=0.01)
