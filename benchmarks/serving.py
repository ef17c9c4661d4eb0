"""Many clients ask `POST /api/v1/predict` at once: is every answer right, is none lost, how fast, in how much memory.

    python benchmarks/serving.py --clients 50 --seconds 120 [--bundle DIR] [--images DIR]

Every request is one of: right, wrong, busy (503 or 429 with ``Retry-After``; without it that is wrong), lost. Exit code
1 when any is lost or wrong, when they do not add up, when the share of the predictor's own throughput is under 0.70, or
when memory grows from the second quarter to the last by more than a tenth.

The same photographs are first given to `Predictor` directly (all cores), which sets both the right answers and the
throughput to compare with. Clients wait as long as `Retry-After` says when the server is busy.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import requests

LEAST_SHARE = 0.70
MOST_GROWTH = 1.10  # from the second quarter, when all is loaded, to the last
_OUTCOMES = ("right", "wrong", "busy", "lost")
_MEMORY = "memory MB, first to last quarter"


def photographs(folder: Path | None, most: int) -> list[bytes]:
    """Return the bytes of photographs: those of a folder, or drawn ones."""
    if folder is not None:
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
        return [path.read_bytes() for path in paths[:most]]
    import cv2
    import numpy as np

    from buffycoat.synth.smear import draw_field

    made = []
    for k in range(most):
        rgb = draw_field(np.random.default_rng(k), ["neutrophil"]).rgb
        made.append(cv2.imencode(".jpg", rgb[..., ::-1])[1].tobytes())
    return made


def alone(bundle: Path | None, images: list[bytes], seconds: float) -> tuple[float, list[Any]]:
    """Return photographs per second of the predictor by itself, and its answers."""
    from buffycoat.predict import Predictor

    predictor = Predictor.load(bundle)
    right = [[cell.probabilities for cell in one.cells] for one in predictor.predict(images)]
    end, done, began = time.monotonic() + seconds, 0, time.monotonic()

    def endless() -> Any:
        while time.monotonic() < end:
            yield from images

    for _ in predictor.stream(endless()):
        done += 1
    return done / (time.monotonic() - began), right


def client(
    url: str, images: list[bytes], right: list[Any], end: float, k: int, outcomes: Counter[str], took: list[float]
) -> None:
    """Ask until the time is over; `outcomes` is this client's own, because adding is no single step."""
    with requests.Session() as session:
        turn = k
        while time.monotonic() < end:
            turn += 1
            which = turn % len(images)
            began = time.monotonic()
            outcomes["attempts"] += 1
            try:
                answer = session.post(f"{url}/api/v1/predict", files={"file": ("a", images[which])}, timeout=60)
            except requests.RequestException:
                outcomes["lost"] += 1
                continue
            pause = answer.headers.get("retry-after", "")
            if answer.status_code in {429, 503} and pause.isdigit() and int(pause) > 0:
                outcomes["busy"] += 1
                time.sleep(min(float(pause), max(0.0, end - time.monotonic())))
            elif answer.ok and [cell["probabilities"] for cell in answer.json()["cells"]] == right[which]:
                outcomes["right"] += 1
                took.append(time.monotonic() - began)
            else:
                outcomes["wrong"] += 1


def run(clients: int, seconds: float, bundle: Path | None, images: list[bytes]) -> dict[str, Any]:
    """Do it; returns the figures."""
    rate, right = alone(bundle, images, seconds / 4)
    with tempfile.TemporaryDirectory() as folder:
        given = [] if bundle is None else ["--bundle", str(bundle)]
        command = [sys.executable, "-m", "buffycoat", "review", "--folder", folder, "--port", "0", "--workers", "0"]
        server = subprocess.Popen([*command, *given, "--no-open", "--quiet"], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None  # noqa: S101 - for the type checker
            url = server.stdout.readline().split()[-1]
            _until_ready(url)
            outcomes, took, memory = _ask_all(url, server.pid, clients, seconds, images, right)
            server.terminate()
            server.wait(30)
        finally:
            server.kill()
            server.wait()
    served = outcomes["right"] / seconds
    return {
        "clients": clients,
        "seconds": seconds,
        **{name: outcomes[name] for name in ("attempts", *_OUTCOMES)},
        "per second": round(served, 1),
        "predictor alone": round(rate, 1),
        "share": round(served / rate, 3),
        "median ms": round(1000 * statistics.median(took), 1) if took else None,
        "99 % ms": round(1000 * sorted(took)[int(0.99 * len(took))], 1) if took else None,
        _MEMORY: [round(statistics.mean(part), 1) for part in _quarters(memory)],
    }


def _ask_all(
    url: str, server: int, clients: int, seconds: float, images: list[bytes], right: list[Any]
) -> tuple[Counter[str], list[float], list[float]]:
    """Let all clients ask at once; returns outcomes, seconds of the right answers, and the server's memory in MB."""
    apart: list[Counter[str]] = [Counter() for _ in range(clients)]
    took: list[float] = []
    end = time.monotonic() + seconds
    threads = [
        threading.Thread(target=client, args=(url, images, right, end, k, own, took)) for k, own in enumerate(apart)
    ]
    for thread in threads:
        thread.start()
    memory = []
    while time.monotonic() < end:
        time.sleep(min(2.0, max(0.05, seconds / 20)))
        memory.append(psutil.Process(server).memory_info().rss / 1e6)
    for thread in threads:
        thread.join()
    return sum(apart, Counter()), took, memory


def faults(figures: dict[str, Any]) -> list[str]:
    """Return what is not as it should be, one sentence each."""
    said = [f"{figures[name]} {name}" for name in ("lost", "wrong") if figures[name]]
    accounted = sum(figures[name] for name in _OUTCOMES)
    if accounted != figures["attempts"]:
        said.append(f"{figures['attempts']} attempts, {accounted} outcomes")
    if figures["share"] < LEAST_SHARE:
        said.append(f"{figures['share']} of the predictor's own throughput, wanted {LEAST_SHARE}")
    memory = figures[_MEMORY]
    if len(memory) > 2 and memory[-1] > MOST_GROWTH * memory[1]:
        said.append(f"memory grew from {memory[1]} to {memory[-1]} MB")
    return said


def _quarters(values: list[float]) -> list[list[float]]:
    size = max(1, len(values) // 4)
    return [values[k : k + size] for k in range(0, 4 * size, size) if values[k : k + size]]


def _until_ready(url: str) -> None:
    for _ in range(600):
        try:
            if requests.get(f"{url}/ready", timeout=10).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    raise SystemExit("the server did not get ready")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--images", type=Path, help="a folder of photographs; drawn ones without")
    parser.add_argument("--most", type=int, default=64, help="photographs to use")
    given = parser.parse_args()
    figures = run(given.clients, given.seconds, given.bundle, photographs(given.images, given.most))
    found = faults(figures)
    print(json.dumps({**figures, "faults": found}, indent=2))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
