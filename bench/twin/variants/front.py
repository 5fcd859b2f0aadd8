"""Units whose LEDs and button do otherwise what is not printed (5.3.5, 5.3.6: C24, G05, G06, G07, U12, U13)."""

from __future__ import annotations

import asyncio

from bench.twin.cmi6110.front import Front
from bench.twin.cmi6110.joining import Joining
from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.power import Power
from bench.twin.variants.registry import variant

# -- flashes


@variant("flashes-each-10-s", place="G05")
class FlashesEach10S(Front):
    """A joining unit flashes every ten seconds."""

    flash_period_s = 10.0


@variant("three-flashes-a-second", place="G05")
class ThreeFlashesASecond(Front):
    """A joining unit flashes three times a second."""

    flash_period_s = 0.333


@variant("flashes-in-the-pauses", place="G05")
class FlashesInThePauses(Joining):
    """The flashes go on between two searches, each half a minute, until the network is joined."""

    def show_failed(self) -> None:
        self.front.flash_period_s = 30.0


# -- start-up


class _Boots(Life):
    """A unit that takes its time before it shows its start."""

    boots_for_s = 5.0

    async def install_firmware(self) -> None:
        await super().install_firmware()
        await asyncio.sleep(self.boots_for_s)


@variant("boots-for-5-s", place="tolerance: from release to start-up nothing is printed")
class BootsFor5S(_Boots):
    """The start-up lights come 5 s after the release."""

    boots_for_s = 5.0


@variant("boots-for-20-s", place="tolerance: from release to start-up nothing is printed")
class BootsFor20S(_Boots):
    """The start-up lights come 20 s after the release."""

    boots_for_s = 20.0


@variant("start-up-flashes-together", place="C24")
class FlashesTogether(Front):
    """At start-up both LEDs flash together for a second."""

    async def _start(self) -> None:
        for _ in range(5):
            self.light(True, True)
            await asyncio.sleep(0.1)
            self.light(False, False)
            await asyncio.sleep(0.1)


@variant("start-up-late-red", place="tolerance: LEDs of one indication within 50 ms")
class LateRed(Front):
    """At start-up red follows green by 40 ms, and goes out as much later."""

    async def _start(self) -> None:
        self.light(True, False)
        await asyncio.sleep(0.04)
        self.red.set(True)
        await asyncio.sleep(self.start_both_s - 0.04)
        self.green.set(False)
        await asyncio.sleep(0.04)
        self.red.set(False)


# -- the long green light


@variant("green-after-bootstrap", place="U12")
class GreenAfterBootstrap(Life):
    """The long green light tells of the bootstrap."""

    green_from = "bootstrap"


@variant("green-after-registration", place="U12")
class GreenAfterRegistration(Life):
    """The long green light tells of the full connection."""

    green_from = "registration"


@variant("green-after-a-start-only", place="U12")
class GreenAfterAStartOnly(Front):
    """The long green light follows a start, and not an outage."""

    started = False

    def show_start(self) -> None:
        self.started = True
        super().show_start()

    def show_joined(self) -> None:
        if self.started:
            super().show_joined()
        else:
            self.dark()
        self.started = False


@variant("green-for-7-6-s", place="tolerance: 8 s printed")
class GreenFor76S(Front):
    """The long green light lasts 7.6 s."""

    joined_green_s = 7.6


# -- red


@variant("red-without-network", place="G06")
class RedWithoutNetwork(Joining):
    """After a search in vain red flashes three times."""

    def show_failed(self) -> None:
        super().show_failed()
        for number in range(3):
            self.front.clock.loop.call_later(number, self.front.red.set, True)
            self.front.clock.loop.call_later(number + 0.5, self.front.red.set, False)


@variant("red-when-refused", place="G06")
class RedWhenRefused(Joining):
    """When the network has refused the unit red lights for five seconds."""

    def show_failed(self) -> None:
        super().show_failed()
        if self.modem.refused:
            self.front.red.set(True)
            self.front.clock.loop.call_later(5.0, self.front.red.set, False)


@variant("red-without-a-meter", place="G06")
class RedWithoutAMeter(Life):
    """When the meter does not answer red lights for a second."""

    async def read(self, *, extra: bool) -> None:
        await super().read(extra=extra)
        if not self.readouts.meter.connected:
            self.front.red.set(True)
            await asyncio.sleep(1.0)
            self.front.red.set(False)


# -- the button


@variant("change-over-of-0-3-s", place="tolerance: from green to red nothing is printed")
class ChangeOverOf03S(Front):
    """At 15 s green goes out, and red comes 0.3 s later."""

    def _zone(self, green: bool, red: bool) -> None:
        super()._zone(green, False)
        if red:
            self.clock.loop.call_later(0.3, self._red_if_held)

    def _red_if_held(self) -> None:
        self.red.set(self._pressed_at is not None)


@variant("button-zones-0-2-s-late", place="tolerance: 5 s and 15 s printed")
class ZonesLate(Front):
    """The zones of the button begin 0.2 s late."""

    reboot_from_s = 5.2
    off_from_s = 15.2


@variant("very-long-press-reboots", place="G07")
class VeryLongPressReboots(Power):
    """A press of more than 20 s reboots."""

    def button_released(self, held_s: float) -> None:
        if held_s >= self.front.off_until_s and self.life.active:
            self.life.reboot()
        else:
            super().button_released(held_s)


@variant("very-long-press-switches-off", place="G07")
class VeryLongPressSwitchesOff(Power):
    """A press of more than 20 s switches off."""

    def button_released(self, held_s: float) -> None:
        if held_s >= self.front.off_until_s:
            self.switch_off()
        else:
            super().button_released(held_s)


@variant("long-press-activates-a-passive-unit", place="G07")
class LongPressActivates(Power):
    """A press of 15 to 20 s on a passive unit activates it."""

    def switch_off(self) -> None:
        if self.life.active:
            super().switch_off()
        else:
            self.activate()


@variant("off-until-the-next-power-cycle", place="U13")
class OffUntilThePowerCycle(Power):
    """A unit that was switched off by the button keeps its power mode, and starts when the supply comes back."""

    def switch_off(self) -> None:
        if self.life.active:
            self.life.end()


@variant("goodbye-of-50-s", place="tolerance: how long a unit takes to leave is not printed")
class GoodbyeOf50S(Life):
    """A unit that is made passive stays in touch for 50 s."""

    def settings_changed(self, names: frozenset[str]) -> None:
        if "power_mode" in names and not self.active:
            self.clock.loop.call_later(50.0, self._leave)
        else:
            super().settings_changed(names)

    def _leave(self) -> None:
        if not self.active:
            self.restart(activation=True)
