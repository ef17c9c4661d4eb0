"""Which of several processes this is, and waiting for one another.

Every process runs the whole study in step: the first one prepares and writes, all of them train. On one machine
``--devices`` starts them; on several, the user does with torchrun, and they share the study folder.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

from buffycoat.errors import UsageError
from buffycoat.settings import usable_cores

_PATIENCE_S = 30
_LAUNCHED = "BUFFYCOAT_LAUNCHED"
_SECOND_S = 1.0


@dataclass(frozen=True)
class Processes:
    """The place of one process among its fellows."""

    rank: int = 0
    world: int = 1
    local_world: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process prepares and writes."""
        return self.rank == 0

    @property
    def nodes(self) -> int:
        """Number of machines."""
        return max(1, self.world // self.local_world)

    def wait(self) -> None:
        """Wait until every process is here; where the first is gone this one ends, and leaves the word to it."""
        if self.world > 1:
            try:
                dist.barrier()
            except RuntimeError:  # the connection was closed
                if self.is_first:
                    raise
                raise SystemExit(1) from None


def join() -> Processes:
    """Return this process's place, joining its fellows when it was started as one of several."""
    if os.environ.pop(_LAUNCHED, ""):
        threading.Thread(target=_end_with_launcher, daemon=True).start()
    if not launched() or int(os.environ["WORLD_SIZE"]) == 1:
        return Processes()
    if not dist.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        # The others wait while the first downloads and frames: however long that takes.
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=timedelta(days=2))
    return Processes(dist.get_rank(), dist.get_world_size(), int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def _end_with_launcher() -> None:
    """End this process as soon as the one that launched it is gone: it would hold the folder, and train for nobody."""
    while os.read(0, 1 << 12):
        pass
    os._exit(1)


def leave() -> None:
    """Part from the fellow processes."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def launched() -> bool:
    """Say whether this process is already one of several."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def launch(devices: int, arguments: list[str]) -> int:
    """Run ``buffycoat`` with these arguments in `devices` processes on this machine.

    Returns
    -------
    int
        0, or the exit code of the first process that failed; the others are then stopped.

    Raises
    ------
    UsageError
        More processes than graphics cards.
    """
    available = torch.cuda.device_count()
    if torch.cuda.is_available() and devices > available:
        raise UsageError(f"--devices {devices}: this machine has {available} graphics cards.")
    threads = max(1, usable_cores() // devices)
    together = {
        "WORLD_SIZE": str(devices),
        "LOCAL_WORLD_SIZE": str(devices),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads)),
    }
    command = [sys.executable, "-m", "buffycoat", *arguments]
    together[_LAUNCHED] = "1"
    processes = [
        subprocess.Popen(  # noqa: S603
            command,
            env={**os.environ, **together, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdin=subprocess.PIPE,  # never written to: it closes when this process ends, however it ends
        )
        for rank in range(devices)
    ]
    try:
        return _wait_for(processes)
    except KeyboardInterrupt:  # the processes got it too, and have their say first
        deadline = time.monotonic() + _PATIENCE_S
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
        raise
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()


def _wait_for(processes: list[subprocess.Popen[bytes]]) -> int:
    while True:
        codes = [process.poll() for process in processes]
        if any(codes):
            time.sleep(_SECOND_S)  # the first process says what is wrong; the others only lose it
            return processes[0].poll() or next(code for code in codes if code)
        if all(code == 0 for code in codes):
            return 0
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
