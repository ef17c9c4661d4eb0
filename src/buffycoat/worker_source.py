"""The process that worker processes are forked from, which holds what they all need; known to all, and light.

It takes a quarter of a second to load that. Where it is sure that there will be workers, it can be started before this
process has loaded anything itself: then both load at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from itertools import islice
from typing import Any

_PRELOADED = ["buffycoat.predict.processes", "buffycoat.predict.predictor", "onnxruntime", "cv2"]
MANY = 300
"""Files from which on processes started at once cost no time (docs/results/predicting.md)."""


def start() -> Any:
    """Start it where it does not run yet; return the context (:mod:`multiprocessing`) to make processes with."""
    import multiprocessing  # no command that needs no workers waits for it
    import signal

    if sys.platform == "win32":  # there are no forks
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    from multiprocessing import forkserver, resource_tracker  # not on every system

    resource_tracker.ensure_running()  # or its own start would let Ctrl-C through again before the server's
    # Deaf to Ctrl-C: while it imports, that would be a traceback.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


def surely_many(paths: Iterable[str]) -> bool:
    """Return whether files and folders hold at least :data:`MANY` entries, as far as a glance tells."""
    count = 0
    for path in paths:
        try:
            with os.scandir(path) as entries:
                count += sum(1 for _ in islice(entries, MANY))
        except (OSError, ValueError):  # a file, or no path: a pattern, an address, a list
            count += 1
        if count >= MANY:
            return True
    return False
