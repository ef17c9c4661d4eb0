"""Keeping a desk: migrations, backup and restore over both databases, the command line."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from typer.testing import CliRunner

from buffycoat.cli.main import app
from buffycoat.errors import DataError, OutputError, UsageError
from buffycoat.review import accounts, slides
from buffycoat.review.backup import back_up, restore
from buffycoat.review.database import Database
from buffycoat.review.desk import Desk
from buffycoat.review.schema import Base
from buffycoat.review.serve import bound, refuse_unsafe
from buffycoat.review.settings import ReviewSettings
from buffycoat.review.sign_in import HERE
from buffycoat.review.verify import verify
from tests.review.clients import PASSWORD, Page
from tests.review.desks import drawn_slide, make_desk


def _some_work(desk: Desk) -> dict[str, Any]:
    slide = drawn_slide(desk, fields=2)
    page = Page(desk)
    reading = page.read(slide.id)["id"]
    page.sign(reading, page.see_all(reading))
    drawn_slide(desk, fields=1, name="Another")
    desk_view: dict[str, Any] = page.get(f"/readings/{reading}")
    return desk_view


def test_migrations_make_the_tables_that_the_program_uses(any_desk: Desk) -> None:
    with any_desk.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_starting_again_changes_nothing(any_desk: Desk) -> None:
    view = _some_work(any_desk)
    any_desk.close()
    again = Desk(any_desk.settings)
    assert Page(again).get(f"/readings/{view['reading']['id']}") == view
    again.close()


def test_a_database_of_a_newer_version_is_left_alone(desk: Desk) -> None:
    with desk.database.touch() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DataError, match="9999"):
        Desk(desk.settings)


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "postgresql+asyncpg://x/y"])
def test_an_address_that_makes_no_sense_is_told(url: str) -> None:
    with pytest.raises(UsageError):
        Database(url)


@pytest.mark.slow
def test_a_backup_restores_to_the_same_desk(any_desk: Desk, tmp_path: Path) -> None:
    view = _some_work(any_desk)
    held = back_up(any_desk, tmp_path / "backup.zip")
    assert held["images"] == 2
    other = make_desk(tmp_path / "restored")
    assert restore(other, tmp_path / "backup.zip") == held
    assert verify(other).faults == []
    assert Page(other).get(f"/readings/{view['reading']['id']}") == view
    slides.create(other, HERE, "Life goes on")
    assert verify(other).sound
    other.close()
    with pytest.raises(OutputError):
        back_up(any_desk, tmp_path / "backup.zip")


@pytest.mark.slow
def test_a_backup_moves_from_sqlite_to_postgresql(desk: Desk, postgres_url: str, tmp_path: Path) -> None:
    view = _some_work(desk)
    back_up(desk, tmp_path / "backup.zip")
    other = make_desk(tmp_path / "restored", database=postgres_url)
    restore(other, tmp_path / "backup.zip")
    assert verify(other).faults == []
    assert Page(other).get(f"/readings/{view['reading']['id']}") == view
    other.close()


@pytest.mark.slow
def test_a_restore_needs_an_empty_desk_and_a_whole_backup(desk: Desk, tmp_path: Path) -> None:
    _some_work(desk)
    back_up(desk, tmp_path / "backup.zip")
    with pytest.raises(DataError, match="not empty"):
        restore(desk, tmp_path / "backup.zip")
    (tmp_path / "broken.zip").write_bytes((tmp_path / "backup.zip").read_bytes()[:-500])
    empty = make_desk(tmp_path / "empty")
    with pytest.raises(DataError):
        restore(empty, tmp_path / "broken.zip")
    with pytest.raises(DataError):
        restore(empty, tmp_path / "nowhere.zip")
    empty.close()


@pytest.mark.slow
def test_a_backup_that_was_tampered_with_does_not_pass(desk: Desk, tmp_path: Path) -> None:
    _some_work(desk)
    back_up(desk, tmp_path / "backup.zip")
    with zipfile.ZipFile(tmp_path / "backup.zip") as whole, zipfile.ZipFile(tmp_path / "forged.zip", "w") as forged:
        for name in whole.namelist():
            content = whole.read(name)
            if name == "events.jsonl":
                content = content.replace(b"A. Reader", b"B. Forger")
            forged.writestr(name, content)
    other = make_desk(tmp_path / "other")
    restore(other, tmp_path / "forged.zip")
    assert any("was changed" in fault for fault in verify(other).faults)
    other.close()


def test_a_desk_that_others_can_reach_needs_accounts(tmp_path: Path) -> None:
    open_desk = make_desk(tmp_path / "one", host="0.0.0.0")  # noqa: S104 - to be refused
    with pytest.raises(UsageError, match="no accounts"):
        refuse_unsafe(open_desk)
    open_desk.close()
    guarded = make_desk(tmp_path / "two", host="0.0.0.0", accounts=True)  # noqa: S104 - as above
    with pytest.raises(UsageError, match="administrator"):
        refuse_unsafe(guarded)
    accounts.create(guarded, None, "ada", "Ada", "administrator", PASSWORD)
    refuse_unsafe(guarded)
    guarded.close()


def test_a_port_that_is_taken_is_told() -> None:
    first = bound("127.0.0.1", 0)
    with pytest.raises(OutputError, match="cannot listen"):
        bound("127.0.0.1", first.getsockname()[1])
    first.close()


@pytest.mark.slow
def test_upkeep_from_the_command_line(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk")
    _some_work(desk)
    desk.close()
    (tmp_path / "password").write_text(PASSWORD + "\n")

    def call(*words: str, folder: str = "desk", code: int = 0) -> str:
        done = CliRunner().invoke(app, ["review", *words, "--folder", str(tmp_path / folder)])
        assert done.exit_code == code, (done.output, done.exception)
        return done.output

    assert "Sound" in call("verify")
    assert json.loads(call("verify", "--json"))["faults"] == []
    assert "Derived anew" in call("rebuild")
    call("account", "add", "ada", "--role", "administrator", "--password-file", str(tmp_path / "password"))
    assert "ada" in call("account", "list")
    call("account", "password", "ada", "--password-file", str(tmp_path / "password"))
    call("backup", str(tmp_path / "backup.zip"))
    assert "sound" in call("restore", str(tmp_path / "backup.zip"), folder="other")
    assert "ada" in call("account", "list", folder="other")
    call("give-back", str(tmp_path / "set"), "--quiet")
    assert (tmp_path / "set" / "labels.csv").is_file()
    shutil.rmtree(tmp_path / "desk" / "images")
    call("verify", "--quiet", code=1)


@pytest.mark.parametrize("words", ["verify", "rebuild", "backup to.zip", "give-back set", "account list"])
def test_upkeep_of_a_desk_that_is_not_there_is_refused_and_makes_none(tmp_path: Path, words: str) -> None:
    nowhere = tmp_path / "nowhere"
    done = CliRunner().invoke(app, ["review", *words.split(), "--folder", str(nowhere)])
    assert isinstance(done.exception, DataError)
    assert "no review desk" in done.exception.what
    assert not nowhere.exists()


@pytest.mark.slow
def test_an_empty_database_is_no_desk(postgres_url: str, tmp_path: Path) -> None:
    settings = ReviewSettings(folder=tmp_path / "desk", database=postgres_url)
    with pytest.raises(DataError, match="no review desk in the database"):
        Desk.existing(settings)
    Desk(settings).close()
    Desk.existing(settings).close()


@pytest.mark.slow
def test_a_new_password_says_that_it_opens_an_ended_account(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk")
    accounts.create(desk, None, "grace", "Grace", "administrator", PASSWORD)
    made = accounts.create(desk, None, "ada", "Ada", "reviewer", PASSWORD)
    accounts.change(desk, None, made.id, active=False)
    desk.close()
    (tmp_path / "password").write_text(PASSWORD + "\n")
    words = ["review", "account", "password", "ada", "--password-file", str(tmp_path / "password")]
    first, again = (CliRunner().invoke(app, [*words, "--folder", str(tmp_path / "desk")]).output for _ in range(2))
    assert "it is open again" in first
    assert "open again" not in again


def test_serving_in_the_open_without_accounts_is_refused_in_words(tmp_path: Path) -> None:
    words = ["review", "--folder", str(tmp_path / "desk"), "--host", "0.0.0.0", "--no-open"]  # noqa: S104 - refused
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, UsageError)
    assert "no accounts" in str(done.exception)
