"""The twin of the edge box: it sees the unit's LEDs and presses its button (docs/edge-box.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from bench.clock import Clock
from bench.twin.pty_wire import PtyWire
from bench.twin.signal import Signal

FIRMWARE = "twin-1"
CRYSTAL_PPM = 50
STAMP_EVERY_S = 600.0
WATCHDOG_S = 65.0
_GAP_AFTER_S = 1.0
_ON_BEFORE_US = 4_321_123_456
"""The box was switched on this long (microseconds) before the twin came to be: box time is not bench time."""


class EdgeBox:
    """An edge box at the pseudo-terminal ``path``. Construct and ``close`` it in the loop's thread.

    It follows ``led_green`` and ``led_red``, and drives ``button``. Its faults are attributes:

    ``stuck_green``   the sensor of the green LED shows this, whatever it sees (None: healthy)
    ``swapped``       the two LED sensors are plugged in the wrong way round
    ``clock_ppm``     the box clock is fast by this much (set it before time passes)
    ``lose_events``   so many of the next lines with a number are lost
    ``lose_light``    the first edge of a light after the levels were told is lost
    ``bent_contact``  the actuator moves and the button does not
    ``contact_gap_s`` the contact opens for so long in the middle of a press
    ``late_s``        everything that the box says comes so much later
    ``dead``          the box does nothing and says nothing
    """

    def __init__(self, clock: Clock, led_green: Signal[bool], led_red: Signal[bool], button: Signal[bool]) -> None:
        self.stuck_green: bool | None = None
        self.swapped = False
        self.clock_ppm = 0.0
        self.lose_events = 0
        self.lose_light = False
        self.bent_contact = False
        self.contact_gap_s = 0.0
        self.late_s = 0.0
        self.dead = False
        self._clock = clock
        self._green, self._red, self._button = led_green, led_red, button
        self._born = clock.time()
        self._received = bytearray()
        self._sequence = 0
        self._armed = False
        self._lamps = {"green": False, "red": False}
        self._told = {"green": False, "red": False}
        self._pressed_at: float | None = None
        self._gap: list[asyncio.TimerHandle] = []
        self._let_go: asyncio.TimerHandle | None = None
        self._next_stamp: asyncio.TimerHandle | None = None
        self._wire = PtyWire(clock, self._on_bytes, streaming=True)
        self.path = self._wire.path
        led_green.follow(lambda on: self._look())
        led_red.follow(lambda on: self._look())
        button.follow(lambda closed: self._edge("button", closed))

    def close(self) -> None:
        self._armed = False
        for timer in (self._let_go, self._next_stamp, *self._gap):
            if timer is not None:
                timer.cancel()
        self._wire.close()

    # -- what it sees -------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Tell which light sensor sees something else now."""
        for channel, on in self._lights().items():
            if self._told[channel] != on:
                self._told[channel] = on
                if self.lose_light and self._armed:
                    self.lose_light, self.lose_events = False, 1
                self._edge(channel, on)

    def _lights(self) -> dict[str, bool]:
        green, red = self._green.value or self._lamps["green"], self._red.value or self._lamps["red"]
        if self.swapped:
            green, red = red, green
        return {"green": green if self.stuck_green is None else self.stuck_green, "red": red}

    def _edge(self, channel: str, on: bool) -> None:
        if self._armed:
            self._numbered("E", f"{self._time_us()} {channel} {int(on)}")

    def _time_us(self) -> int:
        return _ON_BEFORE_US + round((self._clock.time() - self._born) * (1e6 + self.clock_ppm))

    # -- what it does -------------------------------------------------------------------------------------------------

    def _on_bytes(self, data: bytes) -> None:
        self._received += data
        while b"\n" in self._received:
            line, _, rest = self._received.partition(b"\n")
            self._received = bytearray(rest)
            if not self.dead:
                self._obey(line.decode("ascii", "replace").strip())
        if len(self._received) > 80:
            self._received.clear()

    def _obey(self, line: str) -> None:
        commands: dict[str, Callable[[], None]] = {
            "h": self._hello, "t": self._stamp, "arm": self._arm, "hold": lambda: self._press(None),
            "release": self._release,
            **{f"lamp {channel} {int(on)}": partial(self._light, channel, on)
               for channel in self._lamps for on in (False, True)}}
        word, _, argument = line.partition(" ")
        if word == "press" and argument.isdecimal() and 1 <= int(argument) <= WATCHDOG_S * 1000:
            self._press(int(argument) / 1000)
        elif line in commands:
            commands[line]()
        else:
            self._say(f"X not understood: {line[:40]}")

    def _hello(self) -> None:
        self._armed = False
        self._release()
        self._lamps = dict.fromkeys(self._lamps, False)
        if self._next_stamp is not None:
            self._next_stamp.cancel()
        self._say(f"H {FIRMWARE} {CRYSTAL_PPM} lamps")

    def _arm(self) -> None:
        self._armed, self._sequence = True, 0
        self._told = self._lights()
        for channel, level in (self._told | {"button": self._button.value}).items():
            self._edge(channel, level)
        self._stamp_again_later()

    def _stamp(self) -> None:
        self._say(f"T {self._time_us()}")

    def _stamp_again_later(self) -> None:
        def now() -> None:
            self._stamp()
            self._stamp_again_later()

        if self._next_stamp is not None:
            self._next_stamp.cancel()
        self._next_stamp = self._clock.loop.call_later(STAMP_EVERY_S, now)

    def _press(self, hold_s: float | None) -> None:
        if self._pressed_at is not None:
            self._say("X the button is held already")
            return
        self._pressed_at = self._clock.time()
        if hold_s is None:
            self._let_go = self._clock.loop.call_later(WATCHDOG_S, self._bark)
        else:
            self._let_go = self._clock.loop.call_later(hold_s, self._release)
        if not self.bent_contact:
            self._button.set(True)
            if self.contact_gap_s:
                later = self._clock.loop.call_later
                self._gap = [later(_GAP_AFTER_S, self._button.set, False),
                             later(_GAP_AFTER_S + self.contact_gap_s, self._button.set, True)]

    def _light(self, channel: str, on: bool) -> None:
        self._lamps[channel] = on
        self._look()

    def _release(self) -> None:
        if self._pressed_at is None:
            return
        hold_s, self._pressed_at = self._clock.time() - self._pressed_at, None
        if self._let_go is not None:
            self._let_go.cancel()
        for timer in self._gap:
            timer.cancel()
        self._button.set(False)
        if self._armed:
            self._numbered("P", f"{round(hold_s * 1000)}")

    def _bark(self) -> None:
        self._release()
        self._say(f"X watchdog: released after {WATCHDOG_S:g} s")

    # -- what it says -------------------------------------------------------------------------------------------------

    def _numbered(self, kind: str, text: str) -> None:
        sequence, self._sequence = self._sequence, (self._sequence + 1) % 65536
        if self.lose_events:
            self.lose_events -= 1
        else:
            self._say(f"{kind} {sequence} {text}")

    def _say(self, line: str) -> None:
        if self.dead:
            return
        data = line.encode("ascii") + b"\n"
        if self.late_s:
            self._clock.loop.call_later(self.late_s, self._wire.write, data)
        else:
            self._wire.write(data)
