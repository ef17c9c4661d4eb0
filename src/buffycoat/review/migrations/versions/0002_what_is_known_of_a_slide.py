"""What a laboratory knows of a slide; and photographs that could not be used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.String(64)
WORD = sa.String(40)
LINE = sa.String(400)


def upgrade() -> None:
    """Add columns that are empty for every slide so far, and an empty table."""
    for column in (
        sa.Column("specimen", ID, nullable=True),
        sa.Column("subject", ID, nullable=True),
        sa.Column("accession", ID, nullable=True),
        sa.Column("collected", WORD, nullable=True),
        sa.Column("wbc", sa.Double(), nullable=True),
    ):
        op.add_column("slides", column)
    op.create_table(
        "not_taken",
        sa.Column("event_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("slide_id", ID, nullable=False),
        sa.Column("name", LINE, nullable=False),
        sa.Column("reason", LINE, nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_not_taken"),
        sa.ForeignKeyConstraint(["slide_id"], ["slides.id"], name="fk_not_taken_slide_id"),
    )
    op.create_index("ix_not_taken_slide_id", "not_taken", ["slide_id"])
