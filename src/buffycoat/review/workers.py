"""The worker processes of a desk: started, watched, started again when one dies, and ended with the server."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time

from buffycoat.review.desk import Desk
from buffycoat.review.metrics import Metrics
from buffycoat.review.settings import ReviewSettings

_logger = logging.getLogger("buffycoat.review.workers")
_WATCH_SECONDS = 0.5
_SLOWEST_RESTART_SECONDS = 30.0
_GRACE_SECONDS = 10.0
SETTINGS_VARIABLE = "BUFFYCOAT_REVIEW_SETTINGS"


class Workers:
    """A number of worker processes.

    Parameters
    ----------
    settings
        Of the desk; handed to the processes through their environment, since an address may hold a password.
    metrics
        Told how many run.
    """

    def __init__(self, settings: ReviewSettings, metrics: Metrics | None = None) -> None:
        self._settings, self._metrics = settings, metrics
        self._running: list[subprocess.Popen[bytes] | None] = [None] * settings.workers
        self._next_start = [0.0] * settings.workers
        self._pause = [_WATCH_SECONDS] * settings.workers
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="workers")

    def start(self) -> None:
        """Start the processes and the thread that watches them."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the processes to finish what they do, and wait for it; kill those that take too long."""
        self._stop.set()
        self._thread.join()
        alive = [one for one in self._running if one is not None and one.poll() is None]
        for one in alive:
            one.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_SECONDS
        for one in alive:
            try:
                one.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()

    def _watch(self) -> None:
        while True:
            for place in range(len(self._running)):
                self._look_after(place)
            if self._metrics is not None:
                self._metrics.workers.set(sum(one is not None and one.poll() is None for one in self._running))
            if self._stop.wait(_WATCH_SECONDS):
                return

    def _look_after(self, place: int) -> None:
        now, one = time.monotonic(), self._running[place]
        if one is not None and one.poll() is None:
            if now > self._next_start[place] + _SLOWEST_RESTART_SECONDS:
                self._pause[place] = _WATCH_SECONDS  # it has lived long enough to be trusted again
            return
        if now < self._next_start[place]:
            return
        if one is not None:
            _logger.error("worker died", extra={"code": one.returncode})
        self._running[place] = start(self._settings)
        self._next_start[place] = now + self._pause[place]
        self._pause[place] = min(2 * self._pause[place], _SLOWEST_RESTART_SECONDS)


def start(settings: ReviewSettings) -> subprocess.Popen[bytes]:
    """Start one worker process."""
    environment = {**os.environ, SETTINGS_VARIABLE: settings.model_dump_json(), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "buffycoat.review.workers"]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE)  # noqa: S603 - our own interpreter


def main() -> None:
    """Work until told to stop, or until the process that started us is gone."""
    from buffycoat.review import logs, worker

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the server tells us
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    logs.begin()
    settings = ReviewSettings.model_validate_json(os.environ.pop(SETTINGS_VARIABLE))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    desk = Desk(settings)
    worker.work(desk.database, desk.images, desk.classifiers.get, settings, stop.is_set)
    desk.close()


def _end_with_parent() -> None:
    """End at once when the server is gone: its end of our input closes, however it died.

    The job under way is taken over when its lease runs out.
    """
    # Not through sys.stdin: a worker that ends while this thread holds its lock would end with a fatal error.
    while os.read(0, 1 << 12):
        pass
    os._exit(3)


if __name__ == "__main__":
    main()
