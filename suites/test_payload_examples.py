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
    shown = registers(readout)
    assert shown == ["12345678 kWh", "3456.7 m3", "80.3 C", "53.8 C"], f"the printed bytes give {shown}"
    assert canonical(readout.power) == Quantity(Decimal(5012), "W"), f"printed are 5012 W, decoded is {readout.power}"
    assert canonical(readout.flow) == Quantity(Decimal("0.212"), "m3/h"), \
        f"printed are 0.212 m3/h, decoded is {readout.flow}"
    assert readout.error_flags == 0x4012, f"printed are the flags 4012, decoded are {readout.error_flags:04x}"


@req("PAY-JSON-17")
@device_time("0 s")
@everywhere
def test_the_printed_json_gives_the_printed_values():
    readout = decode(JSON_EXAMPLE, "json").newest
    shown = registers(readout)
    assert shown == ["12345.678 MWh", "3456.7 m3", "80.3 C", "53.8 C"], f"the printed JSON gives {shown}"
    assert readout.flow.value == Decimal(212), f"printed is a flow of 212, decoded is {readout.flow}"
    assert readout.time == datetime(2019, 11, 28, 20, 39, tzinfo=UTC), \
        f"printed is 2019-11-28 20:39Z, not {readout.time}"
    assert int(readout.meter_id) == 87654321, f"printed is the meter 87654321, decoded is {readout.meter_id}"


@req("PAY-SENML-23", "PAY-SENML-16", "PAY-SENML-20")
@device_time("0 s")
@everywhere
def test_the_printed_senml_bytes_give_the_printed_values():
    for pack in ("83" + FIRST + DATA + VERSION + FOLLOWING, "82" + FIRST + DATA + FOLLOWING):
        telegram = decode(bytes.fromhex(pack), "senml-cbor")
        times = [readout.time for readout in telegram.readouts]
        assert times == [datetime(2019, 11, 28, 20, tzinfo=UTC), datetime(2019, 11, 28, 19, tzinfo=UTC)], \
            f"printed are readouts of 20:00Z and 19:00Z, decoded are {', '.join(map(str, times))}"
        assert telegram.newest.meter_id == "12345678", f"printed is the meter 12345678, not {telegram.newest.meter_id}"
        energy = str(telegram.readouts[1].energy)
        assert energy == "12341234 kWh", f"printed is 12341234 kWh for the second, decoded is {energy}"


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
    assert len(telegram.readouts) == 1, f"one readout is in the pack, decoded are {len(telegram.readouts)}"
    assert not telegram.errors, f"a record that is not known is no error: {telegram.errors}"
