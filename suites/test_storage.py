"""The memory of 8000 readouts: what is kept, for how long, and how it comes out again (manual 7.3 and chapter 8)."""

from datetime import timedelta
from decimal import Decimal
from itertools import combinations, pairwise

import pytest

from bench.manual import error_flags
from bench.manual.paths import McmConfig
from bench.payload.readout import Quantity, canonical
from fixtures.judging import first_of
from fixtures.uploads import ENCODINGS, FORMATS
from fixtures.words import days, device_time, hours, in_regression, minutes, needs, profile, req, s

CAPACITY = 8000
AUTO_UPLOAD = timedelta(minutes=10080)
QUICK = {"readout_interval": 5, "report_interval": 5, "transmit_interval": 5, "transmit_offset": 1,
         "transmit_delay": 2, "auto_upload_order": "Oldest first", "power_saving_mode": "Disabled"}
"""Five minutes for an hour; and the unit listens for long, so that the DM server reaches it."""
STAYS_AWAY = {"search_period": 10, "restart_backoff": "1440-1500"}
"""Without a network the unit is silent for a day, so that an outage costs neither battery nor time."""
TARIFFS = ("1.111", "2.222", "3.333")
"""In MWh."""
PREWARNING = 0x0400
"""F0V of Table 3: the meter counts on."""


def stamps(arrivals, way):
    """When the readouts of telegrams were made, on the meter's clock, in the order in which they arrived."""
    return [readout.stamp + timedelta(minutes=way.utc_offset)
            for arrival in arrivals for readout in arrival.telegram.readouts]


def on_grid(moments, minutes_apart=5):
    return {moment for moment in moments if moment.minute % minutes_apart == 0}


def gaps(moments):
    """The stamps of a grid of 5 min that are missing between the first and the last."""
    known, missing = on_grid(moments), []
    assert known, "not a single readout of the grid"
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


def resend(dm, telegrams, bench, timeout):
    """Ask for the history over DM and wait until it has been sent; what arrived since, and what the status said."""
    before = telegrams.count
    dm.execute(McmConfig.HISTORIC_RESEND_TRIGGER)
    said, deadline = [dm.read(McmConfig.HISTORIC_RESEND_STATUS)], bench.clock.time() + timeout
    while said[-1] and bench.clock.time() < deadline:
        bench.clock.sleep(20 * s)
        said.append(dm.read(McmConfig.HISTORIC_RESEND_STATUS))
    bench.clock.sleep(1 * minutes)
    return telegrams.arrivals(since=before), said


@req("STO-01", "STO-02")
@device_time("29 d")
@needs("cell.outage", "supply.voltage")
@profile("regression", "certification")
def test_8000_readouts_are_kept_and_come_back(ways, way, cell, supply, dm, telegrams, bench, measure, readings):
    """28 days without a network and a power cut at their end. Seven days go by themselves, the history when asked."""
    ways.join(way, QUICK | STAYS_AWAY | {"message_encoding": "SenML/CBOR", "max_uploads_per_transmission": 255})
    cell.off()
    bench.clock.sleep(CAPACITY * 5 * minutes + 10 * hours)
    supply.output_off()
    bench.clock.sleep(10 * s)
    supply.output_on()
    arrived = telegrams.count
    back = bench.clock.time()
    cell.on()
    dm.wait_for_registration(15 * minutes, after=back)
    bench.clock.sleep(1 * hours)

    by_itself = stamps(telegrams.arrivals(since=arrived), way)
    ended = max(by_itself)
    assert not gaps(by_itself), "a readout of the last seven days is missing"
    goes_on = bench.local_standard_time - ended < timedelta(minutes=10)
    readings.takes("G02", "oldest overwritten" if goes_on else "new ones dropped")
    reached_back = (bench.local_standard_time - timedelta(hours=1) if goes_on else ended) - min(by_itself)
    least = AUTO_UPLOAD - timedelta(minutes=90) - (timedelta(0) if goes_on else timedelta(hours=12))
    assert reached_back >= least, f"only {reached_back} were sent"
    assert reached_back <= AUTO_UPLOAD + timedelta(minutes=90), f"{reached_back} were sent, the age limit is 7 days"

    arrivals, said = resend(dm, telegrams, bench, timeout=12 * hours)
    history = stamps(arrivals, way)
    kept = on_grid(history)
    measure("storage.readouts", len(set(history)))
    assert not gaps(history), "the history has a gap"
    assert max(kept) >= ended - timedelta(minutes=5), "the newest readouts were not kept"
    new = (arrivals[-1].time - arrivals[0].time) / (5 * minutes) + 3    # scheduled ones among them
    assert len(arrivals) - new <= said[0] <= len(arrivals), f"{len(arrivals)} messages came, the status said {said[0]}"
    assert said[0] > 0 and said[-1] == 0, f"the historic resend status said {said[0]} and ended with {said[-1]}"
    assert all(later <= earlier for earlier, later in pairwise(said)), "the status went up"


@req("RETX-21", "RETX-22", "STO-04", "STO-07", "DM-06", "LWM2M-33906.0.13", "LWM2M-33906.0.14")
@device_time("30 h")
@pytest.mark.parametrize("encoding", ["JSON", "SenML/CBOR"])
@in_regression
def test_the_history_is_sent_again_and_the_status_counts_down(ways, way, dm, telegrams, bench, encoding):
    """Many readouts and one off the grid that have been sent already; most are beyond the age limit (U05). JSON has
    one in each telegram: there are more than 256 of them."""
    readouts = 300 if encoding == "JSON" else 50
    ways.join(way, QUICK | {"message_encoding": encoding, "auto_upload_max_age": 60})
    first = telegrams.last_ever()
    began = bench.local_standard_time
    bench.clock.sleep(readouts * 5 * minutes)
    bench.clock.sleep((7.5 - bench.local_standard_time.minute % 5) * minutes)
    dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
    bench.clock.sleep(1 * minutes)
    sent = {stamp for stamp in stamps(telegrams.arrivals(), way) if began <= stamp <= bench.local_standard_time}
    assert len(sent) >= readouts - 5 and len(sent - on_grid(sent)) >= 1, f"{len(sent)} of {readouts} readouts"
    arrivals, said = resend(dm, telegrams, bench, timeout=24 * hours)    # 8000 of the unit's life, one in each telegram
    again = [stamp for stamp in stamps(arrivals, way) if stamp in sent]
    assert set(again) == sent, "some of the history did not come again"
    assert len(again) <= len(sent) + 2, "a readout came more than once"
    assert first is not None, "it had to restart for its settings, and reports after that"
    assert first_of(stamps([first], way), "a readout") in stamps(arrivals, way), \
        "the first readout of all did not come again"
    assert said[0] <= len(arrivals), f"the status said {said[0]}, and {len(arrivals)} messages came"
    assert encoding != "JSON" or (len(said) > 2 and said[0] > 256), f"the status said {said}"
    assert all(later <= earlier for earlier, later in pairwise(said)), f"the status said {said}"
    assert said[-1] == 0, f"in the end the status says that nothing is left, and it said {said}"


@req("STO-05", "RETX-23", "RETX-02", "STO-04")
@device_time("2 h")
@needs("cell.outage", "supply.voltage")
@in_regression
def test_unsent_readouts_survive_power_cuts(unit, ways, way, cell, supply, dm, telegrams, bench):
    ways.join(way, QUICK | STAYS_AWAY | {"max_uploads_per_transmission": 255})
    arrived, lost = telegrams.count, bench.local_standard_time
    cell.off()
    for _ in range(3):
        bench.clock.sleep(20 * minutes)
        supply.output_off()
        bench.clock.sleep(10 * s)
        supply.output_on()
    bench.clock.sleep(20 * minutes)
    back_on_the_air(unit, cell, dm, bench)
    bench.clock.sleep(15 * minutes)
    sent = [stamp for stamp in stamps(telegrams.arrivals(since=arrived), way) if stamp > lost]
    missing = gaps(sent)
    assert len(missing) <= 3, f"{len(missing)} readouts are missing: each power cut may cost one"
    assert min(sent) <= lost + timedelta(minutes=10), f"nothing from before {min(sent):%H:%M} has survived"
    # That of the return of the network may fall on the grid: then there are two of one minute.
    assert len(sent) - len(set(sent)) <= 1, "a readout was sent twice"


@req("STO-05", "RETX-23", "RETX-18")
@device_time("1 h")
@needs("supply.voltage")
@in_regression
def test_what_has_been_sent_is_not_sent_again_after_a_power_cut(ways, way, supply, dm, telegrams, bench):
    ways.join(way, QUICK)
    bench.clock.sleep(31 * minutes)
    arrived = telegrams.count
    assert arrived > 2, f"readouts come each 5 min, and {arrived} telegram(s) came in half an hour"
    before = set(stamps(telegrams.arrivals(), way))
    cut = bench.clock.time()
    supply.output_off()
    bench.clock.sleep(10 * s)
    supply.output_on()
    dm.wait_for_registration(15 * minutes, after=cut)
    bench.clock.sleep(15 * minutes)
    assert not before & set(stamps(telegrams.arrivals(since=arrived), way)), "sent marks were lost"


@req("STO-03", "STO-04")
@device_time("1 h")
@needs("cell.outage", "meter.simulator", "settings.nfc.write")
@in_regression
def test_all_registers_are_stored_whatever_the_message_format_was(unit, ways, way, cell, dm, meter_simulator, telegrams,
                                                                  bench):
    """What readouts made in the Standard format have besides comes when the format is Extended; and they are kept when
    encoding and intervals change."""
    meter_simulator.set_energy_step("0.001 MWh")
    meter_simulator.hold(missing_time=144)
    meter_simulator.set_tariffs(*TARIFFS)
    meter_simulator.set_error_flags(PREWARNING)
    ways.join(way, QUICK | STAYS_AWAY | {"message_format": "Standard", "max_uploads_per_transmission": 255})
    arrived, lost = telegrams.count, bench.local_standard_time
    cell.off()
    bench.clock.sleep(20 * minutes)
    changed = bench.local_standard_time
    meter_simulator.set_tariffs("4.444", "5.555", "6.666")
    meter_simulator.set_error_flags(0)
    other = {"M-Bus": "JSON", "JSON": "SenML/CBOR", "SenML/CBOR": "M-Bus"}[way.encoding]
    unit.write_settings({"message_format": "Extended", "message_encoding": other, "readout_interval": 15,
                         "report_interval": 5})
    back_on_the_air(unit, cell, dm, bench)
    bench.clock.sleep(15 * minutes)
    offset = timedelta(minutes=way.utc_offset)
    stored = [readout for arrival in telegrams.arrivals(since=arrived) for readout in arrival.telegram.readouts
              if readout.time and lost < readout.stamp + offset < changed - timedelta(minutes=1)]
    assert len(stored) >= 3, f"{len(stored)} of the readouts before the change came"
    for readout in stored:
        if readout.power is None:    # later records of a pack may hold the energy only (C13)
            continue
        assert readout.missing_time is not None, f"the readout of {readout.time:%H:%M} has no missing time"
        assert canonical(readout.missing_time).value == 144, f"missing time {readout.missing_time}"
        assert readout.error_flags == PREWARNING, f"error flags 0x{readout.error_flags:04X}"
        tariffs = [canonical(tariff) for tariff in readout.tariffs if tariff is not None]
        assert tariffs == [canonical(Quantity(Decimal(shown), "MWh")) for shown in TARIFFS], \
            f"the readout of {readout.time:%H:%M} has the tariffs {[str(tariff) for tariff in readout.tariffs]}"


def history_under_way(ways, way, dm, telegrams, bench):
    """A historic resend of 31 readouts that has begun: how many telegrams came before it, and the readouts' stamps."""
    ways.join(way, QUICK | STAYS_AWAY | {"message_encoding": "JSON"})
    began = bench.local_standard_time
    bench.clock.sleep(31 * 5 * minutes)
    sent = {stamp for stamp in stamps(telegrams.arrivals(), way) if began <= stamp <= bench.local_standard_time}
    before = telegrams.count
    dm.execute(McmConfig.HISTORIC_RESEND_TRIGGER)
    telegrams.wait_for_telegram(20 * minutes, after=before + 5)    # the limit of uploads may hold (U05)
    return before, sent


def expect_history(way, dm, telegrams, bench, before, sent, deadline):
    """All of it came again, and then the resend is over."""
    while dm.read(McmConfig.HISTORIC_RESEND_STATUS) and bench.clock.time() < deadline:
        bench.clock.sleep(10 * minutes)
    dm.expect(McmConfig.HISTORIC_RESEND_STATUS, 0, "the resend did not end within 24 h")
    bench.clock.sleep(1 * minutes)
    missing = sent - set(stamps(telegrams.arrivals(since=before), way))
    assert not missing, f"{len(missing)} of {len(sent)} readouts of the history did not come again"


@req("STO-07", "RETX-21")
@device_time("2 h")
@needs("cell.outage")
@in_regression
def test_a_historic_resend_that_an_outage_cuts_off_goes_on_after_it(unit, ways, way, cell, dm, telegrams, bench):
    before, sent = history_under_way(ways, way, dm, telegrams, bench)
    cell.off()
    bench.clock.sleep(10 * minutes)
    back_on_the_air(unit, cell, dm, bench)
    deadline = bench.clock.time() + 24 * hours             # there may be 8000 of the unit's life
    expect_history(way, dm, telegrams, bench, before, sent, deadline)


@req("STO-07", "RETX-21", "LWM2M-33906.0.13", "LWM2M-33906.0.14")
@device_time("4 h")
@in_regression
def test_a_historic_resend_that_the_server_does_not_hear_goes_on_when_it_does(ways, way, dm, telegrams, bench):
    before, sent = history_under_way(ways, way, dm, telegrams, bench)
    with ways.without_server(way):
        bench.clock.sleep(30 * minutes)
    deadline = bench.clock.time() + 24 * hours
    while not dm.answers(60 * s) and bench.clock.time() < deadline:
        bench.clock.sleep(5 * minutes)
    expect_history(way, dm, telegrams, bench, before, sent, deadline)


@req("STO-06", "RETX-05", "RETX-17")
@device_time("9 d")
@needs("cell.outage")
@pytest.mark.parametrize("age", [pytest.param(AUTO_UPLOAD, id="default"), pytest.param(
    timedelta(minutes=70_000), id="70000-min", marks=req("OTC-T11-11", "LWM2M-33906.0.44"))])
@profile("regression", "certification")
def test_as_much_is_sent_by_itself_as_the_age_limit_lets(unit, ways, way, cell, dm, telegrams, bench, age):
    """Hourly readouts, eight days without a network; all else is as delivered but for the intervals."""
    ways.join(way, STAYS_AWAY | {"transmit_interval": 60, "transmit_offset": 5, "transmit_delay": 20,
                              "max_uploads_per_transmission": 255,
                              "auto_upload_max_age": age // timedelta(minutes=1)})
    arrived = telegrams.count
    cell.off()
    bench.clock.sleep(8 * days)
    back_on_the_air(unit, cell, dm, bench)
    bench.clock.sleep(2 * hours)
    sent = sorted(on_grid(stamps(telegrams.arrivals(since=arrived), way), 60))
    assert sent, "nothing of the outage was sent"
    reached_back = sent[-1] - sent[0]
    longest = min(age, timedelta(days=8))
    assert longest - timedelta(hours=2) <= reached_back <= longest + timedelta(hours=3), \
        f"readouts of {reached_back} were sent"


PAIRS = [1 << low | 1 << high for low, high in combinations(range(12), 2)]
"""Each flag of Table 3 beside each other one."""


@req("RETX-21", "STO-03", "PAY-MBUS-09", "PAY-JSON-10", *(flag.requirement for flag in error_flags.load().values()))
@device_time("8 h")
@needs("meter.simulator")
@in_regression
def test_readouts_with_each_pair_of_flags_come_out_of_the_history_in_each_form(uploads, dm, telegrams, bench,
                                                                               meter_simulator):
    """Each is made once, with an energy that tells it from the others, and comes in each encoding and format, also
    where a transmission takes no more of the history than the limit of uploads says (U05)."""
    dm.write(McmConfig.INSTANCE, {18: 60, 19: 1, 20: 1, 21: 255})
    meter_simulator.set_energy_step("0.001 MWh")
    wanted = {}
    for number, flags in enumerate(PAIRS, 1):
        meter_simulator.hold(energy=f"{number}.000")
        meter_simulator.set_error_flags(flags)
        uploads.arrival()
        wanted[canonical(Quantity(Decimal(number), "MWh"))] = flags
    for encoding in ENCODINGS:
        for message_format in FORMATS:
            uploads.set(encoding=encoding, message_format=message_format)
            arrivals, _ = resend(dm, telegrams, bench, timeout=2 * hours)
            sent = {canonical(readout.energy): readout.error_flags
                    for arrival in arrivals for readout in arrival.telegram.readouts if readout.energy is not None}
            # Later records of a pack may have the energy only (C13).
            told = {energy: flags for energy, flags in sent.items() if flags is not None or encoding != "SenML"}
            other = [f"{told[energy]:#05x} for {flags:#05x}" if energy in told else f"none with {flags:#05x}"
                     for energy, flags in wanted.items() if energy not in sent or told.get(energy, flags) != flags]
            assert not other, f"in {encoding}, {message_format}: {', '.join(other[:5])}"
