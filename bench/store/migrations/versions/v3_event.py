"""What people did besides running units: overrides, events at a station; and which units went through more."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, Integer, Text

revision = "v3"
down_revision = "v2"

NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("run", Column("sampling", Text, nullable=False, server_default=""))
    op.create_index("run_of_station", "run", ["station", "sequence"])
    op.create_index("run_of_process", "run", ["process", "sequence"])
    names = ("kind", "who", "role", "what", "why", "place", "unit")
    op.create_table("event", Column("sequence", NUMBER, ForeignKey("ledger.sequence"), primary_key=True,
                                    autoincrement=False),
                    Column("event_id", Text, nullable=False, unique=True),
                    *(Column(name, Text, nullable=False) for name in names), sqlite_strict=True)
    op.create_index("event_by_kind", "event", ["kind", "place"])
