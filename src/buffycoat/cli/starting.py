"""What the commands that classify do before their first useful step."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator
from contextlib import contextmanager

from buffycoat.errors import UsageError


@contextmanager
def uncollected() -> Iterator[None]:
    """Import modules without looking for garbage: they make a hundred thousand objects and drop next to none.

    What is alive afterwards stays until the end, so later collections pass over it. Where that was said before, nothing
    is done: a second time would keep what a first command left behind.
    """
    if gc.get_freeze_count() or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def whole_pixels(given: float) -> int:
    """Return --max-pixels, which may be written 1e8, as a whole number.

    Raises
    ------
    UsageError
        It is no number of pixels.
    """
    if not math.isfinite(given) or given < 1:
        raise UsageError(f"--max-pixels must be at least 1, not {given:g}.")
    return round(given)
