"""The examples that the manual prints, through the bench's own decoders: they must hold before any unit is judged."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bench.payload.decode import decode
from bench.payload.readout import PayloadError, Quantity, canonical
from fixtures.words import device_time, everywhere, req

FIRST = "A321683132333435363738221A5DE02740085821"
DATA = "04064E61BC00041507870000022B9413023BD400025A2303025E1A0202FD171240"
VERSION = "A20061560200"
FOLLOWING = "A206390E0F08460406F24FBC00"
JSON_EXAMPLE = (b'{"TS":"2019-11-28T20:39Z","ID":87654321,"E":12345.678,"U":"MWh","V":3456.7,"VU":"m3","P":5012,'
                b'"PU":"W","F":212,"FU":"l/h","FT":80.3,"TU":"C","RT":53.8,"RU":"C","EF":"0x4012"}')


def registers(readout):
    return [str(quantity) for quantity in (
        readout.energy, readout.volume, readout.forward_temperature, readout.return_temperature)]


@req("PAY-MBUS-22")
@device_time("0 s")
@everywhere
def test_the_printed_m_bus_bytes_give_the_printed_values():
    readout = decode(bytes.fromhex(DATA), "mbus").newest
    assert registers(readout) == ["12345678 kWh", "3456.7 m3", "80.3 C", "53.8 C"]
    assert canonical(readout.power) == Quantity(Decimal(5012), "W")
    assert canonical(readout.flow) == Quantity(Decimal("0.212"), "m3/h")
    assert readout.error_flags == 0x4012


@req("PAY-JSON-17")
@device_time("0 s")
@everywhere
def test_the_printed_json_gives_the_printed_values():
    readout = decode(JSON_EXAMPLE, "json").newest
    assert registers(readout) == ["12345.678 MWh", "3456.7 m3", "80.3 C", "53.8 C"]
    assert readout.flow.value == Decimal(212)
    assert readout.time == datetime(2019, 11, 28, 20, 39, tzinfo=UTC)
    assert int(readout.meter_id) == 87654321


@req("PAY-SENML-23", "PAY-SENML-16", "PAY-SENML-20")
@device_time("0 s")
@everywhere
def test_the_printed_senml_bytes_give_the_printed_values():
    for pack in ("83" + FIRST + DATA + VERSION + FOLLOWING, "82" + FIRST + DATA + FOLLOWING):
        telegram = decode(bytes.fromhex(pack), "senml-cbor")
        assert [readout.time for readout in telegram.readouts] == [
            datetime(2019, 11, 28, 20, tzinfo=UTC), datetime(2019, 11, 28, 19, tzinfo=UTC)]
        assert telegram.newest.meter_id == "12345678"
        assert str(telegram.readouts[1].energy) == "12341234 kWh"


@req("PAY-SENML-17")
@device_time("0 s")
@everywhere
@pytest.mark.parametrize("version", ["01", "190100", "19FFFF"])
def test_an_unknown_encoder_version_stops_the_parser(version):
    with pytest.raises(PayloadError):
        decode(bytes.fromhex("82" + FIRST + DATA + "A200615602" + version), "senml-cbor")


@req("PAY-SENML-18")
@device_time("0 s")
@everywhere
def test_an_unknown_additional_record_is_ignored():
    telegram = decode(bytes.fromhex("82" + FIRST + DATA + "A2006258310203"), "senml-cbor")
    assert len(telegram.readouts) == 1
    assert not telegram.errors
