from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from buffycoat.doctor import examine


def _found(tmp_path: Path, data_dir: Path | None = None) -> dict[str, tuple[str, str, str]]:
    return {one.what: (one.state, one.found, one.advice) for one in examine(tmp_path, data_dir)}


def test_it_looks_at_everything_a_study_needs(tmp_path: Path) -> None:
    found = _found(tmp_path / "not" / "yet")
    assert {"Cores", "Processor", "Training", "Data bccd", "Weights AlexNet", "Disk for studies"} <= found.keys()
    assert found["Training"][0] == "good"
    assert found["Weights EfficientNet-Lite0"][0] == "good"
    state, _, advice = found["Data bccd"]
    assert state == "limited"
    assert "buffycoat data fetch bccd" in advice


@pytest.mark.real
def test_it_finds_the_data(tmp_path: Path, real_data: Path) -> None:
    assert _found(tmp_path, real_data)["Data bccd"][0] == "good"


def test_what_is_missing_comes_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buffycoat.doctor.find_spec", lambda name: None if name == "timm" else object())
    state, words, advice = _found(tmp_path)["Training"]
    assert (state, advice) == ("missing", 'pip install "buffycoat[train]"')
    assert "timm" in words


def test_a_full_disk_and_an_old_processor_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buffycoat.doctor.STUDY_BYTES", 1 << 60)
    monkeypatch.setattr("buffycoat.settings.processor_flags", lambda: frozenset({"sse2"}))
    found = _found(tmp_path)
    assert found["Disk for studies"][0] == "limited"
    assert found["Processor"][0] == "limited"
    assert "computes in fp32" in found["Processor"][1]


@pytest.mark.slow
def test_the_command_prints_json() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "buffycoat", "doctor", "--json"], capture_output=True, text=True, check=True
    )
    assert {"what", "state", "found", "advice"} == set(json.loads(done.stdout)[0])


def test_a_cache_that_cannot_be_looked_at_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setenv("BUFFYCOAT_CACHE", str(tmp_path / ("a" * 300)))
    assert _found(tmp_path)["Disk for the cache"][0] in {"good", "limited"}
    monkeypatch.setattr("buffycoat.networks.at_hand.weights_at_hand", refuse)
    monkeypatch.setattr("buffycoat.doctor.shutil.disk_usage", refuse)
    found = _found(tmp_path)
    assert "Permission denied" in found["Disk for the cache"][1]
    assert "BUFFYCOAT_CACHE" in found["Weights ResNet-18"][2]
