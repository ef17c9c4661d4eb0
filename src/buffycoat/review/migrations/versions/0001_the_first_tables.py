"""The first tables; and a guard that keeps the log append-only inside the database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.String(64)
WORD = sa.String(40)
LINE = sa.String(400)


def upgrade() -> None:
    """Make everything."""
    _log()
    _slides()
    _readings()
    _house()


def _log() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", LINE, nullable=False),
        sa.Column("actor_id", ID, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("slide_id", ID, nullable=True),
        sa.Column("reading_id", ID, nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=True),
        sa.Column("request_id", ID, nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("reading_id", "sequence", name="uq_events_reading_id_sequence"),
        sa.UniqueConstraint("request_id", name="uq_events_request_id"),
    )
    op.create_index("ix_events_kind", "events", ["kind"])
    op.create_index("ix_events_slide_id", "events", ["slide_id"])
    if op.get_bind().dialect.name == "sqlite":
        for deed in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER events_no_{deed.lower()} BEFORE {deed} ON events "
                "BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION buffycoat_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the log is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events "
        "FOR EACH STATEMENT EXECUTE FUNCTION buffycoat_append_only()"
    )


def _slides() -> None:
    op.create_table(
        "slides",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", LINE, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("readings_wanted", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", LINE, nullable=False),
        sa.Column("created_by_id", ID, nullable=False),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_slides"),
    )
    op.create_index("ix_slides_created_at", "slides", ["created_at"])
    op.create_table(
        "fields",
        sa.Column("id", ID, nullable=False),
        sa.Column("slide_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", LINE, nullable=False),
        sa.Column("image", ID, nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("reason", LINE, nullable=True),
        sa.Column("bundle", LINE, nullable=True),
        sa.Column("framing", WORD, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_fields"),
        sa.ForeignKeyConstraint(["slide_id"], ["slides.id"], name="fk_fields_slide_id"),
        sa.UniqueConstraint("slide_id", "number", name="uq_fields_slide_id_number"),
        sa.UniqueConstraint("slide_id", "image", name="uq_fields_slide_id_image"),
    )
    op.create_index("ix_fields_image", "fields", ["image"])


def _readings() -> None:
    op.create_table(
        "readings",
        sa.Column("id", ID, nullable=False),
        sa.Column("slide_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("reader", LINE, nullable=False),
        sa.Column("reader_id", LINE, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("signed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_readings"),
        sa.ForeignKeyConstraint(["slide_id"], ["slides.id"], name="fk_readings_slide_id"),
        sa.UniqueConstraint("slide_id", "number", name="uq_readings_slide_id_number"),
    )
    op.create_index("ix_readings_signed_at", "readings", ["signed_at"])
    op.create_table(
        "cells",
        sa.Column("id", sa.String(96), nullable=False),
        sa.Column("field_id", ID, nullable=False),
        sa.Column("slide_id", ID, nullable=False),
        sa.Column("reading_id", ID, nullable=True),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("x0", sa.Integer(), nullable=False),
        sa.Column("y0", sa.Integer(), nullable=False),
        sa.Column("x1", sa.Integer(), nullable=False),
        sa.Column("y1", sa.Integer(), nullable=False),
        sa.Column("label", LINE, nullable=False),
        sa.Column("best", LINE, nullable=True),
        sa.Column("probability", sa.Double(), nullable=True),
        sa.Column("probabilities", sa.Text(), nullable=False),
        sa.Column("conformal", sa.Text(), nullable=False),
        sa.Column("reason", WORD, nullable=True),
        sa.Column("unlikeness", sa.Double(), nullable=True),
        sa.Column("touches_border", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cells"),
        sa.ForeignKeyConstraint(["field_id"], ["fields.id"], name="fk_cells_field_id"),
        sa.ForeignKeyConstraint(["slide_id"], ["slides.id"], name="fk_cells_slide_id"),
        sa.ForeignKeyConstraint(["reading_id"], ["readings.id"], name="fk_cells_reading_id"),
    )
    op.create_index("ix_cells_field_id", "cells", ["field_id"])
    op.create_index("ix_cells_slide_id", "cells", ["slide_id"])
    op.create_table(
        "marks",
        sa.Column("reading_id", ID, nullable=False),
        sa.Column("cell_id", sa.String(96), nullable=False),
        sa.Column("label", LINE, nullable=False),
        sa.Column("seen", sa.Boolean(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("reading_id", "cell_id", name="pk_marks"),
        sa.ForeignKeyConstraint(["reading_id"], ["readings.id"], name="fk_marks_reading_id"),
        sa.ForeignKeyConstraint(["cell_id"], ["cells.id"], name="fk_marks_cell_id"),
    )
    _of_reading("steps", sa.Column("undone", sa.Boolean(), nullable=False))
    _of_reading(
        "signatures",
        sa.Column("name", LINE, nullable=False),
        sa.Column("meaning", LINE, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("event_hash", sa.String(64), nullable=False),
    )
    _of_reading(
        "amendments",
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", LINE, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )


def _of_reading(name: str, *columns: sa.Column[object]) -> None:
    op.create_table(
        name,
        sa.Column("event_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reading_id", ID, nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("event_id", name=f"pk_{name}"),
        sa.ForeignKeyConstraint(["reading_id"], ["readings.id"], name=f"fk_{name}_reading_id"),
    )
    op.create_index(f"ix_{name}_reading_id", name, ["reading_id"])


def _house() -> None:
    op.create_table(
        "jobs",
        sa.Column("field_id", ID, nullable=False),
        sa.Column("slide_id", ID, nullable=False),
        sa.Column("image", ID, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("queued_at", sa.BigInteger(), nullable=False),
        sa.Column("lease", ID, nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("field_id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_state_queued_at", "jobs", ["state", "queued_at"])
    op.create_table(
        "accounts",
        sa.Column("id", ID, nullable=False),
        sa.Column("login", LINE, nullable=False),
        sa.Column("name", LINE, nullable=False),
        sa.Column("role", WORD, nullable=False),
        sa.Column("password", LINE, nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("login", name="uq_accounts_login"),
    )
    op.create_table(
        "sessions",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_sessions"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_sessions_account_id"),
    )
    op.create_index("ix_sessions_account_id", "sessions", ["account_id"])
    op.create_table(
        "tokens",
        sa.Column("id", ID, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("name", LINE, nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("hash", name="uq_tokens_hash"),
    )
    op.create_index("ix_tokens_account_id", "tokens", ["account_id"])
