"""The same tests on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import BINARIES, Server

from bench.store.address import StoreAddress
from bench.store.deposit import Depot
from bench.store.store import create


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    if not BINARIES:
        pytest.skip("PostgreSQL is missing (apt-get install postgresql): THE STORE IS TESTED ON SQLITE ONLY")
    server = Server()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> StoreAddress:
    """Where a store may be made."""
    is_file = request.param == "sqlite"
    text = str(tmp_path / "records.db") if is_file else request.getfixturevalue("postgres").database()
    return StoreAddress.of(text, tmp_path / "outside")


@pytest.fixture
def depot(address: StoreAddress) -> Depot:
    """An empty store for real runs, and what belongs to it."""
    depot = Depot(address)
    depot.accept(create(address, simulated=False))
    return depot
