"""Run by Alembic: in the connection, and the transaction, of who migrates."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
