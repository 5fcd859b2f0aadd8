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
    assert cbor2.dumps(three.records) == three.payload, "bytes follow the array, or it is not the shortest form"


@on_three_readouts("PAY-SENML-02")
def test_there_is_one_record_for_each_readout(three):
    assert len(three.measurements) == 3, f"three readouts are due, and {len(three.measurements)} records carry one"


@on_three_readouts("PAY-SENML-03")
def test_the_first_record_has_the_base_time_under_label_minus_3(three):
    base = three.records[0].get(BASE_TIME)
    assert type(base) is int, f"the base time is an integer under label -3, and the first record has {base!r} there"
    assert not any(BASE_VERSION in record for record in three.records), "label -1 is the base version (notes C04)"


@on_three_readouts("PAY-SENML-05")
def test_the_times_of_all_records_lie_on_the_grid_of_readouts(three):
    assert all(TIME in record for record in three.measurements[1:]), "a later record has no time of its own"
    newest, times = max(three.times), sorted(three.times)
    due = [newest - timedelta(minutes=10), newest - timedelta(minutes=5), newest]
    assert times == due, f"readouts are due each 5 min, and came at {', '.join(map(str, times))}"
    assert newest.minute % 5 == newest.second == 0, f"readouts lie on full 5 min, and one is of {newest}"


@on_three_readouts("PAY-SENML-07")
def test_the_pack_is_for_one_meter_and_its_measurements_have_no_name(three):
    has_base_name = [BASE_NAME in record for record in three.records]
    only_the_first = [True] + [False] * (len(three.records) - 1)
    assert has_base_name == only_the_first, f"the first record alone has the base name, and so it is: {has_base_name}"
    assert len(three.measurements) == len(three.records) - 1, \
        f"one record (the version) has a name, and {len(three.named)} of {len(three.records)} have"


@on_three_readouts("PAY-SENML-09")
def test_the_first_record_holds_all_that_later_ones_hold(three):
    first, *later = map(fields_of, three.measurements)
    assert later, "one record only"
    assert set(first) >= set(later[0]), f"a later record holds {later[0]}, the first one only {first}"
    assert "energy" in later[0], f"later records hold the energy at least, and one holds {later[0]}"
    assert all(fields == later[0] for fields in later), "later records differ in structure"


@on_three_readouts("PAY-SENML-10")
def test_the_first_record_has_dib_3_to_9(three):
    fields, length = fields_of(three.records[0]), len(three.records[0][DATA])
    assert fields == list(STANDARD_FIELDS[2:]), f"the first record has DIB 3 to 9, and holds {fields}"
    assert length in (33, 34), f"DIB 3 to 9 take 33 or 34 octets, and the first record has {length}"


@on_three_readouts("PAY-SENML-11")
def test_base_unit_and_unit_are_not_used(three):
    with_unit = [record for record in three.records if BASE_UNIT in record or UNIT in record]
    assert not with_unit, f"base unit and unit are not used, and are in {with_unit}"


@on_three_readouts("PAY-SENML-12")
def test_the_encoder_version_is_a_record_of_its_own(three):
    versions = [record for record in three.records if record.get(NAME) == "V"]
    assert len(versions) == 1, f"one record has the name V, and {len(versions)} have"
    labels = versions[0].keys() - {TIME}
    assert labels == {NAME, VALUE}, f"the version's record has name and value, and has the labels {sorted(labels)}"
    assert type(versions[0][VALUE]) is int, f"the version is a number, and is {versions[0][VALUE]!r}"


@on_three_readouts("PAY-SENML-13")
def test_only_the_version_record_has_a_name(three):
    names = [record[NAME] for record in three.named]
    assert names == ["V"], f"the version's record alone has a name, and these are there: {names}"


@on_three_readouts("PAY-SENML-14")
def test_the_encoder_is_type_0_version_0(three):
    versions = [record[VALUE] for record in three.named if record[NAME] == "V"]
    assert versions == [0x0000], f"type 0 and version 0 are the number 0, and sent is {versions}"


@on_three_readouts("PAY-SENML-15")
def test_the_version_record_has_at_most_8_bytes(three):
    sizes = [len(cbor2.dumps(record)) for record in three.named if record[NAME] == "V"]
    assert sizes and max(sizes) <= 8, f"the version's record has at most 8 octets, and has {sizes}"


@on_three_readouts("PAY-SENML-19")
def test_names_can_not_be_taken_for_meter_ids(three):
    like_meters = [record[NAME] for record in three.named if not set(record[NAME]) - set(string.hexdigits)]
    assert not like_meters, f"names have a character that no meter's number has, and these have none: {like_meters}"


@on_three_readouts("PAY-SENML-21")
def test_the_version_record_has_no_time(three):
    timed = [record for record in three.named if TIME in record or BASE_TIME in record]
    assert not timed, f"the version's record has no time, and is {timed}"


def expect_counted(pack):
    count = len(pack.measurements) + 1
    head = bytes([0x80 + count]) if count < 24 else bytes([0x98, count])    # RFC 8949, 3: the shortest form
    assert pack.payload.startswith(head), f"{count} records, and the payload begins with {pack.payload[:2].hex()}"


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
    expect_counted(three)


@req("PAY-SENML-01", "PAY-SENML-22", "PAY-SENML-26", "PAY-SENML-27")
@device_time("8 h")
@in_regression
@pytest.mark.parametrize("readouts", [22, 23, 24])
def test_a_long_pack_is_as_short_as_it_can_be(unit, gateway, bench, readouts):
    """About where the head of the array gets longer. A unit may spread so many over several telegrams."""
    unit.make_joined(FREQUENT | {"transmit_interval": 5 * readouts})
    packs = [Pack.of(gateway.wait_for_telegram(timeout=(5 * readouts + 20) * minutes).payload) for _ in range(3)]
    bench.step(f"packs of {', '.join(str(len(pack.records)) for pack in packs)} items")
    for pack in packs:
        expect_counted(pack)
        assert cbor2.dumps(pack.records) == pack.payload, "it is not the shortest form"


@on_three_readouts("PAY-SENML-24")
def test_offsets_are_negative_when_the_base_time_is_the_newest(three):
    offsets = [record[TIME] for record in three.measurements[1:]]
    assert offsets, "one record only"
    assert all(offset < 0 for offset in offsets) or all(offset > 0 for offset in offsets), offsets
    base = datetime.fromtimestamp(three.base_time, UTC)
    end = (max if offsets[0] < 0 else min)(three.times)
    assert base == end, f"with offsets of {offsets} s the base time is {end}, and sent is {base}"


@on_three_readouts("PAY-SENML-25")
def test_the_first_record_has_the_size_of_the_break_down(three):
    first = three.records[0]
    assert 1 + len(cbor2.dumps(first)) == 21 + len(first[DATA]), "22 with an array head of two bytes (notes C10)"


@on_three_readouts("PAY-SENML-26")
def test_later_records_have_the_size_of_the_break_down(three):
    for record in three.measurements[1:]:
        size, data = len(cbor2.dumps(record)), len(record[DATA])
        wanted = data + (7 if data < 24 else 8)
        assert size == wanted, f"a record with {data} octets of data has {wanted}, and has {size}"


@on_three_readouts("PAY-SENML-27")
def test_the_pack_is_as_long_as_its_parts(three):
    """Not the manual's totals, which do not follow from its own break-down (notes C10)."""
    first, *later = (len(record[DATA]) for record in three.measurements)
    wanted = 21 + first + 6 + sum(size + (7 if size < 24 else 8) for size in later)
    assert len(three.payload) == wanted, f"by its parts the pack has {wanted} octets, and it has {len(three.payload)}"


# -- what a triggered readout says


@req("PAY-SENML-04")
@device_time("8 min")
@needs("meter.optical")
@in_regression
@pytest.mark.parametrize("offset", [0, 60, -300, 345, -720, 720])
def test_the_base_time_is_unix_time(uploads, offset):
    uploads.set(encoding="SenML/CBOR", utc_offset=offset)
    upload = uploads.ask()
    sent = Pack.of(upload.payload).times[0]
    at_the_meter = sent.replace(tzinfo=None) + timedelta(minutes=offset)
    earliest, latest = upload.before.meter_time.replace(second=0), upload.after.meter_time
    assert earliest <= at_the_meter <= latest, \
        f"the meter's clock was at {earliest} to {latest}, sent is {at_the_meter}"
    assert sent.second == 0, f"times are of whole minutes, and one is {sent}"


@req("PAY-SENML-06")
@device_time("2 min")
@needs("meter.optical")
@in_regression
def test_the_base_name_is_the_number_of_the_meter_as_text(uploads):
    uploads.set(encoding="SenML/CBOR")
    upload = uploads.ask()
    sent, number = Pack.of(upload.payload).records[0][BASE_NAME], upload.before.fabrication_number
    assert sent == number, f"the base name is the meter's number {number!r}, and sent is {sent!r}"


@req("PAY-SENML-06", "LWM2M-33906.0.54")
@device_time("6 min")
@needs("meter.optical", "meter.simulator")
@in_regression
def test_the_base_name_is_the_number_that_was_chosen(uploads, meter_simulator):
    uploads.set(encoding="SenML/CBOR")
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
        uploads.set(encoding="SenML/CBOR", message_format=message_format, utc_offset=offset)
        upload = uploads.ask(still=meter.read())
        data = Pack.of(upload.payload).records[0][DATA]
        assert isinstance(data, bytes), f"the data value is a string of octets, and is {data!r}"
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
    uploads.set(encoding="SenML/CBOR", message_format="standard")
    meter_simulator.set_energy_step("kWh")
    meter_simulator.hold(energy=12345678)
    energy, *_ = decode_records(Pack.of(uploads.arrival().payload).records[0][DATA])
    assert energy.data == bytes.fromhex("4E61BC00"), energy.raw.hex(" ")


@req("PAY-SENML-39")
@device_time("3 min")
@needs("meter.simulator")
@in_regression
def test_an_extended_record_has_dib_3_to_13(uploads, meter_simulator):
    uploads.set(encoding="SenML/CBOR", message_format="extended")
    for step, length in (("0.001 MWh", 60), ("0.1 GJ", 64)):    # 61 and a byte more for each tariff (notes C05)
        MeterState(step).show(meter_simulator)
        record = Pack.of(uploads.arrival().payload).records[0]
        fields = fields_of(record)
        assert fields == [*STANDARD_FIELDS[2:], "tariff 1", "tariff 2", "tariff 3", "missing_time"], \
            f"an extended record has DIB 3 to 13, and holds {fields}"
        assert len(record[DATA]) == length, f"of a meter in {step} it has {length} octets, and has {len(record[DATA])}"


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
    assert pack.payload[0] == 0x82, f"an array of two begins with 82, and this with {pack.payload[0]:02x}"
    assert len(pack.measurements) == len(pack.named) == 1, \
        f"one readout and the version are due, and {len(pack.measurements)} and {len(pack.named)} came"


@req("PAY-SENML-28")
@device_time("3 d")
@in_regression
def test_a_day_of_two_hourly_readouts_has_12_records(unit, gateway, bench):
    unit.make_joined(daily(120, 1440))
    gateway.wait_for_telegram(timeout=25 * hours)
    arrived = gateway.count
    bench.clock.sleep(2 * days + 1 * hours)
    sent = [len(on_the_grid(packs, 120)) for packs in transmissions(gateway.arrivals(arrived))]
    assert sent == [12, 12], f"12 readouts a day are due on two days, and {sent} came"


@req("PAY-SENML-29", "CMP-12")
@device_time("3 d")
@in_regression
def test_a_day_of_hourly_readouts_is_one_message(unit, gateway, bench):
    unit.make_joined(daily(60, 1440, max_uploads_per_transmission=3))
    gateway.wait_for_telegram(timeout=25 * hours)
    arrived = gateway.count
    bench.clock.sleep(2 * days + 1 * hours)
    arrivals = gateway.arrivals(arrived)
    sent = [[len(on_the_grid([pack], 60)) for pack in packs] for packs in transmissions(arrivals)]
    assert sent == [[24], [24]], f"one message of 24 readouts is due on each of two days, and {sent} came"
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
    assert len(first) == 3, f"three messages are due first, and {len(first)} came"
    assert min(len(pack.measurements) for pack in first) >= 24, "a message is filled up with a day of readings or more"
    assert len(second) <= 3, f"no transmission has more than three messages, and the second has {len(second)}"


@req("PAY-SENML-31")
@device_time("2 d")
@in_regression
def test_each_12_hours_a_message_with_6_readings(unit, gateway, bench):
    unit.make_joined(daily(120, 720, message_format="Extended", max_uploads_per_transmission=2))
    gateway.wait_for_telegram(timeout=13 * hours)
    arrived = gateway.count
    bench.clock.sleep(1 * days + 1 * hours)
    packs_of = transmissions(gateway.arrivals(arrived))
    sent = [[len(on_the_grid([pack], 120)) for pack in packs] for packs in packs_of]
    assert sent == [[6], [6]], f"one message of 6 readouts is due each 12 h, and {sent} came in a day"


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
    assert len(sent) >= 2, f"{len(sent)} transmission(s) after the outage"
    assert len(sent[0]) == 2 and len(sent[1]) <= 2, \
        f"no transmission has more than two messages, and the first two have {len(sent[0])} and {len(sent[1])}"
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
def test_a_switch_of_the_format_does_not_mix_formats_in_a_pack(unit, gateway, dm):
    unit.make_joined(FREQUENT)
    gateway.wait_for_telegram(timeout=20 * minutes)
    dm.stay_in_touch(7 * minutes)    # where settings are written over DM, a unit that sleeps is restarted for it
    unit.write_settings({"message_format": "Extended"})
    pack = Pack.of(gateway.wait_for_telegram(timeout=20 * minutes).payload)
    whole = [fields_of(record) for record in pack.measurements if len(fields_of(record)) > 1]    # C13
    formats = {"tariff 1" in fields for fields in whole}
    assert len(pack.measurements) == 3, f"three readouts are due, and {len(pack.measurements)} came"
    assert len(formats) == 1, f"one pack has both formats: {whole}"
