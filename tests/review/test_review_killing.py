"""SIGKILL while people work: nothing acknowledged is lost, nothing done twice (at length: benchmarks/killing.py)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_nothing_acknowledged_is_lost_to_a_kill(database: str, request: pytest.FixtureRequest) -> None:
    where = ["--database", request.getfixturevalue("postgres_url")] if database == "postgresql" else []
    command = [sys.executable, "benchmarks/killing.py", "--kills", "4", "--readers", "2", *where]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    account = json.loads(done.stdout)
    assert account["faults"] == []
    assert sum(account["killed"].values()) == 4
    assert set(account["killed"]) == {"server", "worker"}
    assert account["moves"] > 5
    assert set(account["moves by reading"]) and min(account["moves by reading"]) > 0
    assert account["uploads"] > 0
