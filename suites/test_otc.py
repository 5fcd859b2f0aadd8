"""Settings over NFC, manual 7.2 and 7.5."""

import random

import pytest

from bench.manual import settings
from bench.manual.paths import McmConfig
from fixtures.outcomes import NoTagError, Pak, Status
from fixtures.restarts import HOW
from fixtures.words import device_time, everywhere, hours, in_regression, minutes, needs, req, s

PAGES = 256
"""More than a write has in any format: what is cut off behind its last page is complete."""
READABLE = [setting for setting in settings.load().values() if setting.type not in ("datetime", "trigger")]


@req("OTC-10", "OTC-T8-01")
@device_time("10 s")
@needs("settings.nfc.write", "meter.optical")
@everywhere
def test_all_46_settings_can_be_read(unit, meter):
    unit.power_up()
    values = unit.read_settings().values
    missing = [setting.key for setting in READABLE if setting.key not in values]
    assert not missing, f"not readable: {', '.join(missing)}"
    assert len(READABLE) == 46, f"46 settings are printed, and the catalogue has {len(READABLE)}"
    number, shown = values["meter_id"], meter.read().fabrication_number
    assert int(number) == int(shown), f"the meter's number is {shown}, and read over NFC is {number}"


LONG = {"mqtt_sn_topic": "bench/" + "/".join(f"{number:03}" for number in range(28)), "apn": "a." * 30 + "bench",
        "restart_backoff": ",".join(f"{low}-{low + 9}" for low in range(0, 150, 10)),
        "reconnect_backoff": "1300-1600," * 9 + "1300-1600", "sequence_backoff": "0-5," * 20 + "60-120"}
"""Longer than what is printed: the unit may refuse it (U20)."""


@req("OTC-10", "OTC-01", "OTC-T9-12", "OTC-T10-02", "OTC-T11-10", "OTC-T11-13", "OTC-T12-05")
@device_time("1 min")
@needs("settings.nfc.write")
@in_regression
def test_a_text_that_is_taken_is_shown_and_can_be_taken_away(passive_unit, bench):
    """Long ones, and then those of delivery: of the topic and the APN that is the empty one."""
    delivered = passive_unit.delivered.values
    for key, value in LONG.items():
        taken = passive_unit.try_settings({key: value}).status is Status.OK
        shown = passive_unit.read_settings().values
        assert shown.keys() >= {setting.key for setting in READABLE}, f"not readable beside {key} = {value!r}"
        wanted = value if taken else delivered[key]
        assert shown[key] == wanted, f"{key} is {shown[key]!r}, {'taken' if taken else 'before'} was {wanted!r}"
        for old in ("", delivered[key]) if delivered[key] == "" else (delivered[key],):
            passive_unit.write_settings({key: old})
            assert passive_unit.read_settings().values[key] == old, f"{key} can't be {old!r} again"


@req(*(setting.requirement for setting in READABLE if setting.default is not None))
@device_time("10 s")
@needs("settings.nfc.write")
@everywhere
def test_a_delivered_unit_has_what_was_ordered_or_the_printed_defaults(unit, bench):
    """What was ordered the station file says (5.3.5); mains units may have other defaults (U27), which it says, too."""
    unit.power_up()
    values, ordered = unit.delivered.values, bench.station.file.unit.ordered
    wanted = {setting.key: ordered.get(setting.key, setting.default) for setting in READABLE}
    wrong = [f"{key} is {values.get(key)!r}, {'ordered' if key in ordered else 'printed'} is {value!r}"
             for key, value in wanted.items() if value is not None and values.get(key) != value]
    assert not wrong, "; ".join(wrong)


@req("OTC-04", "OTC-05", "SEC-08")
@device_time("20 s")
@needs("settings.nfc.write")
@everywhere
def test_a_locked_unit_is_read_by_all_and_written_with_the_pak_only(passive_unit, bench):
    passive_unit.write_settings({"configuration_lock": "Locked"})
    before = passive_unit.read_settings().values
    assert before.keys() >= {setting.key for setting in READABLE}, "a locked unit must still be readable"
    refused = passive_unit.try_settings({"max_meter_retries": 7})
    assert refused.status is Status.AUTH_REQUIRED, f"a write without the PAK: {refused.status.name}"
    assert passive_unit.read_settings().values == before, "a refused write left something behind"
    passive_unit.write_settings({"max_meter_retries": 9}, bench.keys.pak)
    again = passive_unit.try_settings({"max_meter_retries": 11})
    assert again.status is Status.AUTH_REQUIRED, f"after a write with the PAK one without it: {again.status.name}"
    passive_unit.write_settings({"configuration_lock": "Open"}, bench.keys.pak)
    assert passive_unit.read_settings().values["max_meter_retries"] == 9, "not what was written with the PAK"


@req("OTC-07")
@device_time("1 min")
@needs("settings.nfc.write")
@everywhere
def test_nfc_works_in_a_passive_and_in_an_active_unit(passive_unit):
    passive_unit.write_settings({"max_meter_retries": 7})
    passive_unit.make_joined()
    passive_unit.write_settings({"max_meter_retries": 9})
    passive_unit.expect_settings({"max_meter_retries": 9}, "written to the active unit")


@req("OTC-07")
@device_time("40 min")
@needs("settings.nfc.write")
@in_regression
def test_nfc_works_while_the_modem_sleeps(unit, bench):
    """Half an hour after its telegram a unit with an active timer of two minutes is asleep."""
    unit.make_joined({"power_saving_mode": "PSM", "t3324_timer": 120})
    bench.clock.sleep(30 * minutes)
    unit.write_settings({"max_meter_retries": 9})
    assert unit.read_settings().values["max_meter_retries"] == 9, "written while asleep, and not stored"


@req("OTC-07", "BTN-08")
@device_time("5 min")
@needs("settings.nfc.write", "panel.button")
@in_regression
def test_nfc_works_in_a_unit_that_the_button_has_switched_off(joined_unit, bench, dm):
    joined_unit.press_button(held=17.5 * s)
    bench.clock.sleep(60 * s)      # a detach within a minute is allowed
    joined_unit.write_settings({"max_meter_retries": 9})
    assert joined_unit.read_settings().values["max_meter_retries"] == 9, "written while switched off, and not stored"
    activated = bench.clock.time()
    joined_unit.write_settings({"power_mode": "Passive"})      # where the mode of a unit switched off is Active (U13)
    joined_unit.write_settings({"power_mode": "Active"})
    dm.wait_for_registration(15 * minutes, after=activated)


@req("SCH-15", "SCH-17")
@device_time("20 s")
@needs("settings.nfc.write")
@everywhere
def test_offset_and_delay_never_exceed_the_transmit_interval(passive_unit, readings):
    tried = passive_unit.try_settings({"transmit_interval": 60, "transmit_offset": 15, "transmit_delay": 46})
    readings.takes("U14", "clamped" if tried.status is Status.OK else "refused")
    values = passive_unit.read_settings().values
    fits = values["transmit_offset"] + values["transmit_delay"] <= values["transmit_interval"]
    assert fits, "offset and delay exceed the transmit interval"
    passive_unit.write_settings({"transmit_interval": 360, "transmit_offset": 60, "transmit_delay": 240})
    passive_unit.write_settings({"transmit_interval": 60})
    values = passive_unit.read_settings().values
    assert (values["transmit_offset"], values["transmit_delay"]) == (0, 60), "not 0 and the interval (7.3.3)"


@req("SCH-15", "SCH-18")
@device_time("1 min")
@needs("settings.nfc.write")
@in_regression
@pytest.mark.parametrize(("before", "changes"), [
    ((60, 40), {"transmit_interval": 60, "transmit_offset": 20}),
    ((20, 200), {"transmit_interval": 60, "transmit_delay": 40}),
    ((100, 200), {"transmit_interval": 60, "transmit_offset": 20, "transmit_delay": 40})],
    ids=["offset", "delay", "both"])
def test_what_is_written_together_with_a_shorter_interval_is_what_counts(passive_unit, before, changes):
    """The old offset and delay do not fit into the new interval, those that come with it do: all of them, or none."""
    offset, delay = before
    old = {"transmit_interval": 360, "transmit_offset": offset, "transmit_delay": delay}
    passive_unit.write_settings(old)
    taken = passive_unit.try_settings(changes).status is Status.OK
    values = passive_unit.read_settings().values
    wanted = old | changes if taken else old
    seen = {key: values[key] for key in wanted}
    assert seen == wanted, f"{'taken' if taken else 'refused'} were {changes}, and now it has {seen}"


# -- who has no PAK, or not the right one


@req("SEC-08", "OTC-04")
@device_time("30 s")
@needs("settings.nfc.write")
@in_regression
def test_a_wrong_pak_opens_nothing_and_leaves_no_trace(passive_unit, bench):
    passive_unit.write_settings({"configuration_lock": "Locked"})
    for name, pak in wrong_paks(bench).items():
        before = passive_unit.read_settings().values
        for changes in ({"max_meter_retries": 7}, {"configuration_lock": "Open"}):
            status = passive_unit.try_settings(changes, pak).status
            assert status in (Status.AUTH_FAILED, Status.AUTH_BLOCKED), f"a PAK {name}: {status.name}"
            assert passive_unit.read_settings().values == before, f"a refused write with a PAK {name} left something"
        write_when_unblocked(passive_unit, bench, {"max_meter_retries": 9})    # which also ends what wrong ones began
    write_when_unblocked(passive_unit, bench, {"configuration_lock": "Open"})


@req("SEC-08")
@device_time("4 h")
@needs("settings.nfc.write")
@in_regression
def test_a_dozen_wrong_paks_open_nothing(passive_unit, bench):
    passive_unit.write_settings({"configuration_lock": "Locked"})
    before = passive_unit.read_settings().values
    for number in range(12):
        status = passive_unit.try_settings({"max_meter_retries": 7}, another_pak(bench, number)).status
        assert status in (Status.AUTH_FAILED, Status.AUTH_BLOCKED), f"wrong PAK number {number + 1}: {status.name}"
        bench.clock.sleep(15 * minutes)
    assert passive_unit.read_settings().values == before, "a refused write left something behind"
    write_when_unblocked(passive_unit, bench, {"configuration_lock": "Open"})


def another_pak(bench, number=0):
    return Pak(random.Random(f"{bench.station.file.unit.deveui} {number}").randbytes(Pak.SIZE))


def wrong_paks(bench):
    own = bench.keys.pak.octets
    return {"of another unit": another_pak(bench), "of zeros": Pak(bytes(Pak.SIZE)),
            "with another last bit": Pak(own[:-1] + bytes((own[-1] ^ 1,))),
            "with another last octet": Pak(own[:-1] + bytes((own[-1] ^ 0xA5,))),
            "with another first octet": Pak(bytes((own[0] ^ 0xA5,)) + own[1:])}


def write_when_unblocked(unit, bench, changes):
    """With the PAK. Whether wrong ones lock everybody out for a while is not described (G19): up to a day."""
    waited = 0.0
    while (status := unit.try_settings(changes, bench.keys.pak).status) is Status.AUTH_BLOCKED:
        assert waited < 24 * hours, "the right PAK is locked out for a day"
        bench.clock.sleep(5 * minutes)
        waited += 5 * minutes
    assert status is Status.OK, f"the right PAK: {status.name}"
    bench.step(f"the right PAK was locked out for {waited / 60:.0f} min")


@req("SEC-08", "OTC-04")
@device_time("30 s")
@needs("settings.nfc.write")
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
@needs("settings.nfc.write")
@in_regression
def test_a_write_cut_off_anywhere_leaves_all_old_or_all_new(passive_unit, bench):
    old = {"utc_offset": 0, "transmit_interval": 1440, "mqtt_sn_topic": "old"}
    new = {"utc_offset": 60, "transmit_interval": 720, "mqtt_sn_topic": "new"}
    passive_unit.write_settings(old)
    complete = 0
    for pages in range(PAGES):
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
@needs("settings.nfc.write")
@in_regression
def test_a_locked_unit_is_still_configured_over_dm_and_the_last_writer_wins(joined_unit, dm, bench):
    joined_unit.write_settings({"max_meter_retries": 7})
    dm.expect(McmConfig.METER_MAX_RETRY_COUNT, 7)
    joined_unit.write_settings({"configuration_lock": "Locked"})
    dm.expect(McmConfig.NFC_CONFIG_LOCKED, True)
    dm.write(McmConfig.METER_MAX_RETRY_COUNT, 9)
    joined_unit.expect_settings({"max_meter_retries": 9}, "written over DM while NFC is locked")
    joined_unit.write_settings({"max_meter_retries": 11, "configuration_lock": "Open"}, bench.keys.pak)
    dm.expect(McmConfig.METER_MAX_RETRY_COUNT, 11)
    dm.expect(McmConfig.NFC_CONFIG_LOCKED, False)


@req("SEC-16")
@device_time("1 min")
@needs("settings.nfc.write")
@in_regression
def test_nfc_switched_off_over_dm_shuts_everybody_out(joined_unit, dm):
    dm.write(McmConfig.NFC_ENABLED, False)
    try:
        with pytest.raises(NoTagError):
            joined_unit.read_settings()
        with pytest.raises(NoTagError):
            joined_unit.try_settings({"max_meter_retries": 7})
    finally:
        dm.write(McmConfig.NFC_ENABLED, True)
    assert joined_unit.read_settings().values["max_meter_retries"] != 7, "written though NFC was off"


@req("SEC-16", "LWM2M-33906.0.4")
@device_time("20 min")
@needs("settings.nfc.write", "supply.voltage", "panel.button")
@in_regression
@pytest.mark.parametrize("how", HOW)
def test_nfc_that_was_switched_off_stays_off(joined_unit, dm, restarts, how):
    dm.write(McmConfig.NFC_ENABLED, False)
    try:
        restarts.and_back(how)
        with pytest.raises(NoTagError):
            joined_unit.read_settings()
        dm.expect(McmConfig.NFC_ENABLED, False, f"33906/0/4 after a restart ({how})")
    finally:
        dm.write(McmConfig.NFC_ENABLED, True)


# -- factory reset


@req("OTC-T8-07", "SEC-15", "ACT-16", "OTC-01", "PWR-17", *(
    setting.requirement for setting in READABLE if setting.default is not None))
@device_time("5 min")
@needs("settings.nfc.write", "panel.leds")
@in_regression
def test_a_factory_reset_needs_the_pak_and_brings_back_all_defaults(passive_unit, panel, bench, cell):
    cell.off()    # active and with the default bootstrap address, the unit must reach nobody
    changed = {setting.key: setting.other for setting in READABLE
               if setting.key not in ("meter_id", "power_mode", "configuration_lock")}
    passive_unit.write_settings(changed)
    passive_unit.write_settings({"configuration_lock": "Locked"})
    status = passive_unit.try_settings({"factory_reset": None}).status
    assert status is Status.AUTH_REQUIRED, f"a factory reset without the PAK is answered with {status.name}"
    values = passive_unit.read_settings().values
    assert {key: values[key] for key in changed} == changed, "a refused reset left something behind"

    mark = bench.mark()
    passive_unit.write_settings({"factory_reset": None}, bench.keys.pak)
    try:
        bench.observe(panel.red.on, 2 * minutes, "the start-up indication of an active unit", since=mark)
        reset, ordered = passive_unit.read_settings(), bench.station.file.unit.ordered
        wrong = [f"{setting.key} is {reset.values[setting.key]!r}, printed is {setting.default!r}"
                 for setting in READABLE if setting.key not in ("power_mode", "configuration_lock")
                 and setting.default is not None
                 and reset.values[setting.key] not in (setting.default, ordered.get(setting.key, setting.default))]
        assert not wrong, "; ".join(wrong)
        assert reset.values["power_mode"] == "Active", "after a factory reset a unit is active (Table 8)"
    finally:
        back = passive_unit.commissioning() | {"power_mode": "Passive", "configuration_lock": "Open"}
        passive_unit.write_settings(back, bench.keys.pak)
        cell.on()
