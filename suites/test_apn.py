"""Changing the APN over device management, with the way back, manual 6.4.

The profile in use is read as 11/0, the staged one as 11/1: chapter 6.4 prints 10/1/1 and 10/1/2, Table 1 has them in
object 11 (C03). How long a trial may last is not printed (G01): up to 72 h, and the time is put down.
"""

from datetime import timedelta

import pytest

from fixtures.outcomes import BootstrapOutcome, CellState
from fixtures.words import days, device_time, ets, in_regression, minutes, needs, profile, req, s

APN, AUTO, APPLY = "/11/1/1", "/11/1/2", "/33906/0/15"
UNKNOWN = "no-such-apn.invalid"
"""No network takes it."""
ROLLBACK_TIMEOUT = 3 * days
in_certification = profile("certification")


def in_use(dm):
    """The profile in use: its APN, whether the network chooses, and what the connection has."""
    return dm.read("/11/0/1"), dm.read("/11/0/2"), next(iter(dm.read_all("/4/0/7").values()))


def stage(dm, apn):
    dm.write(APN, apn)
    dm.write(AUTO, False)


def apply(bench, dm):
    """Execute; when that was, in bench time."""
    before = bench.clock.time()
    dm.execute(APPLY)
    return before


def change(bench, dm, apn):
    """Stage and apply an APN that works, and wait for the registration over it."""
    stage(dm, apn)
    before = apply(bench, dm)
    dm.wait_for_registration(15 * minutes, after=before)
    return before


def power_cut(bench, supply, unit):
    supply.output_off()
    bench.clock.sleep(10 * s)
    unit.power_up()


@pytest.fixture
def second(bench):
    """An APN that leads to the bench's servers."""
    return bench.station.file.cell.second_apn


@pytest.fixture
def dead_end(bench):
    """An APN that the network takes and that leads nowhere."""
    return bench.station.file.cell.dead_end_apn


@req("APN-02", "LWM2M-11.x.1", "LWM2M-11.x.2")
@ets("int-1250")
@device_time("10 min")
@needs("cell.apns")
@in_regression
def test_staging_alone_changes_nothing(joined_unit, bench, dm, second):
    before = in_use(dm)
    stage(dm, second)
    assert (dm.read(APN), dm.read(AUTO)) == (second, False)
    assert in_use(dm) == before
    restarted = bench.clock.time()
    dm.execute("/3/0/4")
    dm.wait_for_registration(15 * minutes, after=restarted)
    assert in_use(dm) == before, "a staged APN was used at the next attach"


@req("APN-01", "APN-03", "APN-04", "APN-10", "NET-41", "LWM2M-33906.0.15", "LWM2M-4.0.7.0", "LWM2M-10.0.11")
@ets("int-1250")
@device_time("30 min")
@needs("cell.apns", "panel.leds")
@profile("regression", "certification")
def test_an_applied_apn_is_tried_and_kept_after_a_bootstrap(joined_unit, bench, dm, panel, bootstrap, measure, second):
    stage(dm, second)
    applied = apply(bench, dm)    # it answers: an execution without an answer is a failure
    start_up = panel.red.wait_for_pulse(min_duration=0.5 * s, timeout=2 * minutes)
    measure("apn.reset", start_up.start - applied)
    sequence = bootstrap.wait_for(BootstrapOutcome.FINISHED, 15 * minutes, after=applied)
    measure("apn.attach", sequence.started_at - applied)
    dm.wait_for_registration(5 * minutes, after=applied)
    assert in_use(dm) == (second, False, second)
    assert str(dm.read("/10/0/11")) in ("11:0", "11:1")


@req("APN-04")
@device_time("40 min")
@needs("cell.apns", "supply.voltage")
@profile("regression", "certification")
def test_a_new_apn_survives_a_power_cut(joined_unit, bench, dm, supply, second):
    change(bench, dm, second)
    power_cut(bench, supply, joined_unit)
    dm.wait_for_registration(30 * minutes, after=bench.clock.time())
    assert in_use(dm) == (second, False, second)


@req("APN-04", "DM-07", "NET-41")
@device_time("30 min")
@needs("cell.apns", "nfc")
@in_regression
def test_a_new_apn_is_seen_over_nfc(joined_unit, bench, dm, second):
    change(bench, dm, second)
    values = joined_unit.read_settings().values
    assert (values["apn_mode"], values["apn"]) == ("Manual", second)


@req("APN-09", "NET-40")
@device_time("40 min")
@needs("cell.apns")
@in_regression
def test_automatic_mode_brings_the_networks_apn_back(joined_unit, bench, dm, second):
    *_, usual = in_use(dm)
    change(bench, dm, second)
    dm.write(AUTO, True)
    before = apply(bench, dm)
    dm.wait_for_registration(15 * minutes, after=before)
    _, automatic, apn = in_use(dm)
    assert (automatic, apn) == (True, usual)


@req("APN-05", "APN-08")
@device_time("72 h")
@needs("cell.apns", "cell.state")
@profile("regression", "certification")
def test_an_apn_that_leads_nowhere_is_rolled_back(joined_unit, bench, cell, dm, bootstrap, measure, dead_end):
    before = in_use(dm)
    stage(dm, dead_end)
    applied = apply(bench, dm)
    bench.clock.sleep(10 * minutes)
    assert cell.state() not in (CellState.OFF, CellState.ON), "no attach with the new APN"
    assert not bootstrap.sequences(applied), "a bootstrap before the trial can have ended"
    registration = dm.wait_for_registration(ROLLBACK_TIMEOUT, after=applied)
    measure("apn.rollback", registration.registered_at - applied)
    assert bootstrap.sequences(applied), "no bootstrap over the old APN"
    assert in_use(dm) == before


@req("APN-06", "APN-08", "NET-41")
@device_time("72 h")
@needs("cell.apns", "cell.state")
@profile("regression", "certification")
def test_an_apn_that_the_network_refuses_is_rolled_back(joined_unit, bench, cell, dm, measure):
    before = in_use(dm)
    stage(dm, UNKNOWN)
    applied = apply(bench, dm)
    bench.clock.sleep(5 * minutes)
    assert cell.state() is CellState.ON, "attached with an APN that the network does not take"
    registration = dm.wait_for_registration(ROLLBACK_TIMEOUT, after=applied)
    measure("apn.rollback", registration.registered_at - applied)
    assert in_use(dm) == before


@req("APN-05", "APN-04")
@device_time("72 h")
@needs("cell.apns")
@in_certification
def test_an_apn_without_a_bootstrap_is_rolled_back_though_other_servers_can_be_reached(
        joined_unit, bench, dm, bootstrap, second):
    """The bootstrap server knows nobody for a day; the DM server would answer."""
    before = in_use(dm)
    stage(dm, second)
    bootstrap.server.known = frozenset()
    applied = apply(bench, dm)
    bench.clock.sleep(1 * days)
    bootstrap.server.known = None
    dm.wait_for_registration(ROLLBACK_TIMEOUT, after=applied)
    bench.clock.sleep(2 * minutes)
    assert in_use(dm) == before


@req("APN-07")
@device_time("72 h")
@needs("cell.apns", "supply.voltage")
@in_certification
@pytest.mark.parametrize("after", [30.0, 300.0], ids=lambda after: f"{after:g} s")
def test_a_power_cut_in_a_trial_leaves_a_unit_in_reach(joined_unit, bench, dm, supply, dead_end, after):
    before = in_use(dm)
    stage(dm, dead_end)
    apply(bench, dm)
    bench.clock.sleep(after)
    power_cut(bench, supply, joined_unit)
    dm.wait_for_registration(ROLLBACK_TIMEOUT, after=bench.clock.time())
    assert in_use(dm) == before


@req("APN-07")
@device_time("72 h")
@needs("cell.apns", "supply.voltage")
@in_certification
def test_a_power_cut_in_the_trial_of_a_good_apn_leaves_a_unit_in_reach(joined_unit, bench, dm, supply, second):
    """It ends on the old APN or the new one: whichever, all that is said of it agrees."""
    *_, usual = in_use(dm)
    stage(dm, second)
    apply(bench, dm)
    bench.clock.sleep(6 * s)
    power_cut(bench, supply, joined_unit)
    dm.wait_for_registration(ROLLBACK_TIMEOUT, after=bench.clock.time())
    apn, automatic, connected = in_use(dm)
    assert (automatic, connected) == (True, usual) or (apn, automatic, connected) == (second, False, second)


@req("APN-11")
@device_time("72 h")
@in_certification
@pytest.mark.parametrize("apn", ["", "a" * 101, "no apn \t\u20ac"], ids=["empty", "101 letters", "no letters"])
def test_a_senseless_apn_does_not_cut_the_unit_off(joined_unit, bench, dm, apn):
    usual = in_use(dm)[2]
    if dm.refusal(APN, apn):
        return
    dm.write(AUTO, False)
    if dm.execute_refusal(APPLY):
        return
    dm.wait_for_registration(ROLLBACK_TIMEOUT, after=bench.clock.time())
    assert in_use(dm)[2] == usual


@req("APN-12")
@device_time("72 h")
@needs("cell.apns", "nfc")
@in_certification
def test_readouts_of_a_trial_are_not_lost(unit, bench, dm, gateway, dead_end):
    unit.make_joined({"readout_interval": 5, "report_interval": 5, "transmit_interval": 1440, "utc_offset": 60})
    stage(dm, dead_end)
    applied, began = apply(bench, dm), bench.clock.utc()
    arrived = gateway.count
    registration = dm.wait_for_registration(ROLLBACK_TIMEOUT, after=applied)
    gateway.wait_for_telegram(timeout=15 * minutes, after=arrived)
    bench.clock.sleep(2 * minutes)
    sent = {readout.time.replace(tzinfo=None)
            for arrival in gateway.arrivals(since=arrived) for readout in arrival.telegram.readouts}
    ended = began.replace(tzinfo=None) + timedelta(seconds=registration.registered_at - applied)
    due = began.replace(tzinfo=None, minute=began.minute // 5 * 5, second=0, microsecond=0) + timedelta(minutes=5)
    assert due < ended, "the trial was too short to tell"
    lost = []
    while due < ended:
        lost += [] if due in sent or restarting(due, began, ended) else [due]
        due += timedelta(minutes=5)
    assert not lost, f"lost {', '.join(f'{stamp:%d. %H:%M}' for stamp in lost)}"


def restarting(due, began, ended):
    """Whether the unit may have missed a readout because it was restarting: at either end of the trial."""
    naive = began.replace(tzinfo=None)
    return due - naive < timedelta(minutes=1) or ended - due < timedelta(minutes=2)


@req("LWM2M-11.x.0", "LWM2M-11.x.4")
@ets("int-1230")
@device_time("1 min")
@in_regression
def test_both_profiles_can_be_read(joined_unit, dm):
    for instance in (0, 1):
        values = {path.resource_id: value for path, value in dm.read_all(f"/11/{instance}").items()}
        assert values.keys() >= {0, 1, 2, 4}
        assert values[4] == 3, "an authentication type other than None"
