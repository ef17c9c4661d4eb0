"""The hub: caches first, a download that is checked, and never a long wait for a network that is not there."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torchvision.models import alexnet as torchvision_alexnet

from buffycoat.errors import FetchError
from buffycoat.networks import hub
from buffycoat.networks.build import build, resolve
from buffycoat.settings import cache_dir

SMALL = "mobilenetv3_small_050"
ADDRESS = "/timm/mobilenetv3_small_050.lamb_in1k/resolve/main/model.safetensors"


@pytest.fixture(scope="module")
def content() -> bytes:
    torch.manual_seed(1)
    return save(build(resolve(SMALL), 1000, "none", 64)[0].state_dict())


class Hub:
    """A hub on this machine. ``answer`` decides what it sends."""

    def __init__(self) -> None:
        self.answer: Callable[[BaseHTTPRequestHandler], None] = lambda handler: handler.send_error(404)
        self.asked: list[str] = []
        hub_here = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.send_response(200)
                self.end_headers()

            def do_GET(self) -> None:
                hub_here.asked.append(self.path)
                hub_here.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    made = Hub()
    threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", made.address)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    # Only the hub here: the second address that timm knows would lead to the real network.
    known = hub.published(SMALL)
    assert known is not None
    only = hub.Published(known.title, known.repository, known.filename, None, known.licence)
    monkeypatch.setattr(hub, "published", lambda _: only)
    hub._unreachable.cache_clear()
    yield made
    made.server.shutdown()
    made.server.server_close()
    hub._unreachable.cache_clear()


def sending(content: bytes, *, length: int | None = None, etag: str | None = None) -> Callable[..., None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content) if length is None else length))
        handler.send_header("X-Linked-ETag", f'"{etag or hashlib.sha256(content).hexdigest()}"')
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def test_downloads_once_and_then_uses_its_cache(here: Hub, content: bytes) -> None:
    here.answer = sending(content)
    torch.manual_seed(5)
    model, report = build(resolve(SMALL), 4, "auto", 64)
    assert report.pretrained
    assert report.source == "timm/mobilenetv3_small_050.lamb_in1k"
    assert report.sha256 == hashlib.sha256(content).hexdigest()
    assert report.licence == "apache-2.0"
    assert model(torch.zeros(2, 3, 64, 64)).shape == (2, 4)
    assert "state_dict" not in vars(model)["pretrained_cfg"]  # no second copy of the weights in every checkpoint
    again, _ = build(resolve(SMALL), 4, "auto", 64)
    assert here.asked == [ADDRESS]
    assert torch.equal(again.state_dict()["conv_stem.weight"], model.state_dict()["conv_stem.weight"])
    assert not torch.equal(again.state_dict()["classifier.weight"], model.state_dict()["classifier.weight"])


def test_a_damaged_cache_is_fetched_again(here: Hub, content: bytes) -> None:
    here.answer = sending(content)
    build(resolve(SMALL), 4, "auto", 64)
    (kept,) = (path for path in (cache_dir() / "weights").rglob("*") if path.is_file())
    kept.write_bytes(content[:1000])
    _, report = build(resolve(SMALL), 4, "auto", 64)
    assert report.pretrained
    assert len(here.asked) == 2


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("truncated", "bytes|IncompleteRead|cannot be reached"),
        ("altered", "SHA-256"),
        ("absent", "404"),
    ],
)
def test_bad_answers_leave_nothing_behind(here: Hub, content: bytes, fault: str, reason: str) -> None:
    if fault == "truncated":
        here.answer = sending(content[:-1000], length=len(content))
    elif fault == "altered":
        here.answer = sending(content[:-4] + b"abcd", etag=hashlib.sha256(content).hexdigest())
    _, report = build(resolve(SMALL), 4, "auto", 64)
    assert not report.pretrained
    with pytest.raises(FetchError, match=reason):
        hub.weights_file(hub.published(SMALL))  # type: ignore[arg-type]
    assert not [path for path in (cache_dir() / "weights").rglob("*") if path.is_file()]


def test_a_cache_that_cannot_be_written_costs_the_weights_and_not_the_study(
    here: Hub, content: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here.answer = sending(content)
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("BUFFYCOAT_CACHE", str(tmp_path / "file"))
    _, report = build(resolve(SMALL), 4, "auto", 64)
    assert not report.pretrained
    assert "cannot write" in str(report.fallback_reason)


def test_a_licence_that_forbids_commerce_is_said(here: Hub, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    here.answer = sending(content)
    restricted = replace(hub.published(SMALL), licence="cc-by-nc-4.0")  # type: ignore[type-var]
    monkeypatch.setattr(hub, "published", lambda _: restricted)
    _, report = build(resolve(SMALL), 4, "auto", 64)
    assert "not for commercial use" in report.remarks


def waiting(until: threading.Event) -> None:
    until.wait(20)


def test_a_silent_hub_is_given_up(here: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "OPEN_SECONDS", 0.3)
    silent = threading.Event()
    here.answer = lambda _: waiting(silent)
    start = time.monotonic()
    _, report = build(resolve(SMALL), 4, "auto", 64)
    silent.set()
    assert time.monotonic() - start < 20
    assert "does not answer" in str(report.fallback_reason)


def test_a_trickle_is_given_up(here: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_GRACE_SECONDS", 0.2)
    monkeypatch.setattr(hub, "_CHUNK_BYTES", 100)

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        for _ in range(20):
            try:
                handler.wfile.write(bytes(100))
            except OSError:
                return
            time.sleep(0.05)

    here.answer = trickle
    _, report = build(resolve(SMALL), 4, "auto", 64)
    assert "too slow" in str(report.fallback_reason)


@pytest.mark.slow
def test_weights_that_torch_has_fetched_before_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    state = torchvision_alexnet(weights=None, num_classes=10).state_dict()
    place = tmp_path / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth"
    place.parent.mkdir(parents=True)
    torch.save(state, place)
    model, report = build(resolve("alexnet"), 4, "auto", 64)
    assert report.pretrained
    assert report.remarks == ("the weights had 10 outputs; a new head with 4 replaces it",)
    assert torch.equal(model.state_dict()["features.0.weight"], state["features.0.weight"])


def test_weights_in_the_hubs_own_cache_are_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    place = tmp_path / "model.safetensors"
    place.write_bytes(content)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: str(place))
    _, report = build(resolve(SMALL), 4, "auto", 64)
    assert report.pretrained
    place.write_bytes(b"damaged")
    _, report = build(resolve(SMALL), 4, "auto", 64)
    assert not report.pretrained
    assert place.exists()  # other programs' files are not ours to delete


BLOCKED = """
    import socket, time
    asked = []
    def black_hole(host, *_, **__):
        asked.append(host)
        time.sleep(600)  # a name server that never answers, whatever the timeout asked for
    socket.getaddrinfo = black_hole
    import buffycoat.networks.hub as hub
    hub.OPEN_SECONDS = 1.0
    from buffycoat.networks.build import build, resolve
    specs = [resolve(name) for name in ("resnet", "alexnet", "resnet34")]
    start = time.monotonic()
    for spec in specs:
        model, report = build(spec, 4, "auto", 64)
        assert not report.pretrained
        assert "does not answer" in report.fallback_reason, report.fallback_reason
    taken = time.monotonic() - start
    assert len(asked) == len(set(asked)) == 3, asked  # every site is waited for once in a process
    assert taken < 20, taken  # one second each; the rest is building on a busy machine
"""


@pytest.mark.slow
def test_without_a_network_it_goes_on_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HF_HUB_OFFLINE", "HF_ENDPOINT", "https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    subprocess.run([sys.executable, "-c", textwrap.dedent(BLOCKED)], check=True, timeout=60)
