"""Defects of the front and of the unit behind it on one path only: one way of activation, one state, after a cut."""

from __future__ import annotations

from bench.twin.cmi6110.firmware import State
from bench.twin.cmi6110.front import Front
from bench.twin.cmi6110.power import Power
from bench.twin.defects.registry import defect


@defect("activated-over-nfc-green-for-7-s", "LED-14", wire="panel")
class ActivatedOverNfcGreenFor7S(Power):
    """A unit activated over NFC shows its joining with a green light of 7 s, one activated by its button of 8 s."""

    def up(self) -> None:
        if not self.life.active:
            self.front.joined_green_s = 7.0
        super().up()

    def button_released(self, held_s: float) -> None:
        self.front.joined_green_s = 8.0
        super().button_released(held_s)


@defect("nfc-deaf-after-a-cut-update", "FOTA-05", wire="supply", kind="update")
class NfcDeafAfterACutUpdate(Power):
    """A unit whose update a power cut has interrupted takes nothing over NFC until the next one."""

    def up(self) -> None:
        super().up()
        if self.life.firmware_update.state is State.UPDATING:
            self.otc.stop()


@defect("switch-off-ends-early-while-searching", "BTN-07", wire="panel")
class SwitchOffEndsEarlyWhileSearching(Power):
    """While the unit looks for its network a press of more than 18 s does nothing, for all that red is lit."""

    def button_released(self, held_s: float) -> None:
        if not (self.modem.state == "searching" and held_s > 18.0):
            super().button_released(held_s)


@defect("press-in-psm-ignored", "BTN-03", wire="panel")
class PressInPsmIgnored(Power):
    """A press while the modem is in power saving mode does nothing."""

    def button_released(self, held_s: float) -> None:
        if self.modem.state != "psm":
            super().button_released(held_s)


@defect("green-zone-dark-while-joining", "LED-06", wire="panel")
class GreenZoneDarkWhileJoining(Front):
    """A button held while the unit flashes for its network shows no green in the zone of a reboot."""

    def _zone(self, green: bool, red: bool) -> None:
        flashing = self._show is not None
        super()._zone(green, red)
        if green and flashing:
            self.light(False, False)


@defect("off-while-joining-draws-12-ua", "PWR-21", wire="supply", kind="power")
class OffWhileJoiningDraws12uA(Power):
    """A unit that is switched off while it looks for its network goes on drawing 7 uA more than it should."""

    def switch_off(self) -> None:
        searching = self.modem.state == "searching"
        super().switch_off()
        self.consumption.trace.set("leak", 7e-6 if searching else 0.0)

    def activate(self) -> None:
        self.consumption.trace.set("leak", 0.0)
        super().activate()
