"""Rate limits: how often somebody may do something, and how long they have to wait."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from buffycoat.review.faults import Busy

_MOST_KEYS = 50_000  # forgets those that asked longest ago


class Buckets:
    """Token buckets by name; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._levels: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def wait(self, kind: str, who: str, most: float, seconds: float, *, take: float = 1.0) -> float:
        """Take from a bucket that holds `most` and fills in `seconds`.

        Returns
        -------
        0 when it was taken; otherwise the seconds after which it will be there, and nothing is taken. With
        ``take=0`` the bucket is only looked at.
        """
        now = time.monotonic()
        with self._lock:
            level, since = self._levels.pop((kind, who), (most, now))
            level = min(most, level + (now - since) * most / seconds)
            needed = max(take, 1e-9) if take else 1.0
            missing = needed - level
            if missing <= 0:
                level -= take
            self._levels[kind, who] = (level, now)
            while len(self._levels) > _MOST_KEYS:
                self._levels.popitem(last=False)
        return max(0.0, missing * seconds / most)

    def demand(self, kind: str, who: str, most: float, seconds: float, detail: str) -> None:
        """Take one, or raise Busy with the time to wait."""
        pause = self.wait(kind, who, most, seconds)
        if pause > 0:
            raise Busy(detail, pause)

    def give_back(self, kind: str, who: str, most: float) -> None:
        """Put one back that was taken."""
        with self._lock:
            if (found := self._levels.get((kind, who))) is not None:
                self._levels[kind, who] = (min(most, found[0] + 1), found[1])

    def forget(self, kind: str, who: str) -> None:
        """Fill a bucket."""
        with self._lock:
            self._levels.pop((kind, who), None)
