"""What a unit is delivered with, who may change it, and that it is silent; manual 5.3.2, 5.3.5 and chapter 7.3."""

import pytest

from bench.manual import settings
from fixtures.words import judges, needs, over_nfc, req

pytestmark = judges

READABLE = [setting for setting in settings.load().values() if setting.type not in ("datetime", "trigger")]
OVER_DM = [setting for setting in READABLE if setting.lwm2m and not setting.lwm2m[0].startswith("0/")]
"""Those that a resource shows; object 0 belongs to the bootstrap server alone."""
OVER_NFC_ONLY = [setting for setting in READABLE if setting not in OVER_DM]


def of_defaults(shown, **more):
    """The settings ``shown`` that have a printed default, with the requirements that say it."""
    ids = [setting.requirement for setting in shown if setting.default is not None]
    return pytest.param(shown, marks=[req(*ids), *more.get("marks", ())], id=more["id"])


@over_nfc
@req("OTC-10", "OTC-T8-01")
def test_all_46_settings_can_be_read(life):
    values = life.settings("delivery")
    missing = [setting.key for setting in READABLE if setting.key not in values]
    assert not missing, f"not readable: {', '.join(missing)}"
    assert len(READABLE) == 46, f"{len(READABLE)} settings are printed"
    number = life.meter("delivery").fabrication_number
    told = str(values["meter_id"])
    assert told.lstrip("0") == number.lstrip("0"), f"meter ID {told}, the meter's number is {number}"


@pytest.mark.parametrize("shown", [of_defaults(OVER_DM, id="over NFC or DM"),
                                   of_defaults(OVER_NFC_ONLY, id="over NFC", marks=[over_nfc])])
def test_a_delivered_unit_has_what_was_ordered_or_the_printed_defaults(life, shown):
    values, ordered = life.delivered, life.ordered
    wanted = {setting.key: ordered.get(setting.key, setting.default) for setting in shown}
    wrong = [f"{key} is {values.get(key)!r}, {'ordered' if key in ordered else 'printed'} is {value!r}"
             for key, value in wanted.items() if value is not None and values.get(key) != value]
    assert not wrong, "; ".join(wrong)


@req("SEC-09")
def test_a_delivered_unit_is_open(life):
    lock = life.delivered["configuration_lock"]
    assert lock == life.ordered.get("configuration_lock", "Open"), f"delivered with the lock {lock}"


@over_nfc
@req("ACT-21")
def test_a_delivered_unit_says_that_it_is_passive(life):
    mode = life.delivered["power_mode"]
    assert mode == life.ordered.get("power_mode", "Passive"), f"delivered with the power mode {mode}"


@req("ACT-21", "ACT-17")
def test_a_passive_unit_sends_nothing(life):
    if life.is_delivered_passive:
        sent = life.sent(after=life.stage("power-up").began_s, before=life.fact("activation", "pressed"))
        assert not sent, f"a passive unit sent {len(sent)} datagrams"


@needs("cell.state")
@req("ACT-21", "BTN-04")
def test_the_network_does_not_see_a_unit_that_is_passive_or_off(life):
    if life.is_delivered_passive:
        assert life.fact("passive", "state") == "on", "a passive unit went on the air"
    assert life.fact("switch-off", "state") != "connected", "a unit that is off is still on the air"


@req("LED-11")
def test_a_passive_unit_shows_no_light(life):
    begin, end = life.stage("power-up").began_s, life.fact("activation", "pressed")
    if life.is_delivered_passive:
        for channel in ("green", "red"):
            assert not life.pulses(channel, begin, end), f"the {channel} LED of a passive unit lit"
    begin, end = life.fact("switch-off", "quiet from"), life.stage("switch-off").ended_s
    for channel in ("green", "red"):
        assert not life.pulses(channel, begin, end), f"the {channel} LED of a unit that is off lit"


@over_nfc
@req("OTC-04", "OTC-05", "SEC-08", "OTC-T8-03")
def test_a_locked_unit_is_read_by_all_and_written_with_the_pak_only(life):
    locked = life.settings("settings", "locked")
    assert life.fact("settings", "locking") == "OK", "the lock was refused"
    assert life.fact("settings", "is_locked"), "the unit does not say that it is locked"
    assert locked.keys() >= {setting.key for setting in READABLE}, "a locked unit must still be readable"
    for what in ("write without PAK", "unlocking without PAK", "write without PAK again"):
        assert life.fact("settings", what) == "AUTH_REQUIRED", f"{what}: {life.fact('settings', what)}"
    assert life.settings("settings", "after refusals") == locked, "a refused write left something behind"
    for what in ("write with PAK", "unlocking"):
        assert life.fact("settings", what) == "OK", f"{what}: {life.fact('settings', what)}"
    unlocked = life.settings("settings", "unlocked")
    assert unlocked["max_meter_retries"] == 9, "not what was written with the PAK"
    assert unlocked["configuration_lock"] == "Open", "the PAK did not unlock it"
    assert life.fact("settings", "no lock") == "RANGE", f"a lock of 2: {life.fact('settings', 'no lock')}"


@over_nfc
@req("SCH-15", "SCH-17")
def test_offset_and_delay_never_exceed_the_transmit_interval(life):
    values = life.settings("settings", "too long a delay read back")
    fits = values["transmit_offset"] + values["transmit_delay"] <= values["transmit_interval"]
    assert fits, "offset and delay exceed the transmit interval"
    for what in ("long interval", "short interval"):
        assert life.fact("settings", what) == "OK", f"{what}: {life.fact('settings', what)}"
    values = life.settings("settings", "short interval read back")
    assert (values["transmit_offset"], values["transmit_delay"]) == (0, 60), "not 0 and the interval (7.3.3)"


@over_nfc
@req("OTC-01", "OTC-T9-01", "OTC-T9-02", "OTC-T9-03", "OTC-T8-02")
def test_an_apply_over_nfc_succeeds_and_reads_back(life):
    assert life.fact("settings", "commissioning taken") == "OK", "the settings of commissioning were refused"
    written, stored = life.fact("settings", "commissioning"), life.settings("settings", "commissioned")
    wrong = [f"{key} is {stored.get(key)!r}, written was {value}" for key, value in written.items()
             if str(stored.get(key)) != value]
    assert not wrong, "; ".join(wrong)


@over_nfc
@req("OTC-07")
def test_nfc_works_in_a_passive_and_in_an_active_unit(life):
    life.went_through("delivery")
    for what in ("locking over NFC", "unlocking over NFC"):
        assert life.fact("device management", what) == "OK", f"{what} of an active unit"
