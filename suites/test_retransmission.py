"""What an outage held back and how it is sent again, manual 7.3.4, and the configurations of 7.4.2.3.

Everything that arrives is held against a reference model of 7.3 (bench/analysis/retransmission.py). The examples run as
they are written, and in a model of one to twelve: five minutes for an hour.
"""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from bench.analysis.observed import Tolerances
from bench.manual.paths import Device, McmConfig
from fixtures.judging import first_of
from fixtures.ways import OFFSETS, WAYS
from fixtures.words import days, device_time, hours, in_regression, in_short, minutes, needs, req, s

BENCH = {"time_sync_source": "Manual", "power_saving_mode": "Disabled"}
"""No readouts for a synchronisation, and the DM server reaches the unit."""
HOURLY = BENCH | {"readout_interval": 60, "report_interval": 60, "transmit_interval": 60, "transmit_offset": 15,
                  "transmit_delay": 30, "max_uploads_per_transmission": 4, "auto_upload_max_age": 72 * 60,
                  "search_period": 60, "restart_backoff": "10-10"}
"""Both examples of 7.3.4."""
TWELFTH = HOURLY | {"readout_interval": 5, "report_interval": 5, "transmit_interval": 5, "transmit_offset": 1,
                    "transmit_delay": 2, "auto_upload_max_age": 6 * 60, "restart_backoff": "1-1"}
AT_ONCE_AGAIN = {"communication_retry_delay": 60, "sequence_retry_delay": 60, "mdm_communication_timeout": 20}
"""A unit that a server left alone comes back to it within minutes."""
SOON = {"transmit_offset": 10, "transmit_delay": 40, "search_period": 60, "restart_backoff": "60-60"}
"""A window within the first hour: whether what is read in the window goes with it is open (SCH-20)."""
FIFO, LIFO = {"auto_upload_order": "Oldest first"}, {"auto_upload_order": "Latest first"}
AS_WRITTEN = pytest.param(HOURLY, 1, id="as-written", marks=device_time("7 d"))
ONE_TO_TWELVE = pytest.param(TWELFTH, 12, id="one-to-twelve", marks=[device_time("14 h"), in_short])
RECONNECT = Tolerances(reconnect=40 * minutes)
QUICK_RECONNECT = Tolerances(reconnect=10 * minutes)


def five_days_without_network(history, scale):
    """The outage of both examples; when the network is back. It ends between two windows."""
    history.pass_time_until(history.meter_time.hour, 50)
    history.lose_network(5 * days / scale)
    return history.outages[-1].until_s


def days_without_network(history, number):
    """From eight in the evening on, so that it ends far from the window after midnight."""
    history.pass_time_until(20)
    history.lose_network(number * days)
    return history.outages[-1].until_s


@pytest.mark.parametrize(("settings", "scale"), [AS_WRITTEN, ONE_TO_TWELVE])
@req("RETX-03", "RETX-05", "RETX-07", "RETX-08", "RETX-09", "RETX-10", "RETX-11", "RETX-12", "RETX-18", "RETX-25",
     "SCH-23", "OTC-T11-08", "OTC-T11-11", "OTC-T11-12", "LWM2M-33906.0.13", "LWM2M-33906.0.44", "LWM2M-33906.0.45")
@needs("cell.outage", "meter.optical")
@in_regression
def test_example_1_catches_up_in_a_day_oldest_first(history, way, dm, telegrams, bench, measure, settings, scale):
    history.begin(settings | FIFO | {"message_encoding": "M-Bus"}, way)
    back = five_days_without_network(history, scale)
    history.pass_time(30 * hours / scale)
    judged = history.check(RECONNECT if scale == 1 else QUICK_RECONNECT)
    catching = judged.catch_up(back)
    oldest = first_of(catching, "a transmission after the outage").telegrams[0]
    measure("retransmission.example_1.transmissions", len(catching))
    measure("retransmission.example_1.readouts", sum(one.readouts for one in catching))
    measure("retransmission.example_1.first_age", age_min(history, oldest) * scale / 60)
    measure("retransmission.example_1.too_old", len(judged.never_sent))
    assert all(len(one.telegrams) == 4 for one in catching[:-1]), "not four telegrams in each transmission"
    assert all(len(one.telegrams) == 1 for one in judged.transmissions[-3:]), "not one telegram an hour at the end"

    arrived, offset = telegrams.count, timedelta(minutes=way.utc_offset)
    dm.execute(McmConfig.HISTORIC_RESEND_TRIGGER)
    # The history is sent whole, and the memory holds 8000 readouts of the unit's life.
    telegrams.wait_for_readouts([stamp - offset for stamp in judged.never_sent], 24 * hours, since=arrived)


def age_min(history, arrived):
    """How old (min) the oldest readout of a telegram is when it arrives."""
    return (history.shown_at(arrived.time_s) - first_of(sorted(arrived.stamps), "a readout")).total_seconds() / 60


@pytest.mark.parametrize(("settings", "scale"), [AS_WRITTEN, ONE_TO_TWELVE])
@req("RETX-04", "RETX-05", "RETX-06", "RETX-16", "RETX-25", "OTC-T11-12", "LWM2M-33906.0.45")
@needs("cell.outage", "meter.optical")
@in_regression
def test_example_1_latest_first_leaves_a_quarter_behind(history, way, measure, settings, scale):
    history.begin(settings | LIFO | {"message_encoding": "M-Bus"}, way)
    back = five_days_without_network(history, scale)
    history.pass_time(24 * hours / scale)
    judged = history.check(RECONNECT if scale == 1 else QUICK_RECONNECT)
    measure("retransmission.latest_first.transmissions", len(judged.catch_up(back)))
    measure("retransmission.latest_first.too_old", len(judged.never_sent))


@pytest.mark.parametrize(("settings", "scale"), [AS_WRITTEN, ONE_TO_TWELVE])
@pytest.mark.parametrize("order", [FIFO, LIFO], ids=["oldest-first", "latest-first"])
@req("RETX-13", "RETX-14", "RETX-15", "RETX-18", "RETX-25", "PAY-SENML-33", "PAY-SENML-34")
@needs("cell.outage", "meter.optical")
@in_regression
def test_example_2_catches_up_in_two_hours(history, way, measure, order, settings, scale):
    """The Extended format, so that about as many readouts fit into a telegram as in the example."""
    history.begin(settings | order | {"message_encoding": "SenML/CBOR", "message_format": "Extended"}, way)
    back = five_days_without_network(history, scale)
    history.pass_time(6 * hours / scale)
    judged = history.check(RECONNECT if scale == 1 else QUICK_RECONNECT)
    catching = judged.catch_up(back)
    sizes = [[len(telegram.stamps) for telegram in one.telegrams] for one in catching]
    full, *_ = first_of(sizes, "a transmission after the outage")
    measure("retransmission.example_2.transmissions", len(catching))
    measure("retransmission.example_2.readouts_per_telegram", full)
    assert all(size == full for one in sizes for size in one[:-1]), f"telegrams are not filled up: {sizes}"
    if len(sizes) > 1:
        assert sizes[0] == [full] * 4, f"not four full telegrams in the first transmission: {sizes}"
    last = judged.transmissions[-1]
    assert len(last.telegrams) == last.readouts == 1, \
        f"in the end one telegram with one readout is due, and {len(last.telegrams)} with {last.readouts} came"


@req("RETX-17", "OTC-T11-08", "OTC-T11-11", "OTC-T11-12", "LWM2M-33906.0.21", "LWM2M-33906.0.44", "SCH-26")
@device_time("10 d")
@needs("cell.outage", "meter.optical")
@in_regression
def test_the_default_settings_catch_up_with_five_days_in_two(history, measure):
    defaults = {"search_period": 60, "restart_backoff": "60-60", "time_sync_source": "Manual", "utc_offset": 0}
    history.begin(defaults)
    back = days_without_network(history, 5)
    history.pass_time(3.5 * days)
    judged = history.check(Tolerances(reconnect=2 * hours))
    measure("retransmission.defaults.transmissions", len(judged.catch_up(back)))
    measure("retransmission.defaults.too_old", len(judged.never_sent))


@req("PAY-SENML-29", "PAY-SENML-30", "RETX-06", "RETX-18")
@device_time("11 d")
@needs("cell.outage", "meter.optical")
@in_regression
def test_configuration_example_1_sends_a_message_of_24_a_day_and_at_most_three(history, way):
    """7.4.2.3: 60/1440, Standard, three messages a transmission; two days, an outage of five, and until all is sent."""
    history.begin(BENCH | {
        "readout_interval": 60, "report_interval": 60, "transmit_interval": 1440, "message_encoding": "SenML/CBOR",
        "message_format": "Standard", "max_uploads_per_transmission": 3, **SOON, **FIFO}, way)
    history.pass_time(2 * days)
    back = days_without_network(history, 5)
    history.pass_time(3.5 * days)
    judged = history.check(Tolerances(reconnect=2 * hours))
    planned = [one for one in judged.transmissions if one.is_planned]
    usual = [one for one in planned if one.time_s < back][1:]
    assert usual and all((len(one.telegrams), one.readouts) == (1, 24) for one in usual), "not one message of 24 a day"
    most = max(len(one.telegrams) for one in planned)
    assert most <= 3, f"a transmission has at most three telegrams, and one has {most}"
    assert planned[len(usual) + 1].readouts >= 72, "the first transmission after the outage does not cover 3 days"


@req("PAY-SENML-31", "PAY-SENML-32", "RETX-06", "RETX-18")
@device_time("12 d")
@needs("cell.outage", "meter.optical")
@in_regression
def test_configuration_example_2_sends_6_readings_each_12_hours(history, way):
    """7.4.2.3: 120/720, two messages a transmission, the Extended format for the tariffs (C32)."""
    history.begin(BENCH | {
        "readout_interval": 120, "report_interval": 120, "transmit_interval": 720, "message_encoding": "SenML/CBOR",
        "message_format": "Extended", "max_uploads_per_transmission": 2, **SOON, **FIFO}, way)
    history.pass_time(2 * days)
    back = days_without_network(history, 5)
    history.pass_time(4 * days)
    judged = history.check(Tolerances(reconnect=2 * hours))
    planned = [one for one in judged.transmissions if one.is_planned]
    usual = [one for one in planned if one.time_s < back][1:]
    assert usual and all((len(one.telegrams), one.readouts) == (1, 6) for one in usual), "not one message of 6"
    most = max(len(one.telegrams) for one in planned)
    assert most <= 2, f"a transmission has at most two telegrams, and one has {most}"


@pytest.mark.parametrize("order", [FIFO, LIFO], ids=["oldest first", "latest first"])
@pytest.mark.parametrize("encoding", ["M-Bus", "JSON"])
@req("RETX-20", "RETX-06")
@device_time("5 d")
@needs("meter.optical", "settings.nfc.write")
@in_regression
def test_one_readout_a_telegram_and_one_transmission_a_day_do_not_keep_up(history, way, unit, encoding, order):
    """What waits is there still: it comes as soon as more uploads are allowed."""
    history.begin(BENCH | order | {"message_encoding": encoding, "readout_interval": 60, "report_interval": 60,
                                  "transmit_interval": 1440, "max_uploads_per_transmission": 4}, way)
    history.pass_time(3 * days)
    judged = history.check()
    counts = [len(one.telegrams) for one in judged.transmissions]
    assert counts[-2:] == [4, 4], f"four telegrams a day are due at the end, and the days have {counts}"
    first, *_, last = judged.transmissions
    # Each day adds 24 and takes 4; what falls between two moments of a window of four hours may be four less.
    assert last.left - first.left >= 20 * (len(judged.transmissions) - 1) - 4, "the backlog has not grown"
    unit.write_settings({"max_uploads_per_transmission": 200})
    history.pass_time(29 * hours)
    stamps = {stamp for stamp in history.stamps if stamp.minute == 0}
    span_h = (max(stamps) - min(stamps)) // timedelta(hours=1)
    lost = [stamp for hour in range(span_h) if (stamp := min(stamps) + timedelta(hours=hour)) not in stamps]
    assert span_h >= 72 and not lost, f"of {span_h} readouts {len(lost)} never came, such as {lost[:3]}"


@req("RETX-04", "RETX-06", "RETX-19", "OTC-T11-08", "OTC-T11-12", "LWM2M-33906.0.21", "LWM2M-33906.0.45")
@device_time("11 h")
@in_regression
@pytest.mark.parametrize("order", [FIFO, LIFO], ids=["oldest-first", "latest-first"])
def test_limit_and_order_are_the_same_after_telegrams_that_failed(unit, gateway, bench, order):
    """Each transmission of a backlog has as many telegrams as the others, and its order, that after a silence, too."""
    unit.make_joined(HOURLY | order | {
        "readout_interval": 5, "report_interval": 5, "message_encoding": "M-Bus", "max_uploads_per_transmission": 5,
        "mdm_communication_timeout": 10, "reconnect_backoff": "1-1", "transmit_offset": 5, "transmit_delay": 5})
    bench.sleep_until_hour(1)
    bench.clock.sleep(30 * minutes)
    with gateway.silent():
        bench.clock.sleep(2 * hours)
    arrived = gateway.count
    bench.clock.sleep(7 * hours)
    sent = gateway.arrivals(since=arrived)
    begins = [0, *(number for number, (one, other) in enumerate(pairwise(sent), 1)
                   if other.time - one.time > 20 * minutes)]
    bursts = [sent[first:last] for first, last in pairwise([*begins, len(sent)])]
    sizes = [len(burst) for burst in bursts]
    assert len(bursts) >= 6 and len(set(sizes)) == 1 and sizes[0] in (5, 6), f"telegrams in each transmission: {sizes}"
    rising = [one.telegram.newest.stamp < other.telegram.newest.stamp
              for burst in ([sent] if order is FIFO else bursts) for one, other in pairwise(burst)]
    assert all(rising) if order is FIFO else not any(rising), "not in the order that is set"


ORDERS, AGES, UPLOADS = ("Oldest first", "Latest first"), (120, 600), (1, 4, 20)
COMBINATIONS = [
    pytest.param(ORDERS[number % 2], AGES[number // 2 % 2], UPLOADS[number % 3], replace(way, utc_offset=offset),
                 id=f"{way}-{number + 1}")
    for number, (way, offset) in enumerate(zip(WAYS + WAYS, OFFSETS + OFFSETS[::-1], strict=False))]
"""Each way to send with both orders; both age limits and each number of uploads with all of them."""


@pytest.mark.parametrize(("order", "age", "uploads", "way"), COMBINATIONS)
@req("RETX-02", "RETX-03", "RETX-04", "RETX-05", "RETX-06", "RETX-18", "RETX-24", "LWM2M-33906.0.21", "OTC-T11-08",
     "CMP-12", "NET-38")
@device_time("8 h")
@needs("cell.outage", "meter.optical")
@in_regression
def test_three_outages_are_caught_up_with_by_the_rules(history, order, age, uploads, way):
    history.begin(TWELFTH | {"auto_upload_order": order, "auto_upload_max_age": age,
                             "max_uploads_per_transmission": uploads}, way)
    for off, on in ((20 * minutes, 40 * minutes), (70 * minutes, 50 * minutes), (3 * hours, 70 * minutes)):
        history.lose_network(off)
        history.pass_time(on)
    history.check(QUICK_RECONNECT)


@req("RETX-05", "LWM2M-33906.0.44")
@device_time("6 h")
@in_regression
@pytest.mark.parametrize("order", [FIFO, LIFO], ids=["oldest first", "latest first"])
def test_a_readout_that_was_triggered_gets_too_old_like_the_others(unit, bench, dm, gateway, order):
    unit.make_joined(BENCH | AT_ONCE_AGAIN | order | {
        "readout_interval": 60, "report_interval": 60, "transmit_interval": 60, "transmit_offset": 5,
        "transmit_delay": 5, "auto_upload_max_age": 60, "utc_offset": 0, "reconnect_backoff": "5-6"})
    gateway.wait_for_quiet(2 * minutes)
    arrived = gateway.count
    with gateway.silent():
        bench.keep_clear_of_the_hour(20 * minutes)
        dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
        bench.clock.sleep(4 * hours)
    back = bench.local_standard_time
    bench.clock.sleep(2 * hours)
    stamps = [readout.stamp for arrival in gateway.arrivals(since=arrived) for readout in arrival.telegram.readouts]
    assert stamps, "nothing has come since the gateway is back"
    old = [stamp for stamp in stamps if back - stamp > timedelta(minutes=60 + 60)]    # one readout of tolerance (U09)
    assert not old, f"readouts of {', '.join(f'{stamp:%H:%M}' for stamp in old)} came after {back:%H:%M}"


@pytest.mark.parametrize("way", WAYS, ids=str)
@req("RETX-01", "RETX-18", "RETX-19", "NET-38")
@device_time("5 h")
@needs("meter.optical")
@in_regression
def test_what_a_silent_server_did_not_take_is_sent_again(history, way):
    """Also the longest telegrams: the backlog of an hour fills one, whatever the encoding."""
    history.begin(TWELFTH | FIFO | AT_ONCE_AGAIN | {
        "message_format": "Extended", "max_uploads_per_transmission": 10}, way)
    history.pass_time(20 * minutes)
    for silent in (15 * minutes, 100 * minutes):
        with history.without_server():
            history.pass_time(silent)
        history.pass_time(75 * minutes)
    history.check(QUICK_RECONNECT)


@pytest.mark.parametrize(("how", "way"), [
    (how, way) for number, way in enumerate(WAYS) for how in (("button", "supply")[number % 2],)
    ] + [("DM", WAYS[0]), ("DM", WAYS[2])], ids=str)
@req("RETX-23", "RETX-18", "STO-04", "SCH-23")
@device_time("3 h")
@needs("meter.optical", "panel.button", "supply.voltage")
@in_regression
def test_a_restart_in_an_outage_loses_and_repeats_nothing(history, unit, dm, supply, bench, how, way):
    history.begin(TWELFTH | FIFO | AT_ONCE_AGAIN | {"max_uploads_per_transmission": 10}, way)
    history.pass_time(30 * minutes)
    with history.without_server():
        history.pass_time_until(history.meter_time.hour + 1 if history.meter_time.hour < 23 else 0, 2)
        if how == "button":
            unit.press_button(6 * s)
        elif how == "DM":
            dm.execute(Device.REBOOT)
        else:
            supply.output_off()
            bench.clock.sleep(10 * s)
            supply.output_on()
        history.may_read(f"a restart by {how}", within=10 * minutes)
        history.pass_time(30 * minutes)
    history.pass_time(75 * minutes)
    history.check(QUICK_RECONNECT)
