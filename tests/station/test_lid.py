"""A lid contact at a serial adapter's input: the twin's cable, over RFC 2217."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.clock import Clock, WallClock
from bench.commands.lock import claims
from bench.commands.station.lid import Lid
from bench.errors import BenchError
from bench.station_file import LidTable, StationFile
from bench.twin.wires.rfc2217 import Rfc2217Wire

PATIENCE_S = 60


@pytest.fixture
def clock() -> Iterator[Clock]:
    with WallClock() as clock:
        yield clock


@pytest.mark.parametrize("closed", [True, False])
def test_a_lid_that_closes_is_told_once_and_a_lost_contact_too(clock: Clock, closed: bool) -> None:
    wire = clock.call(lambda: Rfc2217Wire(clock, lambda _: None))
    told: queue.Queue[str] = queue.Queue()
    lid = Lid(LidTable(port=wire.path, closed=closed), lambda: told.put("closed"), told.put)
    try:
        assert told.get(timeout=PATIENCE_S) == "", "it can be read"
        for _ in range(3):
            clock.call(lambda: wire.set_lines(cts=not closed))
            _seen(lid, closed=False)
            clock.call(lambda: wire.set_lines(cts=closed))
            assert told.get(timeout=PATIENCE_S) == "closed"
            assert told.empty()
        clock.call(wire.close)
        assert "lid contact at rfc2217://" in told.get(timeout=PATIENCE_S)
    finally:
        lid.stop()


def _seen(lid: Lid, *, closed: bool) -> None:
    while lid.is_closed is not closed:
        time.sleep(0.01)


def test_a_station_file_names_it(tmp_path: Path) -> None:
    path = tmp_path / "place.toml"
    (tmp_path / "delivery.toml").touch()
    text = ('name = "place 1"\n[commissioning]\nover = "network"\ndelivery = "delivery.toml"\n[unit]\n'
            'deveui = "94193A0400000001"\nkeys = "keys.toml"\n[lid]\nport = "{}"\nline = "dsr"\n')
    path.write_text(text.format("/dev/ttyUSB3"), "utf-8")
    file = StationFile.load(path)
    assert (file.lid, file.lid and file.lid.closed) == (LidTable(port="/dev/ttyUSB3", line="dsr"), True)
    assert "lid contact at /dev/ttyUSB3" in [claim.name for claim in claims(file)]
    path.write_text(text.format("spy:///tmp/x"), "utf-8")
    with pytest.raises(BenchError, match=r"lid.port: expected a device such as /dev/ttyUSB0, rfc2217"):
        StationFile.load(path)
