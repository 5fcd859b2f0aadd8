"""What telegrams say, held against the meter's own registers; manual 7.4."""

import pytest

from bench.payload.compare import differences
from bench.payload.readout import EXTENDED_FIELDS, STANDARD_FIELDS
from fixtures.words import device_time, everywhere, in_regression, minutes, needs, req

ENCODINGS = [
    pytest.param("M-Bus", "mbus", id="M-Bus", marks=req(
        "PAY-MBUS-01", "PAY-MBUS-02", "PAY-MBUS-03", "PAY-MBUS-04", "PAY-MBUS-05", "PAY-MBUS-06", "PAY-MBUS-07",
        "PAY-MBUS-08", "PAY-MBUS-09", "PAY-MBUS-15", "OTC-T11-02")),
    pytest.param("JSON", "json", id="JSON", marks=req(
        "PAY-JSON-01", "PAY-JSON-02", "PAY-JSON-03", "PAY-JSON-04", "PAY-JSON-05", "PAY-JSON-06", "PAY-JSON-07",
        "PAY-JSON-08", "PAY-JSON-09", "PAY-JSON-10", "PAY-JSON-15", "PAY-JSON-16", "OTC-T11-02")),
    pytest.param("SenML/CBOR", "senml-cbor", id="SenML", marks=req(
        "PAY-SENML-01", "PAY-SENML-02", "PAY-SENML-03", "PAY-SENML-04", "PAY-SENML-06", "PAY-SENML-08",
        "PAY-SENML-10", "PAY-SENML-12", "PAY-SENML-14", "OTC-T11-02")),
]


def triggered(dm, gateway, meter):
    """A readout asked for over DM, between two reads of the meter."""
    before = meter.read()
    arrived = gateway.count
    dm.execute("/33906/0/10")
    arrival = gateway.wait_for_telegram(timeout=15 * minutes, after=arrived)
    return before, arrival.telegram, meter.read()


@device_time("2 min")
@needs("meter.optical", "nfc")
@everywhere
@pytest.mark.parametrize(("setting", "encoding"), ENCODINGS)
def test_a_standard_telegram_says_what_the_meter_says(unit, dm, gateway, meter, setting, encoding):
    unit.make_joined({"message_encoding": setting, "message_format": "Standard", "utc_offset": 0})
    before, telegram, after = triggered(dm, gateway, meter)
    assert telegram.encoding == encoding
    assert not telegram.errors, "; ".join(finding.text for finding in telegram.errors)
    wrong = differences(telegram.newest, before, after, fields=STANDARD_FIELDS)
    assert not wrong, "; ".join(wrong)


@req("PAY-MBUS-19", "OTC-T11-01")
@device_time("2 min")
@needs("meter.optical", "nfc")
@in_regression
@pytest.mark.parametrize(("setting", "encoding"), [("M-Bus", "mbus"), ("JSON", "json"), ("SenML/CBOR", "senml-cbor")])
def test_an_extended_telegram_says_what_the_meter_says(unit, dm, gateway, meter, setting, encoding):
    unit.make_joined({"message_encoding": setting, "message_format": "Extended", "utc_offset": 0})
    before, telegram, after = triggered(dm, gateway, meter)
    assert telegram.encoding == encoding
    assert not telegram.errors, "; ".join(finding.text for finding in telegram.errors)
    wrong = differences(telegram.newest, before, after, fields=EXTENDED_FIELDS)
    assert not wrong, "; ".join(wrong)


@req("TIME-03", "TIME-05", "OTC-T8-05")
@device_time("2 min")
@needs("meter.optical", "nfc")
@everywhere
@pytest.mark.parametrize("offset", [0, 60])
def test_the_utc_offset_is_subtracted_from_the_meters_time(unit, dm, gateway, meter, offset):
    unit.make_joined({"utc_offset": offset})
    before, telegram, after = triggered(dm, gateway, meter)
    wrong = differences(telegram.newest, before, after, utc_offset_min=offset, fields=("time",))
    assert not wrong, "; ".join(wrong)


@req("PAY-SENML-41")
@device_time("1 min")
@everywhere
def test_a_unit_as_delivered_sends_senml(unit, gateway):
    assert unit.delivered.values["message_encoding"] == "SenML/CBOR" if unit.power_up() is None else True
    unit.make_joined()
    assert gateway.arrivals()[-1].telegram.encoding == "senml-cbor"
