"""What the surroundings decide: where data live, and what processor there is."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

DATA_VARIABLE = "BUFFYCOAT_DATA"
CACHE_VARIABLE = "BUFFYCOAT_CACHE"
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
    """Return how many processor cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


def processor_flags() -> frozenset[str]:
    """Return the instruction sets this processor says it has (Linux; elsewhere an empty set)."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return frozenset()
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in {"flags", "Features"}:
            return frozenset(value.split())
    return frozenset()
