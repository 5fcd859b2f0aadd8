"""What a unit is delivered with, who may change it, and that it is silent; manual 5.3.2, 5.3.5 and chapter 7.3."""

from bench.manual import settings
from fixtures.words import judges, req

pytestmark = judges

READABLE = [setting for setting in settings.load().values() if setting.type not in ("datetime", "trigger")]


@req("OTC-10", "OTC-T8-01")
def test_all_46_settings_can_be_read(life):
    values = life.settings("delivery")
    missing = [setting.key for setting in READABLE if setting.key not in values]
    assert not missing, f"not readable: {', '.join(missing)}"
    assert len(READABLE) == 46, f"{len(READABLE)} settings are printed"
    number = life.meter("delivery").fabrication_number
    told = str(values["meter_id"])
    assert told.lstrip("0") == number.lstrip("0"), f"meter ID {told}, the meter's number is {number}"


@req(*(setting.requirement for setting in READABLE if setting.default is not None))
def test_a_delivered_unit_has_what_was_ordered_or_the_printed_defaults(life):
    values, ordered = life.settings("delivery"), life.ordered
    wanted = {setting.key: ordered.get(setting.key, setting.default) for setting in READABLE}
    wrong = [f"{key} is {values.get(key)!r}, {'ordered' if key in ordered else 'printed'} is {value!r}"
             for key, value in wanted.items() if value is not None and values.get(key) != value]
    assert not wrong, "; ".join(wrong)


@req("ACT-21", "ACT-17", "SEC-09")
def test_a_delivered_unit_is_passive_open_and_silent(life):
    values, ordered = life.settings("delivery"), life.ordered
    for key, default in (("power_mode", "Passive"), ("configuration_lock", "Open")):
        assert values[key] == ordered.get(key, default), f"delivered {key} {values[key]}"
    if values["power_mode"] == "Passive":
        sent = life.sent(after=life.stage("power-up").began_s, before=life.fact("activation", "pressed"))
        assert not sent, f"a passive unit sent {len(sent)} datagrams"
        assert life.fact("passive", "state") == "on", "a passive unit went on the air"


@req("LED-11")
def test_a_passive_unit_shows_no_light(life):
    begin, end = life.stage("power-up").began_s, life.fact("activation", "pressed")
    if life.settings("delivery")["power_mode"] == "Passive":
        for channel in ("green", "red"):
            assert not life.pulses(channel, begin, end), f"the {channel} LED of a passive unit lit"


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


@req("SCH-15", "SCH-17")
def test_offset_and_delay_never_exceed_the_transmit_interval(life):
    values = life.settings("settings", "too long a delay read back")
    fits = values["transmit_offset"] + values["transmit_delay"] <= values["transmit_interval"]
    assert fits, "offset and delay exceed the transmit interval"
    for what in ("long interval", "short interval"):
        assert life.fact("settings", what) == "OK", f"{what}: {life.fact('settings', what)}"
    values = life.settings("settings", "short interval read back")
    assert (values["transmit_offset"], values["transmit_delay"]) == (0, 60), "not 0 and the interval (7.3.3)"


@req("OTC-01", "OTC-T9-01", "OTC-T9-02", "OTC-T9-03", "OTC-T8-02")
def test_an_apply_over_nfc_succeeds_and_reads_back(life):
    assert life.fact("settings", "commissioning taken") == "OK", "the settings of commissioning were refused"
    written, stored = life.fact("settings", "commissioning"), life.settings("settings", "commissioned")
    wrong = [f"{key} is {stored.get(key)!r}, written was {value}" for key, value in written.items()
             if str(stored.get(key)) != value]
    assert not wrong, "; ".join(wrong)


@req("OTC-07")
def test_nfc_works_in_a_passive_and_in_an_active_unit(life):
    for what in ("locking over NFC", "unlocking over NFC"):
        assert life.fact("device management", what) == "OK", f"{what} of an active unit"
