"""Defects of the LEDs and the push button (manual 5.3.5, 5.3.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bench.twin.cmi6110.front import Front
from bench.twin.cmi6110.joining import Joining
from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.power import Power
from bench.twin.defects.registry import defect
from bench.twin.lab import Lab

# -- lights


@defect("long-green-when-refused", "LED-05", wire="panel")
class LongGreenWhenRefused(Joining):
    """The 8 s green light is shown when the network has answered, though it has refused the unit."""

    def show_failed(self) -> None:
        if self.modem.refused:
            self.front.show_joined()
        else:
            super().show_failed()


@defect("long-green-at-the-end-of-a-search", "LED-05", wire="panel")
class LongGreenAtTheEnd(Joining):
    """The 8 s green light also follows a search that has found nothing."""

    def show_failed(self) -> None:
        self.front.show_joined()


@defect("red-short-at-start-up", "LED-02", wire="panel")
class RedShortAtStartUp(Front):
    """At start-up red goes out after half a second."""

    async def _start(self) -> None:
        self.light(True, self.red_at_start)
        await asyncio.sleep(self.start_both_s / 2)
        self.red.set(False)
        await asyncio.sleep(self.start_both_s / 2)
        self.light(False, False)


@defect("start-up-light-of-2-s", "LED-02", wire="panel")
class StartUpLightOf2S(Front):
    """Both LEDs light up for two seconds at start-up."""

    start_both_s = 2.0


@defect("flashes-stop-after-20-s", "LED-03", wire="panel")
class FlashesStop(Front):
    """The flashes of a joining unit stop after 20 s."""

    async def _flash(self) -> None:
        try:
            async with asyncio.timeout(20.0):
                await super()._flash()
        except TimeoutError:
            self.light(False, False)


@defect("reboot-over-dm-in-the-dark", "LED-12", wire="panel")
class RebootInTheDark(Life):
    """A reboot that DM has asked for shows green only at its start."""

    def later(self, action: Callable[[], None]) -> None:
        def in_the_dark() -> None:
            self.front.red_at_start = False
            action()

        super().later(in_the_dark)


@defect("joined-light-short-after-a-reboot", "LED-12", wire="panel")
class JoinedLightShortAfterAReboot(Front):
    """The green light of a joined unit lasts 3 s from the second time on."""

    shown = 0

    def show_joined(self) -> None:
        self.shown += 1
        if self.shown > 1:
            self.joined_green_s = 3.0
        super().show_joined()


@defect("activation-over-nfc-in-the-dark", "LED-14", wire="panel")
class ActivationInTheDark(Power):
    """A unit activated over NFC shows green only at its start: red is the button's."""

    def up(self) -> None:
        self.front.red_at_start = False
        super().up()

    def button_released(self, held_s: float) -> None:
        self.front.red_at_start = True
        super().button_released(held_s)


@defect("green-at-each-transmission", "LED-10", wire="panel")
class GreenAtEachTransmission(Power):
    """Green lights for 20 ms with each transmission of a unit in steady operation."""

    def transmits(self, air_s: float) -> None:
        super().transmits(air_s)
        if self.life.schedule.transmits and not self.front.green.value:
            self.front.light(green=True, red=False)
            self.life.clock.loop.call_later(0.02, self.front.light, False, False)


@defect("red-after-a-day", "LED-10", "LED-09", wire="panel")
def _(lab: Lab) -> None:
    """Red lights for a second once a day, without a fault."""
    def light() -> None:
        lab.clock.loop.call_later(86_400.0, light)
        if lab.unit.life.active:
            lab.unit.front.red.set(True)
            lab.clock.loop.call_later(1.0, lab.unit.front.red.set, False)

    lab.clock.loop.call_later(80_000.0, light)


@defect("green-glow-in-the-pauses", "LED-05", wire="panel")
class GreenGlow(Joining):
    """Between two searches in vain green is lit without a break, for minutes."""

    def show_failed(self) -> None:
        super().show_failed()
        self.front.light(green=True, red=False)


@defect("green-zone-ends-at-10-s", "LED-06", wire="panel")
class GreenZoneEnds(Front):
    """Of a button held on, green goes out after 10 s."""

    def _zone(self, green: bool, red: bool) -> None:
        super()._zone(green, red)
        if green:
            self.clock.loop.call_later(5.0, self.green.set, False)


@defect("red-zone-ends-at-18-s", "LED-07", wire="panel")
class RedZoneEnds(Front):
    """Of a button held on, red goes out after 18 s."""

    def _zone(self, green: bool, red: bool) -> None:
        super()._zone(green, red)
        if red:
            self.clock.loop.call_later(3.0, self.red.set, False)


# -- the button


@defect("press-in-a-search-ignored", "BTN-09", wire="panel")
class PressInASearchIgnored(Power):
    """A press is ignored while the unit searches its network."""

    def button_released(self, held_s: float) -> None:
        if self.modem.state != "searching":
            super().button_released(held_s)


@defect("press-in-a-transmission-ignored", "BTN-03", wire="panel")
class PressInATransmissionIgnored(Power):
    """A press is ignored while the radio is connected."""

    def button_released(self, held_s: float) -> None:
        if self.modem.state != "connected":
            super().button_released(held_s)


@defect("second-press-ignored", "BTN-03", wire="panel")
class SecondPressIgnored(Power):
    """A unit is rebooted by the button once; later presses do nothing."""

    reboots = 0

    def button_released(self, held_s: float) -> None:
        if self.life.active and self.front.reboot_from_s <= held_s < self.front.off_from_s:
            self.reboots += 1
            if self.reboots > 1:
                return
        super().button_released(held_s)


@defect("button-counts-from-4-6-s", "BTN-02", "BTN-05", wire="panel")
class ButtonCountsEarly(Power):
    """A press of 4.6 s does what one of 5 s should, before the green light tells of it."""

    def button_released(self, held_s: float) -> None:
        super().button_released(max(held_s, self.front.reboot_from_s) if held_s >= 4.6 else held_s)


@defect("reboot-window-ends-at-12-s", "BTN-03", "BTN-06", wire="panel")
class RebootWindowEnds(Power):
    """A press of 12 to 15 s does nothing."""

    def button_released(self, held_s: float) -> None:
        if not 12.0 <= held_s < self.front.off_from_s:
            super().button_released(held_s)


@defect("off-in-a-search-ignored", "BTN-04", wire="panel")
class OffInASearchIgnored(Power):
    """A unit that searches its network can't be switched off by the button."""

    def switch_off(self) -> None:
        if self.modem.state != "searching":
            super().switch_off()


@defect("button-reboot-forgets-the-time-zone", "BTN-12", wire="panel")
class RebootForgetsASetting(Power):
    """A reboot by the button puts the UTC offset back to 0."""

    def button_released(self, held_s: float) -> None:
        if self.life.active and self.front.reboot_from_s <= held_s < self.front.off_from_s:
            self.settings.write({"utc_offset": 0})
        super().button_released(held_s)


@defect("off-and-on-keeps-the-pause", "BTN-08", "ACT-10", wire="panel")
class OffAndOnKeepsThePause(Power):
    """A unit that was switched off by the button can be activated again after ten minutes only."""

    off_at_s = -1e9

    def switch_off(self) -> None:
        self.off_at_s = self.life.clock.time()
        super().switch_off()

    def activate(self) -> None:
        if self.life.clock.time() - self.off_at_s > 600.0:
            super().activate()


@defect("off-and-cut-ignores-the-button", "BTN-08", wire="panel", kind="persistence")
class OffAndCutIgnoresTheButton(Power):
    """The button does not activate a unit that it has switched off, once the power was away."""

    off = cut = False

    def switch_off(self) -> None:
        super().switch_off()
        self.off = True

    def up(self) -> None:
        super().up()
        self.cut = self.off

    def activate(self) -> None:
        if not self.cut:
            self.off = False
            super().activate()
