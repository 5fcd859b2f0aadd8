"""The unit as an LwM2M client, manual 6.2 and 6.3."""

import re
from datetime import timedelta

import pytest

from bench.analysis.clocks import difference_s
from bench.manual import resources
from bench.manual.paths import ConnectivityMonitoring, Device, McmConfig, MdmServer, MeterInfo
from fixtures.judging import first_of
from fixtures.words import device_time, everywhere, in_regression, needs, of_any_client, profile, req, s


@req("LWM2M-3.0.0", "LWM2M-3.0.1", "LWM2M-3.0.2", "LWM2M-3.0.3", "LWM2M-3.0.18", "CMP-09")
@device_time("30 s")
@everywhere
def test_object_3_says_what_the_unit_is(joined_unit, dm):
    dm.expect(Device.MANUFACTURER, "Elvaco")
    dm.expect(Device.MODEL_NUMBER, "CMi6110")
    serial = dm.read(Device.SERIAL_NUMBER)
    assert serial.upper() == joined_unit.deveui, f"the unit {joined_unit.deveui} gives the serial number {serial!r}"
    firmware = tuple(map(int, re.findall(r"\d+", dm.read(Device.FIRMWARE_VERSION))[:3]))
    assert firmware >= (2, 0, 0), "released units have firmware 2.0.0 or later"
    assert dm.read(Device.HARDWARE_VERSION), "no hardware version"


@req("LWM2M-4.0.0", "LWM2M-4.0.1.0", "LWM2M-4.0.2", "LWM2M-4.0.8", "LWM2M-4.0.9", "LWM2M-4.0.10")
@device_time("30 s")
@everywhere
def test_object_4_says_how_the_unit_is_connected(joined_unit, dm):
    values = dm.read_all(ConnectivityMonitoring.INSTANCE)
    assert values[ConnectivityMonitoring.NETWORK_BEARER] == 7, "the bearer is not NB-IoT"
    assert values[ConnectivityMonitoring.AVAILABLE_NETWORK_BEARER / 0] == 7, "NB-IoT is not among the bearers"
    assert -140 <= values[ConnectivityMonitoring.RADIO_SIGNAL_STRENGTH] <= -44, "no possible RSRP"
    for path in (ConnectivityMonitoring.SMNC, ConnectivityMonitoring.SMCC):
        assert 0 <= values[path] <= 999, f"codes of networks go from 0 to 999, and {path} reads {values[path]}"
    assert values[ConnectivityMonitoring.CELL_ID] > 0, "no cell id"


@req("LWM2M-3.0.6.0", "LWM2M-3.0.9", "LWM2M-3.0.11.0", "DM-02")
@device_time("30 s")
@everywhere
def test_all_of_object_3_reads_with_the_manuals_types_and_ranges(joined_unit, dm):
    wrong = [f"{path}: {problem}" for path, value in dm.read_all(Device.INSTANCE).items()
             if (known := resources.find(path)) and (problem := known.check(value))]
    assert not wrong, "; ".join(wrong)


@req("LWM2M-33906.0.0", "LWM2M-33906.0.1", "LWM2M-33906.0.2", "LWM2M-33906.0.18", "OTC-09", "DM-07")
@device_time("1 min")
@everywhere
def test_settings_written_over_nfc_are_seen_over_dm(joined_unit, dm):
    joined_unit.write_settings({"readout_interval": 30, "transmit_interval": 360, "message_encoding": "JSON",
                                "message_format": "Extended"})
    dm.expect(McmConfig.METER_READOUT_INTERVAL, 30)
    dm.expect(McmConfig.METER_TRANSMIT_INTERVAL, 360)
    dm.expect(McmConfig.REPORT_DATA_ENCODING, 1)
    dm.expect(McmConfig.REPORT_FRAME_TYPE, 43)


LONG = ",".join(f"{low}-{low + 60}" for low in range(100, 120))
"""A back-off list of 159 characters."""
LONG_OR_LARGE = {
    "restart_backoff": (McmConfig.MODEM_RESTART_BACK_OFF_INTERVALS, LONG),
    "reconnect_backoff": (McmConfig.MDM_RE_CONNECT_BACK_OFF_INTERVALS, LONG),
    "sequence_backoff": (McmConfig.LWM2M_RESUME_BACK_OFF_INTERVALS, LONG),
    "mqtt_sn_topic": (MdmServer.TOPIC, "a/long/topic" * 10),
    "auto_upload_max_age": (McmConfig.AUTO_UPLOAD_AGE_LIMIT, 500_000),
    "sequence_retry_delay": (McmConfig.IOWA_COMMUNICATION_SEQUENCE_RETRY_DELAY, 2_500_000),
    "search_period": (McmConfig.NETWORK_SEARCH_PERIOD, 500_000)}


@req("DM-07", "LWM2M-33906.0.40", "LWM2M-33906.0.41", "LWM2M-33906.0.42", "LWM2M-33905.0.11")
@device_time("5 min")
@needs("settings.nfc.read")
@in_regression
@pytest.mark.parametrize("key", LONG_OR_LARGE)
def test_what_is_long_or_large_reads_alike_over_dm_and_nfc(joined_unit, dm, bench, key):
    """How long and how large is not printed: what the unit refuses it need not show."""
    path, value = LONG_OR_LARGE[key]
    if code := dm.refusal(path, value):
        bench.step(f"{path} = {value!r} is refused with {code}")
        return
    shown = joined_unit.read_settings().values[key]
    assert dm.read(path) == shown == value, f"written {value!r}, over NFC {shown!r}, over DM {dm.read(path)!r}"


@req("LWM2M-33906.0.5", "OTC-T8-03")
@device_time("1 min")
@needs("settings.nfc.write")
@everywhere
def test_the_lock_set_over_nfc_is_seen_over_dm(joined_unit, dm, bench):
    dm.expect(McmConfig.NFC_CONFIG_LOCKED, False)
    joined_unit.write_settings({"configuration_lock": "Locked"})
    dm.expect(McmConfig.NFC_CONFIG_LOCKED, True)
    joined_unit.write_settings({"configuration_lock": "Open"}, bench.keys.pak)
    dm.expect(McmConfig.NFC_CONFIG_LOCKED, False)


@req("LWM2M-33906.0.18", "DM-04")
@device_time("1 min")
@everywhere
def test_a_value_out_of_range_is_refused_and_changes_nothing(joined_unit, dm):
    before = dm.read(McmConfig.METER_TRANSMIT_INTERVAL)
    for value in (1441, 4):
        code = dm.refusal(McmConfig.METER_TRANSMIT_INTERVAL, value)
        dm.expect_refusal(code, ("4.00",), f"a transmit interval of {value} min")
        dm.expect(McmConfig.METER_TRANSMIT_INTERVAL, before,
                  f"a refused transmit interval of {value} min left something behind")


@req("DM-05")
@device_time("30 s")
@profile("acceptance", "regression", "certification", "client")
def test_what_is_read_only_can_not_be_written(joined_unit, dm, device):
    dm.expect_refusal(dm.refusal(Device.MANUFACTURER, "Somebody"), ("4.05",), "writing the manufacturer")
    dm.expect(Device.MANUFACTURER, device.manufacturer)


@req("TIME-10", "TIME-12", "LWM2M-3.0.13")
@device_time("1 min")
@needs("meter.optical")
@everywhere
def test_the_meters_clock_follows_the_network(joined_unit, dm, meter, bench, measure):
    def network():
        return (bench.clock.utc() + bench.local_standard_offset).replace(tzinfo=None)

    before = network()
    shown = meter.read().meter_time
    measure("time.meter_difference", difference_s(shown, before, network()))
    offset = timedelta(minutes=int(joined_unit.read_settings().values["utc_offset"]))
    current = dm.read(Device.CURRENT_TIME).replace(tzinfo=None) + offset
    measure("time.dm_difference", difference_s(current, shown, meter.read().meter_time))


@req("DM-10")
@device_time("3 min")
@of_any_client
def test_an_observed_uptime_is_reported(joined_unit, dm, bench, device):
    observation = dm.observe(device.counter)
    bench.clock.sleep(30 * s)
    assert observation.notifications, "no notification of the uptime in 30 s"
    observation.cancel()


@req("PWR-09", "LWM2M-3.0.7.0")
@device_time("1 min")
@needs("supply.voltage")
@everywhere
def test_the_reported_voltage_follows_the_supply(joined_unit, supply, dm, bench, measure):
    for volts in (3.6, 3.3):
        supply.set_voltage(volts)
        bench.clock.sleep(2 * s)
        reported = first_of(dm.read_all(Device.POWER_SOURCE_VOLTAGE).values(), "a voltage in 3/0/7")
        measure("power.voltage.reported_error", reported - supply.voltage() * 1000)


@req("LWM2M-33908.0.1", "LWM2M-33908.0.2")
@device_time("30 s")
@needs("meter.optical")
@everywhere
def test_the_unit_knows_the_meter_that_it_sits_in(joined_unit, dm, meter):
    dm.expect(MeterInfo.COMMUNICATION_STATUS, 0)
    dm.expect(MeterInfo.METER_ID, int(meter.read().fabrication_number))
