"""Fetching against a local server that truncates, corrupts, stalls, refuses and forgets."""

from __future__ import annotations

import hashlib
import socket
import socketserver
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from buffycoat.data import bccd, fetch, named
from buffycoat.data.fetch import Patience, RemoteFile, fetch_files
from buffycoat.data.load import load
from buffycoat.data.manifest import Manifest, read_manifest
from buffycoat.errors import FetchError, OutputError

QUICK = Patience(workers=4, attempts=4, connect_s=1.0, silence_s=0.3, file_s=1.0, back_off_s=0.01, longest_wait_s=0.05)


class Server(ThreadingHTTPServer):
    """Serves files from a folder; `faults` says what goes wrong, by path, one entry per request."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.faults: dict[str, list[str]] = {}
        self.asked: Counter[str] = Counter()
        self.lock = threading.Lock()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def next_fault(self, path: str) -> str:
        with self.lock:
            self.asked[path] += 1
            waiting = self.faults.get(path) or self.faults.get("*") or []
            if not waiting:
                return ""
            return waiting.pop(0) if len(waiting) > 1 or not waiting[0].endswith("!") else waiting[0].rstrip("!")

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that left is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def do_GET(self) -> None:
        path = self.path.lstrip("/")
        fault = self.server.next_fault(path)
        file = self.server.folder / path.split("/", 1)[-1] if path.startswith("mirror/") else self.server.folder / path
        if fault.isdigit() or not file.is_file():
            self.send_response(int(fault or 404))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = file.read_bytes()
        if fault == "reset":  # a TCP reset, not an orderly end
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            self.connection.close()
            return
        sent = {"corrupt": bytes([content[0] ^ 1]) + content[1:], "page": b"<html>log in</html>"}.get(fault, content)
        if fault == "endless":
            sent = content + b"x" * 200_000
        self.send_response(200)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        if fault == "truncate":
            self.wfile.write(sent[: len(sent) // 2])
            self.close_connection = True
        elif fault == "stall":
            self.wfile.write(sent[:10])
            self.wfile.flush()
            time.sleep(0.8)
            self.close_connection = True
        elif fault == "dribble":
            for i in range(40):
                self.wfile.write(sent[i : i + 1])
                self.wfile.flush()
                time.sleep(0.05)
            self.close_connection = True
        else:
            self.wfile.write(sent)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "served"
    folder.mkdir()
    for i in range(6):
        (folder / f"{i}.jpg").write_bytes(bytes([i]) * (2000 + i))
    yield from _running(folder)


def _running(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def wanted(server: Server, *, mirrors: tuple[str, ...] = ("",)) -> list[RemoteFile]:
    files = sorted(server.folder.glob("*.jpg"))
    return [
        RemoteFile(
            f"pictures/{file.name}",
            file.stat().st_size,
            hashlib.sha256(file.read_bytes()).hexdigest(),
            tuple(f"{server.base}{mirror}{file.name}" for mirror in mirrors),
        )
        for file in files
    ]


def complete(into: Path, server: Server) -> bool:
    there = {file.name: file.read_bytes() for file in (into / "pictures").iterdir()}
    return there == {file.name: file.read_bytes() for file in server.folder.iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "faults",
    [
        [],  # all is well
        ["truncate"],  # half an answer, once
        ["corrupt"],  # one bit wrong, once
        ["500", "503"],  # a server that recovers
        ["429"],  # asked to wait
        ["reset"],  # the line breaks
        ["stall"],  # the answer stops half-way
        ["dribble"],  # one byte at a time: within the silence limit, beyond the file limit
        ["endless"],  # more than the file's size
        ["truncate", "corrupt", "reset"],  # three in a row, the fourth attempt wins
    ],
)
def test_passing_faults_are_survived(served: Server, tmp_path: Path, faults: list[str]) -> None:
    served.faults["3.jpg"] = list(faults)
    moves: list[tuple[int, int]] = []

    fetched = fetch_files(
        wanted(served), tmp_path / "into", patience=QUICK, on_progress=lambda *move: moves.append(move)
    )

    assert fetched == 6
    assert complete(tmp_path / "into", served)  # the right bytes, and no temporary file beside them
    assert served.asked["3.jpg"] == len(faults) + 1
    assert moves[0] == (0, 6)
    assert moves[-1] == (6, 6)


def test_only_what_is_missing_or_wrong_is_fetched_again(served: Server, tmp_path: Path) -> None:
    into = tmp_path / "into"
    fetch_files(wanted(served), into, patience=QUICK)
    (into / "pictures" / "1.jpg").unlink()
    (into / "pictures" / "2.jpg").write_bytes(b"\x09" * 2002)  # right size, wrong content
    served.asked.clear()

    assert fetch_files(wanted(served), into, patience=QUICK) == 2
    assert set(served.asked) == {"1.jpg", "2.jpg"}
    assert complete(into, served)


def test_an_interrupted_run_is_resumed(served: Server, tmp_path: Path) -> None:
    into = tmp_path / "into"

    def interrupt(done: int, _total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_files(wanted(served), into, patience=QUICK, on_progress=interrupt)
    assert not list(into.rglob("tmp*"))
    fetch_files(wanted(served), into, patience=QUICK)
    assert complete(into, served)


def test_what_a_killed_run_left_is_swept_away(served: Server, tmp_path: Path) -> None:
    stray = tmp_path / "into" / "pictures" / "tmpab12cd_9"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"half a picture")
    import os

    os.utime(stray, (1, 1))
    fetch_files(wanted(served), tmp_path / "into", patience=QUICK)
    assert complete(tmp_path / "into", served)


def test_a_file_gone_at_one_address_is_had_from_the_next(served: Server, tmp_path: Path) -> None:
    served.faults["4.jpg"] = ["404!"]
    assert fetch_files(wanted(served, mirrors=("", "mirror/")), tmp_path / "into", patience=QUICK) == 6
    assert served.asked["4.jpg"] == 1  # a 404 is not asked twice
    assert served.asked["mirror/4.jpg"] == 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("404!", "answer 404 Not Found"),  # gone everywhere
        ("403!", "answer 403 Forbidden"),
        ("500!", "answer 500"),  # never recovers
        ("corrupt!", "SHA-256 differs"),  # never right
        ("truncate!", "connection broke"),
    ],
)
def test_a_lasting_fault_is_named_and_the_rest_is_kept(served: Server, tmp_path: Path, fault: str, said: str) -> None:
    served.faults["3.jpg"] = [fault]
    with pytest.raises(FetchError) as caught:
        fetch_files(wanted(served), tmp_path / "into", patience=QUICK)
    assert "5 of 6 files are here" in caught.value.what
    assert "pictures/3.jpg" in caught.value.what
    assert said in caught.value.what
    assert sorted(file.name for file in (tmp_path / "into" / "pictures").iterdir()) == [
        f"{i}.jpg" for i in (0, 1, 2, 4, 5)
    ]


def test_a_log_in_page_instead_of_every_file_ends_the_run_early(served: Server, tmp_path: Path) -> None:
    for i in range(6, 60):
        (served.folder / f"{i}.jpg").write_bytes(bytes([i]) * 3000)
    served.faults["*"] = ["page!"]
    with pytest.raises(FetchError, match="0 of 60 files"):
        fetch_files(wanted(served), tmp_path / "into", patience=QUICK)
    assert served.asked.total() < 60


def test_a_name_that_is_not_known_is_given_up_at_once(tmp_path: Path) -> None:
    files = [RemoteFile(f"{i}.jpg", 10, "0" * 64, (f"http://nowhere.invalid/{i}.jpg",)) for i in range(300)]
    began = time.monotonic()
    with pytest.raises(FetchError, match=r"nowhere\.invalid cannot be reached: its name is not known.*0 of 300"):
        fetch_files(files, tmp_path)
    assert time.monotonic() - began < 20


def test_a_closed_port_is_given_up_at_once(tmp_path: Path) -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as closed:
        port = closed.server_address[1]
    files = [RemoteFile(f"{i}.jpg", 10, "0" * 64, (f"http://127.0.0.1:{port}/{i}.jpg",)) for i in range(300)]
    began = time.monotonic()
    with pytest.raises(FetchError, match="takes no connection"):
        fetch_files(files, tmp_path)
    assert time.monotonic() - began < 20


def test_a_connection_that_fails_once_is_tried_again(
    served: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server, or a Wi-Fi, that needs a moment is no reason to do without the data."""
    ask, failed = fetch._ask, []

    def first_fails(address: str, *rest: Any) -> None:
        if address not in failed:
            failed.append(address)
            raise fetch._UnreachableError("its name is not known")
        ask(address, *rest)

    monkeypatch.setattr(fetch, "_ask", first_fails)
    fetch_files(wanted(served), tmp_path / "into", patience=QUICK)
    assert len(list((tmp_path / "into" / "pictures").iterdir())) == 6


def test_a_folder_that_cannot_be_written_says_so(served: Server, tmp_path: Path) -> None:
    (tmp_path / "into").write_text("a file where a folder is needed")
    with pytest.raises(OutputError, match="cannot write"):
        fetch_files(wanted(served), tmp_path / "into", patience=QUICK)


def test_the_manifest_is_whole_and_its_addresses_are_pinned() -> None:
    manifest = read_manifest("bccd")
    kinds = Counter(path.split("/")[0] for path in manifest.files)
    assert kinds == {"JPEGImages": 366, "Annotations": 343, "labels.csv": 1}
    assert all(len(digest) == 64 and size > 0 for size, digest in manifest.files.values())
    first = {path: manifest.addresses(path)[0] for path in manifest.files}
    raw = "https://raw.githubusercontent.com/"
    assert first["labels.csv"] == (
        f"{raw}dhruvp/wbc-classification/0b22eb2084b1004d464fb5ab87adc85ab94b2079/labels.csv"
    )
    assert first["JPEGImages/BloodImage_00000.jpg"] == (
        f"{raw}cosmicad/dataset/bebbc655/JPEGImages/BloodImage_00000.jpg"
    )
    joined = [number for numbers in manifest.same_field for number in numbers]
    assert len(joined) == len(set(joined)) == 72


def _given(manifest: Manifest, _name: str) -> Manifest:
    return manifest


def small_manifest(base: str, folder: Path) -> Manifest:
    files = {
        file.relative_to(folder).as_posix(): (file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest())
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
    return Manifest(name="bccd", version=1, sources={"": (base,)}, files=files)


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serve a set of three images in place of the published one."""
    folder = tmp_path / "published"
    for kind in (bccd.IMAGES, bccd.BOXES):
        (folder / kind).mkdir(parents=True)
    for i in range(3):
        (folder / bccd.IMAGES / f"BloodImage_{i:05d}.jpg").write_bytes(bytes([i]) * 100)
    (folder / bccd.BOXES / "BloodImage_00000.xml").write_text("<annotation/>")
    (folder / bccd.LABELS).write_bytes(b",Image,Category\r\n,0,NEUTROPHIL\r\n,1,EOSINOPHIL\r\n,2,MONOCYTE")
    for server in _running(folder):
        manifest = small_manifest(server.base, folder)
        for module in (named, bccd):
            monkeypatch.setattr(module, "read_manifest", partial(_given, manifest))
        yield server


def test_bccd_is_fetched_once_and_found_after(published: Server) -> None:
    first = load("bccd")
    asked = published.asked.total()
    again = load("bccd")
    assert first.cells.equals(again.cells)
    assert first.counts() == {"neutrophil": 1, "eosinophil": 1, "monocyte": 1}
    assert published.asked.total() == asked == 5


def test_a_partial_download_is_completed_not_taken_for_the_set(published: Server) -> None:
    root, _ = named.fetch_bccd()
    (root / bccd.IMAGES / "BloodImage_00001.jpg").unlink()
    assert load("bccd").counts()["eosinophil"] == 1
    assert published.asked.total() == 6


def test_a_data_dir_is_where_it_goes(published: Server, tmp_path: Path) -> None:
    assert load("bccd", data_dir=tmp_path / "mine").root == tmp_path / "mine" / "bccd"


def test_no_network_says_what_was_tried_and_what_else_there_is(
    published: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = small_manifest("http://nowhere.invalid/", published.folder)
    monkeypatch.setattr(named, "read_manifest", lambda _name: manifest)
    with pytest.raises(FetchError) as caught:
        load("bccd", data_dir=tmp_path / "mine")
    said = str(caught.value)
    for part in ("nowhere.invalid", str(tmp_path / "mine"), "BUFFYCOAT_DATA", "--data-dir", "Kaggle", "synthetic"):
        assert part in said


def test_no_download_means_none(published: Server) -> None:
    with pytest.raises(FetchError, match="not here"):
        load("bccd", download=False)
    assert not published.asked


def test_a_changed_file_is_used_and_named(published: Server) -> None:
    root, _ = named.fetch_bccd()
    (root / bccd.IMAGES / "BloodImage_00002.jpg").write_bytes(b"\x07" * 100)  # same size
    faults = load("bccd").faults
    assert [(fault.file, "SHA-256" in fault.problem) for fault in faults] == [("JPEGImages/BloodImage_00002.jpg", True)]


@pytest.mark.real
@pytest.mark.slow
def test_the_whole_set_through_a_bad_line(real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    originals = bccd.find(real_data)
    assert originals is not None
    begin: Callable[[Path], Iterator[Server]] = _running
    for server in begin(originals):
        faults = ["truncate", "corrupt", "500", "reset", "429", "404"]
        for place, path in enumerate(read_manifest("bccd").files):
            if place % 10 == 0:
                server.faults[path] = [faults[place // 10 % len(faults)]]
        manifest = read_manifest("bccd").model_copy(update={"sources": {"": (server.base, f"{server.base}mirror/")}})
        root, fetched = named.fetch_bccd(tmp_path, manifest=manifest, patience=QUICK)
        assert fetched == 710
        assert not manifest.different(root)
        assert not manifest.missing(root)
        assert {path.name for path in root.iterdir()} == {"Annotations", "JPEGImages", "labels.csv"}
