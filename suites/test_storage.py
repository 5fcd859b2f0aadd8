"""The memory of 8000 readouts: what is kept, for how long, and how it comes out again (manual 7.3 and chapter 8)."""

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

from bench.payload.readout import Quantity, canonical
from fixtures.words import days, device_time, hours, in_regression, minutes, needs, profile, req, s

CAPACITY = 8000
AUTO_UPLOAD = timedelta(minutes=10080)
QUICK = {"readout_interval": 5, "report_interval": 5, "transmit_interval": 5, "transmit_offset": 1,
         "transmit_delay": 2, "auto_upload_order": "Oldest first", "t3324_timer": 11160}
"""Five minutes for an hour; and the unit listens for long, so that the DM server reaches it."""
STAYS_AWAY = {"search_period": 10, "restart_backoff": "1440-1500"}
"""Without a network the unit is silent for a day, so that an outage costs neither battery nor time."""
TARIFFS = ("1.111", "2.222", "3.333")
"""In MWh."""
STATUS = "/33906/0/14"
RESEND = "/33906/0/13"


def stamps(arrivals):
    """When the readouts of telegrams were made, as sent, in the order in which they arrived."""
    return [readout.time.replace(tzinfo=None) for arrival in arrivals for readout in arrival.telegram.readouts]


def meter_time(bench):
    """What the meter's clock shows, and the stamps of a unit without UTC offset: local standard time."""
    return bench.clock.utc().replace(tzinfo=None) + bench.local_standard_offset


def on_grid(moments, minutes_apart=5):
    return {moment for moment in moments if moment.minute % minutes_apart == 0}


def gaps(moments):
    """The stamps of a grid of 5 min that are missing between the first and the last."""
    known, missing = on_grid(moments), []
    moment = min(known)
    while moment < max(known):
        moment += timedelta(minutes=5)
        missing += [] if moment in known else [moment]
    return missing


def back_on_the_air(unit, cell, dm, bench):
    """End an outage; the button makes the unit look for the network at once."""
    back = bench.clock.time()
    cell.on()
    unit.press_button(6 * s)
    dm.wait_for_registration(15 * minutes, after=back)


def resend(dm, gateway, bench, timeout):
    """Ask for the history over DM and wait until it has been sent; what arrived since, and what the status said."""
    before = gateway.count
    dm.execute(RESEND)
    said, deadline = [dm.read(STATUS)], bench.clock.time() + timeout
    while said[-1] and bench.clock.time() < deadline:
        bench.clock.sleep(20 * s)
        said.append(dm.read(STATUS))
    bench.clock.sleep(1 * minutes)
    return gateway.arrivals(since=before), said


@req("STO-01", "STO-02")
@device_time("29 d")
@needs("cell.outage", "supply.voltage", "nfc")
@profile("regression", "certification")
def test_8000_readouts_are_kept_and_come_back(unit, cell, supply, dm, gateway, bench, measure):
    """28 days without a network and a power cut at their end. Seven days go by themselves, the history when asked."""
    unit.make_joined(QUICK | STAYS_AWAY | {"max_uploads_per_transmission": 255})
    cell.off()
    bench.clock.sleep(CAPACITY * 5 * minutes + 10 * hours)
    supply.output_off()
    bench.clock.sleep(10 * s)
    supply.output_on()
    arrived = gateway.count
    back = bench.clock.time()
    cell.on()
    dm.wait_for_registration(15 * minutes, after=back)
    bench.clock.sleep(1 * hours)

    by_itself = stamps(gateway.arrivals(since=arrived))
    ended = max(by_itself)
    assert not gaps(by_itself), "a readout of the last seven days is missing"
    reached_back = ended - min(by_itself)
    assert reached_back >= AUTO_UPLOAD - timedelta(minutes=90), f"only {reached_back} were sent"
    assert reached_back <= AUTO_UPLOAD + timedelta(minutes=90), f"{reached_back} were sent, the age limit is 7 days"

    arrivals, said = resend(dm, gateway, bench, timeout=12 * hours)
    history = stamps(arrivals)
    kept = on_grid(history)
    measure("storage.readouts", len(set(history)))
    assert not gaps(history), "the history has a gap"
    assert max(kept) >= ended - timedelta(minutes=5), "the newest readouts were not kept"
    assert said[0] > 0 and said[-1] == 0, f"the historic resend status said {said[0]} and ended with {said[-1]}"
    assert all(later <= earlier for earlier, later in pairwise(said)), "the status went up"


@req("RETX-21", "RETX-22", "STO-04", "STO-07", "DM-06", "LWM2M-33906.0.13", "LWM2M-33906.0.14")
@device_time("6 h")
@needs("nfc")
@in_regression
def test_the_history_is_sent_again_and_the_status_counts_down(unit, dm, gateway, bench):
    """Fifty readouts that have been sent already, one in each telegram; most of them are beyond the age limit (U05)."""
    first = unit.make_joined(QUICK | {"message_encoding": "JSON", "auto_upload_max_age": 60})
    bench.clock.sleep(50 * 5 * minutes)
    sent = on_grid(stamps(gateway.arrivals()))
    assert len(sent) >= 45
    arrivals, said = resend(dm, gateway, bench, timeout=1 * hours)
    again = stamps(arrivals)
    assert set(again) >= sent, "some of the history did not come again"
    assert len(again) <= len(set(again)) + 2, "a readout came more than once"
    assert first is None or stamps([first])[0] in again, "the first readout of all did not come again"
    assert len(said) > 2 and said[0] >= 20, f"the status said {said}"
    assert all(later <= earlier for earlier, later in pairwise(said)), f"the status said {said}"
    assert said[-1] == 0


@req("STO-05", "RETX-23", "RETX-02", "STO-04")
@device_time("2 h")
@needs("cell.outage", "supply.voltage", "nfc")
@in_regression
def test_unsent_readouts_survive_power_cuts(unit, cell, supply, dm, gateway, bench):
    unit.make_joined(QUICK | STAYS_AWAY | {"max_uploads_per_transmission": 255})
    arrived, lost = gateway.count, meter_time(bench)
    cell.off()
    for _ in range(3):
        bench.clock.sleep(20 * minutes)
        supply.output_off()
        bench.clock.sleep(10 * s)
        supply.output_on()
    bench.clock.sleep(20 * minutes)
    back_on_the_air(unit, cell, dm, bench)
    bench.clock.sleep(15 * minutes)
    sent = stamps(gateway.arrivals(since=arrived))
    missing = gaps(sent)
    assert len(missing) <= 3, f"{len(missing)} readouts are missing: each power cut may cost one"
    assert min(sent) <= lost + timedelta(minutes=10), f"nothing from before {min(sent):%H:%M} has survived"
    assert len(sent) == len(set(sent)), "a readout was sent twice"


@req("STO-05", "RETX-23", "RETX-18")
@device_time("1 h")
@needs("supply.voltage", "nfc")
@in_regression
def test_what_has_been_sent_is_not_sent_again_after_a_power_cut(unit, supply, dm, gateway, bench):
    unit.make_joined(QUICK)
    bench.clock.sleep(31 * minutes)
    arrived = gateway.count
    assert arrived > 2
    before = set(stamps(gateway.arrivals()))
    cut = bench.clock.time()
    supply.output_off()
    bench.clock.sleep(10 * s)
    supply.output_on()
    dm.wait_for_registration(15 * minutes, after=cut)
    bench.clock.sleep(15 * minutes)
    assert not before & set(stamps(gateway.arrivals(since=arrived))), "sent marks were lost"


@req("STO-03", "STO-04")
@device_time("1 h")
@needs("cell.outage", "meter.simulator", "nfc")
@in_regression
def test_all_registers_are_stored_whatever_the_message_format_was(unit, cell, dm, meter_simulator, gateway, bench):
    """The tariffs of readouts made in the Standard format come when the format is Extended."""
    meter_simulator.set_energy_step("0.001 MWh")
    meter_simulator.set_tariffs(*TARIFFS)
    unit.make_joined(QUICK | STAYS_AWAY | {"message_format": "Standard"})
    arrived = gateway.count
    cell.off()
    bench.clock.sleep(20 * minutes)
    changed = meter_time(bench)
    meter_simulator.set_tariffs("4.444", "5.555", "6.666")
    unit.write_settings({"message_format": "Extended"})
    back_on_the_air(unit, cell, dm, bench)
    bench.clock.sleep(15 * minutes)
    stored = [readout for arrival in gateway.arrivals(since=arrived) for readout in arrival.telegram.readouts
              if readout.time and readout.time.replace(tzinfo=None) < changed - timedelta(minutes=1)]
    assert len(stored) >= 3
    for readout in stored:
        tariffs = [canonical(tariff) for tariff in readout.tariffs if tariff is not None]
        assert tariffs == [canonical(Quantity(Decimal(shown), "MWh")) for shown in TARIFFS], \
            f"the readout of {readout.time:%H:%M} has the tariffs {[str(tariff) for tariff in readout.tariffs]}"


@req("STO-07", "RETX-21")
@device_time("2 h")
@needs("cell.outage", "nfc")
@in_regression
def test_a_historic_resend_that_an_outage_cuts_off_goes_on_after_it(unit, cell, dm, gateway, bench):
    unit.make_joined(QUICK | STAYS_AWAY | {"message_encoding": "JSON"})
    bench.clock.sleep(31 * 5 * minutes)
    sent = set(stamps(gateway.arrivals()))
    before = gateway.count
    dm.execute(RESEND)
    gateway.wait_for_telegram(5 * minutes, after=before + 5)
    cell.off()
    bench.clock.sleep(10 * minutes)
    back_on_the_air(unit, cell, dm, bench)
    bench.clock.sleep(1 * hours)
    assert set(stamps(gateway.arrivals(since=before))) >= sent, "the rest of the history did not come"
    assert dm.read(STATUS) == 0


@req("STO-06", "RETX-05", "RETX-17")
@device_time("9 d")
@needs("cell.outage", "nfc")
@profile("regression", "certification")
def test_seven_days_are_sent_by_themselves_with_the_default_age_limit(unit, cell, dm, gateway, bench):
    """Hourly readouts, eight days without a network; all else is as delivered but for the intervals."""
    unit.make_joined(STAYS_AWAY | {"transmit_interval": 60, "transmit_offset": 5, "transmit_delay": 20,
                                   "max_uploads_per_transmission": 255})
    arrived = gateway.count
    cell.off()
    bench.clock.sleep(8 * days)
    back_on_the_air(unit, cell, dm, bench)
    bench.clock.sleep(2 * hours)
    sent = sorted(on_grid(stamps(gateway.arrivals(since=arrived)), 60))
    reached_back = sent[-1] - sent[0]
    assert AUTO_UPLOAD - timedelta(hours=2) <= reached_back <= AUTO_UPLOAD + timedelta(hours=3), \
        f"readouts of {reached_back} were sent"
