"""Desks for the tests of the review room, on both databases."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from buffycoat.review import accounts
from buffycoat.review.desk import Desk
from tests.conftest import REQUIRE_REAL
from tests.review import postgres
from tests.review.clients import Page
from tests.review.desks import make_desk


@pytest.fixture(autouse=True)
def _quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords with little work: what is tested here is who gets in, not how long guessing takes."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(accounts, "_hasher", lambda: quick)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Return a running PostgreSQL; skipped where it is not installed, required in CI."""
    if postgres.binaries() is None:
        if os.environ.get(REQUIRE_REAL):
            pytest.fail("PostgreSQL is not installed (apt-get install postgresql)")
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    with postgres.cluster() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """Return the address of an empty database on it."""
    return postgres.new_database(postgres_server)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Return a desk without accounts, on SQLite."""
    made = make_desk(tmp_path / "desk")
    yield made
    made.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """Return the address of each database in turn: None for SQLite in the desk's folder."""
    found: str | None = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    return found


@pytest.fixture
def any_desk(database_url: str | None, tmp_path: Path) -> Iterator[Desk]:
    """Return a desk without accounts, once on each database."""
    made = make_desk(tmp_path / "desk", database=database_url)
    yield made
    made.close()


@pytest.fixture
def page(desk: Desk) -> Page:
    """Return a browser at the desk without accounts."""
    return Page(desk)
