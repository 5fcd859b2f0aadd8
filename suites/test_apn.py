"""Changing the APN over device management, with the way back, manual 6.4.

The profile in use is the one that 10/0/11 links to, 11/0 as a rule. Where the new one is staged chapter 6.4 prints as
10/1/1 and 10/1/2, and Table 1 has in object 11 (C03): either will do. How long a trial may last is not printed (G01):
up to 72 h, and the time is put down.
"""

from datetime import timedelta

import pytest

from bench.manual.paths import ApnConnectionProfile1, CellularConnectivity, ConnectivityMonitoring, Device, McmConfig
from fixtures.judging import first_of
from fixtures.outcomes import BootstrapOutcome, NetworkEvent
from fixtures.radio import UNKNOWN_APN
from fixtures.words import days, device_time, ets, in_regression, minutes, needs, profile, req, s

STAGES = {ApnConnectionProfile1.INSTANCE: "object 11", "/10/1": "object 10"}
"""Where an APN may be staged, by the readings of C03."""
ROLLBACK_TIMEOUT = 3 * days
in_certification = profile("certification")


def in_use(dm):
    """The profile in use: its APN, whether the network chooses, and what the connection has."""
    profile = "/11/" + str(dm.read(CellularConnectivity.ACTIVATED_PROFILE_NAMES)).removeprefix("11:")
    return dm.read(f"{profile}/1"), dm.read(f"{profile}/2"), first_of(
        dm.read_all(ConnectivityMonitoring.APN).values(), "an APN in 4/0/7")


@pytest.fixture
def stage(dm, readings):
    """``stage(apn)`` writes the staging profile, ``stage(None)`` one in which the network chooses."""
    def write(apn):
        paths = [path for path in STAGES if not dm.refusal(f"{path}/2", apn is None)]
        assert paths, f"no staging profile can be written: neither of {', '.join(map(str, STAGES))}"
        readings.takes("C03", "both objects" if len(paths) == 2 else STAGES[paths[0]])
        if apn is not None:
            dm.write(f"{paths[0]}/1", apn)
        return paths[0]
    return write


def apply(bench, dm):
    """Execute; when that was, in bench time."""
    before = bench.clock.time()
    dm.execute(McmConfig.APPLY_APN_STAGING_PROFILE)
    return before


def change(bench, dm, stage, apn):
    """Stage and apply an APN that works, and wait for the registration over it."""
    stage(apn)
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
def test_staging_alone_changes_nothing(joined_unit, bench, dm, stage, second):
    before = in_use(dm)
    path = stage(second)
    read = str(dm.read(f"{path}/1")), str(dm.read(f"{path}/2"))    # of 10/1 nobody knows the types
    assert read in ((second, "False"), (second, "0")), f"staged is {second}, manual, and what reads back is {read}"
    assert in_use(dm) == before, "staging has changed the profile in use"
    restarted = bench.clock.time()
    dm.execute(Device.REBOOT)
    dm.wait_for_registration(15 * minutes, after=restarted)
    assert in_use(dm) == before, "a staged APN was used at the next attach"


@req("APN-01", "APN-03", "APN-04", "APN-10", "NET-41", "LWM2M-33906.0.15", "LWM2M-4.0.7.0", "LWM2M-10.0.11")
@ets("int-1250")
@device_time("30 min")
@needs("cell.apns", "panel.leds")
@profile("regression", "certification")
def test_an_applied_apn_is_tried_and_kept_after_a_bootstrap(joined_unit, bench, dm, panel, bootstrap, stage, measure,
                                                           second):
    stage(second)
    applied = apply(bench, dm)    # it answers: an execution without an answer is a failure
    start_up = panel.red.wait_for_pulse(min_duration=0.05 * s, timeout=2 * minutes)
    measure("apn.reset", start_up.start - applied)
    sequence = bootstrap.wait_for(BootstrapOutcome.FINISHED, 15 * minutes, after=applied)
    measure("apn.attach", sequence.started_at - applied)
    dm.wait_for_registration(5 * minutes, after=applied)
    assert in_use(dm) == (second, False, second), f"the profile in use is {in_use(dm)}"
    assert str(dm.read(CellularConnectivity.ACTIVATED_PROFILE_NAMES)) in ("11:0", "11:1"), "10/0/11 links to no profile"


@req("APN-10", "LWM2M-3.0.4")
@device_time("40 min")
@needs("cell.apns", "cell.level")
@in_regression
@pytest.mark.parametrize("path", [McmConfig.APPLY_APN_STAGING_PROFILE, Device.REBOOT], ids=["new APN", "reboot"])
def test_who_resets_answers_first_though_it_takes_seconds(unit, cell, bench, dm, stage, second, path):
    """In coverage so bad that an answer is on the air for longer than most timers last."""
    unit.make_joined()
    stage(second)
    cell.set_level(-125)
    bench.clock.sleep(10 * s)
    for _ in range(2):
        before = bench.clock.time()
        dm.execute(path)    # an execution without an answer is a failure
        dm.wait_for_registration(30 * minutes, after=before)


@req("APN-04")
@device_time("40 min")
@needs("cell.apns", "supply.voltage")
@profile("regression", "certification")
def test_a_new_apn_survives_a_power_cut(joined_unit, bench, dm, supply, stage, second):
    change(bench, dm, stage, second)
    power_cut(bench, supply, joined_unit)
    dm.wait_for_registration(30 * minutes, after=bench.clock.time())
    assert in_use(dm) == (second, False, second), f"the profile in use is {in_use(dm)}"


@req("APN-04", "DM-07", "NET-41")
@device_time("30 min")
@needs("cell.apns", "settings.nfc.read")
@in_regression
def test_a_new_apn_is_seen_over_nfc(joined_unit, bench, dm, stage, second):
    change(bench, dm, stage, second)
    values = joined_unit.read_settings().values
    shown = values["apn_mode"], values["apn"]
    assert shown == ("Manual", second), f"over NFC the unit shows {shown}"


@req("APN-09", "NET-40")
@device_time("40 min")
@needs("cell.apns")
@in_regression
def test_automatic_mode_brings_the_networks_apn_back(joined_unit, bench, dm, stage, second):
    *_, usual = in_use(dm)
    change(bench, dm, stage, second)
    stage(None)
    before = apply(bench, dm)
    dm.wait_for_registration(15 * minutes, after=before)
    _, automatic, apn = in_use(dm)
    assert (automatic, apn) == (True, usual), f"in automatic mode ({automatic}) the APN is {apn}"


@req("APN-05", "APN-06", "APN-08", "APN-13", "NET-41")
@device_time("150 h")
@needs("cell.apns", "cell.nas", "panel.leds")
@profile("regression", "certification")
@pytest.mark.parametrize("which", ["leads nowhere", "leads nowhere and has an outage", "is refused by the network"])
def test_an_apn_that_fails_is_rolled_back(joined_unit, bench, dm, panel, radio, cell, bootstrap, stage, measure,
                                          dead_end, which):
    """Twice, with a second reset each time; and a restart later it is still the old one."""
    before = in_use(dm)
    refused = which == "is refused by the network"
    for _ in range(2):
        stage(UNKNOWN_APN if refused else dead_end)
        applied = apply(bench, dm)
        radio.wait_for_event(NetworkEvent.ATTACH_REJECT if refused else NetworkEvent.ATTACH_ACCEPT, applied,
                             5 * minutes)
        if which.endswith("outage"):
            bench.clock.sleep(30 * s)
            cell.off()
            bench.clock.sleep(30 * s)
            cell.on()
        registration = dm.wait_for_registration(ROLLBACK_TIMEOUT, after=applied)
        measure("apn.rollback", registration.registered_at - applied)
        first = first_of(bootstrap.sequences(applied), "a bootstrap over the old APN")
        resets = starts(panel, applied)
        assert len(resets) >= 2, f"the unit was reset {len(resets)} time(s): to try the new APN, and to go back"
        assert resets[-1] < first.started_at, "a bootstrap over the new APN, before the reset that goes back"
        assert in_use(dm) == before, f"after the roll-back the profile in use is {in_use(dm)}, it was {before}"
    restarted = bench.clock.time()
    dm.execute(Device.REBOOT)
    dm.wait_for_registration(15 * minutes, after=restarted)
    assert in_use(dm) == before, "an APN that was rolled back is tried again at the next start"


def starts(panel, since):
    """When the unit has started since then (bench time, s), as its red LED shows: flashes of one start are one."""
    found = []
    for pulse in panel.red.pulses(since=since):
        if not found or pulse.start - found[-1] > 3 * s:
            found.append(pulse.start)
    return found


@req("APN-05", "APN-04")
@device_time("72 h")
@needs("cell.apns", "panel.leds")
@in_certification
def test_an_apn_without_a_bootstrap_is_rolled_back_though_other_servers_can_be_reached(
        joined_unit, bench, dm, panel, bootstrap, stage, second):
    """The bootstrap server knows nobody until the unit has gone back; the DM server would answer."""
    before = in_use(dm)
    stage(second)
    bootstrap.server.known = frozenset()
    applied = apply(bench, dm)
    while len(starts(panel, applied)) < 2:
        assert bench.clock.time() - applied < ROLLBACK_TIMEOUT, "no second reset within three days"
        bench.clock.sleep(10 * minutes)
    bootstrap.server.known = None
    dm.wait_for_registration(ROLLBACK_TIMEOUT, after=applied)
    bench.clock.sleep(2 * minutes)
    assert in_use(dm) == before, f"the profile in use is {in_use(dm)}, it was {before}"


@req("APN-07")
@device_time("72 h")
@needs("cell.apns", "supply.voltage")
@in_certification
@pytest.mark.parametrize("after", [30.0, 300.0], ids=lambda after: f"{after:g} s")
def test_a_power_cut_in_a_trial_leaves_a_unit_in_reach(joined_unit, bench, dm, supply, stage, dead_end, after):
    before = in_use(dm)
    stage(dead_end)
    apply(bench, dm)
    bench.clock.sleep(after)
    power_cut(bench, supply, joined_unit)
    dm.wait_for_registration(ROLLBACK_TIMEOUT, after=bench.clock.time())
    assert in_use(dm) == before, f"after a power cut in the trial the profile in use is {in_use(dm)}, it was {before}"


@req("APN-07")
@device_time("72 h")
@needs("cell.apns", "supply.voltage")
@in_certification
def test_a_power_cut_in_the_trial_of_a_good_apn_leaves_a_unit_in_reach(joined_unit, bench, dm, supply, stage, second):
    """It ends on the old APN or the new one: whichever, all that is said of it agrees."""
    *_, usual = in_use(dm)
    stage(second)
    apply(bench, dm)
    bench.clock.sleep(6 * s)
    power_cut(bench, supply, joined_unit)
    dm.wait_for_registration(ROLLBACK_TIMEOUT, after=bench.clock.time())
    apn, automatic, connected = in_use(dm)
    assert (automatic, connected) == (True, usual) or (apn, automatic, connected) == (second, False, second), (
        f"the profile in use is {apn}, automatic {automatic}, and the connection has {connected}")


@req("APN-11")
@device_time("72 h")
@in_certification
@pytest.mark.parametrize("apn", ["", "a" * 101, "no apn \t\u20ac"], ids=["empty", "101 letters", "no letters"])
def test_a_senseless_apn_does_not_cut_the_unit_off(joined_unit, bench, dm, stage, apn):
    usual = in_use(dm)[2]
    path = stage(UNKNOWN_APN)
    if dm.refusal(f"{path}/1", apn) or dm.execute_refusal(McmConfig.APPLY_APN_STAGING_PROFILE):
        assert in_use(dm)[2] == usual, "what was refused has changed the APN in use"
        return
    dm.wait_for_registration(ROLLBACK_TIMEOUT, after=bench.clock.time())
    assert in_use(dm)[2] == usual, f"the APN in use is {in_use(dm)[2]}"


@req("APN-12")
@device_time("72 h")
@needs("cell.apns")
@in_certification
def test_readouts_of_a_trial_are_not_lost(unit, bench, dm, gateway, stage, dead_end):
    unit.make_joined({"readout_interval": 5, "report_interval": 5, "transmit_interval": 1440, "utc_offset": 60,
                      "auto_upload_max_age": 7 * 1440, "max_uploads_per_transmission": 255})
    stage(dead_end)
    applied, began = apply(bench, dm), bench.clock.utc()
    arrived = gateway.count
    registration = dm.wait_for_registration(ROLLBACK_TIMEOUT, after=applied)
    gateway.wait_for_telegram(timeout=15 * minutes, after=arrived)
    bench.clock.sleep(2 * minutes)
    sent = {readout.stamp
            for arrival in gateway.arrivals(since=arrived) for readout in arrival.telegram.readouts}
    ended = began.replace(tzinfo=None) + timedelta(seconds=registration.registered_at - applied)
    due = began.replace(tzinfo=None, minute=began.minute // 5 * 5, second=0, microsecond=0) + timedelta(minutes=5)
    if due >= ended:
        return    # so short a trial had no readout due
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
        assert values.keys() >= {0, 1, 2, 4}, f"11/{instance} has the resources {sorted(values)} only"
        assert values[4] == 3, "an authentication type other than None"
