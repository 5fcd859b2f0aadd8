"""What LwM2M resources do and tell beyond being readable or writable; manual 6.2, 6.3 and Tables 1 and 2."""

from datetime import timedelta

import pytest

from bench.manual import resources
from fixtures import resource_values
from fixtures.outcomes import NoTagError, Path
from fixtures.security import Psk
from fixtures.words import device_time, hours, in_regression, minutes, needs, req, s

TRIGGER = "/33906/0/10"
STORED = "/33906/0/16"
MDM_URI = "/33905/0/0"
LOST, RETRANSMITTED, TRANSACTIONS = "/33910/0/3", "/33910/0/2", "/33910/0/1"
KEY = bytes.fromhex("5c" * 16)
"""A transport key that no unit has by chance: it must never come back."""


def elsewhere(uri):
    """The same host at a port where nobody listens."""
    host, _, port = uri.rpartition(":")
    return f"{host}:{int(port) + 7}"


# -- writing


@req("DM-04", "LWM2M-33906.0.16", "LWM2M-33906.0.0")
@device_time("1 min")
@in_regression
def test_a_write_of_several_resources_is_taken_whole_or_not_at_all(joined_unit, dm, bench):
    before = dm.read("/33906/0/0")
    assert dm.refusal("/33906/0", {0: 30, 17: 1441}) == "4.00"
    assert dm.read("/33906/0/0") == before, "half of a refused write was stored"
    bench.step(f"after a refused write {STORED} reads {dm.read(STORED)}")    # U21
    dm.write("/33906/0", {0: 30, 17: 120})
    assert (dm.read("/33906/0/0"), dm.read("/33906/0/17"), dm.read(STORED)) == (30, 120, True)


def kept_settings():
    """All settings that a DM server may write, but the clock and what would cut the unit off from the bench."""
    left_out = {Path(3, 0, 13), Path(33905, 0, 0), Path(33905, 0, 2), Path(33906, 0, 18)}
    return [one for one in resources.writable()
            if one.readable and not one.obsolete and one.path not in left_out]


@req("DM-05", *(one.requirement for one in kept_settings()))
@device_time("20 min")
@needs("supply.voltage")
@in_regression
def test_settings_written_over_dm_survive_a_reboot_and_a_power_cut(joined_unit, dm, supply, bench, subtests):
    before = {one.path: dm.read(str(one.path)) for one in kept_settings()}
    wanted = {path: resource_values.different(resources.load()[path], value) for path, value in before.items()}
    wanted = {path: value for path, value in wanted.items() if value is not None}
    wanted[Path(33906, 0, 53)] = f"{dm.read('/33907/0/11')},3"    # the cell's band among them, or it is lost for ever
    for number in (40, 41, 42):
        wanted[Path(33906, 0, number)] = "0-1,1-2"
    wanted[Path(33906, 0, 38)] = 1
    try:
        for path, value in wanted.items():
            dm.write(str(path), value)
        begun = bench.clock.time()
        dm.execute("/3/0/4")
        dm.wait_for_registration(15 * minutes, begun)
        _expect_all(dm, subtests, wanted, "a reboot")
        begun = bench.clock.time()
        supply.output_off()
        bench.clock.sleep(5 * s)
        supply.output_on()
        dm.wait_for_registration(15 * minutes, begun)
        _expect_all(dm, subtests, wanted, "a power cut")
    finally:
        for path, value in before.items():
            dm.write(str(path), value)


def _expect_all(dm, subtests, wanted, what):
    for path, value in wanted.items():
        with subtests.test(f"{path} after {what}"):
            assert dm.read(str(path)) == value, f"{path} did not survive {what}"


@req("SEC-12", "LWM2M-33905.0.5", "LWM2M-0.0.4", "LWM2M-0.1.4")
@device_time("3 min")
@needs("nfc", "dtls")
@in_regression
def test_a_key_is_never_disclosed(joined_unit, dm, security):
    security.write_mdm_key(Psk(KEY))
    for number in dict.fromkeys(path[0] for path in resources.load()):
        if dm.read_refusal(f"/{number}"):
            continue
        for path, value in dm.read_all(f"/{number}").items():
            octets = value if isinstance(value, bytes) else str(value).encode()
            assert KEY not in octets and KEY.hex() not in str(value).lower(), f"{path} discloses a key"
    assert KEY.hex() not in str(joined_unit.read_settings().values).lower(), "a key is disclosed over NFC"


# -- time


@req("LWM2M-3.0.13")
@device_time("2 min")
@needs("meter.optical")
@in_regression
def test_the_current_time_is_written_to_the_meter(joined_unit, dm, meter, bench):
    dm.write("/33906/0/46", 0)
    wanted = (bench.clock.utc() + timedelta(hours=5)).replace(microsecond=0)
    asked = bench.clock.time()
    dm.write("/3/0/13", wanted)
    written = bench.clock.time()
    assert abs((dm.read("/3/0/13") - wanted).total_seconds()) <= 5
    offset = timedelta(minutes=int(joined_unit.read_settings().values["utc_offset"]))
    shown = meter.read().meter_time
    assert abs(shown - (wanted + offset).replace(tzinfo=None)) <= timedelta(minutes=1)
    earliest = bench.clock.time() - written
    later = (dm.read("/3/0/13") - wanted).total_seconds()
    assert earliest - 5 <= later <= bench.clock.time() - asked + 5, "the time does not run on"


# -- triggers


@req("LWM2M-33906.0.10", "DM-06")
@device_time("2 min")
@in_regression
def test_a_readout_is_triggered(joined_unit, dm, gateway):
    arrived = gateway.count
    dm.execute(TRIGGER)
    gateway.wait_for_telegram(5 * minutes, after=arrived)


@req("LWM2M-3.0.4", "LWM2M-33907.0.0", "LWM2M-33909.0.2", "LWM2M-33909.0.6")
@device_time("5 min")
@in_regression
def test_a_reboot_begins_the_uptime_anew_and_registers_once_more(joined_unit, dm, bench):
    dm.stay_in_touch(60 * s)
    uptime, registrations = dm.read("/33907/0/0"), dm.read("/33909/0/2")
    begun = bench.clock.time()
    dm.execute("/3/0/4")
    dm.wait_for_registration(10 * minutes, begun)
    assert dm.read("/33907/0/0") < min(uptime, bench.clock.time() - begun + 5)
    assert dm.read("/33909/0/2") == registrations + 1
    assert dm.read("/33909/0/6") <= bench.clock.time() - begun


# -- what the unit tells of itself


@req("LWM2M-3.0.2", "LWM2M-33909.0.0", "LWM2M-33909.0.1", "LWM2M-33909.0.4", "LWM2M-33909.0.5")
@device_time("30 s")
@in_regression
def test_identities_have_the_form_that_they_must_have(joined_unit, dm):
    assert dm.read("/3/0/2").upper() == joined_unit.deveui
    assert 10**9 <= dm.read("/33909/0/0") < 10**15, "no IMSI of 15 digits, zeros in front left out"
    iccid = dm.read("/33909/0/1")
    assert iccid.isdigit() and 18 <= len(iccid) <= 20 and iccid.startswith("89"), f"no ICCID: {iccid}"
    assert dm.read("/33909/0/4") and dm.read("/33909/0/5")


@req("LWM2M-3.0.6.0", "LWM2M-33906.0.52", "PWR-08")
@device_time("1 min")
@in_regression
def test_the_power_source_is_the_configured_one_where_the_hardware_can_not_tell(joined_unit, dm):
    before = dm.read("/33906/0/52")
    try:
        dm.write("/33906/0/52", 0)
        assert dm.read("/3/0/6/0") in (1, 2)
        dm.write("/33906/0/52", 1)
        assert dm.read("/3/0/6/0") == 6
    finally:
        dm.write("/33906/0/52", before)


@req("LWM2M-3.0.9", "LWM2M-3.0.11.0", "PWR-10")
@device_time("2 min")
@needs("supply.voltage")
@in_regression
def test_the_battery_level_does_not_rise_when_the_voltage_falls(joined_unit, dm, supply, bench):
    dm.write("/33906/0/52", 0)
    levels = []
    for volts in (3.6, 3.3, 3.0, 2.7):
        supply.set_voltage(volts)
        bench.clock.sleep(2 * s)
        levels.append(dm.read("/3/0/9"))
        assert dm.read("/3/0/11/0") in ((0, 1) if volts < 3.0 else (0,)), f"an error at {volts} V"
    supply.set_voltage(3.6)
    assert levels == sorted(levels, reverse=True), f"levels {levels}"


@req("LWM2M-10.0.4", "LWM2M-10.0.5", "LWM2M-10.0.9", "LWM2M-33906.0.49")
@device_time("1 min")
@needs("nfc")
@in_regression
def test_timers_set_over_nfc_are_seen_over_dm(joined_unit, dm):
    joined_unit.write_settings({"t3412_timer": 36000, "t3324_timer": 60, "edrx_value": 0x25,
                                "power_saving_mode": "PSM"})
    assert dm.read("/10/0/4") == 36000
    assert dm.read("/10/0/5") == 60
    assert dm.read("/10/0/9") == b"\x25"
    assert dm.read("/33906/0/49") == 2


@req("LWM2M-33906.0.4")
@device_time("1 min")
@needs("nfc")
@in_regression
def test_nfc_can_be_switched_off_and_on(joined_unit, dm, bench):
    dm.write("/33906/0/4", False)
    try:
        with pytest.raises(NoTagError):
            bench.station.otc.read()
    finally:
        dm.write("/33906/0/4", True)
    joined_unit.read_settings()


@req("LWM2M-33906.0.26", "LWM2M-33906.0.27", "LWM2M-33906.0.28", "LWM2M-33906.0.29")
@device_time("1 min")
@in_regression
def test_obsolete_settings_change_no_other(joined_unit, dm):
    others = {one.path: one for one in resources.writable() if one.path[:2] == (33906, 0) and one.readable
              and not one.obsolete}
    before = {path: dm.read(str(path)) for path in others}
    for number in (26, 27, 28, 29):
        dm.refusal(f"/33906/0/{number}", 7)
    assert {path: dm.read(str(path)) for path in others} == before


# -- the network and the meter


@req("LWM2M-33907.0.0", "LWM2M-33909.0.6", "LWM2M-33909.0.3")
@device_time("3 min")
@in_regression
def test_uptimes_count_seconds(joined_unit, dm, bench):
    paths = "/33907/0/0", "/33909/0/6"
    before = [dm.read(path) for path in paths]
    begun = bench.clock.time()
    dm.stay_in_touch(2 * minutes)
    for path, earlier in zip(paths, before, strict=True):
        assert abs(dm.read(path) - earlier - (bench.clock.time() - begun)) <= 5, path
    assert 0 < dm.read("/33909/0/3") <= dm.read("/33907/0/0"), "the registration took longer than the unit is up"


@req("LWM2M-4.0.2", "LWM2M-33907.0.2", "LWM2M-33907.0.3", "LWM2M-33907.0.4", "LWM2M-33907.0.5")
@device_time("5 min")
@needs("cell.level")
@in_regression
def test_signal_strength_follows_the_cell(joined_unit, dm, cell, bench):
    strengths, classes = [], []
    for level_dbm in (-85, -100, -112):
        cell.set_level(level_dbm)
        bench.clock.sleep(5 * s)
        strengths.append(dm.read("/4/0/2"))
        classes.append(dm.read("/33907/0/2"))
        assert abs(strengths[-1] - level_dbm) <= 6, f"{strengths[-1]} dBm reported at {level_dbm} dBm"
        assert strengths[-1] * 10 < dm.read("/33907/0/4") < 0, "RSSI is not above RSRP, in tenths of dBm"
        assert -200 <= dm.read("/33907/0/5") <= 400, "no possible SNR in tenths of dB"
        assert dm.read("/33907/0/3") in (0, 1, 2)
    assert strengths == sorted(strengths, reverse=True)
    assert classes == sorted(classes), f"the classification gets better as the signal gets worse: {classes}"


@req("LWM2M-33907.0.1")
@device_time("70 min")
@needs("supply.current")
@in_regression
def test_the_reported_mean_current_is_of_the_ammeters_order(joined_unit, dm, supply, bench):
    """Over which time the unit takes its mean is not printed: an hour of equal minutes, one of them measured."""
    dm.stay_in_touch(1 * hours)
    measured_ua = supply.mean_current(1 * minutes).mean_a * 1e6
    reported_ua = dm.read("/33907/0/1")
    bench.step(f"measured {measured_ua:.0f} uA in a minute, reported {reported_ua} uA")
    assert measured_ua / 5 <= reported_ua <= measured_ua * 5


@req("LWM2M-33908.0.0", "LWM2M-33908.0.2", "LWM2M-33908.0.3")
@device_time("2 min")
@needs("meter.simulator")
@in_regression
def test_object_33908_follows_the_meter(joined_unit, dm, meter_simulator):
    assert dm.read("/33908/0/0").startswith(("UH50", "UC50"))
    meter_simulator.set_error_flags(0x0104)
    assert sorted(dm.read("/33908/0/3")) == [0x01, 0x04], "two octets, in whatever order"
    meter_simulator.set_error_flags(0)
    assert set(dm.read("/33908/0/3")) == {0}
    assert dm.read("/33908/0/2") == 0
    meter_simulator.disconnect()
    assert dm.read("/33908/0/2") in (1, 2)
    meter_simulator.connect()
    assert dm.read("/33908/0/2") == 0


@req("LWM2M-33911.0.0", "LWM2M-33911.0.1", "LWM2M-33911.0.2")
@device_time("3 min")
@in_regression
@pytest.mark.parametrize("encoding", [0, 1, 2], ids=["SenML", "JSON", "M-Bus"])
def test_the_meter_data_object_holds_the_last_telegram(joined_unit, dm, gateway, encoding):
    dm.write("/33906/0", {1: encoding, 2: 43})
    arrived = gateway.count
    dm.execute(TRIGGER)
    sent = gateway.wait_for_telegram(5 * minutes, after=arrived).payload
    assert dm.read("/33911/0/0") == 43
    assert dm.read("/33911/0/1") == encoding
    assert dm.read("/33911/0/2") == sent


# -- the meter data connection


@req("LWM2M-33905.0.0", "LWM2M-33907.0.10", "LWM2M-33910.x.2", "LWM2M-33910.x.3")
@device_time("10 min")
@in_regression
def test_a_silent_server_is_counted_and_told(joined_unit, dm, gateway):
    uri = dm.read(MDM_URI)
    lost, repeated = dm.read(LOST), dm.read(RETRANSMITTED)
    assert dm.read("/33907/0/10") in (0, 1, 7)
    dm.write(MDM_URI, elsewhere(uri))
    try:
        dm.execute(TRIGGER)
        dm.stay_in_touch(5 * minutes)
        assert dm.read("/33907/0/10") == 4
        assert dm.read(LOST) == lost + 1
        assert dm.read(RETRANSMITTED) >= repeated + 1
    finally:
        dm.write(MDM_URI, uri)
    arrived = gateway.count
    dm.execute(TRIGGER)
    gateway.wait_for_telegram(15 * minutes, after=arrived)


@req("LWM2M-33910.x.0", "LWM2M-33910.x.1", "LWM2M-33910.x.4", "LWM2M-33910.x.5", "LWM2M-33910.x.6")
@device_time("5 min")
@in_regression
def test_transactions_are_counted_and_timed(joined_unit, dm, gateway):
    dm.execute("/33910/0/0")
    assert [dm.read(path) for path in (TRANSACTIONS, RETRANSMITTED, LOST)] == [0, 0, 0], "not reset"
    for _ in range(3):
        arrived = gateway.count
        dm.execute(TRIGGER)
        gateway.wait_for_telegram(5 * minutes, after=arrived)
    assert dm.read(TRANSACTIONS) in (3, 4)
    shortest, mean, longest = dm.read("/33910/0/5"), dm.read("/33910/0/4"), dm.read("/33910/0/6")
    assert 0 < shortest <= mean <= longest, f"{shortest}, {mean}, {longest}"


@req("LWM2M-33905.0.11")
@device_time("5 min")
@in_regression
def test_the_topic_written_over_dm_is_used(joined_unit, dm, gateway):
    dm.write("/33905/0/11", "bench/other")
    arrived = gateway.count
    dm.execute(TRIGGER)
    assert gateway.wait_for_telegram(5 * minutes, after=arrived).topic == "bench/other"
