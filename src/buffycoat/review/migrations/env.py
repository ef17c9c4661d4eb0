"""Alembic's entry: the connection is handed in by :mod:`buffycoat.review.migrate`."""

from alembic import context

from buffycoat.review.schema import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
