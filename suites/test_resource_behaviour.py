"""What LwM2M resources do and tell beyond being readable or writable; manual 6.2, 6.3 and Tables 1 and 2."""

from datetime import timedelta

import pytest

from bench.manual import resources
from bench.manual.paths import (
    CellularConnectivity,
    ConnectivityMonitoring,
    Device,
    FirmwareUpdate,
    McmConfig,
    MdmServer,
    MeterData,
    MeterInfo,
    NbIotInfo,
    NbIotStatus,
    Server1,
)
from fixtures import resource_values
from fixtures.gateway import Puback
from fixtures.judging import first_of
from fixtures.outcomes import NoTagError, Path
from fixtures.restarts import HOW
from fixtures.security import Psk
from fixtures.words import device_time, hours, in_regression, minutes, needs, req, s

NEARLY_EMPTY_V = 2.45
"""The lowest nominal voltage of a battery is 2.4 V (chapter 8)."""
KEY = bytes.fromhex("5c" * 16)
"""A transport key that no unit has by chance: it must never come back."""


def elsewhere(uri):
    """The same host at a port where nobody listens."""
    host, _, port = uri.rpartition(":")
    return f"{host}:{int(port) + 7}"


# -- writing


@req("DM-04", "DM-05", "DM-02", "LWM2M-33906.0.16", "LWM2M-33906.0.0")
@device_time("1 min")
@in_regression
@pytest.mark.parametrize("wrong", [{17: 1441}, {0: 1441, 17: 120}, {0: 4, 17: 120, 43: 7}, {16: True}, {14: 3},
                                   {11: 1}, {55: 1}], ids=str)
def test_a_write_of_several_resources_is_taken_whole_or_not_at_all(joined_unit, dm, bench, wrong):
    """The wrong one first, last, out of range, read-only or not there. In a write of an instance the unit goes by
    whatever order it likes, so each place is tried."""
    before = {number: dm.read(f"/33906/0/{number}") for number in (0, 17, 43)}
    code = dm.refusal(McmConfig.INSTANCE, {0: 30, 17: 120} | wrong)
    after = {number: dm.read(f"/33906/0/{number}") for number in before}
    dm.expect_refusal(code, ("4.00", "4.04", "4.05"), f"a write with {wrong}")
    assert after == before, f"of a refused write was stored {after}, before were {before}"
    status = dm.read(McmConfig.CONFIG_WRITE_STATUS)
    bench.step(f"after a refused write {McmConfig.CONFIG_WRITE_STATUS} reads {status}")    # U21
    dm.write(McmConfig.INSTANCE, {0: 30, 17: 120})
    stored = tuple(dm.read(path) for path in (McmConfig.METER_READOUT_INTERVAL, McmConfig.METER_REPORT_INTERVAL,
                                              McmConfig.CONFIG_WRITE_STATUS))
    assert stored == (30, 120, True), f"readout and report interval, and whether they are stored: {stored}"


def kept_settings():
    """All settings that a DM server may write, but the clock and what would cut the unit off from the bench."""
    left_out = {Device.CURRENT_TIME, MdmServer.URI, MdmServer.TRANSPORT_SECURITY_MODE,
                McmConfig.METER_TRANSMIT_INTERVAL}
    return [one for one in resources.writable()
            if one.readable and not one.obsolete and one.path not in left_out]


@req("DM-05", "OTC-09", "DM-07", *(one.requirement for one in kept_settings()))
@device_time("20 min")
@needs("supply.voltage", "panel.button")
@in_regression
@pytest.mark.parametrize("how", HOW)
def test_settings_outlive_each_restart(joined_unit, dm, restarts, subtests, how):
    before = {one.path: dm.read(str(one.path)) for one in kept_settings()}
    wanted = {path: resource_values.different(resources.load()[path], value) for path, value in before.items()}
    wanted = {path: value for path, value in wanted.items() if value is not None}
    # The cell's band is among them, or the unit is lost for ever.
    wanted[McmConfig.NB_IOT_RADIO_BANDS] = f"{dm.read(NbIotStatus.CURRENT_RADIO_BAND)},3"
    for number in (40, 41, 42):
        wanted[Path(33906, 0, number)] = "0-1,1-2"
    wanted[McmConfig.NETWORK_CONNECTION_MAXIMUM_HOLD_OFF] = 1
    try:
        for path, value in wanted.items():
            dm.write(str(path), value)
        shown = None if wanted.get(McmConfig.NFC_ENABLED) is False else joined_unit.read_settings().values
        restarts.and_back(how)
        for path, value in wanted.items():
            with subtests.test(f"{path} after {how}"):
                assert dm.read(str(path)) == value, f"{path} did not survive a restart ({how})"
        if shown is not None:
            assert joined_unit.read_settings().values == shown, f"settings over NFC after a restart ({how})"
    finally:
        for path, value in before.items():
            dm.write(str(path), value)


@req("OTC-09", "NET-19", "OTC-T9-01", "OTC-T9-02", "OTC-T9-03", "OTC-T10-01", "OTC-T10-05", "OTC-T10-06", "OTC-T10-08")
@device_time("20 min")
@needs("settings.nfc.write", "supply.voltage", "panel.button")
@in_regression
@pytest.mark.parametrize("how", HOW)
def test_settings_that_nfc_alone_writes_outlive_each_restart(unit, restarts, how):
    unit.make_joined({"t3324_timer": 240, "t3412_timer": 36_000, "edrx_value": 0x25, "utc_offset": 345,
                      "reconnect_backoff": "1-2,3-4", "mqtt_sn_topic": "bench/kept", "readout_interval": 15})
    before = unit.read_settings().values
    restarts.and_back(how)
    after = unit.read_settings().values
    assert after == before, f"after a restart ({how}): " + ", ".join(
        f"{key} is {after.get(key)!r}, was {value!r}" for key, value in before.items() if after.get(key) != value)


@req("OTC-09", "DM-07")
@device_time("1 min")
@needs("settings.nfc.write")
@in_regression
def test_a_write_over_one_way_leaves_what_the_other_wrote(joined_unit, dm):
    dm.write(McmConfig.INSTANCE, {17: 120, 43: 9})
    joined_unit.write_settings({"readout_interval": 15})
    now = tuple(dm.read(path) for path in (McmConfig.METER_REPORT_INTERVAL, McmConfig.METER_MAX_RETRY_COUNT,
                                           McmConfig.METER_READOUT_INTERVAL))
    assert now == (120, 9, 15), f"report interval, retries, readout interval: {now}"
    dm.write(McmConfig.METER_MAX_RETRY_COUNT, 11)
    values = joined_unit.read_settings().values
    now = values["report_interval"], values["readout_interval"], values["max_meter_retries"]
    assert now == (120, 15, 11), f"report interval, readout interval, retries: {now}"


@req("SEC-12", "LWM2M-33905.0.5", "LWM2M-0.0.4", "LWM2M-0.1.4")
@device_time("3 min")
@needs("dtls")
@in_regression
def test_no_key_is_disclosed_anywhere(joined_unit, dm, gateway, bench, security):
    """Those of delivery, the PAK, and one that was written: in whatever form, in any resource, in the whole tag."""
    security.write_mdm_key(Psk(KEY))
    arrived = gateway.count
    dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
    gateway.wait_for_telegram(5 * minutes, after=arrived)
    for number in dict.fromkeys(path[0] for path in resources.load()):
        if dm.read_refusal(f"/{number}"):
            continue
        for path, value in dm.read_all(f"/{number}").items():
            octets = value if isinstance(value, bytes) else str(value).encode()
            assert not security.is_disclosed(octets), f"{path} discloses a key"
    if "settings.nfc.read" in bench.station.abilities:
        assert not security.is_disclosed(str(joined_unit.read_settings().values).encode()), "a setting discloses a key"
        assert not security.is_disclosed(bench.station.otc.memory()), "the tag's memory discloses a key"


# -- time


@req("LWM2M-3.0.13", "LWM2M-3.0.14")
@device_time("2 min")
@needs("meter.optical")
@in_regression
@pytest.mark.parametrize("offset", ["+00:00", "+05:45", "-05:00"])
def test_the_current_time_is_written_to_the_meter(joined_unit, dm, meter, bench, offset):
    dm.write(McmConfig.TIME_SYNC_SOURCE, 0)
    dm.write(Device.UTC_OFFSET, offset)
    east = timedelta(hours=int(offset[:3]), minutes=int(offset[0] + offset[4:]))
    wanted = (bench.clock.utc() + timedelta(hours=5)).replace(microsecond=0)
    asked = bench.clock.time()
    dm.write(Device.CURRENT_TIME, wanted)
    written = bench.clock.time()
    off = (dm.read(Device.CURRENT_TIME) - wanted).total_seconds()
    assert abs(off) <= 5, f"{off:.0f} s off just after it was written"
    shown = meter.read().meter_time
    assert abs(shown - (wanted + east).replace(tzinfo=None)) <= timedelta(minutes=1), f"the meter shows {shown}"
    bench.clock.sleep(20 * s)
    earliest = bench.clock.time() - written
    later = (dm.read(Device.CURRENT_TIME) - wanted).total_seconds()
    assert earliest - 5 <= later <= bench.clock.time() - asked + 5, "the time does not run on"


@req("LWM2M-3.0.13", "TIME-12", "DM-04")
@device_time("2 min")
@in_regression
@pytest.mark.parametrize("year", [1970, 1999, 2100, 2500])
def test_a_year_that_the_meters_clock_has_not_got_is_refused_or_shown(joined_unit, dm, bench, year):
    """It has two digits for the year. Which years they stand for is not printed; a time that is taken is the time."""
    dm.write(McmConfig.TIME_SYNC_SOURCE, 0)
    before, asked = dm.read(Device.CURRENT_TIME), bench.clock.time()
    wanted = before.replace(year=year, month=6, day=15)
    code = dm.refusal(Device.CURRENT_TIME, wanted)
    shown = dm.read(Device.CURRENT_TIME)
    expected = before + timedelta(seconds=bench.clock.time() - asked) if code else wanted
    dm.write(Device.CURRENT_TIME, before)
    bench.step(f"a time in {year} is {f'refused with {code}' if code else 'taken'}")
    off = abs((shown - expected).total_seconds())
    assert off <= 30, f"a time in {year} was {'refused' if code else 'taken'}, and now it is {shown}"


@req("LWM2M-33906.0.6", "TIME-13", "DM-04")
@device_time("2 min")
@in_regression
@pytest.mark.parametrize("seconds", [10**10, -10**10, 10**15])
def test_the_clock_is_not_moved_out_of_its_calendar(joined_unit, dm, bench, seconds):
    """Further than any meter's clock goes: refused, and then it goes on as it was."""
    dm.write(McmConfig.TIME_SYNC_SOURCE, 0)
    before, asked = dm.read(Device.CURRENT_TIME), bench.clock.time()
    code = dm.refusal(McmConfig.ADJUST_TIME, seconds)
    dm.expect_refusal(code, ("4.00",), f"moving the clock by {seconds} s")
    off = (dm.read(Device.CURRENT_TIME) - before).total_seconds() - (bench.clock.time() - asked)
    assert abs(off) <= 30, f"a refused adjustment has moved the clock by {off:.0f} s"


# -- triggers


@req("LWM2M-33906.0.10", "DM-06")
@device_time("2 min")
@in_regression
def test_a_readout_is_triggered(joined_unit, dm, gateway):
    arrived = gateway.count
    dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
    gateway.wait_for_telegram(5 * minutes, after=arrived)


@req("LWM2M-3.0.4", "LWM2M-33907.0.0", "LWM2M-33909.0.2", "LWM2M-33909.0.6")
@device_time("5 min")
@in_regression
def test_a_reboot_begins_the_uptime_anew_and_registers_once_more(joined_unit, dm, bench):
    dm.stay_in_touch(60 * s)
    uptime, registrations = dm.read(NbIotStatus.UPTIME), dm.read(NbIotInfo.REGISTRATIONS)
    begun = bench.clock.time()
    dm.execute(Device.REBOOT)
    dm.wait_for_registration(10 * minutes, begun)
    since_s, now = bench.clock.time() - begun, dm.read(NbIotStatus.UPTIME)
    assert now < min(uptime, since_s + 5), f"{since_s:.0f} s after the reboot the uptime is {now} s, before {uptime} s"
    dm.expect(NbIotInfo.REGISTRATIONS, registrations + 1)
    registered_s, since_s = dm.read(NbIotInfo.REGISTRATION_UPTIME), bench.clock.time() - begun
    assert registered_s <= since_s, f"{since_s:.0f} s after the reboot it is registered for {registered_s} s"


# -- what the unit tells of itself


@req("LWM2M-3.0.2", "LWM2M-33909.0.0", "LWM2M-33909.0.1", "LWM2M-33909.0.4", "LWM2M-33909.0.5")
@device_time("30 s")
@in_regression
def test_identities_have_the_form_that_they_must_have(joined_unit, dm):
    serial = dm.read(Device.SERIAL_NUMBER)
    assert serial.upper() == joined_unit.deveui, f"the unit {joined_unit.deveui} gives the serial number {serial!r}"
    assert 10**9 <= dm.read(NbIotInfo.IMSI) < 10**15, "no IMSI of 15 digits, zeros in front left out"
    iccid = dm.read(NbIotInfo.ICCID)
    assert iccid.isdigit() and 18 <= len(iccid) <= 20 and iccid.startswith("89"), f"no ICCID: {iccid}"
    for path in (NbIotInfo.MODEM_MODEL, NbIotInfo.MODEM_FIRMWARE):
        assert dm.read(path), f"{path} is empty"


@req("LWM2M-3.0.6.0", "LWM2M-33906.0.52", "PWR-08")
@device_time("1 min")
@in_regression
def test_the_power_source_is_the_configured_one_where_the_hardware_can_not_tell(joined_unit, dm):
    before = dm.read(McmConfig.POWER_SOURCE)
    try:
        dm.write(McmConfig.POWER_SOURCE, 0)
        source = dm.read(Device.AVAILABLE_POWER_SOURCES / 0)
        assert source in (1, 2), f"a battery is 1 or 2, and read is {source}"
        dm.write(McmConfig.POWER_SOURCE, 1)
        dm.expect(Device.AVAILABLE_POWER_SOURCES / 0, 6)
        # What they are with a supply is not printed.
        level, error = dm.read(Device.BATTERY_LEVEL), dm.read(Device.ERROR_CODE / 0)
        assert 0 <= level <= 100, f"a battery level of {level} % with a power supply"
        assert error == 0, f"error {error} with a power supply of nominal voltage"
    finally:
        dm.write(McmConfig.POWER_SOURCE, before)


@req("LWM2M-3.0.6.0", "LWM2M-33906.0.52", "PWR-08")
@device_time("20 min")
@needs("supply.voltage", "panel.button")
@in_regression
@pytest.mark.parametrize("how", HOW)
def test_the_configured_power_source_counts_after_each_restart(joined_unit, dm, restarts, how):
    before = dm.read(McmConfig.POWER_SOURCE)
    dm.write(McmConfig.POWER_SOURCE, 1)
    restarts.and_back(how)
    source = dm.read(Device.AVAILABLE_POWER_SOURCES / 0)
    dm.write(McmConfig.POWER_SOURCE, before)
    assert source == 6, f"the power source is {source} after a restart ({how}), a power supply is configured"


CONSTANT = [one for one in resources.load().values() if one.readable and not one.writable and one.path in {
    *(Path(3, 0, number) for number in (0, 1, 2, 3, 18)),
    ConnectivityMonitoring.NETWORK_BEARER, ConnectivityMonitoring.AVAILABLE_NETWORK_BEARER,
    FirmwareUpdate.FIRMWARE_UPDATE_PROTOCOL_SUPPORT, FirmwareUpdate.FIRMWARE_UPDATE_DELIVERY_METHOD,
    *(Path(10, 0, number) for number in (4, 5, 9, 11)), Server1.SHORT_SERVER_ID, Server1.LIFETIME,
    McmConfig.NFC_CONFIG_LOCKED, MeterInfo.METER_MODEL, MeterInfo.METER_ID,
    *(Path(33909, 0, number) for number in (0, 1, 4, 5)), MeterData.MESSAGE_TYPE, MeterData.MESSAGE_ENCODING}]
"""What nobody writes over DM, and nothing changes of itself."""


@req(*(one.requirement for one in CONSTANT))
@device_time("20 min")
@needs("supply.voltage", "panel.button")
@in_regression
@pytest.mark.parametrize("how", HOW)
def test_what_a_unit_tells_of_itself_outlives_each_restart(joined_unit, dm, restarts, how):
    """Also what a bootstrap brings: the account is the same."""
    before = {one.path: dm.read_all(str(one.path)) for one in CONSTANT}
    restarts.and_back(how)
    other = [f"{path} is {now}, was {before[path]}" for path in before
             if (now := dm.read_all(str(path))) != before[path]]
    assert not other, f"after a restart ({how}): {'; '.join(other)}"


@req("LWM2M-3.0.9", "LWM2M-3.0.11.0", "PWR-10")
@device_time("2 min")
@needs("supply.voltage")
@in_regression
def test_battery_level_and_error_follow_the_voltage_and_agree(joined_unit, dm, supply, bench):
    """3/0/11: 0 no error, 1 low battery (OMA, object 3). At what level it begins is not printed; but an empty battery
    is one, and a full one is none."""
    dm.write(McmConfig.POWER_SOURCE, 0)
    levels = []
    for volts in (4.2, 3.9, 3.74, 3.65, 3.6, 3.3, 3.0, 2.7, NEARLY_EMPTY_V):    # above 3.6 V, too, it is per cent
        supply.set_voltage(volts)
        bench.clock.sleep(2 * s)
        levels.append(dm.read(Device.BATTERY_LEVEL))
        assert 0 <= levels[-1] <= 100, f"a battery level of {levels[-1]} % at {volts} V"
        error = dm.read(Device.ERROR_CODE / 0)
        assert error in (0, 1), f"error {error} at {volts} V"
        assert error == 0 or levels[-1] <= 30, f"low battery at {levels[-1]} %, {volts} V"
        assert error == 1 or levels[-1] > 5, f"no error at {levels[-1]} %, {volts} V"
    supply.set_voltage(3.6)
    assert levels == sorted(levels, reverse=True), f"levels {levels}"
    assert levels[-1] < levels[0], f"the level at {NEARLY_EMPTY_V} V is that of a full battery, {levels[0]} %"


@req("LWM2M-10.0.4", "LWM2M-10.0.5", "LWM2M-10.0.9", "LWM2M-33906.0.49")
@device_time("1 min")
@needs("settings.nfc.write")
@in_regression
def test_timers_set_over_nfc_are_seen_over_dm(joined_unit, dm):
    joined_unit.write_settings({"t3412_timer": 36000, "t3324_timer": 60, "edrx_value": 0x25,
                                "power_saving_mode": "PSM"})
    dm.expect(CellularConnectivity.PSM_TIMER, 36000)
    dm.expect(CellularConnectivity.ACTIVE_TIMER, 60)
    dm.expect(CellularConnectivity.EDRX_PARAMETERS_FOR_NB_S1_MODE, b"\x25")
    dm.expect(McmConfig.USE_PSM, 2)


@req("LWM2M-33906.0.4")
@device_time("1 min")
@needs("settings.nfc.read")
@in_regression
def test_nfc_can_be_switched_off_and_on(joined_unit, dm, bench):
    dm.write(McmConfig.NFC_ENABLED, False)
    try:
        with pytest.raises(NoTagError):
            bench.station.otc.read()
    finally:
        dm.write(McmConfig.NFC_ENABLED, True)
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
    assert {path: dm.read(str(path)) for path in others} == before, "another setting has changed"


# -- the network and the meter


@req("LWM2M-33907.0.0", "LWM2M-33909.0.6", "LWM2M-33909.0.3")
@device_time("40 h")
@in_regression
def test_uptimes_count_seconds_and_for_days(unit, dm, bench):
    unit.make_joined({"power_saving_mode": "Disabled"})

    def read(path):
        """The value, and between which moments it was so: a request may wait for the unit to listen."""
        asked = bench.clock.time()
        return dm.read(path), asked, bench.clock.time()

    paths = NbIotStatus.UPTIME, NbIotInfo.REGISTRATION_UPTIME
    before = [read(path) for path in paths]
    for passes in (13 * s, 2 * minutes, 20 * hours, 20 * hours):    # beyond 65,536 s, and twice that
        bench.clock.sleep(passes)
        for path, (earlier, asked, answered) in zip(paths, before, strict=True):
            later, asked_again, answered_again = read(path)
            counted, shortest, longest = later - earlier, asked_again - answered - 2, answered_again - asked + 2
            assert shortest <= counted <= longest, f"{path} counted {counted} s in {shortest:.0f} to {longest:.0f} s"
    duration, uptime = dm.read(NbIotInfo.LAST_REGISTRATION_DURATION), dm.read(NbIotStatus.UPTIME)
    assert 0 < duration <= uptime, f"a registration of {duration} s, and the unit is up for {uptime} s"


@req("LWM2M-4.0.9", "LWM2M-4.0.10", "LWM2M-33909.0.0")
@device_time("30 s")
@in_regression
def test_the_network_is_the_one_of_the_test_sim(joined_unit, dm):
    """Its MCC and MNC are the first digits of the IMSI; zeros in front are lost in integers (U29)."""
    imsi = f"{dm.read(NbIotInfo.IMSI):015d}"
    mcc, mnc = dm.read(ConnectivityMonitoring.SMCC), dm.read(ConnectivityMonitoring.SMNC)
    assert mcc == int(imsi[:3]), f"MCC {mcc}, and the SIM's network is {imsi[:3]}"
    assert mnc in (int(imsi[3:5]), int(imsi[3:6])), f"MNC {mnc}, and the SIM's network is {imsi[3:6]}"


@req("LWM2M-4.0.2", "LWM2M-33907.0.2", "LWM2M-33907.0.3", "LWM2M-33907.0.4", "LWM2M-33907.0.5")
@device_time("5 min")
@needs("cell.level")
@in_regression
def test_signal_strength_follows_the_cell(joined_unit, dm, cell, bench):
    strengths, classes = [], []
    for level_dbm in (-85, -100, -112, -125):
        cell.set_level(level_dbm)
        bench.clock.sleep(5 * s)
        strengths.append(dm.read(ConnectivityMonitoring.RADIO_SIGNAL_STRENGTH))
        classes.append(dm.read(NbIotStatus.NETWORK_CLASSIFICATION))
        assert abs(strengths[-1] - level_dbm) <= 6, f"{strengths[-1]} dBm reported at {level_dbm} dBm"
        above = dm.read(NbIotStatus.RSSI) / 10 - strengths[-1]    # an NRSRQ of -3 to -25 dB (TS 36.133, 9.1.22)
        assert 3 <= above <= 25, f"RSSI is {above:.1f} dB above RSRP"
        assert -200 <= dm.read(NbIotStatus.SNR) <= 400, "no possible SNR in tenths of dB"
        ecl = dm.read(NbIotStatus.ECL)
        assert ecl in (0, 1, 2), f"coverage levels are 0 to 2, and read is {ecl}"
    assert strengths == sorted(strengths, reverse=True), f"the cell sank step by step, and read were {strengths} dBm"
    assert classes == sorted(classes), f"the classification gets better as the signal gets worse: {classes}"
    assert classes[0] < classes[-1], f"the classification is {classes[0]} at -85 dBm and at -125 dBm"
    cell.set_level(-85)
    bench.clock.sleep(5 * s)
    assert dm.read(NbIotStatus.NETWORK_CLASSIFICATION) == classes[0], \
        f"the classification stays {classes[-1]} when the signal is good again"


@req("LWM2M-33907.0.1")
@device_time("70 min")
@needs("supply.current")
@in_regression
def test_the_reported_mean_current_is_of_the_ammeters_order(joined_unit, dm, power, bench):
    """Over which time the unit takes its mean is not printed: an hour of equal minutes, one of them measured."""
    dm.stay_in_touch(1 * hours)
    measured_ua = power.capture(1 * minutes).mean_a.mean() * 1e6
    reported_ua = dm.read(NbIotStatus.AVERAGE_CURRENT_CONSUMPTION)
    bench.step(f"measured {measured_ua:.0f} uA in a minute, reported {reported_ua} uA")
    assert measured_ua / 5 <= reported_ua <= measured_ua * 5, \
        f"measured {measured_ua:.0f} uA, reported {reported_ua} uA"


@req("LWM2M-33908.0.0", "LWM2M-33908.0.2", "LWM2M-33908.0.3")
@device_time("5 min")
@needs("meter.simulator")
@in_regression
def test_object_33908_follows_the_meter(joined_unit, dm, bench, meter_simulator):
    """Live or of the last readout: so each look has one before it."""
    def after_a_readout(path):
        dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
        bench.clock.sleep(20 * s)
        return dm.read(path)

    model = dm.read(MeterInfo.METER_MODEL)
    assert model.startswith(("UH50", "UC50")), f"meter model {model}"
    meter_simulator.set_error_flags(0x0104)
    flags = after_a_readout(MeterInfo.ERROR_FLAGS)
    assert sorted(flags) == [0x01, 0x04], f"error flags {flags.hex()}: two octets, in whatever order"
    meter_simulator.set_error_flags(0)
    flags = after_a_readout(MeterInfo.ERROR_FLAGS)
    assert set(flags) == {0}, f"error flags {flags.hex()} after they have gone"
    assert dm.read(MeterInfo.COMMUNICATION_STATUS) == 0, "a meter that answers, and 33908/0/2 tells of none"
    for time in ("first", "second"):
        meter_simulator.disconnect()
        status = after_a_readout(MeterInfo.COMMUNICATION_STATUS)
        assert status in (1, 2), f"without a meter, the {time} time, 33908/0/2 reads {status}"
        meter_simulator.connect()
        status = after_a_readout(MeterInfo.COMMUNICATION_STATUS)
        assert status == 0, f"with the meter back the {time} time 33908/0/2 reads {status}"


@req("OTC-12", "OTC-T8-01", "LWM2M-33906.0.54", "LWM2M-33908.0.1")
@device_time("3 min")
@needs("settings.nfc.read", "meter.optical")
@in_regression
@pytest.mark.parametrize("source", [1, 0], ids=["customer", "fabrication"])
def test_the_meter_id_is_the_configured_identification(joined_unit, dm, uploads, meter, source):
    shown = meter.read()
    number = int(shown.property_number if source else shown.fabrication_number)
    dm.write(McmConfig.METER_IDENTIFICATION_SOURCE, source)
    sent = int(uploads.arrival().telegram.newest.meter_id)
    seen = int(joined_unit.read_settings().values["meter_id"]), dm.read(MeterInfo.METER_ID), sent
    assert seen == (number, number, number), f"over NFC, over DM, in a telegram: {seen}"


@req("LWM2M-33911.0.0", "LWM2M-33911.0.1", "LWM2M-33911.0.2")
@device_time("10 min")
@in_regression
def test_the_meter_data_object_holds_the_last_telegram(joined_unit, dm, gateway, readings):
    """What the numbers of type and encoding are is not printed (G12): those of 33906, or others that tell them apart.
    """
    numbers = {}
    for encoding in (0, 1, 2):
        for kind in (42, 43):
            dm.write(McmConfig.INSTANCE, {1: encoding, 2: kind})
            arrived = gateway.count
            dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
            sent = gateway.wait_for_telegram(5 * minutes, after=arrived).payload
            shown = dm.read(MeterData.MESSAGE_DATA)
            assert shown == sent, f"33911/0/2 is not the last telegram, encoding {encoding}, type {kind}"
            numbers[encoding, kind] = dm.read(MeterData.MESSAGE_ENCODING), dm.read(MeterData.MESSAGE_TYPE)
    same = all(key == value for key, value in numbers.items())
    readings.takes("G12", "as in 33906" if same else "numbers of its own")
    of_encoding = {encoding: {number for (one, _), (number, _) in numbers.items() if one == encoding}
                   for encoding in (0, 1, 2)}
    of_kind = {kind: {number for (_, one), (_, number) in numbers.items() if one == kind} for kind in (42, 43)}
    for what, known in (("encoding", of_encoding), ("type", of_kind)):
        alone = all(len(found) == 1 for found in known.values())
        apart = len(set().union(*known.values())) == len(known)
        assert alone and apart, f"33911 does not tell each {what}: {known}"


@req("APN-21", "LWM2M-11.x.1", "LWM2M-11.x.2")
@device_time("1 min")
@in_regression
def test_the_apn_is_staged_at_one_of_the_two_printed_places(joined_unit, dm, readings):
    """6.4 prints 10/1/1 and 10/1/2, Table 1 has them in object 11 (C03)."""
    there = {number: not dm.refusal(f"/{number}/1/2", False) for number in (10, 11)}
    readings.takes("C03", "object 10" if not there[11] else "both objects" if there[10] else "object 11")
    for number in (one for one, is_there in there.items() if is_there):
        name = f"bench{number}.example"
        dm.write(f"/{number}/1/1", name)
        dm.write(f"/{number}/1/2", False)
        staged = {one: (dm.read(f"/{one}/1/1"), str(dm.read(f"/{one}/1/2")) in ("False", "0"))    # 10/1/2 has no type
                  for one, is_there in there.items() if is_there}
        assert set(staged.values()) == {(name, True)}, f"staged are (the APN, whether by hand) {staged}"
        dm.write(f"/{number}/1/2", True)


# -- the meter data connection


def meter_data_statistics(dm, gateway):
    """The instance of 33910 that counts what goes to the meter data server: how many there are is not printed (G10). Of
    several it is the one that counts a telegram which is lost."""
    found = [target for target in dm.discover("/33910") if len(Path.parse(target)) == 2]
    if len(found) == 1:
        return found[0]
    lost = {instance: dm.read(f"{instance}/3") for instance in found}
    with gateway.silent():
        dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
        dm.stay_in_touch(5 * minutes)
    return first_of((instance for instance in found if dm.read(f"{instance}/3") > lost[instance]),
                    "an instance of 33910 that counts a lost telegram")


@req("LWM2M-33905.0.0", "LWM2M-33907.0.10", "LWM2M-33910.x.2", "LWM2M-33910.x.3")
@device_time("20 min")
@in_regression
@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_a_silent_server_is_counted_and_told(joined_unit, dm, gateway, bench, attempts):
    status = dm.read(NbIotStatus.MDM_CONNECTION_STATUS)
    assert status in (0, 1, 7), f"connection status {status} of a unit that has reported"
    statistics = meter_data_statistics(dm, gateway)
    uri = dm.read(MdmServer.URI)
    dm.write(McmConfig.MQTT_SN_COMMUNICATION_ATTEMPTS, attempts)
    dm.write(McmConfig.MQTT_SN_COMMUNICATION_TIMEOUT, 30)
    lost, repeated = dm.read(f"{statistics}/3"), dm.read(f"{statistics}/2")
    dm.write(MdmServer.URI, elsewhere(uri))
    try:
        dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
        dm.stay_in_touch(5 * minutes)
        status = dm.read(NbIotStatus.MDM_CONNECTION_STATUS)
        assert status == 4, f"connection status {status} with a silent server"
        assert dm.read(f"{statistics}/3") > lost, "a lost transaction was not counted"
        if attempts > 1:    # of one it is open whether it is the only one (C20)
            assert dm.read(f"{statistics}/2") > repeated, "a retransmission was not counted"
    finally:
        dm.write(MdmServer.URI, uri)
    arrived = gateway.count
    dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
    gateway.wait_for_telegram(15 * minutes, after=arrived)
    bench.clock.sleep(10 * s)
    status = dm.read(NbIotStatus.MDM_CONNECTION_STATUS)
    assert status in (0, 7), f"connection status {status} after a telegram that arrived"


@req("LWM2M-33910.x.0", "LWM2M-33910.x.1", "LWM2M-33910.x.4", "LWM2M-33910.x.5", "LWM2M-33910.x.6")
@device_time("20 min")
@in_regression
def test_transactions_are_counted_and_timed_from_the_reset_on(joined_unit, bench, dm, gateway):
    """In what unit times are is not printed (G10): they are compared with each other."""
    statistics = meter_data_statistics(dm, gateway)

    def telegram(late=0.0):
        if late:
            gateway.next(Puback).delay(late)
        arrived = gateway.count
        dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
        gateway.wait_for_telegram(5 * minutes, after=arrived)
        bench.clock.sleep(late + 10 * s)

    def times():
        return tuple(dm.read(f"{statistics}/{number}") for number in (5, 4, 6))

    telegram(late=60 * s)
    slowest = times()[2]
    others = [target for target in dm.discover("/33910") if len(Path.parse(target)) == 2 and target != statistics]
    counted_elsewhere = [NbIotStatus.UPTIME, NbIotInfo.REGISTRATIONS, NbIotInfo.REGISTRATION_UPTIME,
                         *(f"{other}/{number}" for other in others for number in (1, 2, 3))]
    before = {path: dm.read(path) for path in counted_elsewhere}
    dm.execute(f"{statistics}/0")       # which may wait until the unit listens
    mark = bench.mark()
    back = [path for path, count in before.items() if dm.read(path) < count]
    assert not back, f"a reset of {statistics} has set back {', '.join(map(str, back))}"
    counts = [dm.read(f"{statistics}/{number}") for number in (1, 2, 3)]
    assert counts == [0, 0, 0], f"after a reset: {counts} transactions, retransmissions, lost ones"
    for _ in range(4):
        telegram()
    # Whether CONNECT and REGISTER are transactions is not printed; a telegram on schedule may have come in between.
    counted, heard = dm.read(f"{statistics}/1"), gateway.heard(since=mark)
    published = sum(one.name == "PUBLISH" for one in heard)
    assert published <= counted <= len(heard) + 1, f"{counted} transactions, {published} telegrams were published"
    shortest, mean, longest = times()
    assert 0 < shortest <= mean <= longest, f"shortest, mean, longest: {shortest}, {mean}, {longest}"
    assert longest < slowest / 3, f"the longest, {longest}, is of before the reset, {slowest}"
    telegram(late=40 * s)
    counted = dm.read(f"{statistics}/1")
    shortest, mean, longest = times()
    assert longest > slowest / 2, f"a response of 40 s counts as {longest}, one of 60 s as {slowest}"
    least, most = longest / counted + 0.5 * shortest, longest / counted + 0.15 * longest
    assert least - 1 <= mean <= most + 1, f"a mean of {mean}: of {counted} one took {longest}, the others {shortest} up"


@req("LWM2M-33905.0.11")
@device_time("5 min")
@in_regression
def test_the_topic_written_over_dm_is_used(joined_unit, dm, gateway):
    dm.write(MdmServer.TOPIC, "bench/other")
    arrived = gateway.count
    dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
    topic = gateway.wait_for_telegram(5 * minutes, after=arrived).topic
    assert topic == "bench/other", f"the topic written is bench/other, used is {topic!r}"
