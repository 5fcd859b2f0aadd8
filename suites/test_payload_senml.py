"""SenML/CBOR packs, rule by rule, read with a third party's CBOR decoder; manual 7.4.2.3."""

import string
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import cbor2
import pytest

from bench.payload.dib import decode_records
from bench.payload.mbus import field_of, readout_of
from bench.payload.readout import EXTENDED_FIELDS, STANDARD_FIELDS
from fixtures.meter_states import MeterState, all_states, some_states
from fixtures.words import days, device_time, hours, in_regression, minutes, needs, req, watches

BASE_VERSION, BASE_NAME, BASE_TIME, BASE_UNIT = -1, -2, -3, -4
NAME, UNIT, VALUE, TIME, DATA = 0, 1, 2, 6, 8
FREQUENT = {"message_encoding": "SenML/CBOR", "message_format": "Standard", "utc_offset": 0, "readout_interval": 5,
            "report_interval": 5, "transmit_interval": 15, "transmit_offset": 1, "transmit_delay": 1}


class Map(dict):
    """A record of a pack. What it does not have the unit has not sent."""

    def __missing__(self, label):
        raise AssertionError(f"the record has no label {label!r}: {dict(self)}")


@dataclass(frozen=True)
class Pack:
    """One payload. ``measurements``: the records that carry readouts, ``named``: the others."""

    payload: bytes
    records: list[dict]

    @classmethod
    def of(cls, payload):
        try:
            records = cbor2.loads(payload)
        except cbor2.CBORDecodeError as error:
            raise AssertionError(f"no CBOR: {error} in {payload.hex()}") from error
        assert isinstance(records, list) and records and all(isinstance(record, dict) for record in records), \
            "no array of maps"
        return cls(payload, [Map(record) for record in records])

    @property
    def measurements(self):
        return [record for record in self.records if NAME not in record]

    @property
    def named(self):
        return [record for record in self.records if NAME in record]

    @property
    def base_time(self):
        """Also where a unit that errs puts it: that this is wrong, PAY-SENML-03 says."""
        base = self.records[0].get(BASE_TIME, self.records[0].get(BASE_VERSION))
        assert type(base) is int, f"no base time in the first record: {self.records[0]}"
        return base

    @property
    def times(self):
        base = self.base_time
        return [datetime.fromtimestamp(base + record.get(TIME, 0), UTC) for record in self.measurements]


def fields_of(record):
    return [field_of(dib) for dib in decode_records(record[DATA])]


@pytest.fixture
def three(unit, gateway, watched):
    """A pack with three readouts, five minutes apart."""
    def watch():
        unit.make_joined(FREQUENT)
        gateway.wait_for_telegram(timeout=20 * minutes)
        return gateway.wait_for_telegram(timeout=20 * minutes).payload

    return Pack.of(watched("a pack of three readouts", watch))


def on_three_readouts(*ids):
    """A rule that is looked at in a pack of three readouts."""
    def mark(test):
        return req(*ids)(device_time("35 min")(watches("a pack of three readouts")(in_regression(test))))
    return mark


@on_three_readouts("PAY-SENML-01")
def test_the_payload_is_a_cbor_array_of_maps_and_nothing_else(three):
    assert cbor2.loads(three.payload) == three.records
    assert cbor2.dumps(three.records) == three.payload, "bytes follow the array, or it is not the shortest form"


@on_three_readouts("PAY-SENML-02")
def test_there_is_one_record_for_each_readout(three):
    assert len(three.measurements) == 3


@on_three_readouts("PAY-SENML-03")
def test_the_first_record_has_the_base_time_under_label_minus_3(three):
    assert type(three.records[0].get(BASE_TIME)) is int
    assert not any(BASE_VERSION in record for record in three.records), "label -1 is the base version (notes C04)"


@on_three_readouts("PAY-SENML-05")
def test_the_times_of_all_records_lie_on_the_grid_of_readouts(three):
    assert all(TIME in record for record in three.measurements[1:])
    newest = max(three.times)
    assert sorted(three.times) == [newest - timedelta(minutes=10), newest - timedelta(minutes=5), newest]
    assert newest.minute % 5 == newest.second == 0


@on_three_readouts("PAY-SENML-07")
def test_the_pack_is_for_one_meter_and_its_measurements_have_no_name(three):
    assert [BASE_NAME in record for record in three.records] == [True] + [False] * (len(three.records) - 1)
    assert len(three.measurements) == len(three.records) - 1


@on_three_readouts("PAY-SENML-09")
def test_the_first_record_holds_all_that_later_ones_hold(three):
    first, *later = map(fields_of, three.measurements)
    assert later, "one record only"
    assert set(first) >= set(later[0])
    assert "energy" in later[0]
    assert all(fields == later[0] for fields in later), "later records differ in structure"


@on_three_readouts("PAY-SENML-10")
def test_the_first_record_has_dib_3_to_9(three):
    assert fields_of(three.records[0]) == list(STANDARD_FIELDS[2:])
    assert len(three.records[0][DATA]) in (33, 34)


@on_three_readouts("PAY-SENML-11")
def test_base_unit_and_unit_are_not_used(three):
    assert not any(BASE_UNIT in record or UNIT in record for record in three.records)


@on_three_readouts("PAY-SENML-12")
def test_the_encoder_version_is_a_record_of_its_own(three):
    versions = [record for record in three.records if record.get(NAME) == "V"]
    assert len(versions) == 1
    assert versions[0].keys() - {TIME} == {NAME, VALUE}
    assert type(versions[0][VALUE]) is int


@on_three_readouts("PAY-SENML-13")
def test_only_the_version_record_has_a_name(three):
    assert [record[NAME] for record in three.named] == ["V"]


@on_three_readouts("PAY-SENML-14")
def test_the_encoder_is_type_0_version_0(three):
    assert [record[VALUE] for record in three.named if record[NAME] == "V"] == [0x0000]


@on_three_readouts("PAY-SENML-15")
def test_the_version_record_has_at_most_8_bytes(three):
    sizes = [len(cbor2.dumps(record)) for record in three.named if record[NAME] == "V"]
    assert sizes and max(sizes) <= 8


@on_three_readouts("PAY-SENML-19")
def test_names_can_not_be_taken_for_meter_ids(three):
    assert all(set(record[NAME]) - set(string.hexdigits) for record in three.named)


@on_three_readouts("PAY-SENML-21")
def test_the_version_record_has_no_time(three):
    assert not any(TIME in record or BASE_TIME in record for record in three.named)


RULES = (test_the_payload_is_a_cbor_array_of_maps_and_nothing_else,
         test_the_first_record_has_the_base_time_under_label_minus_3,
         test_the_pack_is_for_one_meter_and_its_measurements_have_no_name,
         test_names_can_not_be_taken_for_meter_ids, test_the_version_record_has_no_time)


@req("PAY-SENML-01", "PAY-SENML-03", "PAY-SENML-07", "PAY-SENML-19", "PAY-SENML-21")
@device_time("3 h")
@in_regression
@pytest.mark.parametrize("message_format", ["Standard", "Extended"])
@pytest.mark.parametrize("readouts", [1, 12])
def test_a_pack_of_any_length_keeps_the_rules(unit, gateway, readouts, message_format):
    unit.make_joined(FREQUENT | {"message_format": message_format, "transmit_interval": 5 * readouts})
    gateway.wait_for_telegram(timeout=2 * hours)
    pack = Pack.of(gateway.wait_for_telegram(timeout=2 * hours).payload)
    for rule in RULES:
        rule(pack)


@on_three_readouts("PAY-SENML-22")
def test_the_array_counts_its_records(three):
    count = len(three.measurements) + 1
    head = bytes([0x80 + count]) if count < 24 else bytes([0x98, count])    # RFC 8949, 3: the shortest form
    assert three.payload.startswith(head), f"{count} records, and the payload begins with {three.payload[:2].hex()}"


@on_three_readouts("PAY-SENML-24")
def test_offsets_are_negative_when_the_base_time_is_the_newest(three):
    offsets = [record[TIME] for record in three.measurements[1:]]
    assert offsets, "one record only"
    assert all(offset < 0 for offset in offsets) or all(offset > 0 for offset in offsets), offsets
    base = datetime.fromtimestamp(three.base_time, UTC)
    assert base == (max if offsets[0] < 0 else min)(three.times)


@on_three_readouts("PAY-SENML-25")
def test_the_first_record_has_the_size_of_the_break_down(three):
    first = three.records[0]
    assert 1 + len(cbor2.dumps(first)) == 21 + len(first[DATA]), "22 with an array head of two bytes (notes C10)"


@on_three_readouts("PAY-SENML-26")
def test_later_records_have_the_size_of_the_break_down(three):
    for record in three.measurements[1:]:
        assert len(cbor2.dumps(record)) == len(record[DATA]) + (7 if len(record[DATA]) < 24 else 8)


@on_three_readouts("PAY-SENML-27")
def test_the_pack_is_as_long_as_its_parts(three):
    """Not the manual's totals, which do not follow from its own break-down (notes C10)."""
    first, *later = (len(record[DATA]) for record in three.measurements)
    assert len(three.payload) == 21 + first + 6 + sum(size + (7 if size < 24 else 8) for size in later)


# -- what a triggered readout says


@req("PAY-SENML-04")
@device_time("8 min")
@needs("meter.optical")
@in_regression
@pytest.mark.parametrize("offset", [0, 60, -300, 345, -720, 720])
def test_the_base_time_is_unix_time(uploads, offset):
    uploads.set(encoding="SenML", utc_offset=offset)
    upload = uploads.ask()
    sent = Pack.of(upload.payload).times[0]
    at_the_meter = sent.replace(tzinfo=None) + timedelta(minutes=offset)
    assert upload.before.meter_time.replace(second=0) <= at_the_meter <= upload.after.meter_time
    assert sent.second == 0


@req("PAY-SENML-06")
@device_time("2 min")
@needs("meter.optical")
@in_regression
def test_the_base_name_is_the_number_of_the_meter_as_text(uploads):
    uploads.set(encoding="SenML")
    upload = uploads.ask()
    assert Pack.of(upload.payload).records[0][BASE_NAME] == upload.before.fabrication_number


@req("PAY-SENML-06", "LWM2M-33906.0.54")
@device_time("6 min")
@needs("meter.optical", "meter.simulator")
@in_regression
def test_the_base_name_is_the_number_that_was_chosen(uploads, meter_simulator):
    uploads.set(encoding="SenML")
    for fabrication, customer in (("61234567", "40012345"), ("00000042", "99999999")):
        meter_simulator.set_numbers(fabrication=fabrication, customer=customer)
        for source, number in (("fabrication", fabrication), ("property", customer)):
            uploads.set(identification=source)
            assert Pack.of(uploads.arrival().payload).records[0][BASE_NAME] == number, source


@req("PAY-SENML-08")
@device_time("1 h")
@needs("meter.optical", "meter.simulator")
@in_regression
@pytest.mark.parametrize(("message_format", "states"), [("standard", some_states), ("extended", all_states)],
                         ids=["standard", "extended"])
def test_the_data_value_holds_the_registers_of_the_meter(uploads, meter, meter_simulator, subtests, message_format,
                                                         states):
    fields = (STANDARD_FIELDS if message_format == "standard" else EXTENDED_FIELDS)[2:]
    for state, offset in states():
        state.show(meter_simulator)
        uploads.set(encoding="SenML", message_format=message_format, utc_offset=offset)
        upload = uploads.ask(still=meter.read())
        data = Pack.of(upload.payload).records[0][DATA]
        assert isinstance(data, bytes)
        readout, _ = readout_of(decode_records(data))
        for field in fields:
            with subtests.test(field, step=state.step, utc_offset=offset, error_flags=hex(state.error_flags),
                               reversed=state.reversed_flow, tariffs=state.tariffs):
                upload.check_readout(readout, field, error_flags=state.error_flags)


@req("PAY-SENML-36")
@device_time("2 min")
@needs("meter.simulator")
@in_regression
def test_data_bytes_stay_least_significant_first(uploads, meter_simulator):
    uploads.set(encoding="SenML", message_format="standard")
    meter_simulator.set_energy_step("kWh")
    meter_simulator.hold(energy=12345678)
    energy, *_ = decode_records(Pack.of(uploads.arrival().payload).records[0][DATA])
    assert energy.data == bytes.fromhex("4E61BC00"), energy.raw.hex(" ")


@req("PAY-SENML-39")
@device_time("3 min")
@needs("meter.simulator")
@in_regression
def test_an_extended_record_has_dib_3_to_13(uploads, meter_simulator):
    uploads.set(encoding="SenML", message_format="extended")
    for step, length in (("0.001 MWh", 60), ("0.1 GJ", 64)):    # 61 and a byte more for each tariff (notes C05)
        MeterState(step).show(meter_simulator)
        record = Pack.of(uploads.arrival().payload).records[0]
        assert fields_of(record) == [*STANDARD_FIELDS[2:], "tariff 1", "tariff 2", "tariff 3", "missing_time"]
        assert len(record[DATA]) == length


# -- packs on a schedule


def daily(readout_interval, transmit_interval, **more):
    return {"message_encoding": "SenML/CBOR", "readout_interval": readout_interval,
            "report_interval": readout_interval, "transmit_interval": transmit_interval, "transmit_offset": 1,
            "transmit_delay": 1, "utc_offset": 0, **more}


SEARCH_SELDOM = {"search_period": 30, "restart_backoff": "170-180"}
"""In days without a network."""


def transmissions(arrivals):
    """The packs of each transmission: what arrives within ten minutes belongs together."""
    groups = []
    for arrival in arrivals:
        if not groups or arrival.time - groups[-1][-1].time > 10 * minutes:
            groups.append([])
        groups[-1].append(arrival)
    return [[Pack.of(arrival.payload) for arrival in group] for group in groups]


def on_the_grid(packs, interval_min):
    """The times of all readouts of ``packs`` that lie on the grid of the interval; an extra one does not."""
    return [time for pack in packs for time in pack.times if (time.hour * 60 + time.minute) % interval_min == 0]


@req("PAY-SENML-38")
@device_time("35 min")
@in_regression
def test_a_pack_with_one_readout_has_two_records(unit, gateway):
    unit.make_joined({**FREQUENT, "readout_interval": 15, "report_interval": 15})
    gateway.wait_for_telegram(timeout=20 * minutes)
    pack = Pack.of(gateway.wait_for_telegram(timeout=20 * minutes).payload)
    assert pack.payload[0] == 0x82
    assert len(pack.measurements) == len(pack.named) == 1


@req("PAY-SENML-28")
@device_time("3 d")
@in_regression
def test_a_day_of_two_hourly_readouts_has_12_records(unit, gateway, bench):
    unit.make_joined(daily(120, 1440))
    gateway.wait_for_telegram(timeout=25 * hours)
    arrived = gateway.count
    bench.clock.sleep(2 * days + 1 * hours)
    assert [len(on_the_grid(packs, 120)) for packs in transmissions(gateway.arrivals(arrived))] == [12, 12]


@req("PAY-SENML-29", "CMP-12")
@device_time("3 d")
@in_regression
def test_a_day_of_hourly_readouts_is_one_message(unit, gateway, bench):
    unit.make_joined(daily(60, 1440, max_uploads_per_transmission=3))
    gateway.wait_for_telegram(timeout=25 * hours)
    arrived = gateway.count
    bench.clock.sleep(2 * days + 1 * hours)
    arrivals = gateway.arrivals(arrived)
    assert [[len(on_the_grid([pack], 60)) for pack in packs] for packs in transmissions(arrivals)] == [[24], [24]]
    findings = [finding.text for arrival in arrivals for finding in arrival.telegram.errors]
    assert not findings, f"octets that the bench's parser does not know: {'; '.join(findings)}"


@req("PAY-SENML-30")
@device_time("7 d")
@needs("cell.outage")
@in_regression
def test_after_an_outage_of_5_days_3_messages_with_72_readings_are_sent(unit, gateway, cell, bench):
    unit.make_joined(daily(60, 1440, max_uploads_per_transmission=3, **SEARCH_SELDOM))
    gateway.wait_for_telegram(timeout=25 * hours)
    cell.off()
    arrived = gateway.count
    bench.clock.sleep(5 * days)
    cell.on()
    bench.clock.sleep(2 * days + 1 * hours)
    sent = transmissions(gateway.arrivals(arrived))
    assert len(sent) >= 2, f"{len(sent)} transmission(s) after the outage"
    first, second = sent[:2]
    assert len(first) == 3
    assert min(len(pack.measurements) for pack in first) >= 24, "a message is filled up with a day of readings or more"
    assert len(second) <= 3


@req("PAY-SENML-31")
@device_time("2 d")
@in_regression
def test_each_12_hours_a_message_with_6_readings(unit, gateway, bench):
    unit.make_joined(daily(120, 720, message_format="Extended", max_uploads_per_transmission=2))
    gateway.wait_for_telegram(timeout=13 * hours)
    arrived = gateway.count
    bench.clock.sleep(1 * days + 1 * hours)
    assert [[len(on_the_grid([pack], 120)) for pack in packs]
            for packs in transmissions(gateway.arrivals(arrived))] == [[6], [6]]


@req("PAY-SENML-32")
@device_time("7 d")
@needs("cell.outage")
@in_regression
def test_with_2_uploads_no_more_than_4_messages_a_day_catch_up(unit, gateway, cell, bench):
    unit.make_joined(daily(120, 720, message_format="Extended", max_uploads_per_transmission=2, **SEARCH_SELDOM))
    gateway.wait_for_telegram(timeout=13 * hours)
    cell.off()
    arrived = gateway.count
    bench.clock.sleep(5 * days)
    cell.on()
    bench.clock.sleep(1 * days + 4 * hours)
    sent = transmissions(gateway.arrivals(arrived))
    assert len(sent) >= 2
    assert len(sent[0]) == 2 and len(sent[1]) <= 2
    assert sum(len(pack.measurements) for pack in sent[0]) >= 12, "2 messages hold 12 readings or more"


@pytest.fixture
def split(unit, gateway, bench, watched):
    """The packs of one transmission that must hold a day of extended readouts, one each ten minutes: too much for one,
    also where later records hold the energy only (C13)."""
    def watch():
        unit.make_joined(daily(10, 1440, message_format="Extended", max_uploads_per_transmission=255))
        gateway.wait_for_telegram(timeout=25 * hours)
        bench.clock.sleep(10 * minutes)    # it may be the first of several
        arrived = gateway.count
        bench.clock.sleep(1 * days + 1 * hours)
        return [arrival.payload for arrival in gateway.arrivals(arrived)]

    return [Pack.of(payload) for payload in watched("a day of many readouts", watch)]


@req("PAY-SENML-33")
@device_time("2 d")
@watches("a day of many readouts")
@in_regression
def test_readouts_that_do_not_fit_go_into_several_self_described_packs(split):
    assert len(split) > 1, "a day of extended readouts in one telegram"
    identities = [pack.records[0].get(BASE_NAME) for pack in split]
    assert identities[0] and set(identities) == {identities[0]}, f"base names {identities}"
    for pack in split:
        assert pack.base_time, "no base time"
        assert [record[NAME] for record in pack.named] == ["V"], "no version"
    times = sorted(on_the_grid(split, 10))
    assert times == [times[0] + timedelta(minutes=10 * n) for n in range(144)], "a readout of the day is missing"


@req("PAY-SENML-34")
@device_time("2 d")
@watches("a day of many readouts")
@in_regression
def test_a_pack_is_filled_before_another_is_begun(split):
    counts = [len(pack.measurements) for pack in split]
    assert counts and len(set(counts[:-1])) == 1, counts
    assert counts[-1] <= counts[0], counts


@req("PAY-SENML-40")
@device_time("35 min")
@in_regression
def test_a_switch_of_the_format_does_not_mix_formats_in_a_pack(unit, gateway, bench):
    unit.make_joined(FREQUENT)
    gateway.wait_for_telegram(timeout=20 * minutes)
    bench.clock.sleep(7 * minutes)
    unit.write_settings({"message_format": "Extended"})
    pack = Pack.of(gateway.wait_for_telegram(timeout=20 * minutes).payload)
    whole = [fields_of(record) for record in pack.measurements if len(fields_of(record)) > 1]    # C13
    formats = {"tariff 1" in fields for fields in whole}
    assert len(pack.measurements) == 3 and len(formats) == 1
