"""The unit and its network: bands, search, power saving, coverage; manual 6.2, 8 and Table 10."""

from datetime import timedelta

import pytest

from bench.analysis.current import sleep_current, wakes
from bench.analysis.current_phases import active_timers, find_phases
from bench.manual.paths import CellularConnectivity, ConnectivityMonitoring, Device, McmConfig, NbIotInfo, NbIotStatus
from bench.payload.readout import canonical
from fixtures.judging import first_of
from fixtures.outcomes import CellState, NetworkEvent
from fixtures.words import days, device_time, hours, in_regression, minutes, needs, req, s

GOOD_COVERAGE = -85
"""dBm at the unit: for tests whose limits are those of coverage level 0, whatever the station's usual level is."""
POOR_COVERAGE = 15 * minutes
"""For anything that takes minutes where it is good: attach up to 3 min, uplinks up to 80 s."""


def activate(unit, bench, settings):
    """Passive until now: active with ``settings``; when that was."""
    unit.make_passive(settings)
    return unit.activate()


def restart(unit, bench, panel, settings):
    """A reboot with ``settings``; when it was."""
    unit.write_settings(settings)
    before = bench.clock.time()
    panel.press(6 * s)
    return before


# -- bands and search


@req("NET-03", "NET-07", "LWM2M-33907.0.11", "OTC-T10-03")
@device_time("5 min")
@needs("cell.bands")
@in_regression
@pytest.mark.parametrize("band", [3, 8, 20])
def test_a_unit_set_to_all_bands_joins_in_each(unit, cell, dm, band):
    cell.use_bands(band)
    unit.make_joined({"radio_frequency_band": 0})
    dm.expect(NbIotStatus.CURRENT_RADIO_BAND, band)
    dm.expect(McmConfig.NB_IOT_RADIO_BANDS, "0", "the list of bands is not that of all bands")


@req("NET-05", "OTC-T10-03", "LWM2M-33906.0.53")
@device_time("10 min")
@needs("cell.bands.several")
@in_regression
@pytest.mark.parametrize("band", [8, 20])
def test_the_band_that_is_set_is_used_where_there_are_others(unit, cell, dm, band):
    cell.use_bands(8, 20)
    unit.make_joined({"radio_frequency_band": band})
    dm.expect(NbIotStatus.CURRENT_RADIO_BAND, band)


@req("NET-05", "LWM2M-33906.0.53", "LWM2M-33907.0.11")
@device_time("10 min")
@needs("cell.bands.several")
@in_regression
@pytest.mark.parametrize(("bands", "used"), [("8,20", 20), ("20,8", 20), ("3,8", 3), ("8,5,20", 20), ("8,5,3", 3),
                                             ("1,2,4,5,8,12,13,3", 3)])
def test_of_a_list_of_bands_that_one_is_used_in_which_there_is_a_cell(joined_unit, cell, dm, bench, bands, used):
    """Another cell is on the air in a band that is not on the list."""
    dm.write(McmConfig.NB_IOT_RADIO_BANDS, bands)
    before = bench.clock.time()
    dm.execute(Device.REBOOT)
    bench.clock.sleep(5 * s)    # for its answer
    cell.use_bands(3, 20)
    dm.wait_for_registration(15 * minutes, after=before)
    dm.expect(NbIotStatus.CURRENT_RADIO_BAND, used)
    dm.expect(McmConfig.NB_IOT_RADIO_BANDS, bands)


@req("NET-06", "OTC-T10-03", "LWM2M-33907.0.11")
@device_time("6 h")
@needs("cell.bands")
@in_regression
def test_a_band_without_a_cell_is_given_up_for_the_others(unit, cell, bench, dm, measure):
    cell.use_bands(20)
    activated = activate(unit, bench, {"radio_frequency_band": 3})
    registration = dm.wait_for_registration(6 * hours + 15 * minutes, after=activated)
    measure("network.band_fallback", registration.registered_at - activated)
    dm.expect(NbIotStatus.CURRENT_RADIO_BAND, 20)
    assert unit.read_settings().values["radio_frequency_band"] == 3, "the setting was changed"


@req("NET-20", "OTC-T10-11", "LWM2M-33906.0.39")
@device_time("30 min")
@needs("cell.outage", "supply.current")
@in_regression
def test_a_search_ends_and_the_unit_sleeps_until_the_next(unit, cell, power, measure):
    unit.make_passive({"search_period": 600, "restart_backoff": "10-11"})
    cell.off()
    unit.activate()
    capture = power.capture(18 * minutes, period=0.1)
    # A search is awake most of the time; the readout of the meter within the pause is short.
    searching = [wake for wake in wakes(capture) if wake.start_s < 12 * minutes]
    ends = [wake.start_s + wake.duration_s for wake in searching if wake.charge_c > 0.005]
    assert ends, "the unit did not search"
    ended = max(ends)
    measure("network.search", ended - searching[0].start_s)
    pause = capture.part(ended + 5 * s, ended + 6 * minutes)
    measure("network.after_search.current", sleep_current(pause, at_least_s=60).mean_a * 1e6)
    cell.on()


@req("LWM2M-33909.0.2")
@device_time("10 min")
@needs("cell.detach", "cell.state")
@in_regression
def test_a_unit_that_the_network_has_detached_attaches_again(joined_unit, bench, cell, dm, radio):
    counted = dm.read(NbIotInfo.REGISTRATIONS)
    for again in (1, 2):
        before = bench.clock.time()
        cell.detach()
        radio.wait_for(CellState.CONNECTED, timeout=5 * minutes)
        dm.wait_for_registration(5 * minutes, after=before)
        dm.expect(NbIotInfo.REGISTRATIONS, counted + again, "the registrations are not counted")


@req("LWM2M-33909.0.6")
@device_time("21 h")
@needs("cell.nas", "cell.detach")
@in_regression
def test_the_reported_uptime_is_that_of_a_registration(unit, bench, cell, dm, radio, readings, measure):
    """The one that lasts, or the one before it (U32); also beyond what 16 bits hold."""
    unit.make_joined({"power_saving_mode": "eDRX"})
    attached = radio.last(NetworkEvent.ATTACH_ACCEPT).time
    bench.clock.sleep(20 * hours)
    error = dm.read(NbIotInfo.REGISTRATION_UPTIME) - (bench.clock.time() - attached)
    if abs(error) > 1 * hours:
        readings.takes("U32", "previous")
        before = bench.clock.time()
        cell.detach()
        dm.wait_for_registration(5 * minutes, after=before)
        error = dm.read(NbIotInfo.REGISTRATION_UPTIME) - (radio.last(NetworkEvent.ATTACH_ACCEPT).time - attached)
    else:
        readings.takes("U32", "current")
    measure("network.attach_report_error", error)


@req("LWM2M-33909.0.3")
@device_time("20 min")
@needs("cell.nas", "cell.detach", "cell.outage")
@in_regression
def test_the_reported_duration_is_that_of_the_last_registration(unit, bench, cell, dm, radio):
    """A slow registration and two quick ones: none takes longer than from the loss of the network until it has taken
    the unit in, and none less than from the request on."""
    unit.make_passive()
    cell.off()
    before = unit.activate()
    bench.clock.sleep(10 * minutes)
    cell.on()
    for again in range(3):
        if again:
            before = bench.clock.time()
            cell.detach()
        dm.wait_for_registration(15 * minutes, after=before)
        told = dm.read(NbIotInfo.LAST_REGISTRATION_DURATION)
        asked, taken = (radio.last(event).time for event in (NetworkEvent.ATTACH_REQUEST, NetworkEvent.ATTACH_ACCEPT))
        assert taken - asked - 1 <= told <= taken - before + 1, (
            f"a registration of {told} s is reported; it took {taken - asked:.1f} to {taken - before:.1f} s")


@req("NET-05", "OTC-T10-03")
@device_time("15 min")
@needs("cell.bands.several", "cell.detach", "settings.nfc.write")
@in_regression
@pytest.mark.parametrize("band", [8, 20])
def test_the_band_that_is_set_is_used_after_an_outage_too(unit, bench, cell, dm, band):
    cell.use_bands(8, 20)
    unit.make_joined({"radio_frequency_band": band})
    for _ in range(2):
        before = bench.clock.time()
        cell.detach()
        dm.wait_for_registration(5 * minutes, after=before)
        dm.expect(NbIotStatus.CURRENT_RADIO_BAND, band)


# -- silence

HOURLY = {"transmit_interval": 60, "transmit_offset": 1, "transmit_delay": 5}
GOODBYE = 1 * minutes
"""A unit that is switched off may take so long to leave: nothing is printed."""


@req("ACT-11", "BTN-04", "LED-11", "OTC-T8-02")
@device_time("50 h")
@needs("cell.nas", "panel.button", "panel.leds", "settings.nfc.write", "supply.voltage")
@in_regression
@pytest.mark.parametrize("how", ["over NFC", "by the button", "over NFC, and a power cut"])
def test_a_unit_that_is_made_passive_says_nothing_for_two_days(unit, bench, supply, panel, gateway, radio, how):
    """To nobody: neither to a server nor to the network."""
    unit.make_joined(HOURLY)
    gateway.wait_for_telegram(2 * hours)
    if how == "by the button":
        unit.press_button(17.5 * s)
    else:
        unit.write_settings({"power_mode": "Passive"})
    bench.clock.sleep(GOODBYE)
    if "power cut" in how:
        supply.output_off()
        bench.clock.sleep(10 * s)
        unit.power_up()
    silent, mark = bench.clock.time(), bench.mark()
    bench.clock.sleep(2 * days)
    heard = radio.heard(silent)
    assert not heard, f"a unit made passive {how} was heard {heard[0].time - silent:.0f} s later: {heard[0].event}"
    datagrams = [seen for seen in bench.timeline.since(mark) if seen.kind == "datagram"]
    assert not datagrams, f"a unit made passive {how} has sent {len(datagrams)} datagrams"
    lit = panel.green.pulses(since=silent) + panel.red.pulses(since=silent)
    assert not lit, f"a unit made passive {how} lit an LED: {lit[0]}"


@req("NET-39", "NET-01", "NET-02")
@device_time("50 h")
@needs("cell.nas", "panel.button")
@in_regression
def test_the_unit_speaks_to_its_servers_and_to_nobody_else(unit, bench, dm, radio):
    """From its start on, over two days of planned transmissions: each datagram, wherever it goes."""
    unit.make_joined(HOURLY)
    began = bench.clock.time()
    unit.press_button(6 * s)
    dm.wait_for_registration(5 * minutes, after=began)
    bench.clock.sleep(2 * days)
    seen = radio.destinations(began)
    assert len(seen) >= 2, f"the network has seen datagrams to {seen or 'nobody'} only"
    assert not seen - radio.servers, f"datagrams to {', '.join(sorted(seen - radio.servers))}, which is no server of it"


# -- power saving: what the unit asks for


@req("NET-11", "NET-12", "NET-17", "OTC-T10-05", "OTC-T10-06", "OTC-T10-08", "LWM2M-10.0.4", "LWM2M-10.0.5",
     "LWM2M-10.0.9")
@device_time("5 min")
@needs("cell.nas")
@in_regression
def test_a_delivered_unit_asks_for_120_s_and_70_h_and_the_default_edrx(joined_unit, dm, radio):
    asked = radio.last(NetworkEvent.ATTACH_REQUEST)
    found = (asked.t3324_s, asked.t3412_s, asked.edrx)
    assert found == (120, 252000, 0x13), f"T3324, T3412 and eDRX asked for: {found}"
    read = tuple(dm.read(path) for path in (CellularConnectivity.ACTIVE_TIMER, CellularConnectivity.PSM_TIMER,
                                            CellularConnectivity.EDRX_PARAMETERS_FOR_NB_S1_MODE))
    assert read == (120, 252000, b"\x13"), f"T3324, T3412 and eDRX reported: {read}"


@req("NET-11", "NET-12", "NET-17", "NET-14")
@device_time("30 min")
@needs("cell.nas", "cell.outage", "panel.button")
@in_regression
def test_a_unit_asks_for_the_same_at_each_attach(joined_unit, bench, dm, cell, radio):
    """After an outage, after a restart, and after another outage."""
    for lost in (True, False, True):
        begun = bench.clock.time()
        if lost:
            cell.off()
            bench.clock.sleep(30 * s)
            cell.on()
        joined_unit.press_button(6 * s)
        asked = radio.wait_for_event(NetworkEvent.ATTACH_REQUEST, begun, 15 * minutes)
        dm.wait_for_registration(15 * minutes, after=begun)
        found = (asked.t3324_s, asked.t3412_s, asked.edrx)
        assert found == (120, 252000, 0x13), f"T3324, T3412 and eDRX asked for: {found}"


@req("NET-15", "OTC-T10-05", "OTC-T10-06")
@device_time("20 min")
@needs("cell.nas", "panel.button", "settings.nfc.write")
@in_regression
@pytest.mark.parametrize(("t3324", "t3412"), [(60, 86400), (0, 252000), (2, 2), (100, 100000), (11160, 35712000)])
def test_timers_set_over_nfc_are_those_that_the_unit_asks_for(joined_unit, bench, panel, radio, t3324, t3412):
    """A time that an information element can't hold becomes one of the two next to it."""
    before = restart(joined_unit, bench, panel, {"t3324_timer": t3324, "t3412_timer": t3412})
    asked = radio.wait_for_event(NetworkEvent.ATTACH_REQUEST, before, 5 * minutes)
    assert asked.t3324_s in around(t3324, T3324_STEPS_S), f"T3324 {asked.t3324_s} s is asked for, {t3324} s is set"
    assert asked.t3412_s in around(t3412, T3412_STEPS_S), f"T3412 {asked.t3412_s} s is asked for, {t3412} s is set"


@req("NET-15", "OTC-T10-05", "OTC-T10-06")
@device_time("30 min")
@needs("cell.nas", "panel.button", "settings.nfc.write")
@in_regression
def test_each_of_several_changes_of_the_timers_is_asked_for(joined_unit, bench, panel, radio):
    for t3324, t3412 in ((60, 86400), (120, 252000), (60, 252000), (180, 86400), (60, 86400)):
        before = restart(joined_unit, bench, panel, {"t3324_timer": t3324, "t3412_timer": t3412})
        asked = radio.wait_for_event(NetworkEvent.ATTACH_REQUEST, before, 5 * minutes)
        found = asked.t3324_s, asked.t3412_s
        assert found == (t3324, t3412), f"T3324 and T3412 asked for are {found}, {(t3324, t3412)} are set"
        bench.clock.sleep(3 * minutes)


T3324_STEPS_S = [*range(0, 63, 2), *range(60, 1861, 60), *range(1800, 11161, 360)]
T3412_STEPS_S = [*range(0, 63, 2), *range(60, 931, 30), *range(900, 1861, 60), *range(1800, 18601, 600),
                 *range(18000, 111601, 3600), *range(108000, 1116001, 36000), *range(1152000, 35712001, 1152000)]
"""What the elements can hold: 5 bits in each of their units (3GPP TS 24.008, 10.5.7.4 and 10.5.7.4a)."""


def around(seconds, steps_s):
    """The time itself if there is such a step, else the steps next to it."""
    if seconds in steps_s:
        return {seconds}
    return {max(step for step in steps_s if step < seconds), min(step for step in steps_s if step > seconds)}


@req("NET-15", "NET-14")
@device_time("30 min")
@needs("cell.nas", "cell.state", "settings.nfc.write")
@in_regression
def test_a_tracking_area_update_asks_for_the_timers_of_the_attach(unit, bench, radio):
    unit.make_joined({"t3324_timer": 60, "t3412_timer": 600})
    attach = radio.last(NetworkEvent.ATTACH_REQUEST)
    before = bench.clock.time()
    for _ in range(2):
        update = radio.wait_for_event(NetworkEvent.UPDATE_REQUEST, before, 15 * minutes, every=10 * s)
        before = update.time
        assert (update.t3324_s, update.t3412_s, update.edrx) == (attach.t3324_s, attach.t3412_s, attach.edrx), (
            f"the update asks for T3324 {update.t3324_s} s and T3412 {update.t3412_s} s, the attach for "
            f"{attach.t3324_s} s and {attach.t3412_s} s")


@req("NET-16", "OTC-T10-04", "LWM2M-33906.0.49")
@device_time("20 min")
@needs("cell.nas", "panel.button")
@in_regression
def test_each_power_saving_mode_asks_for_what_it_is_called(joined_unit, bench, panel, radio):
    delivered = joined_unit.delivered.values["power_saving_mode"]
    assert delivered == "eDRX+PSM", f"the mode of delivery is {delivered}"
    for mode, psm, edrx in (("Disabled", False, False), ("eDRX", False, True), ("PSM", True, False),
                            ("eDRX+PSM", True, True)):
        before = restart(joined_unit, bench, panel, {"power_saving_mode": mode})
        asked = radio.wait_for_event(NetworkEvent.ATTACH_REQUEST, before, 5 * minutes)
        found = (asked.t3324_s is not None, asked.t3412_s is not None, asked.edrx is not None)
        assert found == (psm, psm, edrx), f"{mode}: T3324, T3412 and eDRX are asked for: {found}"


@req("NET-17", "OTC-T10-07", "OTC-T10-08", "LWM2M-33906.0.50")
@device_time("10 min")
@needs("cell.nas", "panel.button", "settings.nfc.write")
@in_regression
def test_the_edrx_value_counts_in_manual_mode_only(joined_unit, bench, panel, dm, radio):
    before = restart(joined_unit, bench, panel, {"edrx_mode": "Manual", "edrx_value": 0x25})
    asked = radio.wait_for_event(NetworkEvent.ATTACH_REQUEST, before, 5 * minutes).edrx
    assert asked == 0x25, f"eDRX {asked} is asked for, 0x25 is set"
    dm.wait_for_registration(5 * minutes, after=before)
    dm.expect(CellularConnectivity.EDRX_PARAMETERS_FOR_NB_S1_MODE, b"\x25",
              "the eDRX value that is set is not the one reported")
    before = restart(joined_unit, bench, panel, {"edrx_mode": "Automatic"})
    automatic = radio.wait_for_event(NetworkEvent.ATTACH_REQUEST, before, 5 * minutes).edrx
    bench.step(f"automatic: eDRX {automatic}; what it stands for is not printed")
    assert automatic != 0x25, "the value counts in automatic mode, too"
    dm.wait_for_registration(5 * minutes, after=before)
    dm.expect(McmConfig.EDRX_MODE, 0, "the eDRX mode is not reported as automatic")


# -- power saving: what the network grants


@req("NET-13", "NET-14", "OTC-T10-05", "OTC-T10-06")
@device_time("50 min")
@needs("cell.timers", "cell.state", "cell.level", "supply.current")
@in_regression
def test_what_the_network_grants_counts_and_not_what_the_unit_asked_for(unit, bench, cell, radio, power, measure):
    cell.set_level(GOOD_COVERAGE)
    unit.make_passive()    # what is granted counts from the next attach on
    bench.keep_clear_of_the_hour(6 * minutes)    # a readout would be taken for a part of the active timer
    cell.grant(t3324_s=60, t3412_s=600)
    unit.make_joined(bench.transmitting_half_a_day_from_now())
    capture = power.capture(2 * minutes)
    timers = active_timers(find_phases(capture))
    assert timers, "in two minutes after its first telegram the unit was not released, or did not fall asleep"
    measure("network.granted_active_timer", timers[-1].duration_s)
    released = capture.start_bench_s + timers[-1].release_s
    for _ in range(3):
        updated = radio.wait_for(CellState.CONNECTED, timeout=15 * minutes)
        measure("network.periodic_update", updated - released)
        released = radio.wait_for(CellState.IDLE, timeout=2 * minutes)


@req("NET-18", "OTC-T10-08")
@device_time("30 min")
@needs("cell.state", "cell.level")
@in_regression
def test_without_psm_an_idle_unit_is_reached_within_an_edrx_cycle(unit, bench, cell, dm, radio, measure):
    cell.set_level(GOOD_COVERAGE)
    unit.make_joined({"power_saving_mode": "eDRX"})
    delays = []
    for _ in range(20):
        radio.wait_for(CellState.IDLE, timeout=5 * minutes)
        bench.clock.sleep(30 * s)
        asked = bench.clock.time()
        dm.read(NbIotStatus.ECL)
        delays.append(bench.clock.time() - asked)
    measure("network.edrx_delay", sorted(delays)[18])


@req("NET-35", "LWM2M-33906.0.51")
@device_time("30 min")
@needs("cell.assistance", "cell.state", "cell.level", "panel.button")
@in_regression
def test_with_release_assistance_the_network_lets_go_sooner(unit, bench, cell, dm, gateway, radio, measure):
    """Told apart by transmissions on schedule: after one that DM has asked for, an answer to DM may follow."""
    cell.set_level(GOOD_COVERAGE)
    unit.make_joined({"transmit_interval": 5, "transmit_offset": 1, "transmit_delay": 1, "readout_interval": 5,
                      "report_interval": 5})
    for enabled, restarted, name in ((1, False, "network.assisted_release"), (1, True, "network.assisted_release"),
                                     (0, False, "network.unassisted_release")):
        dm.write(McmConfig.ENABLE_RAI, enabled)
        if restarted:
            _, began = unit.press_button(6 * s)
            dm.wait_for_registration(5 * minutes, after=began)
            gateway.wait_for_telegram(5 * minutes)
        radio.wait_for(CellState.IDLE, timeout=5 * minutes)
        before, arrived = bench.clock.time(), gateway.count
        telegram = gateway.wait_for_telegram(15 * minutes, after=arrived)
        released = radio.wait_for_event(NetworkEvent.RRC_RELEASE, telegram.time, 2 * minutes)
        measure(name, released.time - telegram.time)
        indicated = {one.release_assistance for one in radio.events(NetworkEvent.DATA_TRANSPORT, before)} - {None}
        assert indicated == ({2} if enabled else set()), f"indications {indicated} with the setting {enabled}"


# -- coverage and signal


@req("LWM2M-33907.0.3", "ACT-06", "ACT-17", "PHY-17")
@device_time("30 min")
@needs("cell.level")
@in_regression
@pytest.mark.parametrize(("level", "strength"), [(0, -95), (1, -110), (2, -125)], ids=["ECL0", "ECL1", "ECL2"])
def test_a_unit_joins_and_reports_at_each_coverage_level(unit, cell, bench, dm, gateway, meter, level, strength):
    cell.set_level(strength)
    before = canonical(meter.read().energy).value
    unit.make_passive()
    count, activated = gateway.count, unit.activate()
    dm.wait_for_registration(POOR_COVERAGE, after=activated)
    sent = gateway.wait_for_telegram(POOR_COVERAGE, after=count).telegram.newest
    after = canonical(meter.read().energy).value
    assert before <= canonical(sent.energy).value <= after, f"energy {sent.energy} sent, {before} to {after} read"
    dm.expect(NbIotStatus.ECL, level)
    reported_dbm = dm.read(ConnectivityMonitoring.RADIO_SIGNAL_STRENGTH)
    assert abs(reported_dbm - strength) <= 6, f"{reported_dbm} dBm are reported at {strength} dBm"


@req("NET-10")
@device_time("1 h")
@needs("cell.level", "cell.bands")
@in_regression
@pytest.mark.parametrize("band", [3, 8, 20])
def test_a_unit_joins_and_is_reached_at_its_sensitivity_in_each_band(unit, cell, dm, band):
    """-135 dBm, of which the level of the cell itself may take 1 dB; with repetitions, as the manual names none."""
    cell.use_bands(band)
    cell.set_level(-134)
    unit.make_passive()
    dm.wait_for_registration(2 * POOR_COVERAGE, after=unit.activate())
    for _ in range(3):
        dm.expect(NbIotStatus.CURRENT_RADIO_BAND, band)


@req("LWM2M-33907.0.5")
@device_time("5 min")
@needs("cell.noise", "cell.level")
@in_regression
def test_the_reported_snr_follows_the_noise_of_the_cell(joined_unit, bench, cell, dm, measure):
    cell.set_level(GOOD_COVERAGE)
    for snr_db in (15, 5, 0):
        cell.set_noise(snr_db)
        bench.clock.sleep(5 * s)
        measure("network.snr_error", dm.read(NbIotStatus.SNR) / 10 - snr_db)


@req("RETX-02", "RETX-19")
@device_time("14 h")
@needs("meter.optical")
@in_regression
def test_a_network_that_loses_a_fifth_of_all_datagrams_loses_no_readout(unit, loss, bench, gateway, meter):
    unit.make_joined({"transmit_interval": 60, "transmit_offset": 1, "transmit_delay": 5, "utc_offset": 0})
    loss.percent = 20
    first = (meter.read().meter_time + timedelta(hours=1)).replace(minute=0, second=0)
    bench.clock.sleep(12 * hours)
    loss.percent = 0
    bench.clock.sleep(2 * hours)
    arrived = {sent.stamp for one in gateway.arrivals() for sent in one.telegram.readouts}
    missing = [f"{hour:%H:%M}" for hour in (first + timedelta(hours=number) for number in range(12))
               if hour not in arrived]
    assert not missing, f"readouts that never arrived: {', '.join(missing)}"


@req("NET-02")
@device_time("4 h")
@needs("cell.nat", "settings.nfc.write")
@in_regression
def test_telegrams_arrive_through_an_address_translation_that_forgets(unit, bench, gateway):
    """Between two transmissions the unit's source port changes; only the session tells whose telegram it is."""
    unit.make_joined({"apn_mode": "Manual", "apn": bench.station.file.cell.nat_apn, "transmit_interval": 60,
                      "transmit_offset": 1, "transmit_delay": 5})
    for _ in range(3):
        arrived = gateway.count
        gateway.wait_for_telegram(70 * minutes, after=arrived)
        bench.clock.sleep(10 * minutes)
    assert {one.client_id for one in gateway.arrivals()} == {unit.deveui}, "a telegram of a client that is not the unit"


# -- the APN


@req("OTC-T10-01", "OTC-T10-02", "NET-40", "NET-41", "LWM2M-4.0.7.0")
@device_time("15 min")
@needs("cell.apns", "panel.button", "settings.nfc.write")
@in_regression
def test_an_apn_set_over_nfc_is_used_in_manual_mode_only(joined_unit, bench, panel, dm):
    assert joined_unit.delivered.values["apn_mode"] == "Auto", "the APN mode of delivery is not Auto"
    usual = first_of(dm.read_all(ConnectivityMonitoring.APN).values(), "an APN in 4/0/7")
    second = bench.station.file.cell.second_apn
    for mode, apn in (("Manual", second), ("Auto", usual)):
        before = restart(joined_unit, bench, panel, {"apn_mode": mode, "apn": second})
        dm.wait_for_registration(5 * minutes, after=before)
        used = first_of(dm.read_all(ConnectivityMonitoring.APN).values(), "an APN in 4/0/7")
        assert used == apn, f"the APN in use is {used} in mode {mode}"
        assert joined_unit.read_settings().values["apn"] == second, "the APN that was set is not there any more"
