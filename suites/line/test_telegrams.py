"""What telegrams say, held against the meter's own registers; manual 7.4."""

import pytest
from cbor2 import dumps, loads

from bench.payload.decode import decode, detect
from bench.payload.readout import EXTENDED_FIELDS, STANDARD_FIELDS, PayloadError
from fixtures.judging import first_of
from fixtures.uploads import ENCODINGS
from fixtures.words import judges, req
from suites.test_telegram import STANDARD_TELEGRAMS

pytestmark = judges

BASE_NAME, NAME, VALUE = -2, 0, 2
"""Labels of SenML in CBOR (RFC 8428)."""


@pytest.mark.parametrize("setting", STANDARD_TELEGRAMS)
def test_a_standard_telegram_says_what_the_meter_says(life, subtests, setting):
    upload = life.upload(setting)
    assert upload.telegram.encoding == ENCODINGS[setting], f"asked for {setting}, sent {upload.telegram.encoding}"
    assert not upload.telegram.errors, "; ".join(finding.text for finding in upload.telegram.errors)
    for field in STANDARD_FIELDS:
        with subtests.test(field):
            upload.check(field)


@req("PAY-MBUS-19", "OTC-T11-01", "LWM2M-33906.0.2")
@pytest.mark.parametrize(("name", "fields"), [("M-Bus", STANDARD_FIELDS), ("extended", EXTENDED_FIELDS)])
def test_the_message_format_chooses_the_registers(life, name, fields):
    readout = life.upload(name).readout
    sent = {field for field in EXTENDED_FIELDS if getattr(readout, field) not in (None, (None, None, None))}
    assert sent == set(fields), f"sent are {', '.join(sorted(sent))}"


@req("TIME-03", "TIME-05", "OTC-T8-05")
@pytest.mark.parametrize(("name", "offset"), [("M-Bus", 0), ("JSON", 60)])
def test_the_utc_offset_is_subtracted_from_the_meters_time(life, name, offset):
    upload = life.upload(name)
    assert upload.utc_offset == offset, f"the line has asked for {upload.utc_offset} min"
    upload.check("time")


@req("PAY-SENML-16", "PAY-SENML-20")
def test_a_version_record_is_called_by_base_name_and_name(life):
    """Where there is none the version is 0 (7.4.3)."""
    upload, number = life.upload("SenML/CBOR"), life.meter("delivery").fabrication_number
    assert upload.telegram.encoding == "senml-cbor", f"the first telegram is in {upload.telegram.encoding}"
    pack = loads(upload.payload)
    base = first_of((record[BASE_NAME] for record in pack if BASE_NAME in record), "a base name")
    assert str(base).lstrip("0") == number.lstrip("0"), f"base name {base!r}, the meter's number is {number}"
    named = [record[NAME] for record in pack if NAME in record]
    assert named in ([], ["V"]), f"records called {named}"


def with_another_record(upload, record):
    """The pack of SenML with one more record at its end."""
    assert upload.telegram.encoding == "senml-cbor", f"the first telegram is in {upload.telegram.encoding}"
    return dumps([*loads(upload.payload), record])


@req("PAY-SENML-17")
@pytest.mark.parametrize("version", [1, 256, 65535])
def test_a_telegram_of_an_unknown_encoder_version_is_not_read(life, version):
    telegram = with_another_record(life.upload("SenML/CBOR"), {NAME: "V", VALUE: version})
    with pytest.raises(PayloadError):
        decode(telegram, "senml-cbor")


@req("PAY-SENML-18")
def test_what_is_added_to_a_telegram_under_another_name_is_ignored(life):
    upload = life.upload("SenML/CBOR")
    more = decode(with_another_record(upload, {NAME: "X1", VALUE: 3}), "senml-cbor")
    assert not more.errors, "; ".join(finding.text for finding in more.errors)
    assert more.readouts == upload.telegram.readouts, "other readouts with one more record"


@req("PAY-SENML-41", "OTC-T11-02")
def test_a_unit_as_delivered_sends_senml_and_there_are_three_encodings(life):
    assert detect(life.upload("SenML/CBOR").payload) == "senml-cbor", "the first telegram is not in SenML/CBOR"
    assert life.fact("device management", "refusals")["encoding 3"].startswith("4."), "a fourth encoding is taken"


@req("ACT-06", "TIME-01", "PHY-17")
def test_after_joining_one_readout_is_sent_by_itself(life, measure):
    upload, joined = life.upload("SenML/CBOR"), life.fact("join", "registered")
    measure("activation.first_telegram", upload.arrival.time - joined)
    read_at, _ = life.when("sleep", "meter")
    age = read_at - upload.readout.stamp
    measure("activation.readout_age", age.total_seconds())


@req("PHY-17", "TIME-01")
def test_every_readout_says_what_the_meter_had_told_the_unit(life):
    """Those that nobody has asked for, too."""
    life.upload("SenML/CBOR")
    assert not life.fact("dark again", "values"), life.fact("dark again", "values")


@req("SCH-22", "LWM2M-33906.0.10")
@pytest.mark.parametrize("name", ["JSON", "M-Bus", "extended"])
def test_a_readout_can_be_triggered_over_dm(life, measure, name):
    measure("schedule.trigger", life.upload(name).arrival.time - life.fact("telegrams", f"{name} asked"))


@req("NET-37", "NET-36")
def test_meter_data_arrive_on_the_configured_topic(life):
    """Over the network the topic is written when the first telegram may have gone already."""
    wanted = life.fact("settings", "commissioning")["mqtt_sn_topic"] if life.is_over_nfc else "acceptance/heat"
    for name in ("SenML/CBOR", "JSON", "M-Bus", "extended")[0 if life.is_over_nfc else 1:]:
        assert life.upload(name).arrival.topic == wanted, f"a telegram on the topic {life.upload(name).arrival.topic!r}"
