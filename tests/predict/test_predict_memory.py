"""Memory does not grow with the number of photographs, in the engine's process or beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = """
import resource, sys, threading, time
import psutil
from buffycoat.cli.main import run
from buffycoat.predict import processes

processes._AFTER_S = 0.0

def watch():
    while True:
        for one in psutil.Process().children(recursive=True):
            try:
                most[one.pid] = max(most.get(one.pid, 0), one.memory_info().rss)
            except psutil.Error:
                pass
        time.sleep(0.1)

most = {}
threading.Thread(target=watch, daemon=True).start()
sys.argv = ["buffycoat", *sys.argv[1:]]
try:
    run()
except SystemExit as stop:
    assert not stop.code, stop.code
largest = max(most.values(), default=0)
print("PEAK", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, largest >> 20, len(most))
"""


@pytest.fixture(scope="module")
def many(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return two folders of names of six photographs: 400 in ``few``, 1,600 in ``rest``."""
    folder = tmp_path_factory.mktemp("many")
    files = sorted(photographs.glob("*.jpg"))
    for name, count in (("few", 400), ("rest", 1_600)):
        (folder / name).mkdir()
        for k in range(count):
            os.link(files[k % len(files)], folder / name / f"{k:06d}.jpg")
    return folder


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="hard links and the peak of resident memory are Unix matters")
@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_five_times_as_many_photographs_take_no_more_memory(
    engine: str, bundle: Path, many: Path, tmp_path: Path
) -> None:
    def peaks(*folders: Path) -> tuple[int, int]:
        command = [sys.executable, "-c", RUN, "predict", "--engine", engine, "--bundle", str(bundle)]
        command += [*map(str, folders), "--out", str(tmp_path / f"{len(folders)}.csv"), "--quiet"]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
        _, own, beside, count = done.stdout.split()[-4:]
        assert bool(int(count)) == (engine == "processes")
        return int(own), int(beside)

    short = peaks(many / "few")
    long = peaks(many / "few", many / "rest")
    assert (tmp_path / "2.csv").read_bytes().count(b"\n") > 2_000
    assert long[0] <= 1.1 * short[0] + 2, (short, long)
    assert long[1] <= 1.1 * short[1] + 2, (short, long)
