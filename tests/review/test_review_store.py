"""What lies on the disk: for its owner alone, and there before it is acknowledged."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buffycoat.review import log
from buffycoat.review.backup import back_up, restore
from buffycoat.review.desk import Desk
from buffycoat.review.seals import SEALS
from tests.review.clients import Page
from tests.review.desks import drawn_slide, make_desk, photograph


def _mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


def test_photographs_crops_seals_and_backups_are_for_their_owner_alone(desk: Desk, page: Page, tmp_path: Path) -> None:
    desk.settings.folder.chmod(0o755)  # somebody's folder that was there already
    slide = drawn_slide(desk, fields=1)
    reading = page.read(slide.id)["id"]
    page.sign(reading, page.see_all(reading))
    kept = [path for path in desk.settings.folder.rglob("*") if path.is_file()]
    assert {path.parent.parent.name for path in kept} >= {"images", "crops"}
    assert desk.settings.folder / SEALS in kept
    back_up(desk, tmp_path / "backup.zip")
    other = make_desk(tmp_path / "other")
    restore(other, tmp_path / "backup.zip")
    restored = [path for path in other.settings.folder.rglob("*") if path.is_file()]
    for path in (*kept, *restored, tmp_path / "backup.zip"):
        assert _mode(path) == "0o600", path
    other.close()


def test_a_photograph_is_on_the_disk_before_it_is_acknowledged(
    desk: Desk, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    slide = page.post("/slides", {"name": "x"}, 201)["id"]
    append, sync = log.append, os.fsync

    def noted(session, kind, *given, **named):  # type: ignore[no-untyped-def]
        done.append(kind)
        return append(session, kind, *given, **named)

    def synced(handle: int) -> None:
        done.append(Path(f"/proc/self/fd/{handle}").readlink().parent.name)
        sync(handle)

    monkeypatch.setattr(log, "append", noted)
    monkeypatch.setattr(os, "fsync", synced)
    for _ in range(2):  # the second time it is there already, perhaps written by a request that was stopped
        done.clear()
        added = page.upload(slide, [("a.jpg", photograph(1))])
        digest = next((desk.settings.folder / "images").rglob("?" * 64)).name
        assert done[:2] == [digest[:2], "images"]  # the file in its folder, then the folder's own names
        assert (done[-1] == "field.added") == bool(added["added"])
