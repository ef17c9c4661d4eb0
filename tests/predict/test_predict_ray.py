"""On Ray the answers are the same, row for row, also when a worker is killed."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from buffycoat.bundle.read import open_bundle
from buffycoat.predict import PhotographResult, Predictor
from buffycoat.predict.items import Item
from buffycoat.predict.look import MOST_PIXELS
from buffycoat.predict.ray_engine import RayEngine, decode_item, decode_result, encode_item, encode_result


def test_items_and_results_travel_unchanged(predictor: Predictor, photographs: Path) -> None:
    for result in predictor.predict([*sorted(photographs.glob("*.jpg")), b"no picture"]):
        named = result.named(os.fsdecode(b"caf\xe9\n.jpg"))
        assert decode_result(encode_result(named)) == named
    path = photographs.absolute() / os.fsdecode(b"caf\xe9.jpg")
    for item in (Item(str(path), path), Item("a!/b.jpg", b"\0\xff"), Item("c", None, error="missing")):
        row = encode_item(3, item)
        assert decode_item(row["name"], row["path"], row["content"], row["error"]) == item


@pytest.fixture(scope="module")
def engine(bundle: Path) -> Iterator[RayEngine]:
    pytest.importorskip("ray.data")
    made = RayEngine(open_bundle(bundle), max_pixels=MOST_PIXELS, workers=2, window=300)
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_two_workers_answer_like_one_process_even_when_killed(
    engine: RayEngine, predictor: Predictor, photographs: Path, tmp_path: Path
) -> None:
    import psutil

    (tmp_path / "cut.jpg").write_bytes((photographs / "0.jpg").read_bytes()[:900])
    paths = [*sorted(photographs.glob("*.jpg")), tmp_path / "cut.jpg", tmp_path / "none.jpg"] * 60
    items = [Item(str(path), path) for path in paths]
    expected = list(predictor.run(items))

    def workers() -> list[psutil.Process]:
        found = psutil.Process().children(recursive=True)
        return [one for one in found if "MapWorker" in " ".join(one.cmdline())]

    found: list[PhotographResult] = []
    killed: list[int] = []
    done = threading.Event()

    def kill() -> None:
        while not killed and not done.wait(0.05):
            for one in workers()[:1]:
                done.wait(0.3)
                one.send_signal(signal.SIGKILL)
                killed.append(one.pid)

    killer = threading.Thread(target=kill)
    killer.start()
    found.extend(engine(items))
    done.set()
    killer.join()
    assert killed
    assert found == expected
