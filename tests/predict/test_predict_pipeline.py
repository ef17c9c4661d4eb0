"""Memory does not grow with what is given: neither with how many there are nor with how large they are."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from buffycoat.predict import PhotographResult, Predictor, pipeline
from buffycoat.predict.items import Item
from buffycoat.predict.pace import Pace


def _result(item: Item) -> PhotographResult:
    return PhotographResult(item.name, None, None, "x", (), "none")


@pytest.mark.parametrize("size", [10, 300, 1000, 3000])
def test_bytes_under_way_stay_below_the_budget(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(pipeline, "MOST_BYTES", 2000)
    lock, held, most = threading.Lock(), [0], [0]

    def given() -> Iterator[Item]:
        for place in range(60):
            with lock:
                held[0] += size
                most[0] = max(most[0], held[0])
            yield Item(str(place), bytes(size))

    def work(handful: Sequence[Item], _: int) -> list[PhotographResult]:
        with lock:
            held[0] -= sum(pipeline.weight(item) for item in handful)
        return [_result(item) for item in handful]

    names = [result.image for result in pipeline.run(given(), work, Pace(2, threads=2, batch=8))]
    assert names == [str(place) for place in range(60)]
    assert most[0] <= 2000 + size


def test_the_first_images_are_within_the_budget_too(monkeypatch: pytest.MonkeyPatch, predictor: Predictor) -> None:
    monkeypatch.setattr(pipeline, "MOST_BYTES", 2000)
    taken: list[int] = []

    def given() -> Iterator[Item]:
        for place in range(3):
            taken.append(place)
            yield Item(str(place), bytes(1500))

    found = predictor.run(given())
    assert next(found).image == "0"
    assert len(taken) <= 3
    assert [result.image for result in found] == ["1", "2"]


def test_what_an_item_weighs() -> None:
    assert pipeline.weight(Item("a", np.zeros((4, 5, 3), np.uint8))) == 60
    assert pipeline.weight(Item("a", None, error="x")) == 0
