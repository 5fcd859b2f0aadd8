"""A store of an older bench becomes one of this bench's, and nothing in its ledger changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from records import body
from sqlalchemy import MetaData, create_engine, insert, inspect, select
from test_store import found, verified

from bench.errors import BenchError
from bench.store import guards, search
from bench.store.address import StoreAddress
from bench.store.anchor import Head
from bench.store.deposit import Depot
from bench.store.engine import open_engine, writing
from bench.store.store import MIGRATIONS, alembic, create, renew
from bench.store.tables import EVENT, METADATA, REVISION

KEPT = Path(__file__).parents[1] / "data" / "records"
HEADS = {"v1": Head.of("7:1437407c2589fff8896ffe3ef419a555bae9b8d5096f047a9a15c7f660f73838"),
         "v2": Head.of("8:8741722c6c3c834ac10b2c2c63891d2014f3052db9c9d828926685df7691ce3a")}
"""What the anchor said when each file was made."""


def old(address: StoreAddress, version: str) -> Depot:
    """A store as the bench of that version has written it; in PostgreSQL a copy of the same."""
    path = KEPT / f"store_{version}.db"
    if address.path is not None:
        shutil.copy(path, address.path)
        return Depot(address)
    with create_engine(f"sqlite:///{path}").connect() as source, writing(open_engine(address)) as connection:
        alembic(connection, version)
        tables = MetaData()
        tables.reflect(source)
        for table in tables.sorted_tables:
            rows = [dict(row) for row in source.execute(select(table)).mappings()]
            if rows and table.name != "alembic_version":
                connection.execute(insert(table), rows)
    return Depot(address)


@pytest.mark.parametrize("version", HEADS)
def test_a_store_of_an_older_bench_is_migrated(address: StoreAddress, version: str) -> None:
    depot = old(address, version)
    with pytest.raises(BenchError, match=rf"expected revision v3, saw revision {version}; .*mcm-bench records migrate"):
        depot.open()
    assert renew(depot.address) == (version, REVISION)
    assert renew(depot.address) == (REVISION, REVISION)
    depot.anchor.move(HEADS[version])
    report = verified(depot)
    assert (report.findings, report.runs, report.head) == ([], 6, HEADS[version])
    assert [(row["unit_serial"], row["verdict"], row["first_fail"]) for row in found(depot, verdict="fail")] == [
        ("94193A0400000002", "fail", "power.sleep.current")]
    assert len(found(depot, instrument="MY1")) == 5
    with depot.open().reading() as connection:
        assert guards.missing(connection) == []
        events = connection.execute(select(EVENT.c.kind, EVENT.c.who).order_by(EVENT.c.sequence)).all()
        shown = search.show(connection, "run-1")
    assert events == [("created", ""), *([("thinned", "anna@place-1")] if version == "v2" else [])]
    assert shown["thinned"] == (["evidence/life.json"] if version == "v2" else [])


def test_a_migrated_store_goes_on(address: StoreAddress) -> None:
    """What was written before and what is written now are one chain."""
    depot = old(address, "v2")
    depot.anchor.move(HEADS["v2"])
    renew(depot.address)
    assert depot.deposit(body(9)).stored[0].head.sequence == 9
    depot.note("override", {"who": "anna", "role": "lead", "what": "retest.again", "why": "other", "unit": "U"})
    assert (verified(depot).findings, depot.anchor.read()) == ([], verified(depot).head)


def test_a_store_of_a_newer_bench_is_left_alone(depot: Depot) -> None:
    with depot.open().writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'v99'")
    for use in (Depot(depot.address).open, lambda: renew(depot.address)):
        with pytest.raises(BenchError, match=r"expected revision v3, saw revision v99; .*install a newer bench"):
            use()


def test_the_tables_are_those_of_the_newest_migration(address: StoreAddress) -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == REVISION
    with create(address, simulated=False).reading() as connection:
        there = inspect(connection)
        for table in METADATA.sorted_tables:
            columns = {column["name"]: column["nullable"] for column in there.get_columns(table.name)}
            assert columns == {column.name: column.nullable for column in table.columns}
            assert {index["name"] for index in there.get_indexes(table.name) if not index["unique"]} == {
                index.name for index in table.indexes}
        if connection.dialect.name == "sqlite":
            strict = connection.exec_driver_sql("SELECT name FROM pragma_table_list WHERE strict = 1").scalars().all()
            assert {table.name for table in METADATA.sorted_tables} <= set(strict)
