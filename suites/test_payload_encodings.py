"""What holds for all three encodings alike: identity, content, time; manual 7.3.1 and 7.4."""

from datetime import datetime, timedelta

import pytest

from bench.manual.paths import Device
from bench.payload.readout import canonical
from fixtures.meter_states import UTC_OFFSETS, all_states
from fixtures.uploads import ENCODINGS
from fixtures.words import device_time, in_regression, minutes, needs, req

QUANTITIES = ("energy", "volume", "power", "flow", "forward_temperature", "return_temperature", "missing_time")


def content(readout):
    """All of a readout but its time, so that encodings can be compared."""
    found = {name: value if value is None else canonical(value)
             for name in QUANTITIES for value in [getattr(readout, name)]}
    found |= {f"tariff {number}": tariff if tariff is None else canonical(tariff)
              for number, tariff in enumerate(readout.tariffs, 1)}
    return found | {"meter id": readout.meter_id, "error flags": readout.error_flags}


@req("PAY-SENML-37")
@device_time("2 h")
@needs("meter.simulator")
@in_regression
@pytest.mark.parametrize("message_format", ["standard", "extended"])
def test_the_encoding_changes_the_form_and_not_the_content(uploads, meter_simulator, subtests, message_format):
    """Each energy step with each UTC offset: the encodings say the same. That it is what the meter says is shown for
    one of them, SenML, in all these states (PAY-SENML-08)."""
    uploads.set(message_format=message_format)
    for state, offset in all_states():
        state.show(meter_simulator)
        uploads.set(utc_offset=offset)
        contents = {}
        for encoding in ENCODINGS:
            uploads.set(encoding=encoding)
            contents[encoding] = content(uploads.arrival().telegram.newest)
        for field, value in contents["SenML/CBOR"].items():
            if any(contents[encoding][field] != value for encoding in ENCODINGS):
                with subtests.test(field, step=state.step, utc_offset=offset, error_flags=hex(state.error_flags),
                                   reversed=state.reversed_flow, tariffs=state.tariffs):
                    sent = {encoding: str(contents[encoding][field]) for encoding in ENCODINGS}
                    assert sent == dict.fromkeys(ENCODINGS, str(value)), f"the encodings differ in {field}: {sent}"


@device_time("6 min")
@needs("meter.optical", "meter.simulator")
@in_regression
@pytest.mark.parametrize("encoding", [
    pytest.param("M-Bus", marks=req("PAY-MBUS-02")),
    pytest.param("JSON", marks=req("PAY-JSON-02")),
])
def test_the_number_sent_is_the_one_that_was_chosen(uploads, meter_simulator, encoding):
    uploads.set(encoding=encoding)
    for fabrication, customer in (("61234567", "40012345"), ("00000042", "99999999")):
        meter_simulator.set_numbers(fabrication=fabrication, customer=customer)
        for source in ("fabrication", "property"):
            uploads.set(identification=source)
            uploads.ask().check("meter_id")


# -- time


@device_time("8 min")
@needs("meter.optical")
@in_regression
@pytest.mark.parametrize("offset", [
    pytest.param(-300, marks=req("TIME-04")), pytest.param(345, marks=req("TIME-06")),
    pytest.param(-720, marks=req("TIME-06")), pytest.param(720, marks=req("TIME-06")),
])
def test_any_utc_offset_is_subtracted_from_the_meters_time(uploads, offset):
    uploads.set(encoding="M-Bus", utc_offset=offset)
    uploads.ask().check("time")


BORDERS = [
    # the meter's time, and the UTC offset (min) in force
    ("2023-12-31 23:30", -60), ("2024-01-01 00:00", 60), ("2024-02-29 00:00", 60), ("2024-03-01 00:00", 60),
    ("2026-12-31 12:00", -720), ("2027-01-01 11:59", 720), ("2027-12-31 10:20", 0), ("2027-02-28 23:50", -37),
    ("2028-02-29 23:59", -1), ("2027-03-28 02:30", 60), ("2027-10-31 02:30", 60), ("2027-07-15 00:15", 345),
    ("2027-05-01 00:00", 719), ("2027-10-01 23:00", -300), ("2038-01-19 04:20", 60), ("2039-12-31 23:50", -60)]
"""Ends of years and of Februaries, the nights in which summer time begins and ends, a summer, firsts of a month, and
years in which UNIX time needs 32 bits."""


@req("TIME-08", "TIME-19", "TIME-20", "TIME-06", "PAY-SENML-04", "PAY-JSON-03", "PAY-MBUS-01")
@device_time("10 min")
@needs("meter.simulator")
@in_regression
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(("local", "offset"), BORDERS)
def test_the_shift_is_right_across_borders_of_the_date(uploads, meter_simulator, local, offset, encoding):
    shown = datetime.fromisoformat(local)
    uploads.set(encoding=encoding, utc_offset=offset)
    meter_simulator.set_clock(shown)
    expected = shown - timedelta(minutes=offset)
    # Readouts from when the clock showed other times may come with it.
    stamp = min((readout.stamp for readout in uploads.arrival().telegram.readouts),
                key=lambda stamp: abs(stamp - expected))
    late = stamp - expected
    assert timedelta(0) <= late <= timedelta(minutes=2), \
        f"{shown} with an offset of {offset} min is sent as {stamp}, {late} from what it should be"


@req("TIME-19")
@device_time("4 min")
@needs("meter.simulator")
@in_regression
def test_a_telegram_in_summer_has_no_summer_time_bit(uploads, meter_simulator):
    uploads.set(encoding="M-Bus", message_format="standard")
    for local in ("2024-07-15T12:00", "2024-12-15T12:00"):
        meter_simulator.set_clock(datetime.fromisoformat(local))
        payload = uploads.arrival().payload
        assert payload[:2] == b"\x04\x6d", \
            f"a telegram begins with its time (04 6d), this one with {payload[:2].hex(' ')}"
        assert payload[3] & 0x80 == 0, f"bit 15 is set in {payload[:6].hex(' ')}"


@req("TIME-20")
@device_time("20 min")
@needs("meter.simulator")
@in_regression
def test_a_readout_has_the_same_time_in_all_encodings(uploads, subtests):
    for offset in UTC_OFFSETS:
        uploads.set(utc_offset=offset)
        times = {}
        for encoding in ENCODINGS:
            uploads.set(encoding=encoding)
            times[encoding] = uploads.arrival().telegram.newest.time
        with subtests.test(utc_offset=offset):
            assert all(times.values()), f"not all have a time: {times}"
            assert max(times.values()) - min(times.values()) <= timedelta(minutes=1), times


@req("TIME-09")
@device_time("3 h")
@in_regression
def test_readouts_stay_on_the_meters_hour_with_a_utc_offset_of_30_min(unit, gateway):
    unit.make_joined({"utc_offset": 30, "message_encoding": "M-Bus", "readout_interval": 60, "report_interval": 60,
                      "transmit_interval": 60, "transmit_offset": 1, "transmit_delay": 1})
    for _ in range(2):
        time = gateway.wait_for_telegram(timeout=65 * minutes).telegram.newest.time
        assert time.minute == 30, f"with 30 min of UTC offset a full hour of the meter is sent as :30, not as {time}"


@req("TIME-07")
@device_time("1 min")
@in_regression
@pytest.mark.parametrize("offset", [-721, 721, 780, 840])
def test_a_utc_offset_beyond_12_h_is_refused(joined_unit, offset):
    before = joined_unit.read_settings().values["utc_offset"]
    assert joined_unit.try_settings({"utc_offset": offset}).status.name != "OK", f"an offset of {offset} min is taken"
    joined_unit.expect_settings({"utc_offset": before}, "after the write was refused")


@req("TIME-21", "LWM2M-3.0.14")
@device_time("3 min")
@in_regression
def test_nfc_and_dm_show_the_same_utc_offset(joined_unit, dm):
    for minutes_east, text in ((90, "+01:30"), (-300, "-05:00"), (0, "+00:00")):
        joined_unit.write_settings({"utc_offset": minutes_east})
        shown = dm.read(Device.UTC_OFFSET)
        known = {text, "Z" if minutes_east == 0 else text}
        assert shown.removeprefix("UTC") in known, f"{minutes_east} min were written over NFC, DM reads {shown!r}"
    for minutes_east, text in ((345, "+05:45"), (-720, "-12:00")):
        dm.write(Device.UTC_OFFSET, text)
        joined_unit.expect_settings({"utc_offset": minutes_east}, f"{text} was written over DM")
