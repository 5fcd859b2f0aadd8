"""Defects of what a person sees and presses, and of settings over NFC."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from bench.twin.cmi6110.otc import RawValue, Status
from bench.twin.defects.registry import defect
from bench.twin.defects.tools import accept
from bench.twin.lab import Lab

# -- LEDs


@defect("joined-light-short", "LED-04", wire="panel")
def _(lab: Lab) -> None:
    """The green light of a joined unit lasts 7 s."""
    lab.unit.front.joined_green_s = 7.0


@defect("leds-swapped", "LED-01", "LED-04", wire="panel")
def _(lab: Lab) -> None:
    """Red and green are swapped."""
    front = lab.unit.front
    front.green, front.red = front.red, front.green


@defect("joined-light-7-4-s", "LED-04", wire="panel")
def _(lab: Lab) -> None:
    """The green light of a joined unit lasts 7.4 s."""
    lab.unit.front.joined_green_s = 7.4


@defect("flashes-too-long", "LED-03", wire="panel")
def _(lab: Lab) -> None:
    """The flashes of a joining unit last 0.6 s."""
    lab.unit.front.flash_s = 0.6


@defect("start-up-without-red", "LED-02", "LED-12", wire="panel")
def _(lab: Lab) -> None:
    """The start-up indication is green only."""
    front = lab.unit.front
    front.red_at_start = False


@defect("joined-light-without-network", "LED-05", wire="panel")
def _(lab: Lab) -> None:
    """The long green light is shown when the search begins."""
    front = lab.unit.front
    front.show_joining = front.show_joined  # type: ignore[method-assign]


@defect("passive-unit-blinks", "LED-11", wire="panel")
def _(lab: Lab) -> None:
    """A sign of life: green for 10 ms every 20 s, passive or not."""
    async def blink() -> None:
        while True:
            await asyncio.sleep(20.0)
            lab.unit.front.green.set(lab.unit.supply.value > 0)
            await asyncio.sleep(0.01)
            lab.unit.front.green.set(False)

    lab.clock.spawn(blink())


@defect("red-flickers-in-operation", "LED-10", "LED-09", wire="panel")
def _(lab: Lab) -> None:
    """Red lights for 50 ms at each reading of the meter."""
    unit = lab.unit
    take = unit.take_registers

    async def flicker() -> None:
        unit.front.red.set(True)
        await asyncio.sleep(0.05)
        unit.front.red.set(False)

    def read_and_flicker() -> object:
        lab.clock.spawn(flicker())
        return take()

    unit.take_registers = read_and_flicker  # type: ignore[method-assign, assignment]


# -- button


@defect("button-too-quick", "LED-01", wire="panel")
def _(lab: Lab) -> None:
    """The green light comes after 4 s."""
    lab.unit.front.reboot_from_s = 4.0


@defect("switch-off-restarts", "BTN-04", wire="panel")
def _(lab: Lab) -> None:
    """A press of 15 to 20 s reboots instead of switching off."""
    lab.unit.switch_off = lab.unit.reboot  # type: ignore[method-assign]


@defect("red-zone-late", "LED-07", "BTN-06", wire="panel")
def _(lab: Lab) -> None:
    """The switch-off zone begins at 16 s."""
    lab.unit.front.off_from_s = 16.0


@defect("switch-off-zone-short", "BTN-07", wire="panel")
def _(lab: Lab) -> None:
    """The switch-off zone ends at 18 s."""
    lab.unit.front.off_until_s = 18.0


@defect("long-press-resets", "BTN-07", wire="panel")
def _(lab: Lab) -> None:
    """A press of more than 20 s is a factory reset."""
    unit, obey = lab.unit, lab.unit.front.on_release

    def released(held_s: float) -> None:
        if held_s > unit.front.off_until_s:
            unit.settings.reset()
        obey(held_s)

    unit.front.on_release = released


@defect("reboot-forgets-readouts", "BTN-12", wire="panel")
def _(lab: Lab) -> None:
    """A reboot empties the store of readouts."""
    unit, reboot = lab.unit, lab.unit.reboot

    def forgetful() -> None:
        unit.storage = type(unit.storage)()
        reboot()

    unit.reboot = forgetful  # type: ignore[method-assign]


@defect("back-off-goes-on-after-a-reboot", "BTN-09", "ACT-10", wire="panel")
def _(lab: Lab) -> None:
    """The pauses between searches go on where they were, whatever starts the unit anew."""
    connection = lab.unit.connection
    pause = connection.pause_s
    searches = 0

    def longer_and_longer(setting: str, failures: int) -> float:
        nonlocal searches
        if setting == "restart_backoff":
            searches += 1
            return pause(setting, searches - 1)
        return pause(setting, failures)

    connection.pause_s = longer_and_longer  # type: ignore[method-assign]


# -- settings


@defect("default-wrong", "OTC-T11-05", wire="nfc")
def _(lab: Lab) -> None:
    """The transmit interval is 720 min in a delivered unit."""
    lab.unit.settings.write({"transmit_interval": 720})


@defect("range-edge-refused", "OTC-T11-03", wire="nfc")
def _(lab: Lab) -> None:
    """A readout interval of 1440 min is refused."""
    accept(lab, "readout_interval", lambda value: type(value) is int and 5 <= value < 1440)


@defect("default-of-a-timer-wrong", "OTC-T10-05", wire="nfc")
def _(lab: Lab) -> None:
    """T3324 is 20 s in a delivered unit."""
    lab.unit.settings.write({"t3324": 20})


@defect("range-edge-accepted", "OTC-T11-04", wire="nfc")
def _(lab: Lab) -> None:
    """A report interval of 1441 min is taken."""
    accept(lab, "report_interval", lambda value: type(value) is int and 5 <= value <= 1441)


@defect("meter-id-writeable", "OTC-T8-01", wire="nfc")
def _(lab: Lab) -> None:
    """A write of the meter's number is answered with OK."""
    store = lab.otc_store
    check = store.check
    store.check = lambda changes: {  # type: ignore[method-assign]
        number: status for number, status in check(changes).items() if status is not Status.READ_ONLY}
    rewrite(lab, lambda changes: {number: value for number, value in changes.items() if number != 801})


def rewrite(lab: Lab, other: Callable[[Mapping[int, RawValue]], Mapping[int, RawValue]]) -> None:
    """Let the unit store something else than what was written over NFC."""
    apply = lab.otc_store.apply
    lab.otc_store.apply = lambda changes: apply(other(changes))  # type: ignore[method-assign]


# -- lock


@defect("lock-ignored", "OTC-04", wire="nfc")
def _(lab: Lab) -> None:
    """A locked unit takes settings without the PAK."""
    assert lab.unit.otc is not None
    lab.unit.otc.ignores_lock = True


@defect("lock-spares-a-setting", "OTC-T11-10", "OTC-04", wire="nfc")
def _(lab: Lab) -> None:
    """The topic is written without the PAK on a locked unit."""
    spare(lab, lambda changes: set(changes) == {1110})


@defect("factory-reset-by-anybody", "SEC-15", "OTC-T8-07", wire="nfc")
def _(lab: Lab) -> None:
    """A locked unit is reset without the PAK."""
    spare(lab, lambda changes: 807 in changes)


def spare(lab: Lab, spared: Callable[[Mapping[int, RawValue]], bool]) -> None:
    """Let the lock not hold for the changes that ``spared`` picks."""
    otc = lab.unit.otc
    assert otc is not None
    otc.is_free = spared


@defect("any-pak-opens", "SEC-08", wire="nfc")
def _(lab: Lab) -> None:
    """A locked unit takes a write with any PAK."""
    assert lab.unit.otc is not None
    lab.unit.otc.accepts_any_mac = True


@defect("replay-accepted", "SEC-08", wire="nfc")
def _(lab: Lab) -> None:
    """A write that was overheard is taken once more."""
    assert lab.unit.otc is not None
    lab.unit.otc.accepts_replay = True


# -- in the middle of something


@defect("torn-write-half-applied", "OTC-08", wire="nfc")
def _(lab: Lab) -> None:
    """When the phone is taken away before the answer, only the first of the changes is stored."""
    def stored(changes: Mapping[int, RawValue]) -> Mapping[int, RawValue]:
        return changes if lab.unit.tag.field.value else dict(list(changes.items())[:1])
    rewrite(lab, stored)


@defect("factory-reset-keeps-a-setting", "OTC-T8-07", wire="nfc")
def _(lab: Lab) -> None:
    """The topic survives a factory reset."""
    settings = lab.unit.settings
    reset = settings.reset

    def incomplete() -> None:
        topic = settings["mqttsn_topic"]
        reset()
        settings.write({"mqttsn_topic": topic})

    settings.reset = incomplete  # type: ignore[method-assign]


@defect("passive-after-factory-reset", "ACT-16", wire="nfc")
def _(lab: Lab) -> None:
    """A factory reset leaves the unit passive."""
    settings = lab.unit.settings
    reset = settings.reset

    def passive() -> None:
        reset()
        settings.write({"power_mode": 0})

    settings.reset = passive  # type: ignore[method-assign]


@defect("nfc-stays-on", "SEC-16", wire="nfc")
def _(lab: Lab) -> None:
    """NFC answers although it is switched off over DM."""
    lab.unit.tag.always_on = True


@defect("lock-stops-dm", "SEC-14", wire="nfc")
def _(lab: Lab) -> None:
    """A locked unit takes no settings over DM either."""
    settings = lab.unit.settings
    rules = settings.rules
    free = rules["max_meter_retries"].accepts
    rules["max_meter_retries"] = replace(
        rules["max_meter_retries"], accepts=lambda value: settings.number("configuration_lock") == 0 and free(value))
