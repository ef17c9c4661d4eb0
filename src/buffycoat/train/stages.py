"""The leading stages of a network: those that may stay frozen when it came pretrained."""

from __future__ import annotations

from torch import nn


def leading_stages(network: nn.Module, count: int) -> tuple[nn.Module, ...]:
    """Return the stem and the first `count` stages of a network; nothing when `count` is 0.

    The stem is whatever stands before the stages (first convolution and its normalisation). Networks whose
    stages cannot be told (none of the usual names) give their first `count` children.
    """
    if count == 0:
        return ()
    children = dict(network.named_children())
    blocks = children.get("blocks") or children.get("stages") or children.get("features")
    if blocks is not None:
        before = []
        for child in children.values():
            if child is blocks:
                break
            before.append(child)
        return (*before, *list(blocks.children())[:count])
    layers = [child for name, child in children.items() if name.startswith("layer")]
    if layers:
        stem = [child for name, child in children.items() if name in {"conv1", "bn1"}]
        return (*stem, *layers[:count])
    return tuple(children.values())[: min(count, len(children) - 1)]
