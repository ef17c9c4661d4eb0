"""What the benchmarks of the desk call a fault: a figure that is not as it should be must not pass."""

from __future__ import annotations

import http.server
import importlib.util
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest


def _benchmark(name: str) -> Any:
    """Return a benchmark's module; the folder is no package."""
    path = Path(__file__).resolve().parents[2] / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


killing, serving = _benchmark("killing"), _benchmark("serving")
GOOD: dict[str, Any] = {
    **{"attempts": 10, "right": 7, "busy": 3, "wrong": 0, "lost": 0, "share": 0.8},
    serving._MEMORY: [300.0, 320.0, 322.0, 325.0],
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, []),
        ({"lost": 1, "right": 6}, ["1 lost"]),
        ({"wrong": 2, "busy": 1}, ["2 wrong"]),
        ({"attempts": 11}, ["11 attempts, 10 outcomes"]),
        ({"share": 0.69}, ["0.69 of the predictor's own throughput, wanted 0.7"]),
        ({serving._MEMORY: [300.0, 320.0, 340.0, 360.0]}, ["memory grew from 320.0 to 360.0 MB"]),
    ],
)
def test_figures_that_are_not_as_they_should_be_are_told(change: dict[str, Any], said: list[str]) -> None:
    assert serving.faults({**GOOD, **change}) == said


@pytest.mark.parametrize(
    ("retry_after", "outcome"), [("1", "busy"), (None, "wrong"), ("soon", "wrong"), ("0", "wrong")]
)
def test_busy_without_a_time_to_come_again_is_wrong(retry_after: str | None, outcome: str) -> None:
    class Busy(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(503)
            if retry_after is not None:
                self.send_header("Retry-After", retry_after)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        outcomes: Counter[str] = Counter()
        host = f"127.0.0.1:{server.server_address[1]}"
        asked = [serving.request_of(host, b"x")]
        serving.client(host, asked, serving.Judge([[]]), time.monotonic() + 0.3, 0, outcomes, [])
        server.shutdown()
    assert set(outcomes) == {"attempts", outcome}
    assert outcomes["attempts"] == outcomes[outcome] > 0


def test_a_reader_who_does_not_come_back_after_the_last_kill_is_a_fault() -> None:
    tally = killing.Tally()
    tally.moved.update({"a": 5, "b": 5})
    moving = threading.Timer(0.1, lambda: tally.moved.update({"a": 1}))
    moving.start()
    killing._until_all_move(tally, ["a", "b"], patience_seconds=0.5)
    moving.join()
    assert tally.faults == ["no move of reading b was acknowledged after the last kill"]


@pytest.mark.parametrize(("title", "faults"), [("Nothing there", 0), ("Changed meanwhile", 1)])
def test_a_conflict_that_nobody_could_have_made_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, title: str, faults: int
) -> None:
    stop, tally = threading.Event(), killing.Tally()

    class Answer:
        status_code, text = 409, title

        def json(self) -> dict[str, str]:
            stop.set()
            return {"title": title}

    monkeypatch.setattr(killing.requests, "post", lambda *_, **__: Answer())
    view = {"reading": {"id": "r", "sequence": 1}, "cells": [{"id": "c", "label": "x"}], "labels": [{"name": "x"}]}
    killing.mover("http://nowhere", view, tally, stop, 1)
    assert len(tally.faults) == faults


def test_the_share_is_of_the_better_way_in_the_same_turn_and_costs_are_told_for_each_side() -> None:
    def turn(threads: float, processes: float, right: int) -> Any:
        asked = serving.Asked(10, Counter(attempts=right, right=right), [0.1], [300.0], serving.Cpu(1.0, 4.0), 0.5)
        return serving.Round(serving.Alone(threads, 5.0, []), serving.Alone(processes, 6.0, []), asked)

    found = serving.figures([turn(100, 50, 500), turn(20, 40, 300), turn(10, 10, 200)], 50, 30)
    assert found["shares"] == [0.5, 0.75, 2.0]
    assert (found["share"], found["right"], found["per second"]) == (0.75, 1000, 30.0)
    costs = found["CPU ms for an answer"]
    assert [costs[name] for name in costs if "alone" not in name] == [3.0, 9.0, 1.5]
    assert found["on all cores"] == round(1000 * serving._CORES / 13.5, 1)


@pytest.mark.parametrize("keeps", [True, False])
def test_a_client_gets_whole_answers_over_connections_kept_or_not(keeps: bool) -> None:
    answer = b'{"cells": [{"probabilities": {"a": 1.0}}], "rest": "' + b"x" * 200_000 + b'"}'
    asked: list[bytes] = []

    class Server(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
            self.close_connection = not keeps  # without a word of warning

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{server.server_address[1]}"
        outcomes: Counter[str] = Counter()
        requests = [serving.request_of(host, b"photograph 0"), serving.request_of(host, b"photograph 1")]
        judge = serving.Judge([[{"a": 1.0}], [{"a": 0.5}]])
        serving.client(host, requests, judge, time.monotonic() + 0.3, 0, outcomes, [])
        server.shutdown()
    assert outcomes["attempts"] == outcomes["right"] + outcomes["wrong"] > 2
    assert abs(outcomes["right"] - outcomes["wrong"]) <= 1
    assert [b"photograph 1" in body for body in asked[:3]] == [True, False, True]
