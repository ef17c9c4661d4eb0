"""Memory does not grow with the number of files: neither fields nor crops are kept."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "memory.py"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="hard links and the peak of resident memory are Unix matters")
def test_twelve_hundred_files(tmp_path: Path) -> None:
    """1,200 fields decoded are 1.1 GB and their crops 180 MB; neither may show."""
    command = [sys.executable, str(BENCHMARK), "--files", "1200", "--workers", "1", "--folder", str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    peaks = [int(found) for found in re.findall(r"peak (\d+) MiB", done.stdout)]
    assert len(peaks) == 2
    assert max(peaks) < 150, done.stdout
