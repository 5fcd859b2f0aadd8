"""A store of an older bench becomes one of this bench's, and nothing in its ledger changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, create_engine, insert, inspect, select
from test_store import found, verified

from bench.errors import BenchError
from bench.store import guards
from bench.store.address import StoreAddress
from bench.store.anchor import Head
from bench.store.deposit import Depot
from bench.store.engine import open_engine, writing
from bench.store.store import MIGRATIONS, alembic, create, renew
from bench.store.tables import METADATA, REVISION

V1 = Path(__file__).parents[1] / "data" / "records" / "store_v1.db"
HEAD_OF_V1 = Head.of("7:1437407c2589fff8896ffe3ef419a555bae9b8d5096f047a9a15c7f660f73838")
"""What the anchor said when the file was made."""


@pytest.fixture
def old(address: StoreAddress) -> Depot:
    """A store as the first bench with one has written it; in PostgreSQL a copy of the same."""
    if address.path is not None:
        shutil.copy(V1, address.path)
        return Depot(address)
    with create_engine(f"sqlite:///{V1}").connect() as source, writing(open_engine(address)) as connection:
        alembic(connection, "v1")
        tables = MetaData()
        tables.reflect(source)
        for table in tables.sorted_tables:
            rows = [dict(row) for row in source.execute(select(table)).mappings()]
            if rows and table.name != "alembic_version":
                connection.execute(insert(table), rows)
    return Depot(address)


def test_a_store_of_version_1_is_migrated(old: Depot) -> None:
    with pytest.raises(BenchError, match=r"expected revision v2, saw revision v1; .*mcm-bench records migrate"):
        old.open()
    assert renew(old.address) == ("v1", REVISION)
    assert renew(old.address) == (REVISION, REVISION)
    old.anchor.move(HEAD_OF_V1)
    report = verified(old)
    assert (report.findings, report.runs, report.head) == ([], 6, HEAD_OF_V1)
    assert [(row["unit_serial"], row["verdict"], row["first_fail"]) for row in found(old, verdict="fail")] == [
        ("94193A0400000002", "fail", "power.sleep.current")]
    assert len(found(old, instrument="MY1")) == 5
    with old.open().reading() as connection:
        assert guards.missing(connection) == []


def test_a_store_of_a_newer_bench_is_left_alone(depot: Depot) -> None:
    with depot.open().writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'v99'")
    for use in (Depot(depot.address).open, lambda: renew(depot.address)):
        with pytest.raises(BenchError, match=r"expected revision v2, saw revision v99; .*install a newer bench"):
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
