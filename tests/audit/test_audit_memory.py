"""The audit's memory does not grow with pictures: of each file it keeps a few kilobytes, of a link nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from buffycoat.synth.write import BALANCED_SHARES, write_set

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "audit.py"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a few drawn fields; not to be changed."""
    folder = tmp_path_factory.mktemp("drawn") / "set"
    write_set(folder, 12, 3, shares=BALANCED_SHARES)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="hard links and the peak of resident memory are Unix matters")
@pytest.mark.parametrize(
    ("kind", "files", "most_mib"),
    [
        ("links", 20_000, 150),  # of 12 fields: 18 GB, were each decoded and kept
        ("copies", 300, 100),  # files of their own: 276 MB decoded, 70 MB at the small size
    ],
)
def test_an_audit_of_many_files(drawn: Path, kind: str, files: int, most_mib: int) -> None:
    command = [sys.executable, str(BENCHMARK), "--data", str(drawn), "--kind", kind, "--files", str(files)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    assert f"{files:,} files" in done.stdout
    peaks = [int(found) for found in re.findall(r"(\d+) MiB", done.stdout)]
    assert len(peaks) == 2
    assert max(peaks) < most_mib, done.stdout
