"""Bringing a database to the shape this version expects, when the desk starts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from buffycoat.errors import DataError, OutputError

if TYPE_CHECKING:
    from alembic.config import Config

    from buffycoat.review.database import Database

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x6275_6666_7964


def config() -> Config:
    """Return Alembic's configuration: the scripts are part of the package, there is no file beside it."""
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return made


def upgrade(database: Database) -> None:
    """Bring the database to the newest shape; two desks that start at once wait for each other.

    Raises
    ------
    DataError
        The database was made by a newer version, or is something else.
    OutputError
        It cannot be opened or written.
    """
    from alembic import command
    from alembic.script import ScriptDirectory

    settings = config()
    try:
        with database.engine.connect().execution_options(writes=True) as connection, connection.begin():
            if not database.sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            found = current(database, connection)
            known = {script.revision for script in ScriptDirectory.from_config(settings).walk_revisions()}
            if found is not None and found not in known:
                raise DataError(
                    f"The database has the shape {found!r}, which this version does not know.",
                    hint="It was used by a newer Buffycoat; use that one.",
                )
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")
    except DBAPIError as error:
        raise cannot_open(error) from error


def current(database: Database, connection: object = None) -> str | None:
    """Return the shape the database has now, or None of an empty one.

    Raises
    ------
    OutputError
        It cannot be opened.
    """
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Connection

    if isinstance(connection, Connection):
        return MigrationContext.configure(connection).get_current_revision()
    try:
        with database.engine.connect() as own:
            return MigrationContext.configure(own).get_current_revision()
    except DBAPIError as error:
        raise cannot_open(error) from error


def cannot_open(error: DBAPIError) -> OutputError:
    """Return what to say of a database that does not open."""
    return OutputError(
        f"The database cannot be opened: {str(error.orig).splitlines()[0][:300]}",
        hint="Check the address, that the server runs, and that this user may write there.",
    )


def newest() -> str | None:
    """Return the shape this version expects."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(config()).get_current_head()
