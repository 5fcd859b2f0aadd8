"""Settings over NFC, manual 7.2 and 7.5."""

import pytest

from bench.manual import settings
from fixtures.outcomes import Status
from fixtures.words import device_time, everywhere, in_regression, needs, req

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


@req("OTC-T8-02", "OTC-T8-03", "OTC-T8-05", "OTC-T9-01", "OTC-T9-02", "OTC-T9-03", "OTC-T11-01", "OTC-T11-02",
     "OTC-T11-03", "OTC-T11-05", "ACT-07")
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


@req("OTC-T8-05", "OTC-T11-03", "OTC-T11-05")
@device_time("20 s")
@needs("nfc")
@in_regression
@pytest.mark.parametrize(("key", "inside", "outside"), [
    ("utc_offset", [-720, 720], [-721, 721]), ("readout_interval", [5, 1440], [4, 1441]),
    ("transmit_interval", [5, 1440], [4, 1441]), ("max_meter_retries", [0, 255], [-1, 256])])
def test_the_printed_range_is_taken_and_nothing_beyond_it(passive_unit, key, inside, outside):
    for value in inside:
        passive_unit.write_settings({key: value})
        assert passive_unit.read_settings().values[key] == value
    for value in outside:
        assert passive_unit.try_settings({key: value}).status is Status.RANGE, f"{key} = {value} was not refused"


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
