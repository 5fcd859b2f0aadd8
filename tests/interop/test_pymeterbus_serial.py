"""pyMeterBus's own serial recipe (ping, request, receive) reads the twin meter's M-Bus module."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import meterbus
import pytest
import serial

from bench.clock import Clock, WarpClock
from bench.timeline import Timeline
from bench.twin.meter.mbus_port import MBusPort
from bench.twin.meter.uh50 import UH50
from drivers.meter.mbus import MBusMaster


@pytest.fixture
def port() -> Iterator[tuple[Clock, MBusPort]]:
    with WarpClock() as clock:
        meter = UH50(clock, seed=11)
        meter.hold(energy=Decimal("326.062"), volume_m3=Decimal("1995.07"))
        meter.property_number = "70444600"
        port = clock.call(lambda: MBusPort(meter, clock, address=5))
        yield clock, port
        clock.call(port.close)


def _receive(line: serial.Serial) -> tuple[Decimal, Decimal]:
    """Energy in kWh and volume in m3 of the telegram that comes."""
    telegram = meterbus.load(meterbus.recv_frame(line, meterbus.FRAME_DATA_LENGTH))
    records = telegram.records
    assert len(records) == 40
    energy, volume = records[2], records[3]
    assert (energy.interpreted["unit"], volume.interpreted["unit"]) == ("MeasureUnit.WH", "MeasureUnit.M3")
    return Decimal(str(energy.parsed_value)) / 1000, Decimal(str(round(volume.parsed_value, 6)))


def test_pymeterbus_pings_and_reads_by_primary_address(port: tuple[Clock, MBusPort]) -> None:
    clock, slave = port
    with serial.Serial(slave.path, 2400, 8, "E", 1, timeout=2) as line:
        meterbus.send_ping_frame(line, 5)
        assert isinstance(meterbus.load(meterbus.recv_frame(line, 1)), meterbus.TelegramACK)
        meterbus.send_request_frame(line, 5)
        theirs = _receive(line)
    master = MBusMaster(slave.path, timeline=Timeline(clock.time), address=5)
    ours = master.read()
    master.close()
    assert theirs == (Decimal(326062), Decimal("1995.07"))
    assert (ours.energy.value, ours.volume.value) == theirs  # type: ignore[union-attr]


def test_pymeterbus_selects_and_reads_by_secondary_address(port: tuple[Clock, MBusPort]) -> None:
    _, slave = port
    with serial.Serial(slave.path, 2400, 8, "E", 1, timeout=2) as line:
        meterbus.send_select_frame(line, "70444600A7320404")
        assert isinstance(meterbus.load(meterbus.recv_frame(line, 1)), meterbus.TelegramACK)
        meterbus.send_request_frame(line, meterbus.ADDRESS_NETWORK_LAYER)
        assert _receive(line) == (Decimal(326062), Decimal("1995.07"))
