"""What a unit failed in first, for a Pareto; and the instruments, for: which units did this one measure?"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, Integer, Text

revision = "v2"
down_revision = "v1"

NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("run", Column("first_fail", Text, nullable=False, server_default=""))
    names = ("name", "identity", "serial", "firmware", "calibration_due")
    op.create_table("instrument", Column("sequence", NUMBER, ForeignKey("run.sequence"), primary_key=True),
                    Column("number", Integer, primary_key=True),
                    *(Column(name, Text, nullable=False) for name in names),
                    sqlite_strict=True, sqlite_with_rowid=False)
    op.create_index("instrument_by_serial", "instrument", ["serial"])
