"""Attempts at a password: taken before it is checked, given back when it was right.

Who asks many times at once is counted as often as they ask. Argon2 is work on purpose; only a few are checked at a
time, so that guessing does not keep the desk from answering others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from buffycoat.review.desk import Desk
from buffycoat.review.faults import Busy

QUARTER_SECONDS = 900
_AT_ONCE = 2
_LONGEST_WAIT_SECONDS = 10.0
_turns = threading.BoundedSemaphore(_AT_ONCE)

Key = tuple[str, str]
"""What is counted, and for whom."""


def take(desk: Desk, *keys: Key, on_refused: Callable[[], None]) -> None:
    """Take one attempt for each key, or for none of them.

    Parameters
    ----------
    on_refused
        Called when there is no attempt left, once in a quarter of an hour for each key.

    Raises
    ------
    Busy
        No attempt is left.
    """
    most = desk.settings.logins_per_quarter
    for place, (kind, who) in enumerate(keys):
        pause = desk.buckets.wait(kind, who, most, QUARTER_SECONDS)
        if pause > 0:
            give_back(desk, *keys[:place])
            if desk.buckets.wait(f"{kind}-refused", who, 1, QUARTER_SECONDS) == 0:
                on_refused()
            raise Busy("Too many attempts; wait a little.", pause)


def give_back(desk: Desk, *keys: Key) -> None:
    """Give back one attempt for each key."""
    for kind, who in keys:
        desk.buckets.give_back(kind, who, desk.settings.logins_per_quarter)


@contextmanager
def turn() -> Iterator[None]:
    """Wait for a turn at Argon2.

    Raises
    ------
    Busy
        503: it did not come in time.
    """
    if not _turns.acquire(timeout=_LONGEST_WAIT_SECONDS):
        raise Busy("Many passwords are being checked; try again.", _LONGEST_WAIT_SECONDS, status=503)
    try:
        yield
    finally:
        _turns.release()
