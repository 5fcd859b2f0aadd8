"""The unit's front: two LEDs and the push button (manual 5.3.5 and 5.3.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from bench.clock import Clock
from bench.twin.signal import Signal


class Front:
    """LED indications and button windows. ``on_release(held_s)`` hears how long the button was held.

    Not printed in the manual, chosen here: flashes of 100 ms each second while joining.
    """

    start_both_s = 1.0
    flash_s = 0.1
    flash_period_s = 1.0
    joined_green_s = 8.0
    reboot_from_s = 5.0
    off_from_s = 15.0
    off_until_s = 20.0
    red_at_start = True

    def __init__(self, clock: Clock) -> None:
        self.green: Signal[bool] = Signal(False)
        self.red: Signal[bool] = Signal(False)
        self.button: Signal[bool] = Signal(False)
        self.on_release: Callable[[float], None] = lambda held_s: None
        self.clock = clock
        self._pressed_at: float | None = None
        self._in_zone = False
        self._zones: list[asyncio.TimerHandle] = []
        self._show: asyncio.Task[None] | None = None
        self._powered = False
        self.button.follow(self._button)

    def power(self, on: bool) -> None:
        self._powered = on
        if not on:
            self._end_press()
            self.dark()

    def dark(self) -> None:
        """End what is shown; what a held button shows stays."""
        if self._show is not None:
            self._show.cancel()
            self._show = None
        if not self._in_zone:
            self.light(False, False)

    def show_start(self) -> None:
        """Red and green for one second."""
        self._replace_show(self._start())

    def show_joining(self) -> None:
        """Short green flashes until something else is shown."""
        self._replace_show(self._flash())

    def show_joined(self) -> None:
        """Green for eight seconds."""
        self._replace_show(self._joined())

    def _replace_show(self, show: Coroutine[Any, Any, None]) -> None:
        self.dark()
        if self._in_zone:
            show.close()
        else:
            self._show = self.clock.spawn(show)

    async def _start(self) -> None:
        self.light(True, self.red_at_start)
        await asyncio.sleep(self.start_both_s)
        self.light(False, False)

    async def _flash(self) -> None:
        while True:
            await asyncio.sleep(self.flash_period_s - self.flash_s)
            self.light(green=True, red=False)
            await asyncio.sleep(self.flash_s)
            self.light(green=False, red=False)

    async def _joined(self) -> None:
        self.light(green=True, red=False)
        await asyncio.sleep(self.joined_green_s)
        self.light(green=False, red=False)

    def light(self, green: bool, red: bool) -> None:
        self.green.set(green)
        self.red.set(red)

    def _button(self, pressed: bool) -> None:
        if not self._powered:
            return
        if pressed:
            self._pressed_at = self.clock.time()
            later = self.clock.loop.call_later
            self._zones = [later(self.reboot_from_s, self._zone, True, False),
                           later(self.off_from_s, self._zone, False, True),
                           later(self.off_until_s, self._zone, False, False)]
        elif self._pressed_at is not None:
            held_s = self.clock.time() - self._pressed_at
            self._end_press()
            self.on_release(held_s)

    def _zone(self, green: bool, red: bool) -> None:
        self._in_zone = True
        self.dark()
        self.light(green, red)

    def _end_press(self) -> None:
        for zone in self._zones:
            zone.cancel()
        self._zones.clear()
        self._pressed_at = None
        if self._in_zone:
            self._in_zone = False
            self.light(False, False)
