"""Figures come from files: computing them needs no network library."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_evaluating_loads_neither_torch_nor_scikit_learn_nor_matplotlib() -> None:
    heavy = "torch", "sklearn", "matplotlib", "timm", "lightning"
    code = f"import sys, buffycoat.evaluate, buffycoat.clean, buffycoat.split; print(*set({heavy}) & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
