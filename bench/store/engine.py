"""Connections to a store as it must be: nothing is committed that is not on the disk, no guard is passed by."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

from bench.errors import BenchError
from bench.store.address import StoreAddress
from bench.store.errors import StoreAway, StoreRefuses

PATIENCE_S = 30
"""Real seconds that a writer waits for the others."""

_CONNECT_S = 5

_CACHE_KIB, _LOG_PAGES = 32 * 1024, 4000
"""Of SQLite: a batch of an import has 14 MB, and is written twice where it has no room; the log of writes goes into
the file at 16 MB, once for each such batch."""


def open_engine(address: StoreAddress, *, may_create: bool = False) -> Engine:
    """Raises ``BenchError`` for an SQLite file that is not there (it is made only with ``may_create``), and for
    PostgreSQL without its driver."""
    if address.path is not None:
        return _sqlite(address.path, may_create)
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise BenchError(f"store {address}", expected="the driver psycopg", seen="none",
                         do="pip install 'mcm-bench[postgresql]'") from error
    options = f"-c synchronous_commit=on -c TimeZone=UTC -c lock_timeout={PATIENCE_S}s"
    return create_engine(address.url, pool_pre_ping=True, connect_args={
        "connect_timeout": _CONNECT_S, "options": options, "application_name": "mcm-bench",
        "keepalives_idle": _CONNECT_S, "keepalives_interval": _CONNECT_S, "keepalives_count": 2,
        "tcp_user_timeout": PATIENCE_S * 1000})


def _sqlite(path: Path, may_create: bool) -> Engine:
    if not may_create and not path.is_file():
        raise StoreAway(f"store {path}", expected="the file", seen="none",
                        do="bring back the disk that it is on, or make a store with mcm-bench records create")

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode={'rwc' if may_create else 'rw'}", uri=True,
                                     timeout=PATIENCE_S, isolation_level=None, check_same_thread=False)
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")    # what was altered, too
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise sqlite3.OperationalError("its disk can't have a write-ahead log")
        for pragma in ("synchronous = FULL", "foreign_keys = ON", "recursive_triggers = ON", "trusted_schema = OFF",
                       f"cache_size = -{_CACHE_KIB}", f"wal_autocheckpoint = {_LOG_PAGES}"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:    # the driver itself would begin too late
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")

    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction in which nobody else writes."""
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        if engine.dialect.name != "sqlite":    # of any number that nobody else has
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(6110)")
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """The store as it is now, whatever is written meanwhile."""
    options: dict[str, Any] = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


@contextmanager
def told(address: StoreAddress) -> Iterator[None]:
    """What goes wrong with the database in one sentence: whether to try it again (``StoreAway``) or never."""
    subject, do = f"store {address}", "see to it; what is to be stored waits, mcm-bench records flush stores it"
    try:
        yield
    except (IntegrityError, DataError) as error:
        raise StoreRefuses(subject, expected="a record that fits it", seen=_first_line(error.orig),
                           do="look at the record") from error
    except OverflowError as error:    # SQLite's driver, of a number that no column takes
        raise StoreRefuses(subject, expected="a record that fits it", seen=_first_line(error),
                           do="look at the record") from error
    except DBAPIError as error:
        raise StoreAway(subject, expected="to read and write it", seen=_first_line(error.orig), do=do) from error
    except (SQLAlchemyError, sqlite3.Error, UnicodeError) as error:
        raise StoreAway(subject, expected="to read and write it", seen=_first_line(error), do=do) from error


def _first_line(error: BaseException | None) -> str:
    """Without the values that were to be written."""
    lines = str(error).strip().splitlines()
    return ascii(lines[0][:200])[1:-1] if lines else type(error).__name__
