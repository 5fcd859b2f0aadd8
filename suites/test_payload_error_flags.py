"""The error flags of Table 3, bit by bit, in telegrams and over DM; manual 6.3.1."""

import pytest

from bench.manual import error_flags
from bench.manual.paths import MeterInfo
from fixtures.words import device_time, in_regression, needs, req

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
