"""Predicting over HTTP: right answers, nothing kept, and a plain no when too many ask."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import requests

from buffycoat.errors import ImageError
from buffycoat.imaging.decode import read_image
from buffycoat.review.desk import Desk
from buffycoat.review.faults import Busy
from buffycoat.review.gate import TOGETHER, Gate
from buffycoat.review.schema import Field
from tests.bundles import tiny_bundle
from tests.review.clients import Page, app_of
from tests.review.desks import FakeClassifier, drawn_slide, make_desk, photograph, serving


def test_a_photograph_is_answered_and_not_kept(desk: Desk) -> None:
    from starlette.testclient import TestClient

    with TestClient(app_of(desk), base_url="http://127.0.0.1:8350") as client:
        answer = client.post("/api/v1/predict", files={"file": ("a.jpg", photograph(1))})
        assert answer.status_code == 200
        expected = FakeClassifier().look(photograph(1))
        assert [tuple(cell["box"]) for cell in answer.json()["cells"]] == [cell.box for cell in expected.cells]
        assert [cell["label"] for cell in answer.json()["cells"]] == [cell.label for cell in expected.cells]
        assert "not a medical device" in answer.json()["notice"]
        assert client.post("/api/v1/predict", files={"file": ("a.jpg", b"nothing")}).status_code == 422
        assert client.post("/api/v1/predict").status_code == 422
        text = client.get("/metrics").text
        assert 'buffycoat_predicted_images_total{outcome="answered"} 1.0' in text
        assert 'buffycoat_predicted_images_total{outcome="Refused"} 1.0' in text
    assert not (desk.settings.folder / "images").exists()


def test_a_bundle_answers_through_the_desk(tmp_path: Path) -> None:
    from starlette.testclient import TestClient

    from buffycoat.predict import Predictor

    bundle = tiny_bundle(tmp_path / "bundle")
    desk = make_desk(tmp_path / "desk", classifier=None, bundle=bundle)
    with TestClient(app_of(desk), base_url="http://127.0.0.1:8350") as client:
        found = client.post("/api/v1/predict", files={"file": ("a.jpg", photograph(1))}).json()
    expected = Predictor.load(bundle).predict(photograph(1))[0]
    assert [cell["probabilities"] for cell in found["cells"]] == [cell.probabilities for cell in expected.cells]
    assert found["bundle"].startswith("tiny ")
    desk.close()


@pytest.mark.slow
def test_a_bundle_looks_in_processes_that_end_with_the_desk(tmp_path: Path) -> None:
    before = set(multiprocessing.active_children())
    desk = make_desk(tmp_path / "desk", classifier=None, bundle=tiny_bundle(tmp_path / "bundle"))
    photographs = [photograph(1), b"no photograph", photograph(2)]
    until = time.monotonic() + 60
    with ThreadPoolExecutor(2) as pool:
        while len(set(multiprocessing.active_children()) - before) < 2:
            assert time.monotonic() < until, "the processes did not start"
            list(pool.map(desk.classifier.look_at, [photographs] * 2))
        answers = list(pool.map(desk.classifier.look_at, [photographs] * 4))
    right = [desk.classifier.look(photographs[0]), desk.classifier.look(photographs[2])]
    for first, refused, last in answers:
        assert [first, last] == right
        assert isinstance(refused, ImageError)
    desk.close()
    assert set(multiprocessing.active_children()) <= before


def test_a_cell_is_shown_under_the_map_of_its_bundle(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", classifier=None, bundle=tiny_bundle(tmp_path / "bundle"))
    slide = drawn_slide(desk, fields=1)
    page = Page(desk)
    first, second = page.get(f"/slides/{slide.id}/cells")[:2]
    shown = {}
    for cell in (first, second):
        answer = page.http.get(f"/api/v1/cells/{cell['id']}/explanation")
        assert answer.headers["content-type"] == "image/png"
        with desk.database.read() as session:
            rgb = desk.images.pixels(session.query(Field).one().image)
        expected = desk.classifier.explain(rgb, tuple(cell["box"]))
        assert expected is not None
        np.testing.assert_array_equal(read_image(answer.content), expected)
        shown[cell["id"]] = answer.content
    assert shown[first["id"]] != shown[second["id"]]
    desk.close()


def test_the_gate_lets_so_many_through_and_refuses_the_rest() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def look(contents: Sequence[bytes]) -> list[int | Exception]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.05)
        with lock:
            running -= 1
        return [1] * len(contents)

    async def ask() -> list[object]:
        gate = Gate(look, 2, 4, 10)
        return await asyncio.gather(*(gate.ask(b"x") for _ in range(20)), return_exceptions=True)

    answers = asyncio.run(ask())
    assert answers.count(1) == 6
    refused = [one for one in answers if isinstance(one, Busy)]
    assert len(refused) == 14
    assert all(one.status == 503 and int(one.headers["Retry-After"]) >= 1 for one in refused)
    assert most == 2


def test_who_waits_too_long_is_refused_and_work_that_fails_frees_its_place() -> None:
    def look(contents: Sequence[bytes]) -> list[bytes | Exception]:
        time.sleep(0.3 if b"slow" in contents else 0)
        return [ZeroDivisionError() if one == b"fails" else one for one in contents]

    async def ask() -> None:
        gate = Gate(look, 1, 5, 0.05)
        slow = asyncio.create_task(gate.ask(b"slow"))
        await asyncio.sleep(0.01)
        with pytest.raises(Busy):
            await gate.ask(b"late")
        assert await slow == b"slow"
        for _ in range(10):
            with pytest.raises(ZeroDivisionError):
                await gate.ask(b"fails")
        assert await gate.ask(b"well") == b"well"

    asyncio.run(ask())


def test_what_waits_is_looked_at_together_and_each_gets_its_own_answer() -> None:
    sizes = []

    def look(contents: Sequence[bytes]) -> list[bytes | Exception]:
        sizes.append(len(contents))
        time.sleep(0.02)
        if len(contents) > 1 and b"7" in contents:
            raise RuntimeError("one of these")
        return [ValueError(one) if one == b"7" else one for one in contents]

    async def ask() -> list[object]:
        gate = Gate(look, 1, 20, 10)
        first = asyncio.create_task(gate.ask(b"first"))
        await asyncio.sleep(0)
        gone = asyncio.create_task(gate.ask(b"gone"))
        rest = asyncio.gather(*(gate.ask(str(k).encode()) for k in range(12)), return_exceptions=True)
        await asyncio.sleep(0)
        gone.cancel()
        return [await first, *await rest]

    answers = asyncio.run(ask())
    assert answers[0] == b"first"
    for k, answer in enumerate(answers[1:]):
        assert isinstance(answer, ValueError) if k == 7 else answer == str(k).encode()
    assert sizes[0] == 1
    assert max(sizes) == TOGETHER
    assert len(sizes) < 12


def test_a_thread_that_is_done_takes_what_waits_though_the_loop_is_busy() -> None:
    times: dict[bytes, float] = {}

    def look(contents: Sequence[bytes]) -> list[bytes | Exception]:
        times.update(dict.fromkeys(contents, time.monotonic()))
        time.sleep(0.05)
        return list(contents)

    async def ask() -> float:
        gate = Gate(look, 1, 20, 10)
        first = asyncio.create_task(gate.ask(b"first"))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(gate.ask(b"second"))
        await asyncio.sleep(0.01)
        time.sleep(1)  # the loop parses a large request
        free = time.monotonic()
        await asyncio.gather(first, second)
        return free

    free = asyncio.run(ask())
    assert times[b"second"] < free - 0.2


def test_large_photographs_go_through_alone() -> None:
    sizes = []

    def look(contents: Sequence[bytes]) -> list[int | Exception]:
        sizes.append(sum(map(len, contents)))
        return [len(one) for one in contents]

    async def ask() -> list[int]:
        gate = Gate(look, 1, 20, 10)
        return await asyncio.gather(*(gate.ask(bytes(5 << 20)) for _ in range(4)))

    assert asyncio.run(ask()) == [5 << 20] * 4
    assert sizes == [5 << 20] * 4


@pytest.mark.slow
def test_many_clients_lose_nothing_and_get_only_right_answers(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, predict_waiting=4, predict_at_once=2)
    fields = [photograph(k) for k in range(4)]
    expected = [[cell.label for cell in FakeClassifier().look(field).cells] for field in fields]
    outcomes: Counter[str] = Counter()

    def ask(url: str, k: int) -> None:
        with requests.Session() as session:
            for turn in range(4):
                which = (k + turn) % len(fields)
                answer = session.post(f"{url}/api/v1/predict", files={"file": ("a", fields[which])}, timeout=120)
                if answer.status_code == 503:
                    outcomes["busy" if int(answer.headers["retry-after"]) > 0 else "wrong"] += 1
                else:
                    right = answer.ok and [cell["label"] for cell in answer.json()["cells"]] == expected[which]
                    outcomes["right" if right else "wrong"] += 1

    with serving(desk) as url:
        threads = [threading.Thread(target=ask, args=(url, k)) for k in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert outcomes["wrong"] == 0
    assert outcomes["right"] > 0
    assert outcomes.total() == 80
    desk.close()
