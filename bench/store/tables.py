"""The tables. ``ledger`` is the truth; ``run`` and those below it are for searching, and follow from it entirely.

Types are those that SQLite's STRICT tables and PostgreSQL both have; times are text, ISO 8601 in UTC.
"""

from __future__ import annotations

from sqlalchemy import (
    REAL,
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)

METADATA = MetaData()
REVISION = "v3"
"""The newest of ``migrations/versions``, whose tables these are."""

NUMBER = BigInteger().with_variant(Integer(), "sqlite")
FLOAT: Double[float] = Double().with_variant(REAL(), "sqlite")


def _table(name: str, *columns: Column[object] | CheckConstraint | Index, rowid: bool = True) -> Table:
    return Table(name, METADATA, *columns, sqlite_strict=True, sqlite_with_rowid=rowid)


def _text(*names: str) -> list[Column[object]]:
    return [Column(name, Text, nullable=False) for name in names]


STORE = _table("store", Column("only_one", Integer, CheckConstraint("only_one = 1"), primary_key=True),
               *_text("id", "created"), Column("simulated", Integer, nullable=False, unique=True))

LEDGER = _table("ledger", Column("sequence", NUMBER, primary_key=True, autoincrement=False),
                *_text("kind", "stored_at", "body", "prev_hash", "hash"))

RUN = _table(
    "run", Column("sequence", NUMBER, ForeignKey("ledger.sequence"), primary_key=True, autoincrement=False),
    Column("run_id", Text, nullable=False, unique=True),
    # One store has either simulated runs or real ones: the reference can't be had for the other kind.
    Column("simulated", Integer, ForeignKey("store.simulated"), nullable=False),
    Column("complete", Integer, CheckConstraint("complete = 1 OR verdict <> 'pass'"), nullable=False),
    Column("schema_version", Integer, nullable=False),
    *_text("kind", "process", "unit_serial", "part_number", "hw_rev", "fw_version", "batch", "work_order"),
    *_text("sequence_sha256", "limits_sha256", "bench_version", "bench_commit"),
    *_text("station", "location", "slot", "operator", "shift", "started_at", "ended_at"),
    Column("duration_s", FLOAT, nullable=False),
    Column("attempt", Integer, nullable=False), *_text("retest_of", "retest_reason", "verdict"),
    Column("bin", Integer, nullable=False), *_text("message", "run_dir", "record_sha256"),
    Column("first_fail", Text, nullable=False, server_default=""),
    Column("sampling", Text, nullable=False, server_default=""))
Index("run_of_unit", RUN.c.unit_serial, RUN.c.process)
Index("run_started", RUN.c.started_at)
Index("run_of_order", RUN.c.work_order)
Index("run_of_station", RUN.c.station, RUN.c.sequence)
Index("run_of_process", RUN.c.process, RUN.c.sequence)

EVENT = _table(
    "event", Column("sequence", NUMBER, ForeignKey("ledger.sequence"), primary_key=True, autoincrement=False),
    Column("event_id", Text, nullable=False, unique=True),
    *_text("kind", "who", "role", "what", "why", "place", "unit"))
"""Entries of the ledger that are no runs: who did what, and why."""
Index("event_by_kind", EVENT.c.kind, EVENT.c.place)


def _part(name: str, *columns: Column[object]) -> Table:
    """What a run has several of, numbered from 1."""
    return _table(name, Column("sequence", NUMBER, ForeignKey("run.sequence"), primary_key=True),
                  Column("number", Integer, primary_key=True), *columns, rowid=False)


PHASE = _part("phase", *_text("name", "requirement_ids", "verdict", "error_text"), Column("device_time_s", FLOAT),
              Column("duration_s", FLOAT))
MEASUREMENT = _part("measurement", Column("phase", Integer), Column("name", Text, nullable=False),
                    Column("value", FLOAT), Column("unit", Text, nullable=False), Column("low", FLOAT),
                    Column("high", FLOAT), Column("guard_band", FLOAT), Column("verdict", Text, nullable=False))
Index("measurement_by_name", MEASUREMENT.c.name)
ARTIFACT = _part("artifact", *_text("path", "sha256"))
INSTRUMENT = _part("instrument", *_text("name", "identity", "serial", "firmware", "calibration_due"))
Index("instrument_by_serial", INSTRUMENT.c.serial)

PARTS = (PHASE, MEASUREMENT, ARTIFACT, INSTRUMENT)
SEARCHED = (RUN, EVENT, *PARTS)
