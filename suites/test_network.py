"""The unit and its network: bands, search, power saving, coverage; manual 6.2, 8 and Table 10."""

from datetime import timedelta

import pytest

from bench.analysis.current import sleep_current, wakes
from bench.analysis.current_phases import active_timers, find_phases
from bench.payload.readout import canonical
from fixtures.outcomes import CellState, NetworkEvent
from fixtures.words import device_time, hours, in_regression, minutes, needs, req, s

BAND, ECL, SNR, RSRP = "/33907/0/11", "/33907/0/3", "/33907/0/5", "/4/0/2"
REGISTRATIONS = "/33909/0/2"
GOOD_COVERAGE = -85
"""dBm at the unit: for tests whose limits are those of coverage level 0, whatever the station's usual level is."""
POOR_COVERAGE = 15 * minutes
"""For anything that takes minutes where it is good: attach up to 3 min, uplinks up to 80 s."""


def activate(unit, bench, settings):
    """Passive until now: active with ``settings``; when that was."""
    unit.make_passive()
    before = bench.clock.time()
    unit.write_settings({**settings, "power_mode": "Active"})
    return before


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
    assert dm.read(BAND) == band
    assert dm.read("/33906/0/53") == "0"


@req("NET-05", "OTC-T10-03", "LWM2M-33906.0.53")
@device_time("10 min")
@needs("cell.bands.several")
@in_regression
@pytest.mark.parametrize("band", [8, 20])
def test_the_band_that_is_set_is_used_where_there_are_others(unit, cell, dm, band):
    cell.use_bands(8, 20)
    unit.make_joined({"radio_frequency_band": band})
    assert dm.read(BAND) == band


@req("NET-06", "OTC-T10-03")
@device_time("6 h")
@needs("cell.bands")
@in_regression
def test_a_band_without_a_cell_is_given_up_for_the_others(unit, cell, bench, dm, measure):
    cell.use_bands(20)
    activated = activate(unit, bench, {"radio_frequency_band": 3})
    registration = dm.wait_for_registration(6 * hours + 15 * minutes, after=activated)
    measure("network.band_fallback", registration.registered_at - activated)
    assert dm.read(BAND) == 20
    assert unit.read_settings().values["radio_frequency_band"] == 3, "the setting was changed"


@req("NET-20", "OTC-T10-11", "LWM2M-33906.0.39")
@device_time("30 min")
@needs("cell.outage", "supply.current")
@in_regression
def test_a_search_ends_and_the_unit_sleeps_until_the_next(unit, cell, power, measure):
    unit.make_passive()
    cell.off()
    unit.write_settings({"search_period": 600, "restart_backoff": "10-11", "power_mode": "Active"})
    capture = power.capture(18 * minutes, period=0.1)
    # A search is awake most of the time; the readout of the meter within the pause is short.
    searching = [wake for wake in wakes(capture) if wake.start_s < 12 * minutes]
    ended = max(wake.start_s + wake.duration_s for wake in searching if wake.charge_c > 0.005)
    measure("network.search", ended - searching[0].start_s)
    pause = capture.part(capture.start_s + ended + 5 * s, capture.start_s + ended + 6 * minutes)
    measure("network.after_search.current", sleep_current(pause, at_least_s=60).mean_a * 1e6)
    cell.on()


@req("LWM2M-33909.0.2", "LWM2M-33909.0.6", "LED-04")
@device_time("10 min")
@needs("cell.detach", "cell.state")
@in_regression
def test_a_unit_that_the_network_has_detached_attaches_again(joined_unit, bench, cell, dm, radio):
    counted = dm.read(REGISTRATIONS)
    for again in (1, 2):
        before = bench.clock.time()
        cell.detach()
        radio.wait_for(CellState.CONNECTED, timeout=5 * minutes)
        dm.wait_for_registration(5 * minutes, after=before)
        assert dm.read(REGISTRATIONS) == counted + again
        assert dm.read("/33909/0/6") <= bench.clock.time() - before


@req("LWM2M-33909.0.6")
@device_time("5 min")
@needs("cell.nas")
@in_regression
def test_the_reported_uptime_is_that_since_the_attach(joined_unit, bench, dm, radio, measure):
    attached = radio.last(NetworkEvent.ATTACH_ACCEPT).time
    reported = dm.read("/33909/0/6")
    measure("network.attach_report_error", reported - (bench.clock.time() - attached))


# -- power saving: what the unit asks for


@req("NET-11", "NET-12", "NET-17", "OTC-T10-05", "OTC-T10-06", "OTC-T10-08", "LWM2M-10.0.4", "LWM2M-10.0.5",
     "LWM2M-10.0.9")
@device_time("5 min")
@needs("cell.nas")
@in_regression
def test_a_delivered_unit_asks_for_120_s_and_70_h_and_the_default_edrx(joined_unit, dm, radio):
    asked = radio.last(NetworkEvent.ATTACH_REQUEST)
    assert (asked.t3324_s, asked.t3412_s, asked.edrx) == (120, 252000, 0x13)
    assert (dm.read("/10/0/5"), dm.read("/10/0/4"), dm.read("/10/0/9")) == (120, 252000, b"\x13")


@req("NET-15", "OTC-T10-05", "OTC-T10-06")
@device_time("15 min")
@needs("cell.nas", "panel.button")
@in_regression
def test_timers_set_over_nfc_are_those_that_the_unit_asks_for(joined_unit, bench, panel, radio):
    """A time that an information element can't hold becomes the next longer that it can."""
    for t3324, t3412, asked_for in ((60, 86400, (60, 86400)), (0, 252000, (0, 252000)), (100, 100000, (120, 100800))):
        before = restart(joined_unit, bench, panel, {"t3324_timer": t3324, "t3412_timer": t3412})
        asked = radio.wait_for_event(NetworkEvent.ATTACH_REQUEST, before, 5 * minutes)
        assert (asked.t3324_s, asked.t3412_s) == asked_for


@req("NET-16", "OTC-T10-04", "LWM2M-33906.0.49")
@device_time("20 min")
@needs("cell.nas", "panel.button")
@in_regression
def test_each_power_saving_mode_asks_for_what_it_is_called(joined_unit, bench, panel, radio):
    assert joined_unit.delivered.values["power_saving_mode"] == "eDRX+PSM"
    for mode, psm, edrx in (("Disabled", False, False), ("eDRX", False, True), ("PSM", True, False),
                            ("eDRX+PSM", True, True)):
        before = restart(joined_unit, bench, panel, {"power_saving_mode": mode})
        asked = radio.wait_for_event(NetworkEvent.ATTACH_REQUEST, before, 5 * minutes)
        assert (asked.t3324_s is not None, asked.t3412_s is not None, asked.edrx is not None) == (psm, psm, edrx), mode


@req("NET-17", "OTC-T10-07", "OTC-T10-08", "LWM2M-33906.0.50")
@device_time("10 min")
@needs("cell.nas", "panel.button")
@in_regression
def test_the_edrx_value_counts_in_manual_mode_only(joined_unit, bench, panel, dm, radio):
    before = restart(joined_unit, bench, panel, {"edrx_mode": "Manual", "edrx_value": 0x25})
    assert radio.wait_for_event(NetworkEvent.ATTACH_REQUEST, before, 5 * minutes).edrx == 0x25
    dm.wait_for_registration(5 * minutes, after=before)
    assert dm.read("/10/0/9") == b"\x25"
    before = restart(joined_unit, bench, panel, {"edrx_mode": "Automatic"})
    automatic = radio.wait_for_event(NetworkEvent.ATTACH_REQUEST, before, 5 * minutes).edrx
    bench.step(f"automatic: eDRX {automatic}; what it stands for is not printed")
    assert automatic != 0x25, "the value counts in automatic mode, too"
    dm.wait_for_registration(5 * minutes, after=before)
    assert dm.read("/33906/0/50") == 0


# -- power saving: what the network grants


@req("NET-13", "NET-14", "OTC-T10-05", "OTC-T10-06")
@device_time("30 min")
@needs("cell.timers", "cell.state", "cell.level", "supply.current")
@in_regression
def test_what_the_network_grants_counts_and_not_what_the_unit_asked_for(unit, cell, radio, power, measure):
    cell.set_level(GOOD_COVERAGE)
    cell.grant(t3324_s=60, t3412_s=600)
    unit.make_joined()
    timers = active_timers(find_phases(power.capture(2 * minutes)))
    assert timers, "in two minutes after its first telegram the unit was not released, or did not fall asleep"
    measure("network.granted_active_timer", timers[-1].duration_s)
    updated = radio.wait_for(CellState.CONNECTED, timeout=15 * minutes)
    measure("network.periodic_update", updated - timers[-1].release_s)
    radio.wait_for(CellState.IDLE, timeout=2 * minutes)


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
        dm.read(ECL)
        delays.append(bench.clock.time() - asked)
    measure("network.edrx_delay", sorted(delays)[18])


@req("NET-35", "LWM2M-33906.0.51")
@device_time("20 min")
@needs("cell.nas", "cell.state", "cell.level")
@in_regression
def test_with_release_assistance_the_network_lets_go_sooner(unit, bench, cell, dm, gateway, radio, measure):
    """Told apart by transmissions on schedule: after one that DM has asked for, an answer to DM may follow."""
    cell.set_level(GOOD_COVERAGE)
    unit.make_joined({"transmit_interval": 5, "transmit_offset": 1, "transmit_delay": 1, "readout_interval": 5,
                      "report_interval": 5})
    for enabled, name in ((1, "network.assisted_release"), (0, "network.unassisted_release")):
        dm.write("/33906/0/51", enabled)
        radio.wait_for(CellState.IDLE, timeout=5 * minutes)
        before, arrived = bench.clock.time(), gateway.count
        telegram = gateway.wait_for_telegram(15 * minutes, after=arrived)
        released = radio.wait_for_event(NetworkEvent.RRC_RELEASE, telegram.time, 2 * minutes)
        measure(name, released.time - telegram.time)
        indicated = {one.release_assistance for one in radio.events(NetworkEvent.DATA_TRANSPORT, before)}
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
    activated = activate(unit, bench, {})
    dm.wait_for_registration(POOR_COVERAGE, after=activated)
    sent = gateway.wait_for_telegram(POOR_COVERAGE, after=0).telegram.newest
    assert before <= canonical(sent.energy).value <= canonical(meter.read().energy).value
    assert dm.read(ECL) == level
    assert abs(dm.read(RSRP) - strength) <= 6


@req("LWM2M-33907.0.5")
@device_time("5 min")
@needs("cell.noise", "cell.level")
@in_regression
def test_the_reported_snr_follows_the_noise_of_the_cell(joined_unit, bench, cell, dm, measure):
    cell.set_level(GOOD_COVERAGE)
    for snr_db in (15, 5, 0):
        cell.set_noise(snr_db)
        bench.clock.sleep(5 * s)
        measure("network.snr_error", dm.read(SNR) / 10 - snr_db)


@req("RETX-02", "RETX-19")
@device_time("14 h")
@needs("cell.loss", "meter.optical")
@in_regression
def test_a_network_that_loses_a_fifth_of_all_datagrams_loses_no_readout(unit, cell, bench, gateway, meter):
    unit.make_joined({"transmit_interval": 60, "transmit_offset": 1, "transmit_delay": 5, "utc_offset": 0})
    cell.set_loss(20)
    first = (meter.read().meter_time + timedelta(hours=1)).replace(minute=0, second=0)
    bench.clock.sleep(12 * hours)
    cell.set_loss(0)
    bench.clock.sleep(2 * hours)
    arrived = {sent.time.replace(tzinfo=None) for one in gateway.arrivals() for sent in one.telegram.readouts}
    missing = [f"{hour:%H:%M}" for hour in (first + timedelta(hours=number) for number in range(12))
               if hour not in arrived]
    assert not missing, f"readouts that never arrived: {', '.join(missing)}"


@req("NET-02", "SCH-09")
@device_time("4 h")
@needs("cell.nat", "nfc")
@in_regression
def test_telegrams_arrive_through_an_address_translation_that_forgets(unit, bench, gateway):
    """Between two transmissions the unit's source port changes; only the session tells whose telegram it is."""
    unit.make_joined({"apn_mode": "Manual", "apn": bench.station.file.cell.nat_apn, "transmit_interval": 60,
                      "transmit_offset": 1, "transmit_delay": 5})
    for _ in range(3):
        arrived = gateway.count
        gateway.wait_for_telegram(70 * minutes, after=arrived)
        bench.clock.sleep(10 * minutes)
    assert {one.client_id for one in gateway.arrivals()} == {gateway.arrivals()[0].client_id}


# -- the APN


@req("OTC-T10-01", "OTC-T10-02", "NET-40", "NET-41", "LWM2M-4.0.7.0")
@device_time("15 min")
@needs("cell.apns", "panel.button")
@in_regression
def test_an_apn_set_over_nfc_is_used_in_manual_mode_only(joined_unit, bench, panel, dm):
    assert (joined_unit.delivered.values["apn_mode"], dm.read("/11/0/2")) == ("Auto", True)
    usual = next(iter(dm.read_all("/4/0/7").values()))
    second = bench.station.file.cell.second_apn
    for mode, apn in (("Manual", second), ("Auto", usual)):
        before = restart(joined_unit, bench, panel, {"apn_mode": mode, "apn": second})
        dm.wait_for_registration(5 * minutes, after=before)
        assert next(iter(dm.read_all("/4/0/7").values())) == apn
        assert joined_unit.read_settings().values["apn"] == second
