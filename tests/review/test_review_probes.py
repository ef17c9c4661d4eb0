"""Whether the desk can work, as a watcher asks it; and whose word of an address is believed."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from buffycoat.review import accounts
from buffycoat.review.api import probes
from buffycoat.review.app import create_app
from buffycoat.review.desk import Desk
from buffycoat.review.serve import _spool_in
from tests.review.clients import PASSWORD, Page
from tests.review.desks import make_desk


def _ready(desk: Desk) -> tuple[int, dict[str, bool]]:
    answer = TestClient(create_app(desk), base_url="http://127.0.0.1:8350").get("/ready")
    assert answer.json()["ready"] is (answer.status_code == 200)
    return answer.status_code, answer.json()["checks"]


def test_a_desk_is_ready_when_database_schema_and_bundle_are(desk: Desk) -> None:
    assert _ready(desk) == (200, {"database": True, "schema": True, "bundle": True})


def test_a_desk_without_its_bundle_is_not_ready(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", classifier=None, bundle=tmp_path / "nowhere")
    assert _ready(desk) == (503, {"database": True, "schema": True, "bundle": False})
    desk.close()


def test_a_desk_whose_database_was_changed_or_is_gone_is_not_ready(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with desk.database.touch() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert _ready(desk) == (503, {"database": True, "schema": False, "bundle": True})
    monkeypatch.setattr(probes, "reachable", lambda _: "no route to host")
    assert _ready(desk) == (503, {"database": False, "schema": False, "bundle": True})


@pytest.mark.parametrize(
    ("peer", "forwarded", "noted"),
    [
        ("10.0.0.2", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.2", "198.51.100.1, 203.0.113.7", "203.0.113.7"),  # what the client itself put in front
        ("10.0.0.2", "203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("10.0.0.2", "", "10.0.0.2"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # nobody's word but the proxy's
    ],
)
def test_an_address_is_believed_from_a_trusted_proxy_alone(
    tmp_path: Path, peer: str, forwarded: str, noted: str
) -> None:
    desk = make_desk(tmp_path / "desk", accounts=True, trusted_proxies=("10.0.0.2",))
    accounts.create(desk, None, "ada", "Ada", "administrator", PASSWORD)
    asking = Page(desk, client=(peer, 50_000))
    asking.post("/session", {"login": "ada", "password": "wrong wrong"}, 401, headers={"x-forwarded-for": forwarded})
    admin = Page(desk)
    admin.sign_in("ada")
    assert f"from {noted}:" in admin.get("/audit?kind=login.failed")["events"][0]["words"]
    desk.close()


def test_what_a_killed_desk_left_half_done_is_removed_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / "half").write_bytes(b"x")
    (tmp_path / "tmp" / "buffycoat-abc" / "corrections" / "images").mkdir(parents=True)
    (tmp_path / "tmp" / "buffycoat-abc" / "corrections" / "images" / "1.jpg").write_bytes(b"x")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "tmp" / "link").symlink_to(tmp_path / "elsewhere")
    _spool_in(tmp_path / "tmp")
    assert list((tmp_path / "tmp").iterdir()) == []
    assert (tmp_path / "elsewhere").is_dir()


def test_signing_out_empties_the_browsers_cache(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", accounts=True)
    accounts.create(desk, None, "ada", "Ada", "administrator", PASSWORD)
    page = Page(desk)
    page.sign_in("ada")
    assert page.http.delete("/api/v1/session").headers["clear-site-data"] == '"cache"'
    desk.close()
