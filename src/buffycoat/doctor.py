"""What will work on this machine, what will not, and what to do about it. Nothing is downloaded to find out."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from buffycoat import __version__, settings
from buffycoat.data.named import find_bccd
from buffycoat.files import exists
from buffycoat.records.versions import versions

State = Literal["good", "limited", "missing"]

TRAINING = ("torch", "torchvision", "timm", "lightning", "sklearn", "safetensors")
"""Modules that training needs and prediction does not."""

STUDY_BYTES = 2 << 30
"""Room for a comfortable study of a few hundred images: weights, checkpoints, crops, report."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes
    ----------
    what
        What was looked at.
    state
        ``good``; ``limited``: works, less well or more slowly; ``missing``: something cannot be done.
    found
        What was found, in words.
    advice
        What to do about it, or empty.
    """

    what: str
    state: State
    found: str
    advice: str = ""


def examine(out: Path, data_dir: Path | None = None) -> list[Finding]:
    """Look at processor, packages, data, weights and disk.

    Parameters
    ----------
    out
        Where studies would be written.
    data_dir
        Where named data would be looked for first.
    """
    return [*_machine(), *_packages(), *_data(data_dir), *_weights(), *_room(out)]


def _machine() -> Iterator[Finding]:
    yield Finding("Buffycoat", "good", f"{__version__}, Python {platform.python_version()}, {platform.platform()}")
    cores = settings.usable_cores()
    yield Finding("Cores", "good" if cores > 1 else "limited", f"{cores} usable")
    flags = settings.processor_flags()
    if not flags:
        yield Finding("Processor", "limited", "its features cannot be read here")
        return
    wanted = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd")
    features = [name for name in wanted if name in flags]
    bf16 = bool(settings.BF16_FLAGS & flags)
    words = f"{', '.join(features) or 'no vector features'}; computes in {'bf16' if bf16 else 'fp32'}"
    slow = not {"avx2", "asimd"} & flags
    yield Finding("Processor", "limited" if slow else "good", words, "Training will be slow here." if slow else "")


def _packages() -> Iterator[Finding]:
    lacking = [name for name in TRAINING if find_spec(name) is None]
    if lacking:
        yield Finding("Training", "missing", f"not installed: {', '.join(lacking)}", 'pip install "buffycoat[train]"')
    else:
        found = versions()
        words = ", ".join(f"{name} {found[name]}" for name in ("torch", "torchvision", "timm", "lightning"))
        yield Finding("Training", "good", words)
        yield _graphics()
    board = find_spec("tensorboard") is not None
    yield Finding(
        "TensorBoard",
        "good" if board else "limited",
        "installed" if board else "not installed; only --tensorboard needs it",
        "" if board else 'pip install "buffycoat[tensorboard]"',
    )
    hugo = shutil.which("hugo")
    yield Finding(
        "Hugo",
        "good" if hugo else "limited",
        hugo or "not installed; only turning page/ into a web site needs it",
        "" if hugo else "On Debian and Ubuntu: sudo apt install hugo",
    )


def _graphics() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("Graphics card", "good", torch.cuda.get_device_name())
    return Finding("Graphics card", "limited", "none that PyTorch can use; the processor trains")


def _data(data_dir: Path | None) -> Iterator[Finding]:
    found = find_bccd(data_dir)
    if found:
        yield Finding("Data bccd", "good", str(found[0].root))
    else:
        yield Finding(
            "Data bccd",
            "limited",
            "not on this machine",
            "It is downloaded when asked for (buffycoat data fetch bccd), or set BUFFYCOAT_DATA to a folder with it.",
        )
    yield Finding("Data synthetic", "good", "drawn by the program, always to be had")


def _weights() -> Iterator[Finding]:
    if any(find_spec(name) is None for name in ("torch", "timm")):
        return
    from buffycoat.networks.at_hand import weights_at_hand
    from buffycoat.networks.names import resolve

    for name in ("resnet18", "efficientnet", "alexnet"):
        spec = resolve(name)
        try:
            hand = weights_at_hand(spec)
        except OSError as error:
            advice = f"Change the permissions, or point {settings.CACHE_VARIABLE} elsewhere."
            yield Finding(f"Weights {spec.title}", "limited", f"the cache cannot be read: {error.strerror}", advice)
            continue
        advice = "" if hand.here else f"Or bring a file: --model {spec.name} --weights PATH (a state dict of it)."
        yield Finding(f"Weights {spec.title}", "good" if hand.here else "limited", hand.words, advice)


def _room(out: Path) -> Iterator[Finding]:
    for what, folder in (("Disk for studies", out), ("Disk for the cache", settings.cache_dir())):
        place = folder.absolute()
        while not exists(place):
            place = place.parent
        try:
            free = shutil.disk_usage(place).free
        except OSError as error:
            yield Finding(what, "limited", f"{place} cannot be looked at: {error.strerror}", "Choose another place.")
            continue
        enough = free > STUDY_BYTES
        yield Finding(
            what,
            "good" if enough else "limited",
            f"{free / 1e9:.0f} GB free at {place}",
            "" if enough else "A study takes up to 2 GB while it trains.",
        )
