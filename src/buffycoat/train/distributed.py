"""Which of several processes this is, and waiting for one another.

Every process runs the whole study in step: the first one prepares and writes, all of them train. They are started
by torchrun, which Buffycoat calls by itself for ``--devices`` on one machine and the user calls for several.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

import torch
import torch.distributed as dist

from buffycoat.errors import UsageError


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
        """Wait until every process is here."""
        if self.world > 1:
            dist.barrier()


def join() -> Processes:
    """Return this process's place, joining its fellows when torchrun started it."""
    if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Processes()
    if not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return Processes(dist.get_rank(), dist.get_world_size(), int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def leave() -> None:
    """Part from the fellow processes."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def launched() -> bool:
    """Say whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def launch(devices: int, arguments: list[str]) -> int:
    """Run ``buffycoat`` with these arguments in `devices` processes on this machine; return the exit code.

    Raises
    ------
    UsageError
        More processes than devices of a kind that cannot be shared.
    """
    available = torch.cuda.device_count()
    if torch.cuda.is_available() and devices > available:
        raise UsageError(f"--devices {devices}: this machine has {available} GPU(s).")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={devices}"]
    command += ["-m", "buffycoat", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": str(max(1, len(os.sched_getaffinity(0)) // devices))}
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 (our own arguments)
