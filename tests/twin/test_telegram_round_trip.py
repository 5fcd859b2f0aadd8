"""What the twin unit writes, with its own code, the bench reads back exactly, in all three encodings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.payload.decode import decode
from bench.payload.readout import Quantity, Readout, canonical
from bench.twin.cmi6110.telegram import EXTENDED, JSON, MBUS, SENML_CBOR, STANDARD, Reading, TelegramWriter


def counted(low: int, high: int, *exponents: int) -> st.SearchStrategy[Decimal]:
    """A register: a whole number of steps."""
    return st.builds(lambda n, e: Decimal(n).scaleb(e), st.integers(low, high), st.sampled_from(exponents))


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    unit, exponent = draw(st.sampled_from([("kWh", 0), ("MWh", -3), ("MWh", -2), ("MWh", -1), ("MWh", 0),
                                           ("MJ", 0), ("GJ", -3), ("GJ", -2), ("GJ", -1), ("GJ", 0)]))  # fmt: skip
    energies = counted(0, 2**31 - 1, exponent)
    return Reading(
        time=datetime(2000, 1, 1) + timedelta(minutes=draw(st.integers(1440, 40_000_000))),  # noqa: DTZ001 - no zone
        meter_id=f"{draw(st.integers(0, 99_999_999)):08d}",
        energy=draw(energies),
        energy_unit=unit,
        volume_m3=draw(counted(0, 2**31 - 1, -3, -2, -1, 0)),
        power_kw=draw(counted(-32768, 32767, -3, -2, -1, 0)),
        flow_m3ph=draw(counted(-32768, 32767, -3, -2, -1, 0)),
        forward_c=draw(counted(-500, 2000, -1, 0)),
        return_c=draw(counted(-500, 2000, -1, 0)),
        error_flags=draw(st.integers(0, 0x0FFF)),
        tariffs=(draw(st.none() | energies), draw(st.none() | energies), draw(energies)),
        missing_time_h=draw(st.integers(0, 99_999_999)),
    )


def same(sent: Quantity | None, value: Decimal, unit: str) -> bool:
    return sent is not None and canonical(sent) == canonical(Quantity(value, unit))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.parametrize("encoding", [MBUS, JSON, SENML_CBOR], ids=["M-Bus", "JSON", "SenML"])
@pytest.mark.parametrize("message_format", [STANDARD, EXTENDED], ids=["standard", "extended"])
@given(reading=readings(), offset=st.integers(-720, 840))
def test_reading_comes_back_without_findings(encoding: int, message_format: int, reading: Reading, offset: int) -> None:
    ((data, _),) = TelegramWriter(encoding, message_format, offset).telegrams([reading])
    telegram = decode(data)
    assert telegram.findings == ()
    readout: Readout = telegram.newest
    assert readout.time == (reading.time - timedelta(minutes=offset)).replace(tzinfo=UTC)
    assert readout.time_valid
    assert readout.meter_id == reading.meter_id
    assert same(readout.energy, reading.energy, reading.energy_unit)
    assert same(readout.volume, reading.volume_m3, "m3")
    assert same(readout.power, reading.power_kw, "kW")
    assert same(readout.flow, reading.flow_m3ph, "m3/h")
    assert same(readout.forward_temperature, reading.forward_c, "C")
    assert same(readout.return_temperature, reading.return_c, "C")
    assert readout.error_flags == reading.error_flags
    if message_format == STANDARD:
        assert readout.tariffs == (None, None, None)
        assert readout.missing_time is None
        return
    for sent, register in zip(readout.tariffs, reading.tariffs, strict=True):
        assert same(sent, register or Decimal(0), reading.energy_unit)
    assert same(readout.missing_time, Decimal(reading.missing_time_h), "h")
