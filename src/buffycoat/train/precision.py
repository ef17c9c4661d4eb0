"""Which arithmetic to train in on this machine."""

from __future__ import annotations

from typing import Literal

import torch

from buffycoat.settings import BF16_FLAGS, processor_flags

Precision = Literal["32-true", "bf16-mixed"]


def choose(wanted: Literal["auto", "32", "bf16"]) -> Precision:
    """Return Lightning's name of the precision; ``auto`` takes bf16 only where it is computed in hardware."""
    if wanted == "32":
        return "32-true"
    if wanted == "bf16" or computes_bf16():
        return "bf16-mixed"
    return "32-true"


def threads() -> int:
    """Return how many threads PyTorch computes with: part of repeating a result to the last digit."""
    return torch.get_num_threads()


def computes_bf16() -> bool:
    """Say whether this machine multiplies bf16 numbers natively (elsewhere bf16 is emulated, and slow)."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(BF16_FLAGS & processor_flags())
