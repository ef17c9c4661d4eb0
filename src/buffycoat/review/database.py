"""The database: SQLite beside the photographs, or PostgreSQL by address; the same code for both.

Those who write wait for each other: SQLite takes its write lock when the transaction begins, PostgreSQL an advisory
lock. The log has one order, and a transaction that was begun can be finished.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, String, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import GenericFunction

from buffycoat.errors import UsageError

WRITERS_LOCK = 0x6275_6666_7963  # one number for the project: the log has one writer at a time
_BUSY_SECONDS = 60
_HAS_ICU = "buffycoat_has_icu"


class Database:
    """One database.

    Parameters
    ----------
    url
        ``sqlite:///path`` or ``postgresql://user:password@host/name``.

    Raises
    ------
    UsageError
        The address makes no sense, or its driver is not installed.
    """

    def __init__(self, url: str, *, connections: int = 48) -> None:
        self.engine = _engine(url, connections)
        self.sqlite = self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a transaction that sees one moment of the database and changes nothing."""
        options: dict[str, Any] = {} if self.sqlite else {"isolation_level": "REPEATABLE READ"}
        with self.engine.connect().execution_options(**options) as connection, Session(connection) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a transaction that alone writes to the log; committed at the end, undone by any exception."""
        with self.touch() as session:
            if not self.sqlite:
                session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": WRITERS_LOCK})
            yield session

    @contextmanager
    def touch(self) -> Iterator[Session]:
        """Open a transaction for the house-keeping tables, which does not wait for the log's writers."""
        opened = self.engine.connect().execution_options(writes=True)
        with opened as connection, connection.begin(), Session(connection) as session:
            yield session
            session.flush()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _engine(url: str, connections: int) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise UsageError(
            "The address of the database makes no sense.",
            hint="Expected sqlite:///path/to/file or postgresql://user:password@host/name.",
        ) from error
    if parsed.drivername in {"postgres", "postgresql"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        raise UsageError(f"Databases of the kind {parsed.get_backend_name()!r} are not supported.")
    try:
        if parsed.get_backend_name() == "sqlite":
            engine = create_engine(parsed, connect_args={"timeout": _BUSY_SECONDS}, pool_size=connections)
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        engine = create_engine(parsed, pool_size=connections, max_overflow=8, pool_pre_ping=True)
        event.listen(engine, "first_connect", lambda connection, _record: _ask_for_icu(engine, connection))
        return engine
    except ModuleNotFoundError as error:
        raise UsageError(
            "PostgreSQL needs a driver that is not installed.", hint="pip install 'buffycoat[postgres]'"
        ) from error


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver's guess
    connection.create_function("lower", 1, _lower, deterministic=True)  # SQLite's own knows ASCII only
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # what was acknowledged survives a power cut
        "foreign_keys=ON",
        f"busy_timeout={_BUSY_SECONDS * 1000}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


class folded(GenericFunction[str]):  # noqa: N801 - a function of SQL
    """Small letters of any alphabet, in both databases."""

    type = String()
    inherit_cache = True


@compiles(folded)
def _folded(element: Any, compiler: Any, **more: Any) -> str:
    """PostgreSQL's own knows the letters of its locale, which may be none; with ICU, which it mostly has, all."""
    collation = ' COLLATE "und-x-icu"' if getattr(compiler.dialect, _HAS_ICU, False) else ""
    return f"lower({compiler.process(element.clauses, **more)}{collation})"


def _ask_for_icu(engine: Engine, connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT count(*) FROM pg_collation WHERE collname = 'und-x-icu'")
    setattr(engine.dialect, _HAS_ICU, bool(cursor.fetchone()[0]))
    cursor.close()
    connection.rollback()


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def reachable(database: Database) -> str | None:
    """Return None when the database answers, or a reason fit for an administrator."""
    try:
        with database.read() as session:
            session.execute(text("SELECT 1"))
    except OperationalError as error:
        return str(error.orig).splitlines()[0][:200]
    return None
