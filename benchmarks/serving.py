"""Many clients ask `POST /api/v1/predict` at once: is every answer right, is none lost, how fast, in how much memory.

    python benchmarks/serving.py --clients 50 --seconds 120 [--bundle DIR] [--images DIR]

Every request is one of: right, wrong, busy (503 or 429 with ``Retry-After``; without it that is wrong), lost. Exit code
1 when any is lost or wrong, when they do not add up, when the share of the predictor's own throughput is under 0.70, or
when memory grows from the second quarter to the last by more than a tenth.

In turns, the same photographs are given to `Predictor` directly (all cores, once in threads and once in processes),
which sets both the right answers and the throughput to compare with: the better of both ways, in the same turn, so
that whatever else the machine does meets both. Clients wait as long as `Retry-After` says when the server is busy.

The clients run on the same cores and take from the server what they need themselves. So that this is little, they send
requests made in advance over connections that are kept, and read an answer only where its bytes are new. What an answer
costs in processor time, user and system, is told for each side; `on all cores` is how many a second these costs allow
if no core is ever idle.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests

LEAST_SHARE = 0.70
MOST_GROWTH = 1.10  # from the second quarter, when all is loaded, to the last
_OUTCOMES = ("right", "wrong", "busy", "lost")
_MEMORY = "memory MB, first to last quarter"
_PATIENCE_S = 60.0
_CORES = len(os.sched_getaffinity(0))
_BOUNDARY = "a-photograph-ends-here"


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


@dataclass(frozen=True)
class Alone:
    """The predictor by itself: photographs per second, processor time for each, answers."""

    rate: float
    cpu_ms: float
    right: list[Any]


def alone(bundle: Path | None, images: list[bytes], seconds: float, *, processes: bool = False) -> Alone:
    """Return what the predictor does by itself, once it has found its pace and its processes have started."""
    from buffycoat.predict import Predictor

    predictor = Predictor.load(bundle, processes=processes)
    right = [[cell.probabilities for cell in one.cells] for one in predictor.predict(images)]
    end = time.monotonic() + 1.5 * seconds

    def endless() -> Any:
        while time.monotonic() < end:
            yield from images

    done, began, used, rate, cpu_ms = 0, math.inf, 0.0, math.nan, math.nan
    for _ in predictor.stream(endless()):
        now = time.monotonic()
        if began == math.inf and now > end - seconds:
            began, used, done = now, _cpu(os.getpid()).all_s, 0
        done += 1
        if done % 64 == 0 and now > began:  # and not at the end, when its processes are gone
            rate, cpu_ms = done / (now - began), 1000 * (_cpu(os.getpid()).all_s - used) / done
    return Alone(rate, cpu_ms, right)


def request_of(host: str, content: bytes) -> bytes:
    """Return a request with a photograph, as it goes over the wire."""
    part = 'Content-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: application/octet-stream'
    body = f"--{_BOUNDARY}\r\n{part}\r\n\r\n".encode() + content + f"\r\n--{_BOUNDARY}--\r\n".encode()
    head = f"POST /api/v1/predict HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\n\r\n".encode() + body


class Judge:
    """Says whether an answer is right; bytes that were right before are not read again."""

    def __init__(self, right: list[Any]) -> None:
        self._right = right
        self._known: list[set[bytes]] = [set() for _ in right]

    def is_right(self, which: int, body: bytes) -> bool:
        """Return whether an answer gives the probabilities that the predictor gave for a photograph."""
        if body in self._known[which]:
            return True
        try:
            said = [cell["probabilities"] for cell in json.loads(body)["cells"]]
        except (ValueError, KeyError, TypeError):
            return False
        if said == self._right[which]:
            self._known[which].add(body)
            return True
        return False


class Connection:
    """A connection that is kept from one request to the next."""

    def __init__(self, host: str) -> None:
        name, _, port = host.partition(":")
        self._address = (name, int(port))
        self._socket: socket.socket | None = None

    def ask(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the answer.

        Raises
        ------
        OSError
            There is none.
        """
        kept = self._socket is not None
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=_PATIENCE_S)
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._socket.sendall(request)  # refused before all was read, the answer may be there all the same
            return self._answer()
        except EOFError:
            self.close()
            if kept:  # the server closed it while nothing was asked
                return self.ask(request)
            raise ConnectionError("closed without an answer") from None
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """End the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _answer(self) -> tuple[int, dict[str, str], bytes]:
        got = self._more()
        while b"\r\n\r\n" not in got:
            got += self._more()
        head, _, body = got.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        while len(body) < int(headers["content-length"]):
            body += self._more()
        if headers.get("connection", "").lower() == "close":
            self.close()
        return int(lines[0].split()[1]), headers, body

    def _more(self) -> bytes:
        assert self._socket is not None  # noqa: S101 - for the type checker
        piece = self._socket.recv(1 << 16)
        if not piece:
            raise EOFError
        return piece


def client(
    host: str, requests_: list[bytes], judge: Judge, end: float, k: int, outcomes: Counter[str], took: list[float]
) -> None:
    """Ask until the time is over; `outcomes` is this client's own, because adding is no single step."""
    connection, turn = Connection(host), k
    while time.monotonic() < end:
        turn += 1
        which = turn % len(requests_)
        began = time.monotonic()
        outcomes["attempts"] += 1
        try:
            status, headers, body = connection.ask(requests_[which])
        except OSError:
            outcomes["lost"] += 1
            continue
        pause = headers.get("retry-after", "")
        if status in {429, 503} and pause.isdigit() and int(pause) > 0:
            outcomes["busy"] += 1
            time.sleep(min(float(pause), max(0.0, end - time.monotonic())))
        elif status == 200 and judge.is_right(which, body):
            outcomes["right"] += 1
            took.append(time.monotonic() - began)
        else:
            outcomes["wrong"] += 1
    connection.close()


def run(clients: int, seconds: float, bundle: Path | None, images: list[bytes], rounds: int = 4) -> dict[str, Any]:
    """Let predictor and server work in turn; returns the figures."""
    share, found = seconds / rounds, []
    with tempfile.TemporaryDirectory() as folder:
        given = [] if bundle is None else ["--bundle", str(bundle)]
        command = [sys.executable, "-m", "buffycoat", "review", "--folder", folder, "--port", "0", "--workers", "0"]
        server = subprocess.Popen([*command, *given, "--no-open", "--quiet"], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None  # noqa: S101 - for the type checker
            url = server.stdout.readline().split()[-1]
            _until_ready(url)
            for k in range(rounds):
                threads = alone(bundle, images, share / 4)
                processes = alone(bundle, images, share / 4, processes=True)
                if k == 0:
                    _ask_all(url, server.pid, clients, min(5.0, share), images, threads.right)  # its processes start
                found.append(
                    Round(threads, processes, _ask_all(url, server.pid, clients, share, images, threads.right))
                )
            server.terminate()
            server.wait(30)
        finally:
            server.kill()
            server.wait()
    return figures(found, clients, seconds)


@dataclass(frozen=True)
class Cpu:
    """Processor time, user and system, of a process and of those it started that still run."""

    own_s: float
    all_s: float


@dataclass(frozen=True)
class Asked:
    """What came of asking."""

    seconds: float
    outcomes: Counter[str]
    took: list[float]  # seconds, of the right answers
    memory_mb: list[float]  # of the server and its processes, what they share counted in each
    server: Cpu
    clients_s: float


@dataclass(frozen=True)
class Round:
    """The predictor in threads and in processes, and the server, one after the other."""

    threads: Alone
    processes: Alone
    asked: Asked

    @property
    def served(self) -> float:
        """Right answers a second."""
        return self.asked.outcomes["right"] / self.asked.seconds

    @property
    def share(self) -> float:
        """Of what the predictor does by itself, the better of both ways."""
        return self.served / max(self.threads.rate, self.processes.rate)


def figures(rounds: list[Round], clients: int, seconds: float) -> dict[str, Any]:
    """Return what is printed: sums, and of rates and costs the median over the rounds."""
    asked = [one.asked for one in rounds]
    outcomes = sum((one.outcomes for one in asked), Counter())
    took = sorted(one for part in asked for one in part.took)
    right = max(1, outcomes["right"])
    own, every = (sum(times) for times in zip(*((one.server.own_s, one.server.all_s) for one in asked), strict=True))
    clients_ms, server_ms = 1000 * sum(one.clients_s for one in asked) / right, 1000 * every / right
    return {
        "clients": clients,
        "seconds": seconds,
        **{name: outcomes[name] for name in ("attempts", *_OUTCOMES)},
        "per second": _median(one.served for one in rounds),
        "predictor alone, in threads": _median(one.threads.rate for one in rounds),
        "predictor alone, in processes": _median(one.processes.rate for one in rounds),
        "shares": [round(one.share, 3) for one in rounds],
        "share": round(statistics.median(one.share for one in rounds), 3),
        "median ms": round(1000 * statistics.median(took), 1) if took else None,
        "99 % ms": round(1000 * took[int(0.99 * len(took))], 1) if took else None,
        "CPU ms for an answer": {
            "predictor alone, in threads": _median((one.threads.cpu_ms for one in rounds), 2),
            "predictor alone, in processes": _median((one.processes.cpu_ms for one in rounds), 2),
            "server, which answers": round(1000 * own / right, 2),
            "its processes, which look": round(server_ms - 1000 * own / right, 2),
            "clients": round(clients_ms, 2),
        },
        "on all cores": round(1000 * _CORES / (server_ms + clients_ms), 1),
        _MEMORY: [round(statistics.mean(part), 1) for part in _quarters([mb for one in asked for mb in one.memory_mb])],
    }


def _median(values: Iterable[float], digits: int = 1) -> float:
    return round(statistics.median(values), digits)


def _ask_all(url: str, server: int, clients: int, seconds: float, images: list[bytes], right: list[Any]) -> Asked:
    """Let all clients ask at once."""
    host = url.removeprefix("http://")
    requests_, judge = [request_of(host, image) for image in images], Judge(right)
    apart: list[Counter[str]] = [Counter() for _ in range(clients)]
    took: list[float] = []
    before, clients_s = _cpu(server), time.process_time()
    end = time.monotonic() + seconds
    threads = [
        threading.Thread(target=client, args=(host, requests_, judge, end, k, own, took)) for k, own in enumerate(apart)
    ]
    for thread in threads:
        thread.start()
    memory = []
    while time.monotonic() < end:
        time.sleep(min(2.0, max(0.05, seconds / 20)))
        memory.append(sum(one.memory_info().rss for one in _family(server)) / 1e6)
    for thread in threads:
        thread.join()
    after = _cpu(server)
    used = Cpu(after.own_s - before.own_s, after.all_s - before.all_s)
    return Asked(seconds, sum(apart, Counter()), took, memory, used, time.process_time() - clients_s)


def _family(process: int) -> list[psutil.Process]:
    own = psutil.Process(process)
    return [own, *own.children(recursive=True)]


def _cpu(process: int) -> Cpu:
    used = [sum(one.cpu_times()[:2]) for one in _family(process)]
    return Cpu(used[0], sum(used))


def faults(found: dict[str, Any]) -> list[str]:
    """Return what is not as it should be, one sentence each."""
    said = [f"{found[name]} {name}" for name in ("lost", "wrong") if found[name]]
    accounted = sum(found[name] for name in _OUTCOMES)
    if accounted != found["attempts"]:
        said.append(f"{found['attempts']} attempts, {accounted} outcomes")
    if found["share"] < LEAST_SHARE:
        said.append(f"{found['share']} of the predictor's own throughput, wanted {LEAST_SHARE}")
    memory = found[_MEMORY]
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
    parser.add_argument("--rounds", type=int, default=4, help="predictor and server take turns so many times")
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--images", type=Path, help="a folder of photographs; drawn ones without")
    parser.add_argument("--most", type=int, default=64, help="photographs to use")
    given = parser.parse_args()
    found = run(given.clients, given.seconds, given.bundle, photographs(given.images, given.most), given.rounds)
    wrong = faults(found)
    print(json.dumps({**found, "faults": wrong}, indent=2))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
