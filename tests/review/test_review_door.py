"""Photographs of somebody who may not bring any are not read; and none are where there is no room for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from buffycoat.review import accounts
from buffycoat.review.app import create_app
from buffycoat.review.desk import Desk
from buffycoat.review.faults import Busy
from buffycoat.review.gate import Gate
from tests.review.clients import PASSWORD, Page
from tests.review.desks import make_desk, photograph

FIELDS = f"/api/v1/slides/{'0' * 32}/fields"
PREDICT = "/api/v1/predict"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Desk]:
    """Return a desk with a reviewer and a reader."""
    made = make_desk(tmp_path / "desk", accounts=True, uploads_per_minute=2)
    for login, role in [("rev", "reviewer"), ("eye", "reader")]:
        accounts.create(made, None, login, login.capitalize(), role, PASSWORD)  # type: ignore[arg-type]
    yield made
    made.close()


class _Asked:
    """One POST as the server sees it: the answer, and how much of the body was read for it."""

    def __init__(self, app: FastAPI, path: str, headers: dict[str, str], length: int = 10_000_000) -> None:
        self.read, self.length, self.status, self.body = 0, length, 0, b""
        self.headers: dict[bytes, bytes] = {}
        form = {"host": "127.0.0.1", "content-type": "multipart/form-data; boundary=b"}
        scope = {
            **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST"},
            **{"scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": ""},
            "headers": [(name.encode(), value.encode()) for name, value in {**form, **headers}.items()],
            **{"client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8350)},
        }
        asyncio.run(app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        piece = b"x" * 100_000
        if self.read == 0:
            piece = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n' + piece
        self.read += len(piece)
        if self.read >= self.length:
            piece += b"\r\n--b--\r\n"
        return {"type": "http.request", "body": piece, "more_body": self.read < self.length}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.body += message.get("body", b"")


def _token(desk: Desk, login: str) -> dict[str, str]:
    page = Page(desk)
    page.sign_in(login)
    return {"authorization": f"Bearer {page.post('/tokens', {'name': 'script'}, 201)['token']}"}


@pytest.mark.parametrize("path", [FIELDS, PREDICT])
@pytest.mark.parametrize("headers", [{"authorization": "Bearer wrong"}, {"authorization": "Basic x"}])
def test_nothing_is_read_of_somebody_unknown(guarded: Desk, path: str, headers: dict[str, str]) -> None:
    asked = _Asked(create_app(guarded), path, headers)
    assert (asked.status, asked.read) == (401, 0)
    assert asked.headers[b"www-authenticate"] == b"Bearer"
    assert b"content-security-policy" in asked.headers
    assert json.loads(asked.body)["title"] == "Please sign in"


@pytest.mark.parametrize("path", [FIELDS, PREDICT])
def test_nothing_is_read_of_a_page_whose_session_ended(guarded: Desk, path: str) -> None:
    page = Page(guarded)
    headers = {"cookie": f"buffycoat_visit={page.http.cookies['buffycoat_visit']}"}
    asked = _Asked(create_app(guarded), path, {**headers, "x-csrf-token": page.http.headers["x-csrf-token"]})
    assert (asked.status, asked.read) == (401, 0)


def test_nothing_is_read_of_somebody_who_may_only_look(guarded: Desk) -> None:
    asked = _Asked(create_app(guarded), FIELDS, _token(guarded, "eye"))
    assert (asked.status, asked.read) == (403, 0)
    app = create_app(guarded)
    app.state.gate = Gate(guarded.classifier.look_at, 1, 0, 1)
    asked = _Asked(app, PREDICT, _token(guarded, "eye"), 100_000)
    assert (asked.status, asked.read > 0) == (422, True)  # predicting is for all: read, and no photograph


def test_nothing_is_read_beyond_the_rate(guarded: Desk) -> None:
    token = _token(guarded, "rev")
    page = Page(guarded)
    page.sign_in("rev")
    slide = page.post("/slides", {"name": "x"}, 201)["id"]
    for k in range(2):
        page.upload(slide, [("a.jpg", photograph(k))])
    asked = _Asked(create_app(guarded), f"/api/v1/slides/{slide}/fields", token)
    assert (asked.status, asked.read) == (429, 0)
    assert int(asked.headers[b"retry-after"]) > 0


def test_nothing_is_read_when_the_gate_is_full(desk: Desk) -> None:
    app = create_app(desk)
    app.state.gate = Gate(desk.classifier.look_at, 1, 0, 1)
    app.state.gate._inside = 1
    asked = _Asked(app, PREDICT, {})
    assert (asked.status, asked.read) == (503, 0)
    assert int(asked.headers[b"retry-after"]) > 0
    with pytest.raises(Busy):
        app.state.gate.refuse_full()


def test_a_photograph_to_predict_has_a_limit_of_its_own(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, most_image_bytes=100_000)
    app = create_app(desk)
    length = _Asked(app, PREDICT, {"content-length": "3000000"}, 3_000_000)
    assert (length.status, length.read) == (413, 0)
    unsaid = _Asked(app, PREDICT, {}, 50_000_000)
    assert unsaid.status == 413
    assert unsaid.read < 1_500_000
    desk.close()
