"""What telegrams say, held against the meter's own registers, in the shortest time; manual 7.4.

The acceptance profile looks at all fields of one telegram in one test. In regression and certification each
requirement has a test of its own: suites/test_payload_*.py.
"""

import pytest

from bench.manual.paths import McmConfig
from bench.payload.decode import detect
from bench.payload.readout import EXTENDED_FIELDS, STANDARD_FIELDS
from fixtures.uploads import ENCODINGS
from fixtures.words import device_time, everywhere, in_regression, needs, profile, req

STANDARD_TELEGRAMS = [
    pytest.param("M-Bus", marks=req(
        "PAY-MBUS-01", "PAY-MBUS-02", "PAY-MBUS-03", "PAY-MBUS-04", "PAY-MBUS-05", "PAY-MBUS-06", "PAY-MBUS-07",
        "PAY-MBUS-08", "PAY-MBUS-09", "PAY-MBUS-15", "OTC-T11-02")),
    pytest.param("JSON", marks=req(
        "PAY-JSON-01", "PAY-JSON-02", "PAY-JSON-03", "PAY-JSON-04", "PAY-JSON-05", "PAY-JSON-06", "PAY-JSON-07",
        "PAY-JSON-08", "PAY-JSON-09", "PAY-JSON-10", "PAY-JSON-15", "PAY-JSON-16", "OTC-T11-02")),
    pytest.param("SenML/CBOR", marks=req(
        "PAY-SENML-01", "PAY-SENML-02", "PAY-SENML-03", "PAY-SENML-04", "PAY-SENML-06", "PAY-SENML-08",
        "PAY-SENML-10", "PAY-SENML-12", "PAY-SENML-14", "OTC-T11-02")),
]


@device_time("2 min")
@needs("meter.optical")
@profile("acceptance")
@pytest.mark.parametrize("setting", STANDARD_TELEGRAMS)
def test_a_standard_telegram_says_what_the_meter_says(uploads, subtests, setting):
    uploads.set_over_nfc({"message_encoding": setting, "message_format": "Standard", "utc_offset": 0})
    upload = uploads.ask()
    assert upload.telegram.encoding == ENCODINGS[setting], f"asked for {setting}, sent {upload.telegram.encoding}"
    assert not upload.telegram.errors, "; ".join(finding.text for finding in upload.telegram.errors)
    for field in STANDARD_FIELDS:
        with subtests.test(field):
            upload.check(field)


@req("OTC-T11-02")
@device_time("2 min")
@in_regression
@pytest.mark.parametrize(("setting", "encoding"), ENCODINGS.items())
def test_the_encoding_set_over_nfc_is_used(uploads, setting, encoding):
    uploads.set_over_nfc({"message_encoding": setting})
    seen = detect(uploads.arrival().payload)
    assert seen == encoding, f"asked for {setting}, sent {seen}"


@req("PAY-MBUS-19", "OTC-T11-01")
@device_time("2 min")
@everywhere
@pytest.mark.parametrize(("setting", "tariffs"), [
    pytest.param("Standard", False, id="Standard"), pytest.param("Extended", True, id="Extended")])
def test_the_message_format_chooses_the_registers(uploads, setting, tariffs):
    uploads.set_over_nfc({"message_encoding": "M-Bus", "message_format": setting})
    readout = uploads.arrival().telegram.newest
    sent = {field for field in EXTENDED_FIELDS if getattr(readout, field) not in (None, (None, None, None))}
    due = set(EXTENDED_FIELDS if tariffs else STANDARD_FIELDS)
    assert sent == due, f"of {setting} are missing {sorted(due - sent)}, too many {sorted(sent - due)}"


@req("TIME-03", "TIME-05", "OTC-T8-05")
@device_time("2 min")
@needs("meter.optical")
@everywhere
@pytest.mark.parametrize("offset", [0, 60])
def test_the_utc_offset_is_subtracted_from_the_meters_time(uploads, offset):
    uploads.set_over_nfc({"message_encoding": "M-Bus", "utc_offset": offset})
    uploads.ask().check("time")


@req("PAY-SENML-41")
@device_time("2 min")
@everywhere
def test_a_unit_as_delivered_sends_senml_and_there_are_three_encodings(joined_unit, uploads, dm):
    delivered, seen = joined_unit.delivered.values["message_encoding"], detect(uploads.arrival().payload)
    assert delivered == "SenML/CBOR", f"the encoding as delivered is SenML/CBOR, and read is {delivered!r}"
    assert seen == "senml-cbor", f"a unit as delivered sends {seen}"
    refused = [number for number in (0, 1, 2) if dm.refusal(McmConfig.REPORT_DATA_ENCODING, number)]
    assert not refused, f"encodings that are printed and refused: {refused}"
    assert dm.refusal(McmConfig.REPORT_DATA_ENCODING, 3), "encoding 3 is taken, and there is none"
