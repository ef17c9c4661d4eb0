"""Outputs that lie on this machine."""

from __future__ import annotations

import re
from pathlib import Path

from buffycoat.errors import UsageError

_ADDRESS_AS_PATH = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # a path has lost one of the slashes of s3://


def is_address_as_path(path: Path) -> bool:
    """Return whether an address, such as ``s3://bucket/a.html``, was given where a path belongs."""
    return _ADDRESS_AS_PATH.match(str(path)) is not None


def local(given: Path | list[Path] | None) -> Path | list[Path] | None:
    """Return the paths of outputs as given; for ``callback`` of a command's option.

    Raises
    ------
    UsageError
        One is an address of object storage.
    """
    for path in [given] if isinstance(given, Path) else given or ():
        if is_address_as_path(path):
            name = str(path).replace(":/", "://", 1)
            raise UsageError(
                f"{name} is an address, and this command writes to this machine only.",
                hint="Give a path and copy what was written; of the commands `buffycoat predict` takes addresses.",
            )
    return given
