"""Kill the review desk again and again while people work, and count what was lost.

    python benchmarks/killing.py --kills 50                              # SQLite
    python benchmarks/killing.py --kills 50 --database postgresql://…    # an empty database

A server with two workers runs on a drawn data set; readers move cells and an uploader adds photographs, each over
HTTP with retries. Server or workers are killed with SIGKILL at random moments and the server is started again. At the
end: every answer that was acknowledged must be in the log exactly once, every photograph analysed exactly once, the
labels must be those the readers left, and ``verify`` must pass.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import requests

ROOT = Path(__file__).resolve().parents[1]
CLASSIFIER = "tests.review.desks:FakeClassifier"
_SERVE = (
    "import sys; from buffycoat.review.desk import Desk; from buffycoat.review.serve import serve; "
    "from buffycoat.review.settings import ReviewSettings; "
    "serve(Desk(ReviewSettings.model_validate_json(sys.argv[1])), lambda address: None)"
)


@dataclass
class Tally:
    """What clients were told, and what they did not hear of."""

    moves: dict[str, int] = field(default_factory=dict)  # request → event, as acknowledged
    asked: set[str] = field(default_factory=set)
    uploads: set[str] = field(default_factory=set)  # names acknowledged
    moved: Counter[str] = field(default_factory=Counter)  # by reading: how many moves were acknowledged
    labels: dict[str, dict[str, str]] = field(default_factory=dict)  # by reading: what the reader left
    retried: int = 0
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Desk:
    """The server process and its workers."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.url = f"http://127.0.0.1:{settings['port']}"
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Start the server and wait until it answers."""
        environment = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PATH": "/usr/bin:/bin", "HOME": "/tmp"}  # noqa: S108
        command = [sys.executable, "-c", _SERVE, json.dumps(self.settings)]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
        for _ in range(1200):
            try:
                if requests.get(f"{self.url}/health", timeout=5).ok:
                    return
            except requests.RequestException:
                pass
            if self.process.poll() is not None:
                raise SystemExit(f"the server ended with {self.process.returncode}")
            time.sleep(0.05)
        raise SystemExit("the server did not start")

    def kill(self, chance: random.Random) -> str:
        """Kill the server, or one of its workers, without a warning."""
        workers = psutil.Process(self.process.pid).children()
        if workers and chance.random() < 0.5:
            _kill(chance.choice(workers))
            return "worker"
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        return "server"

    def stop(self) -> None:
        """End the server as one does."""
        self.process.terminate()
        self.process.wait(60)


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def persistent(tally: Tally, stop: threading.Event, send: Callable[[], requests.Response]) -> requests.Response | None:
    """Send until there is an answer; None when all is over."""
    while not stop.is_set():
        try:
            answer = send()
            if answer.status_code not in {429, 500, 503}:
                return answer
            if answer.status_code == 500:
                with tally.lock:
                    tally.faults.append(f"500: {answer.text[:200]}")
        except requests.RequestException:
            pass
        with tally.lock:
            tally.retried += 1
        time.sleep(0.05)
    return None


def mover(url: str, view: dict[str, Any], tally: Tally, stop: threading.Event, seed: int) -> None:
    """Move cells of one reading at random, undoing now and then; every answer is remembered."""
    chance = random.Random(seed)
    reading = view["reading"]["id"]
    labels = {cell["id"]: cell["label"] for cell in view["cells"]}
    sequence, names = view["reading"]["sequence"], [label["name"] for label in view["labels"]]
    while not stop.is_set():
        request = uuid.uuid4().hex
        asked: dict[str, Any] = {"request_id": request, "sequence": sequence, "with_differential": False}
        if chance.random() < 0.2:
            asked["action"] = chance.choice(["undo", "redo"])
        else:
            cells = chance.sample(sorted(labels), min(3, len(labels)))
            asked |= {"action": "move", "cells": cells, "label": chance.choice(names)}
        with tally.lock:
            tally.asked.add(request)
        answer = persistent(
            tally, stop, partial(requests.post, f"{url}/api/v1/readings/{reading}/moves", json=asked, timeout=30)
        )
        if answer is None:
            break
        done = answer.json()
        if answer.status_code == 409 and done["title"] == "Nothing there":
            continue  # nothing to undo or redo; nobody else moves these cells, so any other conflict is a fault
        if answer.status_code != 200:
            with tally.lock:
                tally.faults.append(f"{answer.status_code}: {answer.text[:200]}")
            continue
        sequence = done["sequence"]
        labels |= {cell["id"]: cell["label"] for cell in done["cells"]}
        if done["event_id"]:
            with tally.lock:
                tally.moves[request] = done["event_id"]
                tally.moved[reading] += 1
        with tally.lock:
            tally.labels[reading] = dict(labels)


def uploader(url: str, slide: str, tally: Tally, stop: threading.Event) -> None:
    """Add one photograph after the other to a slide."""
    from tests.review.desks import photograph

    number = 0
    while not stop.is_set():
        number += 1
        name, content = f"photograph {number}.jpg", photograph(20_000 + number % 40, 2) + number.to_bytes(4, "big")
        answer = persistent(
            tally,
            stop,
            partial(
                requests.post,
                f"{url}/api/v1/slides/{slide}/fields",
                files=[("files", (name, content))],
                timeout=30,
            ),
        )
        if answer is not None and answer.status_code == 202:
            with tally.lock:
                tally.uploads.add(name)
        elif answer is not None:
            with tally.lock:
                tally.faults.append(f"{answer.status_code}: {answer.text[:200]}")
        stop.wait(0.05)


def run(kills: int, database: str | None, folder: Path, *, seed: int = 1, readers: int = 3) -> dict[str, Any]:
    """Do it; returns the account, whose ``faults`` should be empty."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "folder": str(folder),
        "database": database,
        "classifier": CLASSIFIER,
        "port": port,
        "workers": 2,
        "lease_seconds": 2,
        "attempts": 1000,
        "uploads_per_minute": 100_000,
    }
    desk = Desk(settings)
    desk.start()
    try:
        return _run(desk, kills, seed, readers)
    finally:
        if desk.process.poll() is None:
            desk.process.kill()


def _run(desk: Desk, kills: int, seed: int, readers: int) -> dict[str, Any]:
    tally, stop, chance = Tally(), threading.Event(), random.Random(seed)
    began, views = time.monotonic(), _prepare(desk.url, readers)
    threads = [
        threading.Thread(target=mover, args=(desk.url, view, tally, stop, seed + k), daemon=True)
        for k, view in enumerate(views)
    ]
    slide = requests.post(f"{desk.url}/api/v1/slides", json={"name": "uploads"}, timeout=30).json()["id"]
    threads.append(threading.Thread(target=uploader, args=(desk.url, slide, tally, stop), daemon=True))
    for thread in threads:
        thread.start()
    killed: Counter[str] = Counter()
    while killed.total() < kills:
        time.sleep(chance.uniform(0.05, 1.5))
        what = desk.kill(chance)
        killed[what] += 1
        if what == "server":
            desk.start()
    _until_all_move(tally, [view["reading"]["id"] for view in views])
    stop.set()
    for thread in threads:
        thread.join(60)
    _drain(desk.url, slide)
    desk.stop()
    account = check(desk.settings, slide, tally)
    return {**account, "killed": dict(killed), "seconds": round(time.monotonic() - began, 1)}


def _until_all_move(tally: Tally, readings: list[str], patience_seconds: float = 60) -> None:
    """Wait until every reader's moves are acknowledged again after the last kill; who does not come back is a fault."""
    with tally.lock:
        before = tally.moved.copy()
    end = time.monotonic() + patience_seconds
    waiting = readings
    while waiting and time.monotonic() < end:
        time.sleep(0.1)
        with tally.lock:
            waiting = [one for one in readings if tally.moved[one] <= before[one]]
    with tally.lock:
        tally.faults += [f"no move of reading {one} was acknowledged after the last kill" for one in waiting]


def _prepare(url: str, readers: int) -> list[dict[str, Any]]:
    from tests.review.desks import photograph

    slides = []
    for k in range(readers):
        slide = requests.post(f"{url}/api/v1/slides", json={"name": f"slide {k}"}, timeout=30).json()["id"]
        files = [("files", (f"{n}.jpg", photograph(10_000 + 10 * k + n))) for n in range(3)]
        requests.post(f"{url}/api/v1/slides/{slide}/fields", files=files, timeout=60).raise_for_status()
        slides.append(slide)
    for slide in slides:
        _drain(url, slide)
    begun = [requests.post(f"{url}/api/v1/slides/{slide}/readings", json={}, timeout=30).json() for slide in slides]
    return [requests.get(f"{url}/api/v1/readings/{reading['id']}", timeout=30).json() for reading in begun]


def _drain(url: str, slide: str) -> None:
    for _ in range(2400):
        if requests.get(f"{url}/api/v1/slides/{slide}/progress", timeout=30).json()["state"] != "analysing":
            return
        time.sleep(0.1)
    raise SystemExit("the queue did not empty")


def check(settings: dict[str, Any], slide: str, tally: Tally) -> dict[str, Any]:
    """Compare what clients were told with what the database holds."""
    from sqlalchemy import select

    from buffycoat.review import desk as review_desk
    from buffycoat.review import views
    from buffycoat.review.schema import Event, Field
    from buffycoat.review.settings import ReviewSettings
    from buffycoat.review.verify import verify

    desk = review_desk.Desk(ReviewSettings(**settings))
    with desk.database.read() as session:
        stored = {row.request_id: row.id for row in session.execute(select(Event.request_id, Event.id)) if row[0]}
        analysed = Counter(
            json.loads(body)["field"]
            for body in session.scalars(select(Event.body).where(Event.kind == "field.analysed"))
        )
        fields = session.execute(select(Field.id, Field.name, Field.state).where(Field.slide_id == slide)).all()
        left = {
            reading: {cell.id: cell.label for cell in views.cells_of(session, _slide_of(session, reading), reading)}
            for reading in tally.labels
        }
    found = verify(desk)
    desk.close()
    faults = list(tally.faults) + found.faults
    lost = [request for request, event in tally.moves.items() if stored.get(request) != event]
    names = Counter(name for _, name, _ in fields)
    faults += [f"an acknowledged move is lost: {request}" for request in lost]
    faults += [f"a move nobody asked for: {request}" for request in stored.keys() - tally.asked]
    faults += [f"an acknowledged photograph is lost: {name}" for name in tally.uploads if not names[name]]
    faults += [f"a photograph stands {n} times: {name}" for name, n in names.items() if n != 1]
    faults += [f"a field was analysed {n} times" for n in analysed.values() if n != 1]
    faults += [f"a field is {state}" for _, _, state in fields if state != "analysed"]
    unheard = {request for request in stored if request not in tally.moves}
    if not unheard:  # else the last move of a reader may be in the log and not in the reader's memory
        faults += [f"reading {one}: labels differ" for one, labels in tally.labels.items() if left[one] != labels]
    return {
        "moves": len(tally.moves),
        "moves by reading": sorted(tally.moved.values()),
        "uploads": len(tally.uploads),
        "retried": tally.retried,
        "done but not heard of": len(unheard),
        "events": found.events,
        "faults": faults,
    }


def _slide_of(session: Any, reading: str) -> str:
    from buffycoat.review.schema import Reading

    return str(session.get(Reading, reading).slide_id)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--database", help="an empty PostgreSQL database; SQLite without")
    parser.add_argument("--readers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as folder:
        account = run(given.kills, given.database, Path(folder) / "desk", seed=given.seed, readers=given.readers)
    print(json.dumps(account, indent=2))
    sys.exit(1 if account["faults"] else 0)


if __name__ == "__main__":
    main()
