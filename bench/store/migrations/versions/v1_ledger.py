"""The ledger, and what runs are found by."""

from __future__ import annotations

from alembic import op
from sqlalchemy import REAL, BigInteger, CheckConstraint, Column, Double, ForeignKey, Integer, Text

revision = "v1"
down_revision = None

NUMBER = BigInteger().with_variant(Integer(), "sqlite")
FLOAT: Double[float] = Double().with_variant(REAL(), "sqlite")


def text(*names: str) -> list[Column[object]]:
    return [Column(name, Text, nullable=False) for name in names]


def part(name: str, *columns: Column[object]) -> None:
    op.create_table(name, Column("sequence", NUMBER, ForeignKey("run.sequence"), primary_key=True),
                    Column("number", Integer, primary_key=True), *columns, sqlite_strict=True, sqlite_with_rowid=False)


def upgrade() -> None:
    op.create_table("store", Column("only_one", Integer, CheckConstraint("only_one = 1"), primary_key=True),
                    *text("id", "created"), Column("simulated", Integer, nullable=False, unique=True),
                    sqlite_strict=True)
    op.create_table("ledger", Column("sequence", NUMBER, primary_key=True, autoincrement=False),
                    *text("kind", "stored_at", "body", "prev_hash", "hash"), sqlite_strict=True)
    op.create_table(
        "run", Column("sequence", NUMBER, ForeignKey("ledger.sequence"), primary_key=True, autoincrement=False),
        Column("run_id", Text, nullable=False, unique=True),
        Column("simulated", Integer, ForeignKey("store.simulated"), nullable=False),
        Column("complete", Integer, CheckConstraint("complete = 1 OR verdict <> 'pass'"), nullable=False),
        Column("schema_version", Integer, nullable=False),
        *text("kind", "process", "unit_serial", "part_number", "hw_rev", "fw_version", "batch", "work_order"),
        *text("sequence_sha256", "limits_sha256", "bench_version", "bench_commit"),
        *text("station", "location", "slot", "operator", "shift", "started_at", "ended_at"),
        Column("duration_s", FLOAT, nullable=False),
        Column("attempt", Integer, nullable=False), *text("retest_of", "retest_reason", "verdict"),
        Column("bin", Integer, nullable=False), *text("message", "run_dir", "record_sha256"), sqlite_strict=True)
    op.create_index("run_of_unit", "run", ["unit_serial", "process"])
    op.create_index("run_started", "run", ["started_at"])
    op.create_index("run_of_order", "run", ["work_order"])
    part("phase", *text("name", "requirement_ids", "verdict", "error_text"), Column("device_time_s", FLOAT),
         Column("duration_s", FLOAT))
    part("measurement", Column("phase", Integer), Column("name", Text, nullable=False), Column("value", FLOAT),
         Column("unit", Text, nullable=False), Column("low", FLOAT), Column("high", FLOAT), Column("guard_band", FLOAT),
         Column("verdict", Text, nullable=False))
    op.create_index("measurement_by_name", "measurement", ["name"])
    part("artifact", *text("path", "sha256"))
