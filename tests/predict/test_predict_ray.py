"""On Ray the answers are the same, row for row, also when a worker is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from buffycoat.bundle.read import open_bundle
from buffycoat.predict import Predictor
from buffycoat.predict.items import Item, Remote
from buffycoat.predict.look import MOST_PIXELS
from buffycoat.predict.ray_engine import (
    COLUMNS,
    RayEngine,
    Worker,
    decode_item,
    decode_result,
    encode_item,
    encode_result,
)
from buffycoat.predict.results import PhotographResult
from tests.predict.conftest import Run, needed


def test_items_and_results_travel_unchanged(predictor: Predictor, photographs: Path) -> None:
    for result in predictor.predict([*sorted(photographs.glob("*.jpg")), b"no picture"]):
        named = result.named(os.fsdecode(b"caf\xe9\n.jpg"))
        assert decode_result(encode_result(named)) == named
    path = photographs.absolute() / os.fsdecode(b"caf\xe9.jpg")
    for item in (Item(str(path), path), Item("a!/b.jpg", b"\0\xff"), Item("c", None, error="missing")):
        row = encode_item(3, item)
        assert decode_item(*(row[name] for name in COLUMNS)) == item
    remote = Item("s3://b/a.jpg", Remote("s3://key:secret@b", "b/a.jpg", mark=3, modified_ns=4))
    row = encode_item(0, remote)
    assert decode_item(*(row[name] for name in COLUMNS)) == Item(remote.name, Remote("s3://key:secret@b", "b/a.jpg"))


@pytest.fixture(scope="module")
def engine(bundle: Path) -> Iterator[RayEngine]:
    needed("ray.data")
    made = RayEngine(open_bundle(bundle), max_pixels=MOST_PIXELS, workers=2, window=100)
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_two_workers_answer_like_one_process_even_when_killed(
    engine: RayEngine, predictor: Predictor, photographs: Path, tmp_path: Path
) -> None:
    import psutil

    (tmp_path / "cut.jpg").write_bytes((photographs / "0.jpg").read_bytes()[:900])
    paths = [*sorted(photographs.glob("*.jpg")), tmp_path / "cut.jpg", tmp_path / "none.jpg"] * 40
    items = [Item(str(path), path) for path in paths]
    expected = list(predictor.run(items))

    def workers() -> list[psutil.Process]:
        found = []
        for one in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):  # ended since it was listed
                found += [one] if "MapWorker" in " ".join(one.cmdline()) else []
        return found

    answers = engine(items)
    found = [next(answers)]  # workers have begun, and most of the work is before them
    killed = workers()[:1]
    for one in killed:
        one.send_signal(signal.SIGKILL)
    found.extend(answers)
    assert killed
    assert found == expected


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_photograph_that_fells_what_looks_at_it_costs_its_own_row(
    engine: RayEngine, predictor: Predictor, photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Frail(Worker):
        def __init__(self, *settings: Any) -> None:
            super().__init__(*settings)
            from buffycoat.predict.processes import Process

            ask = Process.ask

            def frail(process: Process, items: Sequence[Item], batch: int) -> list[PhotographResult]:
                if any(item.name == "poison" for item in items):
                    process._process.kill()
                return ask(process, items, batch)

            setattr(Process, "ask", frail)  # noqa: B010 - in the worker, which ends with the test

    monkeypatch.setattr("buffycoat.predict.ray_engine.Worker", Frail)
    paths = sorted(photographs.glob("*.jpg"))
    items = [Item(str(path), path) for path in paths * 12]
    items.insert(30, Item("poison", paths[0]))
    expected = list(predictor.run(items))
    reason = "made the program that looked at it stop (SIGKILL)"
    expected[30] = PhotographResult("poison", None, None, reason, (), "none")
    assert list(engine(items)) == expected


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_request_to_stop_ends_it(engine: RayEngine, photographs: Path) -> None:
    stop = threading.Event()
    items = [Item(str(path), path) for path in sorted(photographs.glob("*.jpg"))]
    found = []
    for result in engine(iter(items * 100), stop=stop):
        found.append(result.image)
        if len(found) == 3:
            stop.set()
    assert found == [item.name for item in items[:3]]


@pytest.mark.slow
def test_the_command_goes_on_from_a_finished_file_and_reads_addresses_on_ray(
    command: Run, bundle: Path, photographs: Path, tmp_path: Path
) -> None:
    needed("ray.data")
    many = tmp_path / "many"
    many.mkdir()
    for place in range(100):
        os.link(photographs / f"{place % 6}.jpg", many / f"{place:03d}.jpg")
    out = tmp_path / "cells.csv"
    first = ["predict", "-b", bundle, "--out", f"file://{out}"]
    assert command(*first, *(f"file://{many}/{place:03d}.jpg" for place in range(3)))[0] == 0
    ray = [sys.executable, "-m", "buffycoat", *map(str, first), f"file://{many}", "--engine", "ray", "--jobs", "2"]
    done = subprocess.run([*ray, "--resume"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "97 photographs" in done.stderr
    assert "3 were done before" in done.stderr
    assert command("predict", "-b", bundle, many, "--out", tmp_path / "plain.csv")[0] == 0
    assert out.read_text().replace("file://", "") == (tmp_path / "plain.csv").read_text()


def test_options_of_the_other_engine_are_refused(command: Run, bundle: Path, photographs: Path) -> None:
    for option in ("--threads", "--batch"):
        code, _, err = command("predict", "-b", bundle, photographs, "--engine", "ray", option, "2")
        assert code == 2
        assert "--jobs" in err
