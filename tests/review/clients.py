"""Asking a desk as a page does: with its cookie and its token."""

from __future__ import annotations

import itertools
from typing import Any
from weakref import WeakKeyDictionary

from fastapi import FastAPI
from starlette.testclient import TestClient

from buffycoat.review.app import create_app
from buffycoat.review.desk import Desk

_numbers = itertools.count(1)
PASSWORD = "a long enough phrase"  # noqa: S105 - of tests


_apps: WeakKeyDictionary[Desk, FastAPI] = WeakKeyDictionary()


def app_of(desk: Desk) -> FastAPI:
    """Return the application of a desk, made once."""
    if desk not in _apps:
        _apps[desk] = create_app(desk)
    return _apps[desk]


class Page:
    """A browser at one desk."""

    def __init__(self, desk: Desk, **client: Any) -> None:
        self.http = TestClient(app_of(desk), base_url="http://127.0.0.1:8350", raise_server_exceptions=False, **client)
        self.load()

    def load(self) -> dict[str, Any]:
        """Load the page: learns the token."""
        me: dict[str, Any] = self.http.get("/api/v1/me").json()
        self.http.headers["x-csrf-token"] = me["csrf"]
        return me

    def get(self, path: str, status: int = 200, **more: Any) -> Any:
        """Get a JSON document, of the expected status."""
        answer = self.http.get(f"/api/v1{path}", **more)
        assert answer.status_code == status, answer.text
        return answer.json()

    def send(self, method: str, path: str, document: Any = None, status: int = 200, **more: Any) -> Any:
        """Send a JSON document; returns the answer's, of the expected status."""
        answer = self.http.request(method, f"/api/v1{path}", json=document, **more)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def post(self, path: str, document: Any = None, status: int = 200, **more: Any) -> Any:
        """Post a JSON document."""
        return self.send("POST", path, document, status, **more)

    def sign_in(self, login: str, password: str = PASSWORD, status: int = 204) -> None:
        """Sign in."""
        self.post("/session", {"login": login, "password": password}, status)
        self.load()

    def upload(self, slide: str, files: list[tuple[str, bytes]], status: int = 202) -> Any:
        """Upload files to a slide."""
        answer = self.http.post(f"/api/v1/slides/{slide}/fields", files=[("files", one) for one in files])
        assert answer.status_code == status, answer.text
        return answer.json()

    def read(self, slide: str, number: int | None = None, status: int = 200, **more: Any) -> Any:
        """Open a reading."""
        return self.post(f"/slides/{slide}/readings", {"number": number, **more}, status)

    def move(self, reading: str, action: str, sequence: int, status: int = 200, **more: Any) -> Any:
        """Do one action of a reader."""
        asked = {"action": action, "sequence": sequence, "request_id": f"request-{next(_numbers):06d}", **more}
        return self.post(f"/readings/{reading}/moves", asked, status)

    def sign(self, reading: str, sequence: int, status: int = 200, **more: Any) -> Any:
        """Sign a reading."""
        asked = {"name": "A. Reader", "sequence": sequence, "request_id": f"request-{next(_numbers):06d}", **more}
        return self.post(f"/readings/{reading}/sign", asked, status)

    def see_all(self, reading: str) -> int:
        """Mark every cell of a reading seen; returns its sequence."""
        view = self.get(f"/readings/{reading}")
        ids = [cell["id"] for cell in view["cells"] if not cell["seen"]]
        if not ids:
            return int(view["reading"]["sequence"])
        return int(self.move(reading, "see", view["reading"]["sequence"], cells=ids)["sequence"])
