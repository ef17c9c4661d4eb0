"""One thing to look at: a name, and where its pixels come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


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
    """

    name: str
    content: Path | bytes | NDArray[np.uint8] | None
    error: str | None = None
