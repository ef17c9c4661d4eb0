"""One thing to look at: a name, and where its pixels come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Remote:
    """A file in object storage, read by whoever looks at it; see :mod:`buffycoat.predict.storage`.

    Attributes
    ----------
    address
        What the user gave, which opens the storage; it may hold a password, so it is never shown.
    path
        Of the file, as the storage calls it.
    mark
        A number that changes when the file does; 0 where the storage was not asked.
    modified_ns
        When the file was written, in ns since 1970; None where the storage does not say.
    """

    address: str = field(repr=False)
    path: str
    mark: int = 0
    modified_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One input.

    Attributes
    ----------
    name
        As shown in results.
    content
        A file, the bytes of one, pixels (uint8 (H, W, 3) RGB), or None where there is a fault.
    error
        What was found wrong before it was even opened, or None.
    archive
        The archive it came from, or None.
    """

    name: str
    content: Path | Remote | bytes | NDArray[np.uint8] | None
    error: str | None = None
    archive: Path | Remote | None = None
