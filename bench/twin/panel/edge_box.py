"""The twin of the edge box: it sees the unit's LEDs and presses its button (docs/edge-box.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from bench.clock import Clock
from bench.twin.signal import Signal
from bench.twin.wires.pty import PtyWire

FIRMWARE = "twin-3"
CRYSTAL_PPM = 50
STAMP_EVERY_S = 600.0
WATCHDOG_S = 65.0
LONGEST_SILENCE_S = 3600
LONGEST_LOAD_S = 60.0
LOADS = (0, 1, 2)
_GAP_AFTER_S = 1.0
_ON_BEFORE_US = 4_321_123_456
"""The box was switched on this long (microseconds) before the twin came to be: box time is not bench time."""


class EdgeBox:
    """An edge box at the pseudo-terminal ``path``. Construct and ``close`` it in the loop's thread.

    It follows ``led_green`` and ``led_red``, and drives ``button``, ``relay_closed``, the contact in the supply line
    of the unit, and ``load``, the reference resistor that is there in place of the unit (0: none). What a subclass may
    have otherwise: ``sees``, ``light_lag_s``, ``contact_lag_s``, ``spoken``. Other faults are attributes:

    ``stuck_green``   the sensor of the green LED shows this, whatever it sees (None: healthy)
    ``swapped``       the two LED sensors are plugged in the wrong way round
    ``clock_ppm``     the box clock is fast by this much (set it before time passes)
    ``lose_events``   so many of the next lines with a number are lost
    ``lose_light``    the first edge of a light after the levels were told is lost
    ``bent_contact``  the actuator moves and the button does not
    ``contact_gap_s`` the contact opens for so long in the middle of a press
    ``late_s``        everything that the box says comes so much later
    ``welded_relay``  the contact of the supply relay stays as it is
    ``dead``          the box does nothing and says nothing
    """

    relay_lag_s = 0.0
    """So late the contact of the supply relay follows its coil."""

    def __init__(self, clock: Clock, led_green: Signal[bool], led_red: Signal[bool], button: Signal[bool]) -> None:
        self.stuck_green: bool | None = None
        self.swapped = False
        self.clock_ppm = 0.0
        self.lose_events = 0
        self.lose_light = False
        self.bent_contact = False
        self.contact_gap_s = 0.0
        self.late_s = 0.0
        self.welded_relay = False
        self.dead = False
        self.relay_closed = Signal(True)    # as the firmware has it after power-on
        self.load: Signal[int] = Signal(0)
        self._unload: asyncio.TimerHandle | None = None
        self._stopped_us: int | None = None
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
        self._silence_s = 0
        self._cut: asyncio.TimerHandle | None = None
        self._wire = PtyWire(clock, self._on_bytes, streaming=True)
        self.path = self._wire.path
        led_green.follow(lambda on: self._look())
        led_red.follow(lambda on: self._look())
        button.follow(lambda closed: self._edge("button", closed))

    def close(self) -> None:
        self._armed = False
        for timer in (self._let_go, self._next_stamp, self._cut, self._unload, *self._gap):
            if timer is not None:
                timer.cancel()
        self._wire.close()

    # -- what goes wrong with it later --------------------------------------------------------------------------------

    def die(self) -> None:
        self.dead = True

    def bend_contact(self) -> None:
        self.bent_contact = True

    def restart(self) -> None:
        """As with a supply that fails for a moment."""
        self._hello()
        self._switch_relay(True)

    # -- what it sees -------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Tell which light sensor sees something else now."""
        for channel, on in self._lights().items():
            if self._told[channel] != on:
                self._told[channel] = on
                if self.lose_light and self._armed:
                    self.lose_light, self.lose_events = False, 1
                lag_s = self.light_lag_s(channel, on)
                if lag_s:
                    self._clock.loop.call_later(lag_s, self._edge, channel, on)
                else:
                    self._edge(channel, on)

    def light_lag_s(self, channel: str, on: bool) -> float:
        """So late the sensor shows that its light went on or off."""
        return 0.0

    def sees(self, channel: str, lit: dict[str, bool]) -> bool:
        """What the sensor of ``channel`` shows while these lights are lit."""
        return lit[channel]

    def _lights(self) -> dict[str, bool]:
        lit = {"green": self._green.value or self._lamps["green"], "red": self._red.value or self._lamps["red"]}
        green, red = self.sees("green", lit), self.sees("red", lit)
        if self.swapped:
            green, red = red, green
        return {"green": green if self.stuck_green is None else self.stuck_green, "red": red}

    def _edge(self, channel: str, on: bool) -> None:
        if self._armed:
            self._numbered("E", f"{self._time_us()} {channel} {int(on)}")

    def _time_us(self) -> int:
        if self._stopped_us is not None:
            return self._stopped_us
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
            "release": self._release, "alive": self._count_silence,
            "relay 0": partial(self._answer_relay, False), "relay 1": partial(self._answer_relay, True),
            **{f"load {number}": partial(self._connect_load, number) for number in LOADS},
            **{f"lamp {channel} {int(on)}": partial(self._light, channel, on)
               for channel in self._lamps for on in (False, True)}}
        word, _, argument = line.partition(" ")
        if word == "press" and argument.isdecimal() and 1 <= int(argument) <= WATCHDOG_S * 1000:
            self._press(int(argument) / 1000)
        elif word == "watchdog" and argument.isdecimal() and 1 <= int(argument) <= LONGEST_SILENCE_S:
            self._answer_relay(True, silence_s=int(argument))
        elif line in commands:
            commands[line]()
        else:
            self._say(f"X not understood: {line[:40]}")

    def _hello(self) -> None:
        self._armed = False
        self._release()
        self._lamps = dict.fromkeys(self._lamps, False)
        self._switch_load(0)
        if self._next_stamp is not None:
            self._next_stamp.cancel()
        self._say(f"H {FIRMWARE} {CRYSTAL_PPM} lamps relay loads")

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
            self._move_contact(True)
            if self.contact_gap_s:
                later = self._clock.loop.call_later
                self._gap = [later(_GAP_AFTER_S, self._button.set, False),
                             later(_GAP_AFTER_S + self.contact_gap_s, self._button.set, True)]

    def contact_lag_s(self, closed: bool) -> float:
        """So late the button follows the actuator."""
        return 0.0

    def _move_contact(self, closed: bool) -> None:
        lag_s = self.contact_lag_s(closed)
        if lag_s:
            self._gap.append(self._clock.loop.call_later(lag_s, self._button.set, closed))
        else:
            self._button.set(closed)

    def _light(self, channel: str, on: bool) -> None:
        """The sensor sees it at that instant, however long this machine takes between two lines of Python."""
        self._stopped_us = self._time_us()
        self._lamps[channel] = on
        self._say(f"L {self._time_us()} {channel} {int(on)}")
        self._look()
        self._stopped_us = None

    def _release(self) -> None:
        if self._pressed_at is None:
            return
        hold_s, self._pressed_at = self._clock.time() - self._pressed_at, None
        if self._let_go is not None:
            self._let_go.cancel()
        for timer in self._gap:
            timer.cancel()
        self._move_contact(False)
        if self._armed:
            self._numbered("P", f"{round(hold_s * 1000)}")

    def _bark(self) -> None:
        self._release()
        self._say(f"X watchdog: released after {WATCHDOG_S:g} s")

    # -- the relay in the unit's supply line --------------------------------------------------------------------------

    def _answer_relay(self, closed: bool, *, silence_s: int = 0) -> None:
        self._switch_relay(closed, silence_s)
        self._say(f"R {int(closed)}")

    def _switch_relay(self, closed: bool, silence_s: int = 0) -> None:
        """Close or open the contact; with ``silence_s`` it opens when the host is silent for so long."""
        if closed:
            self._switch_load(0)
        if self.relay_lag_s:
            self._clock.loop.call_later(self.relay_lag_s, self._move_relay, closed)
        else:
            self._move_relay(closed)
        self._silence_s = silence_s
        self._count_silence()

    def _move_relay(self, closed: bool) -> None:
        if not self.welded_relay:
            self.relay_closed.set(closed)

    def _count_silence(self) -> None:
        if self._cut is not None:
            self._cut.cancel()
            self._cut = None
        if self._silence_s:
            self._cut = self._clock.loop.call_later(self._silence_s, self._host_is_silent)

    # -- the reference resistors in the unit's place ------------------------------------------------------------------

    def _connect_load(self, number: int) -> None:
        """The unit is disconnected first; it stays so until the host closes the relay again."""
        if number:
            self._switch_relay(False)
        self._switch_load(number)
        self._say(f"D {number}")

    def _switch_load(self, number: int) -> None:
        if self._unload is not None:
            self._unload.cancel()
            self._unload = None
        self.load.set(number)
        if number:
            self._unload = self._clock.loop.call_later(LONGEST_LOAD_S, self._load_is_forgotten)

    def _load_is_forgotten(self) -> None:
        self._switch_load(0)
        self._say(f"X watchdog: reference load off after {LONGEST_LOAD_S:g} s")

    def _host_is_silent(self) -> None:
        silence_s = self._silence_s
        self._switch_relay(False)
        self._release()
        self._say(f"X watchdog: supply cut after {silence_s} s")

    # -- what it says -------------------------------------------------------------------------------------------------

    def _numbered(self, kind: str, text: str) -> None:
        sequence, self._sequence = self._sequence, (self._sequence + 1) % 65536
        if self.lose_events:
            self.lose_events -= 1
        else:
            self._say(f"{kind} {sequence} {text}")

    def spoken(self, line: str) -> bytes:
        """What goes over the wire of a line."""
        return line.encode("ascii") + b"\n"

    def _say(self, line: str) -> None:
        if self.dead:
            return
        data = self.spoken(line)
        if self.late_s:
            self._clock.loop.call_later(self.late_s, self._wire.write, data)
        else:
            self._wire.write(data)
