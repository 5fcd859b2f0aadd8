"""Each setting of Tables 8 to 12 over NFC: what its row allows, what it refuses, and what the lock does, manual 7.5."""

from datetime import datetime, timedelta

import pytest

from bench.manual import settings
from bench.manual.paths import McmConfig
from bench.manual.settings import Setting
from fixtures.outcomes import Status
from fixtures.restarts import HOW, OF_A_PASSIVE_UNIT
from fixtures.words import device_time, everywhere, hours, in_regression, needs, req, s

WITH_A_TEST_OF_THEIR_OWN = ("power_mode", "configuration_lock")
"""Activating the unit, and locking it, are more than writing a value."""

WRITEABLE = [setting for setting in settings.load().values()
             if setting.access == "RW" and setting.key not in WITH_A_TEST_OF_THEIR_OWN]

FIRST = {"apn_mode": {"apn": "bench.example"}, "mdm_dtls_max_timeout": {"mdm_dtls_min_timeout": 1}}
"""What must be there before a setting takes all that its row allows: Manual needs an APN, and a minimum is none above
the maximum."""


NO_TIME = datetime.fromisoformat("2020-01-01")


def each(chosen: list[Setting]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("setting", [pytest.param(setting, id=setting.key, marks=req(setting.requirement))
                                               for setting in chosen])


@each(WRITEABLE)
@device_time("30 s")
@needs("settings.nfc.write")
@in_regression
def test_a_setting_takes_what_its_row_allows_and_nothing_beyond_it(passive_unit, readings, setting):
    if FIRST.get(setting.key):
        passive_unit.write_settings(FIRST[setting.key])
    for value in setting.inside:
        if setting.key == "transmit_offset" and value == 0:    # printed 1.., and the unit itself sets it to 0 (C19)
            taken = passive_unit.try_settings({setting.key: value}).status is Status.OK
            readings.takes("C19", "0 taken" if taken else "0 refused")
            continue
        passive_unit.write_settings({setting.key: value})
        assert passive_unit.read_settings().values[setting.key] == value, f"{value} does not read as written"
    for beyond in setting.outside:
        status = passive_unit.try_settings({setting.key: beyond}).status
        assert status is Status.RANGE, f"{beyond}: {status.name}, not refused as out of range"
        assert passive_unit.read_settings().values[setting.key] == value, f"{beyond} was refused and left something"


@pytest.mark.parametrize("table", [
    pytest.param(table, marks=req("OTC-04", "OTC-05", "SEC-08", *(setting.requirement for setting in WRITEABLE
                                                                  if setting.table == table)))
    for table in (8, 9, 10, 11, 12)])
@device_time("3 min")
@needs("settings.nfc.write")
@in_regression
def test_the_lock_guards_each_setting_and_the_pak_opens_all(passive_unit, bench, table):
    changes = {setting.key: setting.other for setting in WRITEABLE if setting.table == table}
    passive_unit.write_settings({"configuration_lock": "Locked"})
    before = passive_unit.read_settings().values
    taken = [key for key, value in changes.items()
             if passive_unit.try_settings({key: value}).status is not Status.AUTH_REQUIRED]
    assert not taken, f"written without the PAK: {', '.join(taken)}"
    assert passive_unit.read_settings().values == before, "a refused write left something behind"
    passive_unit.write_settings(changes, bench.keys.pak)
    for lock in ("Locked", "Open"):
        now = passive_unit.read_settings().values
        seen = {key: now[key] for key in (*changes, "configuration_lock")}
        assert seen == changes | {"configuration_lock": lock}, f"written with the PAK, read is {seen}"
        passive_unit.write_settings({"configuration_lock": "Open"}, bench.keys.pak)


GUARDED = (("max_meter_retries", 7), ("coap_ack_timeout", 7), ("t3324_timer", 240), ("mqtt_sn_topic", "anybody"),
           ("mdm_communication_timeout", 7), ("power_mode", None), ("configuration_lock", "Open"),
           ("synchronize_meter_time", NO_TIME), ("factory_reset", None))
"""A setting of each table, and what is more than a setting. Power mode None: the other one."""


def expect_guarded(unit, what):
    """Whoever has no PAK changes nothing."""
    before = unit.read_settings()
    assert before.locked and before.values["configuration_lock"] == "Locked", f"open after {what}"
    other = {"Passive": "Active", "Active": "Passive"}[before.values["power_mode"]]
    for key, value in GUARDED:
        status = unit.try_settings({key: other if key == "power_mode" else value}).status
        assert status is Status.AUTH_REQUIRED, f"{key} without the PAK, after {what}: {status.name}"
        assert unit.read_settings().values == before.values, f"a refused write of {key} left something behind"


@req("SEC-08", "OTC-04", "OTC-T8-02", "OTC-T8-03", "OTC-T8-04", "SEC-15")
@device_time("20 min")
@needs("settings.nfc.write", "supply.voltage", "panel.button")
@in_regression
@pytest.mark.parametrize("how", HOW)
def test_the_lock_of_an_active_unit_outlives_each_restart(joined_unit, dm, restarts, bench, how):
    joined_unit.write_settings({"configuration_lock": "Locked"})
    expect_guarded(joined_unit, "it was locked")
    restarts.and_back(how)
    expect_guarded(joined_unit, f"a restart ({how})")
    dm.expect(McmConfig.NFC_CONFIG_LOCKED, True, f"33906/0/5 after a restart ({how})")
    joined_unit.write_settings({"configuration_lock": "Open"}, bench.keys.pak)


@req("SEC-08", "OTC-04", "OTC-T8-02", "OTC-T8-03", "OTC-T8-04", "SEC-15")
@device_time("20 min")
@needs("settings.nfc.write", "supply.voltage", "panel.button")
@in_regression
@pytest.mark.parametrize("how", [*OF_A_PASSIVE_UNIT, "switching off"])
def test_the_lock_of_a_passive_unit_outlives_each_restart(unit, restarts, bench, how):
    if how == "switching off":
        unit.make_joined()
    else:
        unit.make_passive()
    unit.write_settings({"configuration_lock": "Locked"})
    if how == "switching off":
        unit.press_button(17.5 * s)
    else:
        restarts.by(how)
    bench.clock.sleep(30 * s)
    expect_guarded(unit, how)
    unit.write_settings({"configuration_lock": "Open"}, bench.keys.pak)


@req("SEC-08", "OTC-04", "OTC-T8-03")
@device_time("30 h")
@needs("settings.nfc.write")
@in_regression
@pytest.mark.parametrize("mode", ["Active", "Passive"])
def test_a_locked_unit_stays_locked(unit, bench, mode):
    if mode == "Active":
        unit.make_joined()
    else:
        unit.make_passive()
    unit.write_settings({"configuration_lock": "Locked"})
    bench.clock.sleep(25 * hours)
    expect_guarded(unit, "a day")
    unit.write_settings({"configuration_lock": "Open"}, bench.keys.pak)


@req("OTC-T8-01")
@device_time("20 s")
@needs("settings.nfc.write")
@in_regression
def test_the_meter_id_is_written_by_nobody(passive_unit, bench):
    printed = passive_unit.read_settings().values["meter_id"]
    status = passive_unit.try_settings({"meter_id": "12345678"}).status
    assert status is not Status.OK, "the meter's number can be written"
    passive_unit.write_settings({"configuration_lock": "Locked"})
    assert passive_unit.read_settings().values["meter_id"] == printed, "not readable on a locked unit"
    status = passive_unit.try_settings({"meter_id": "12345678"}, bench.keys.pak).status
    assert status is not Status.OK, "the meter's number can be written with the PAK"
    passive_unit.write_settings({"configuration_lock": "Open"}, bench.keys.pak)
    passive_unit.expect_settings({"meter_id": printed}, "after two writes that were refused")


@req("OTC-T8-03")
@device_time("20 s")
@needs("settings.nfc.write")
@everywhere
def test_only_the_pak_unlocks_a_locked_unit(passive_unit, bench):
    passive_unit.write_settings({"configuration_lock": "Locked"})
    assert passive_unit.read_settings().locked, "the lock was written, and the unit says that it is open"
    status = passive_unit.try_settings({"configuration_lock": "Open"}).status
    assert status is Status.AUTH_REQUIRED, f"unlocking without the PAK is answered with {status.name}"
    passive_unit.expect_settings({"configuration_lock": "Locked"}, "after unlocking was refused")
    passive_unit.write_settings({"configuration_lock": "Open"}, bench.keys.pak)
    passive_unit.expect_settings({"configuration_lock": "Open"}, "unlocked with the PAK")
    status = passive_unit.try_settings({"configuration_lock": 2}).status
    assert status is Status.RANGE, f"a lock of 2 is out of range, and is answered with {status.name}"


@req("OTC-T8-04")
@device_time("20 s")
@needs("settings.nfc.write", "meter.optical")
@in_regression
def test_a_locked_unit_sets_the_meters_clock_with_the_pak_only(passive_unit, bench, meter):
    passive_unit.write_settings({"configuration_lock": "Locked"})
    shown = meter.read().meter_time
    wrong = shown - timedelta(days=400)
    status = passive_unit.try_settings({"synchronize_meter_time": wrong}).status
    assert status is Status.AUTH_REQUIRED, f"setting the meter's clock without the PAK is answered with {status.name}"
    assert meter.read().meter_time - shown < (shown - wrong) / 2, "the clock was set without the PAK"
    now = meter.read().meter_time
    passive_unit.write_settings({"synchronize_meter_time": now, "configuration_lock": "Open"}, bench.keys.pak)
    shown = meter.read().meter_time
    assert abs((shown - now).total_seconds()) <= 60, f"set with the PAK to {now}, the meter's clock shows {shown}"
