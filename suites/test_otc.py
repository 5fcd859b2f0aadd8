"""Settings over NFC, manual 7.2 and 7.5."""

import random

import pytest

from bench.manual import settings
from fixtures.outcomes import NoTagError, Pak, Status
from fixtures.words import device_time, everywhere, in_regression, minutes, needs, req, s

READABLE = [setting for setting in settings.load().values() if setting.type not in ("datetime", "trigger")]


@req("OTC-10", "OTC-T8-01")
@device_time("10 s")
@needs("nfc", "meter.optical")
@everywhere
def test_all_46_settings_can_be_read(unit, meter):
    unit.power_up()
    values = unit.read_settings().values
    missing = [setting.key for setting in READABLE if setting.key not in values]
    assert not missing, f"not readable: {', '.join(missing)}"
    assert len(READABLE) == 46
    assert int(values["meter_id"]) == int(meter.read().fabrication_number)


@req("ACT-07", *(setting.requirement for setting in READABLE if setting.default is not None))
@device_time("10 s")
@needs("nfc")
@everywhere
def test_a_delivered_unit_has_the_printed_defaults(unit):
    unit.power_up()
    values = unit.delivered.values
    wrong = [f"{setting.key} is {values.get(setting.key)!r}, printed is {setting.default!r}"
             for setting in READABLE if setting.default is not None and values.get(setting.key) != setting.default]
    assert not wrong, "; ".join(wrong)


@req("OTC-04", "OTC-05", "SEC-08")
@device_time("20 s")
@needs("nfc")
@everywhere
def test_a_locked_unit_is_read_by_all_and_written_with_the_pak_only(passive_unit, bench):
    passive_unit.write_settings({"configuration_lock": "Locked"})
    assert passive_unit.read_settings().values["transmit_interval"] == 1440, "a locked unit must still be readable"
    refused = passive_unit.try_settings({"transmit_interval": 720})
    assert refused.status is Status.AUTH_REQUIRED
    assert passive_unit.read_settings().values["transmit_interval"] == 1440
    passive_unit.write_settings({"transmit_interval": 720, "configuration_lock": "Open"}, bench.keys.pak)
    assert passive_unit.read_settings().values["transmit_interval"] == 720


@req("OTC-07")
@device_time("1 min")
@needs("nfc")
@everywhere
def test_nfc_works_in_a_passive_and_in_an_active_unit(passive_unit):
    passive_unit.write_settings({"max_meter_retries": 7})
    passive_unit.make_joined()
    passive_unit.write_settings({"max_meter_retries": 9})
    assert passive_unit.read_settings().values["max_meter_retries"] == 9


@req("SCH-15", "SCH-17")
@device_time("20 s")
@needs("nfc")
@everywhere
def test_offset_and_delay_never_exceed_the_transmit_interval(passive_unit):
    assert passive_unit.try_settings({"transmit_interval": 60, "transmit_offset": 15, "transmit_delay": 46}).status \
        is not Status.OK
    passive_unit.write_settings({"transmit_interval": 60})
    values = passive_unit.read_settings().values
    assert (values["transmit_offset"], values["transmit_delay"]) == (0, 60)


# -- who has no PAK, or not the right one


@req("SEC-08", "OTC-04")
@device_time("30 s")
@needs("nfc")
@in_regression
def test_a_wrong_pak_opens_nothing_and_leaves_no_trace(passive_unit, bench):
    passive_unit.write_settings({"configuration_lock": "Locked"})
    before = passive_unit.read_settings().values
    of_another_unit = Pak(random.Random(bench.station.file.unit.deveui).randbytes(Pak.SIZE))
    for pak in (of_another_unit, Pak(bytes(Pak.SIZE))):
        for changes in ({"transmit_interval": 720}, {"configuration_lock": "Open"}):
            assert passive_unit.try_settings(changes, pak).status in (Status.AUTH_FAILED, Status.AUTH_BLOCKED)
    assert passive_unit.read_settings().values == before
    bench.clock.sleep(2 * minutes)    # a lock-out is not described; this bench's own codec has one of a minute
    passive_unit.write_settings({"transmit_interval": 720, "configuration_lock": "Open"}, bench.keys.pak)


@req("SEC-08", "OTC-04")
@device_time("30 s")
@needs("nfc")
@in_regression
def test_a_recorded_write_is_worth_nothing_the_second_time(passive_unit, bench):
    passive_unit.write_settings({"configuration_lock": "Locked"})
    overheard = passive_unit.record_write({"transmit_interval": 720}, bench.keys.pak)
    passive_unit.write_settings({"transmit_interval": 1440}, bench.keys.pak)
    passive_unit.replay(overheard)
    assert passive_unit.read_settings().values["transmit_interval"] == 1440, "a replayed write was taken"
    passive_unit.write_settings({"configuration_lock": "Open"}, bench.keys.pak)


# -- what goes wrong in the middle


@req("OTC-08")
@device_time("3 min")
@needs("nfc")
@in_regression
def test_a_write_cut_off_anywhere_leaves_all_old_or_all_new(passive_unit, bench):
    old = {"utc_offset": 0, "transmit_interval": 1440, "mqtt_sn_topic": "old"}
    new = {"utc_offset": 60, "transmit_interval": 720, "mqtt_sn_topic": "new"}
    passive_unit.write_settings(old)
    complete = 0
    for pages in range(60):
        complete += passive_unit.tear_write(new, pages)
        bench.clock.sleep(1 * s)
        values = passive_unit.read_settings().values
        now = {key: values[key] for key in old}
        assert now in (old, new), f"cut off after {pages} pages: {now}"
        if complete == 2:
            break
        if now == new:
            passive_unit.write_settings(old)
    assert complete, "no write was ever complete"


# -- the ways to configure a unit, beside each other


@req("CMP-08", "OTC-09", "SEC-14")
@device_time("1 min")
@needs("nfc")
@in_regression
def test_a_locked_unit_is_still_configured_over_dm_and_the_last_writer_wins(joined_unit, dm, bench):
    joined_unit.write_settings({"max_meter_retries": 7})
    assert dm.read("/33906/0/43") == 7
    joined_unit.write_settings({"configuration_lock": "Locked"})
    assert dm.read("/33906/0/5") is True
    dm.write("/33906/0/43", 9)
    assert joined_unit.read_settings().values["max_meter_retries"] == 9
    joined_unit.write_settings({"max_meter_retries": 11, "configuration_lock": "Open"}, bench.keys.pak)
    assert dm.read("/33906/0/43") == 11
    assert dm.read("/33906/0/5") is False


@req("SEC-16")
@device_time("1 min")
@needs("nfc")
@in_regression
def test_nfc_switched_off_over_dm_shuts_everybody_out(joined_unit, dm):
    dm.write("/33906/0/4", False)
    try:
        with pytest.raises(NoTagError):
            joined_unit.read_settings()
        with pytest.raises(NoTagError):
            joined_unit.try_settings({"max_meter_retries": 7})
    finally:
        dm.write("/33906/0/4", True)
    assert joined_unit.read_settings().values["max_meter_retries"] != 7


# -- factory reset


@req("OTC-T8-07", "SEC-15", "ACT-16")
@device_time("5 min")
@needs("nfc", "panel.leds")
@in_regression
def test_a_factory_reset_needs_the_pak_and_brings_back_all_defaults(passive_unit, panel, bench, cell):
    cell.off()    # active and with the default bootstrap address, the unit must reach nobody
    changed = {setting.key: setting.other for setting in READABLE
               if setting.key not in ("meter_id", "power_mode", "configuration_lock")}
    passive_unit.write_settings(changed)
    passive_unit.write_settings({"configuration_lock": "Locked"})
    assert passive_unit.try_settings({"factory_reset": None}).status is Status.AUTH_REQUIRED
    values = passive_unit.read_settings().values
    assert {key: values[key] for key in changed} == changed, "a refused reset left something behind"

    mark = bench.mark()
    passive_unit.write_settings({"factory_reset": None}, bench.keys.pak)
    try:
        bench.observe(panel.red.on, 2 * minutes, "the start-up indication of an active unit", since=mark)
        reset = passive_unit.read_settings()
        wrong = [f"{setting.key} is {reset.values[setting.key]!r}, printed is {setting.default!r}"
                 for setting in READABLE if setting.key not in ("power_mode", "configuration_lock")
                 and setting.default is not None and reset.values[setting.key] != setting.default]
        assert not wrong, "; ".join(wrong)
        assert reset.values["power_mode"] == "Active", "after a factory reset a unit is active (Table 8)"
    finally:
        back = passive_unit.commissioning() | {"power_mode": "Passive", "configuration_lock": "Open"}
        passive_unit.write_settings(back, bench.keys.pak)
        cell.on()
