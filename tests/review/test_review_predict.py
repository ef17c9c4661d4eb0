"""Predicting over HTTP: right answers, nothing kept, and a plain no when too many ask."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import requests

from buffycoat.imaging.decode import read_image
from buffycoat.review.desk import Desk
from buffycoat.review.faults import Busy
from buffycoat.review.gate import Gate
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

    def work() -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.05)
        with lock:
            running -= 1
        return 1

    async def ask() -> list[object]:
        gate = Gate(2, 4, 10)
        return await asyncio.gather(*(gate.pass_through(work) for _ in range(20)), return_exceptions=True)

    answers = asyncio.run(ask())
    assert answers.count(1) == 6
    refused = [one for one in answers if isinstance(one, Busy)]
    assert len(refused) == 14
    assert all(one.status == 503 and int(one.headers["Retry-After"]) >= 1 for one in refused)
    assert most == 2


def test_who_waits_too_long_is_refused_and_work_that_fails_frees_its_place() -> None:
    async def ask() -> None:
        gate = Gate(1, 5, 0.05)
        slow = asyncio.create_task(gate.pass_through(lambda: time.sleep(0.3)))
        await asyncio.sleep(0.01)
        with pytest.raises(Busy):
            await gate.pass_through(lambda: None)
        await slow
        for _ in range(10):
            with pytest.raises(ZeroDivisionError):
                await gate.pass_through(lambda: 1 // 0)
        assert await gate.pass_through(lambda: 7) == 7

    asyncio.run(ask())


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
