"""Starting fast: what a command does before its first useful step."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
