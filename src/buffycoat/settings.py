"""What the surroundings decide: where data live, and what processor there is."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import platformdirs

DATA_VARIABLE = "BUFFYCOAT_DATA"
CACHE_VARIABLE = "BUFFYCOAT_CACHE"
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")
BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
"""Processor features that multiply bf16 numbers; elsewhere bf16 is emulated, and slow."""


def cache_dir() -> Path:
    """Return the folder for what can be fetched or computed again (not created here)."""
    given = os.environ.get(CACHE_VARIABLE)
    return Path(given).expanduser() if given else Path(platformdirs.user_cache_dir("buffycoat"))


def data_dirs(given: Path | None = None) -> tuple[Path, ...]:
    """Return the folders to look for named data sets in, first to last.

    A folder given on the command line comes before ``BUFFYCOAT_DATA``, which comes before the user's cache.
    """
    places: list[Path] = []
    if given is not None:
        places.append(given.expanduser())
    variable = os.environ.get(DATA_VARIABLE)
    if variable:
        places.append(Path(variable).expanduser())
    places.append(cache_dir() / "data")
    return tuple(places)


def usable_cores() -> int:
    """Return how many processor cores this process may use: those it is bound to, or its container's share of them."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        cores = os.cpu_count() or 1
    return max(1, min([cores, *map(math.ceil, _quotas())]))


def _quotas() -> Iterator[float]:
    """Yield the limits on processor time, in cores, of the control groups this process is in and of those above.

    Version 2 writes ``cpu.max`` (quota and period in microseconds), version 1 a file for each of the two.
    """
    for line in _read(OWN_CGROUPS).splitlines():
        _, kinds, name = [*line.split(":", 2), "", ""][:3]
        if kinds and "cpu" not in kinds.split(","):
            continue
        for mount in (CGROUPS / kinds, CGROUPS / "cpu") if kinds else (CGROUPS,):
            place = mount / name.lstrip("/")
            for folder in (place, *(above for above in place.parents if above.is_relative_to(mount))):
                if kinds:
                    pair = [_read(folder / f"cpu.cfs_{what}_us") for what in ("quota", "period")]
                else:
                    pair = _read(folder / "cpu.max").split()
                if len(pair) == 2 and all(number.strip().isdecimal() for number in pair) and int(pair[1]):
                    yield int(pair[0]) / int(pair[1])


def _read(path: Path) -> str:
    """Return what a file of the system says, or nothing."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def processor_flags() -> frozenset[str]:
    """Return the instruction sets this processor says it has (Linux; elsewhere an empty set)."""
    for line in _read(Path("/proc/cpuinfo")).splitlines():
        key, _, value = line.partition(":")
        if key.strip() in {"flags", "Features"}:
            return frozenset(value.split())
    return frozenset()
