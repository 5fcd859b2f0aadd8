"""The error flags of Table 3, bit by bit, in telegrams and over DM; manual 6.3.1."""

from datetime import timedelta

import pytest

from bench.manual import error_flags
from bench.manual.paths import MeterInfo
from fixtures.words import device_time, hours, in_regression, needs, req, s

EACH_FLAG = [pytest.param(flag.bit, id=flag.identifier, marks=req(flag.requirement))
             for flag in error_flags.load().values()]


def over_dm(dm):
    """33908/0/3 in both byte orders: the manual names none (notes, LWM2M-33908.0.3)."""
    octets = dm.read(MeterInfo.ERROR_FLAGS)
    return {int.from_bytes(octets, "big"), int.from_bytes(octets, "little")}


@device_time("8 min")
@needs("meter.simulator")
@in_regression
@pytest.mark.parametrize("bit", EACH_FLAG)
def test_a_flag_shows_while_the_fault_lasts_and_no_longer(uploads, dm, meter_simulator, bit):
    others = 1 << (bit + 5) % 12
    for encoding in ("M-Bus", "JSON"):
        uploads.set(encoding=encoding, message_format="standard")
        for flags in (0, 1 << bit, 1 << bit | others, others):
            meter_simulator.set_error_flags(flags)
            sent = uploads.arrival().telegram.newest.error_flags
            assert sent == flags, f"{encoding}: sent 0x{sent:04X}, the meter's state is 0x{flags:04X}"
            assert flags in over_dm(dm), f"33908/0/3 says {sorted(map(hex, over_dm(dm)))}, the meter 0x{flags:04X}"


@device_time("6 min")
@needs("meter.simulator")
@in_regression
@pytest.mark.parametrize("encoding", [
    pytest.param("M-Bus", marks=req("PAY-MBUS-09")),
    pytest.param("JSON", marks=req("PAY-JSON-10")),
])
def test_several_flags_at_once_are_all_sent(uploads, meter_simulator, encoding):
    uploads.set(encoding=encoding, message_format="extended")
    for flags in (0x0FFF, 0x0412, 0x0812, 0x0AAA, 0x0555, 0x0F00, 0x00FF, 0x0000):
        meter_simulator.set_error_flags(flags)
        sent = uploads.arrival().telegram.newest.error_flags
        assert sent == flags, f"sent 0x{sent:04X}, the meter's state is 0x{flags:04X}"


@req(*(flag.requirement for flag in error_flags.load().values()))
@device_time("4 h")
@needs("meter.simulator")
@in_regression
@pytest.mark.parametrize("message_format", ["Standard", "Extended"])
@pytest.mark.parametrize("encoding", ["M-Bus", "JSON", "SenML/CBOR"])
def test_each_flag_is_that_of_its_readout(unit, gateway, bench, meter_simulator, encoding, message_format):
    """Readouts of the schedule, each with another flag, are stored and sent together when most of it is over. Where
    the later records of a pack hold energy only (C13), they tell of no flag."""
    unit.make_joined({"message_encoding": encoding, "message_format": message_format, "utc_offset": 0,
                      "readout_interval": 5, "report_interval": 5, "transmit_interval": 60, "transmit_offset": 1,
                      "transmit_delay": 1, "max_uploads_per_transmission": 40})
    since, shown = gateway.count, {}
    for flag in error_flags.load().values():
        now = bench.local_standard_time
        moment = now.replace(second=0, microsecond=0) + timedelta(minutes=5 - now.minute % 5)
        meter_simulator.set_error_flags(1 << flag.bit)
        bench.clock.sleep((moment - now).total_seconds() + 20 * s)
        shown[moment] = 1 << flag.bit
    gateway.wait_for_readouts(shown, timeout=2 * hours, since=since)
    sent = {one.stamp: one.error_flags for arrival in gateway.arrivals(since) for one in arrival.telegram.readouts}
    wrong = {f"{moment:%H:%M}": sent[moment] for moment, flags in shown.items() if sent[moment] not in (flags, None)}
    assert not wrong and any(sent.values()), f"{encoding}: other flags than the meter's: {wrong}"
