"""Defects of what a person sees and presses, and of settings over NFC."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from bench.twin.cmi6110.backoff import Backoff
from bench.twin.cmi6110.front import Front
from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.otc import OtcService, RawValue, Request, Status
from bench.twin.cmi6110.otc_settings import METER_ID, OtcSettings
from bench.twin.cmi6110.power import Power
from bench.twin.cmi6110.settings import Settings
from bench.twin.defects.registry import defect
from bench.twin.defects.tools import accept
from bench.twin.lab import Lab
from bench.twin.nfc.type2tag import Type2Tag

# -- LEDs


@defect("joined-light-short", "LED-04", wire="panel")
class JoinedLightShort(Front):
    """The green light of a joined unit lasts 7 s."""

    joined_green_s = 7.0


@defect("leds-swapped", "LED-01", "LED-04", wire="panel")
class LedsSwapped(Front):
    """Red and green are swapped."""

    def light(self, green: bool, red: bool) -> None:
        super().light(green=red, red=green)


@defect("joined-light-7-4-s", "LED-04", wire="panel")
class JoinedLight74(Front):
    """The green light of a joined unit lasts 7.4 s."""

    joined_green_s = 7.4


@defect("flashes-too-long", "LED-03", wire="panel")
class FlashesTooLong(Front):
    """The flashes of a joining unit last 0.6 s."""

    flash_s = 0.6


@defect("start-up-without-red", "LED-02", "LED-12", wire="panel")
class StartUpWithoutRed(Front):
    """The start-up indication is green only."""

    red_at_start = False


@defect("joined-light-without-network", "LED-05", wire="panel")
class JoinedLightWithoutNetwork(Front):
    """The long green light is shown when the search begins."""

    def show_joining(self) -> None:
        self.show_joined()


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
class RedFlickersInOperation(Life):
    """Red lights for 50 ms at each reading of the meter."""

    async def read(self, *, extra: bool) -> None:
        await super().read(extra=extra)
        self.front.red.set(True)
        await asyncio.sleep(0.05)
        self.front.red.set(False)


# -- button


@defect("button-too-quick", "LED-01", wire="panel")
class ButtonTooQuick(Front):
    """The green light comes after 4 s."""

    reboot_from_s = 4.0


@defect("switch-off-restarts", "BTN-04", wire="panel")
class SwitchOffRestarts(Power):
    """A press of 15 to 20 s reboots instead of switching off."""

    def switch_off(self) -> None:
        self.life.reboot()


@defect("red-zone-late", "LED-07", "BTN-06", wire="panel")
class RedZoneLate(Front):
    """The switch-off zone begins at 16 s."""

    off_from_s = 16.0


@defect("switch-off-zone-short", "BTN-07", wire="panel")
class SwitchOffZoneShort(Front):
    """The switch-off zone ends at 18 s."""

    off_until_s = 18.0


@defect("long-press-resets", "BTN-07", wire="panel")
class LongPressResets(Power):
    """A press of more than 20 s is a factory reset."""

    def button_released(self, held_s: float) -> None:
        if held_s > self.front.off_until_s:
            self.settings.reset()
        super().button_released(held_s)


@defect("reboot-forgets-readouts", "BTN-12", wire="panel")
class RebootForgetsReadouts(Life):
    """A reboot empties the store of readouts."""

    def reboot(self) -> None:
        self.readouts.storage.clear()
        super().reboot()


@defect("back-off-goes-on-after-a-reboot", "BTN-09", "ACT-10", wire="panel")
class BackOffGoesOn(Backoff):
    """The pauses between searches go on where they were, whatever starts the unit anew."""

    searches = 0

    def pause_s(self, setting: str, failures: int) -> float:
        if setting == "restart_backoff":
            failures, self.searches = self.searches, self.searches + 1
        return super().pause_s(setting, failures)


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
class MeterIdWriteable(OtcSettings):
    """A write of the meter's number is answered with OK."""

    def check(self, changes: Mapping[int, RawValue]) -> Mapping[int, Status]:
        return {number: status for number, status in super().check(changes).items()
                if status is not Status.READ_ONLY}

    def apply(self, changes: Mapping[int, RawValue]) -> None:
        super().apply({number: value for number, value in changes.items() if number != METER_ID})


# -- lock


@defect("lock-ignored", "OTC-04", wire="nfc")
class LockIgnored(OtcService):
    """A locked unit takes settings without the PAK."""

    def is_free(self, changes: Mapping[int, RawValue]) -> bool:
        return True


@defect("lock-spares-a-setting", "OTC-T11-10", "OTC-04", wire="nfc")
class LockSparesASetting(OtcService):
    """The topic is written without the PAK on a locked unit."""

    def is_free(self, changes: Mapping[int, RawValue]) -> bool:
        return super().is_free(changes) or set(changes) == {1110}


@defect("factory-reset-by-anybody", "SEC-15", "OTC-T8-07", wire="nfc")
class FactoryResetByAnybody(OtcService):
    """A locked unit is reset without the PAK."""

    def is_free(self, changes: Mapping[int, RawValue]) -> bool:
        return super().is_free(changes) or 807 in changes


@defect("any-pak-opens", "SEC-08", wire="nfc")
class AnyPakOpens(OtcService):
    """A locked unit takes a write with any PAK."""

    def is_authentic(self, request: Request, mac: bytes) -> bool:
        return True


@defect("replay-accepted", "SEC-08", wire="nfc")
class ReplayAccepted(OtcService):
    """A write that was overheard is taken once more."""

    def renew_nonce(self) -> None:
        if not self.nonce:
            super().renew_nonce()

    def is_repeated(self, request: Request) -> bool:
        return False

    def is_next(self, request: Request) -> bool:
        return True


# -- in the middle of something


@defect("torn-write-half-applied", "OTC-08", wire="nfc")
class TornWriteHalfApplied(OtcService):
    """When the phone is taken away before the answer, only the first of the changes is stored."""

    def apply(self, changes: Mapping[int, RawValue]) -> None:
        super().apply(changes if self.tag.field.value else dict(list(changes.items())[:1]))


@defect("factory-reset-keeps-a-setting", "OTC-T8-07", wire="nfc")
class FactoryResetKeepsASetting(Settings):
    """The topic survives a factory reset."""

    def reset(self) -> None:
        topic = self["mqttsn_topic"]
        super().reset()
        self.write({"mqttsn_topic": topic})


@defect("passive-after-factory-reset", "ACT-16", wire="nfc")
class PassiveAfterFactoryReset(Settings):
    """A factory reset leaves the unit passive."""

    def reset(self) -> None:
        super().reset()
        self.write({"power_mode": 0})


@defect("nfc-stays-on", "SEC-16", wire="nfc")
class NfcStaysOn(Type2Tag):
    """NFC answers although it is switched off over DM."""

    def is_there(self) -> bool:
        return True


@defect("lock-stops-dm", "SEC-14", wire="nfc")
def _(lab: Lab) -> None:
    """A locked unit takes no settings over DM either."""
    settings = lab.unit.settings
    rules = settings.rules
    free = rules["max_meter_retries"].accepts
    rules["max_meter_retries"] = replace(
        rules["max_meter_retries"], accepts=lambda value: settings.number("configuration_lock") == 0 and free(value))


@defect("long-texts-not-shown", "OTC-10", wire="nfc")
class LongTextsNotShown(OtcSettings):
    """A text of more than 64 characters is stored, and not shown over NFC."""

    def read_all(self) -> Mapping[int, RawValue]:
        return {number: value for number, value in super().read_all().items() if len(str(value)) <= 64}


@defect("deaf-after-switch-off", "OTC-07", wire="nfc")
class DeafAfterSwitchOff(Power):
    """A unit that was switched off by the button hears nothing over NFC until the button or power starts it again."""

    def switch_off(self) -> None:
        super().switch_off()
        self.otc.stop()

    def activate(self) -> None:
        self.otc.start()
        super().activate()


@defect("text-not-emptied", "OTC-01", wire="nfc", kind="settings")
class TextNotEmptied(OtcSettings):
    """A text can be changed over NFC, and not be taken away: an empty one leaves what was there."""

    def apply(self, changes: Mapping[int, RawValue]) -> None:
        super().apply({number: value for number, value in changes.items() if value != ""})
