"""The edge box: LED sensors, button actuator, contact sense, supply relay and reference resistors on one serial line
(docs/edge-box.md)."""

from __future__ import annotations

import asyncio
import contextlib

from bench.clock import Clock, DeadlinePassed
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers.assumption import Assumption
from drivers.panel.device_time import DeviceTime
from drivers.panel.lines import (
    SEQUENCE,
    Edge,
    Garbage,
    Hello,
    Lamp,
    LineReader,
    Load,
    Message,
    PressDone,
    Relay,
    Stamp,
    Trouble,
)
from drivers.serial_port import SerialPort

ANSWER_S = 10.0
"""Seconds of the clock within which the box must answer. It needs a few milliseconds; a machine under load may sleep
for longer than a second, and in virtual time bytes in flight hold the clock."""

LATE_S = 1.0
"""A box none of whose answers comes within this (seconds) tells its edges too late to be waited for."""

LONGEST_SILENCE_S = 3600
"""The watchdog of the box can be armed for so long."""

_ALIVE_PER_SILENCE = 4
"""So often in the time of the watchdog the box is told that this process lives."""

LONGEST_PRESS_S = 65.0
"""The box lets the button go by itself after this."""

HOLD_TOLERANCE_S = 0.05
"""A contact that was closed so much shorter or longer than the actuator held it is bent, or bounces; so does one that
opens for longer in the middle of a press. What is judged is how long the contact was closed, so this needs to be no
finer: a box in software on a machine under load was seen to be 31 ms late."""

LAMP_S = 5.0
"""Seconds of the clock within which a sensor sees that its test lamp goes on or off. It takes 3 ms, and on a machine
under load longer until it is heard."""

LAG_S = 0.002
"""A sensor that sees its test lamp later than this can't be used; what is less is allowed for in all times of the LEDs.
A photodiode with a comparator takes microseconds, a phototransistor into a large resistor some 10 ms."""

WORST_DELAY_S = 0.02
"""What a line may take from its stamp to this machine: 3 ms of filter in the box, and 15 ms seen on USB under load."""

WRONG_CLOCK_S = 0.02
"""A box time further than this from where the crystal's tolerance allows it is a fault of the board."""

_ROUND_TRIPS = 5


class EdgeBox:
    """An edge box at a serial port::

        panel = EdgeBox("/dev/ttyACM0", clock, timeline)
        panel.press(6.0)
        clock.wait_for(lambda: timeline.select("panel", "led", channel="green", on=True), timeout=7)

    Edges come unasked. They are read in the clock's loop, stamped by the box to the microsecond, mapped to bench
    time (``DeviceTime``) and put on the timeline. Raises ``BenchError`` when the box does not answer; what it lost,
    garbled or complained about later is raised, once, by the next call.
    """

    kind = "panel"
    abilities = frozenset({"panel.leds", "panel.button"})
    ports = {"port": True}
    assumptions = (
        Assumption("board", "MicroPython on a Pico gives up writing after 0.5 s to a host that does not read"),)

    def __init__(self, port: str, clock: Clock, timeline: Timeline) -> None:
        self._port = port
        self._clock = clock
        self._timeline = timeline
        self._subject = f"edge box at {port}"
        self._serial = SerialPort(port, subject="edge box", baudrate=115200)
        self._lines = LineReader()
        self._time = DeviceTime(crystal_ppm=0.0, worst_delay_s=0.0)
        self._clock_is_wrong = False
        self._hello: Hello | None = None
        self._faults: list[BenchError] = []
        self._gone: BenchError | None = None
        self._answered = False               # by H, T, R or levels, whichever is awaited
        self._asked_us: int | None = None    # bench time of the "t" that is not answered yet
        self._shortest_trip_s = float("inf")     # of the round trips just made
        self._relay_closed = True
        self._load = 0
        self._switched_us: dict[str, int] = {}    # box time at which a test lamp was switched
        self._seen_us: dict[str, int] = {}        # box time of the last edge of each channel
        self._alive: asyncio.TimerHandle | None = None
        self._armed = False
        self._sequence: int | None = None    # of the next numbered line; None before the first
        self._levels_to_come = 0             # lines left of the report of levels that follows "arm"
        self._levels = {"green": False, "red": False, "button": False}
        self._last_times = {"green": 0.0, "red": 0.0, "button": 0.0}
        self._closed_at: float | None = None
        self._opened_at: float | None = None
        self._longest_gap_s = 0.0            # for how long the contact was open in the middle of a press
        self._is_pressing = False
        self._is_testing = False             # what the sensors see now comes from the test lamps
        try:
            self._serial.discard_input()
            descriptor = self._serial.fileno()
            clock.call(lambda: clock.loop.add_reader(descriptor, self._readable))
            self._ask("h", "its name")
            self._ask_time(enough_s=0.0)
            self._levels_to_come = len(self._levels)
            self._armed = True
            self._ask("arm", "the present level of each channel")
            self._raise_fault()
        except BaseException:
            self.close()
            raise

    # -- Panel --------------------------------------------------------------------------------------------------------

    @property
    def identity(self) -> str:
        hello = self._hello
        return f"edge box, firmware {hello.firmware}, crystal {hello.crystal_ppm} ppm" if hello else "edge box"

    @property
    def uncertainty_s(self) -> float:
        return self._time.uncertainty_s + LAG_S

    def interval_uncertainty_s(self, duration_s: float) -> float:
        return self._time.interval_uncertainty_s(duration_s) + LAG_S

    @property
    def drift_ppm(self) -> float | None:
        """How much the clock of the box is fast against the bench; None in the first ten minutes."""
        return self._time.drift_ppm

    def press(self, hold_s: float) -> None:
        """Begin a press; raises ``BenchError`` outside 0.001 to 65 s."""
        hold_ms = round(hold_s * 1000) if 0 < hold_s <= LONGEST_PRESS_S else 0
        if hold_ms < 1:
            raise BenchError(self._subject, expected=f"a press of 0.001 to {LONGEST_PRESS_S:g} s",
                             seen=f"a request for {hold_s:g} s", do="correct the length of the press")
        self._raise_fault()
        self._is_pressing = True
        self._send(f"press {hold_ms}")

    def hold(self) -> None:
        self._raise_fault()
        self._is_pressing = True
        self._send("hold")

    @property
    def press_is_over(self) -> bool:
        return not self._is_pressing

    def self_test(self) -> str:
        self._raise_fault()
        if self._hello is None or not self._hello.lamps:
            return "no test lamps: start up a good unit, which lights both LEDs"
        self._is_testing = True
        try:
            for channel in ("green", "red"):
                for lit in (True, False):
                    self._test_sensor(channel, lit)
        finally:
            for channel in ("green", "red"):
                self._send(f"lamp {channel} 0")
            self.check()
            self._is_testing = False
        return (f"both sensors see their test lamps, and nothing else, within {LAG_S * 1e3:g} ms" if self._switched_us
                else "both sensors see their test lamps, and nothing else; how late, firmware before 1.3 does not tell")

    def _test_sensor(self, channel: str, lit: bool) -> None:
        if lit and (self._levels["green"] or self._levels["red"]):
            raise BenchError(f"light sensors of the {self._subject}", expected="darkness", seen="light",
                             do="switch the unit off; if it is, a sensor is stuck or stray light falls on it")
        expected = {"green": False, "red": False} | {channel: lit}
        self._send(f"lamp {channel} {int(lit)}")
        with contextlib.suppress(DeadlinePassed):
            self._clock.wait_for(lambda: self._lights() == expected, LAMP_S)
        self._raise_fault()
        seen = self._lights()
        if seen != expected:
            raise BenchError(f"{channel} light sensor of the {self._subject}",
                             expected=f"to see that its test lamp is {'on' if lit else 'off'}",
                             seen=" and ".join(f"{name} {'lit' if on else 'dark'}" for name, on in seen.items()),
                             do="check the sensor, its plug (are the two swapped?) and its lamp")
        lag_s = (self._seen_us[channel] - self._switched_us.get(channel, self._seen_us[channel])) * 1e-6
        if not 0 <= lag_s <= LAG_S:
            went = "on" if lit else "off"
            raise BenchError(f"{channel} light sensor of the {self._subject}",
                             expected=f"to see within {LAG_S * 1e3:g} ms that its test lamp went {went}",
                             seen=f"{lag_s * 1e3:.3g} ms", do="use a faster sensor, or a smaller resistor behind it")

    def _lights(self) -> dict[str, bool]:
        return {channel: self._levels[channel] for channel in ("green", "red")}

    def release(self) -> None:
        self._raise_fault()
        self._send("release")

    def check(self) -> None:
        self._raise_fault()
        self._ask_time(enough_s=LATE_S)
        self._raise_fault()

    def raise_if_gone(self) -> None:
        """Raise ``BenchError`` when the port has died. Asks nothing of the box, so any thread may call it."""
        if self._gone is not None:
            raise self._gone

    def make_safe(self) -> None:
        with contextlib.suppress(BenchError):
            self._send("release")

    # -- the relay in the unit's supply line --------------------------------------------------------------------------

    @property
    def has_relay(self) -> bool:
        """Whether the box has an output for a supply relay. Whether a relay is wired to it, it can't know."""
        return self._hello is not None and self._hello.relay

    def connect_supply(self) -> None:
        """Close the supply relay, without a watchdog. A box without a relay has nothing to close."""
        if self.has_relay:
            self._switch_relay("relay 1", closed=True)

    def cut_supply(self) -> None:
        """Open the supply relay; the unit is dark whatever its supply does. Raises ``BenchError`` without a relay."""
        self._need_relay()
        self._switch_relay("relay 0", closed=False)

    def arm_watchdog(self, silence_s: int) -> None:
        """Close the supply relay; from now on the box opens it, and lets the button go, when this process is silent for
        ``silence_s`` (1 to 3600) seconds.

        Sign of life is given by the clock's loop, so in virtual time as well as on the wall clock. It ends with
        ``close`` at the latest: the box then opens the relay after ``silence_s``. ``connect_supply`` and ``cut_supply``
        disarm it. Raises ``BenchError`` for another number, and for a box without a relay.
        """
        if not (isinstance(silence_s, int) and 1 <= silence_s <= LONGEST_SILENCE_S):
            raise BenchError(self._subject, expected=f"a watchdog of 1 to {LONGEST_SILENCE_S} whole seconds",
                             seen=f"{silence_s}", do="correct the watchdog's time")
        self._need_relay()
        self._switch_relay(f"watchdog {silence_s}", closed=True)
        self._clock.call(lambda: self._stay_alive(silence_s / _ALIVE_PER_SILENCE))

    def _need_relay(self) -> None:
        if not self.has_relay:
            raise BenchError(self._subject, expected="a supply relay", seen=f"firmware without one: {self.identity}",
                             do="load the firmware of drivers/panel/firmware and wire the relay (docs/edge-box.md)")

    def _switch_relay(self, command: str, *, closed: bool) -> None:
        self._raise_fault()
        self._clock.call(self._stop_alive)
        self._ask(command, "the state of the supply relay")
        if self._relay_closed != closed:
            raise BenchError(self._subject, expected=f"a supply relay that is {'closed' if closed else 'open'}",
                             seen="the opposite", do="check that nothing else uses the box")

    # -- the reference resistors in the unit's place ------------------------------------------------------------------

    @property
    def has_loads(self) -> bool:
        """Whether the box has outputs for two reference resistors. Whether they are wired to them, it can't know."""
        return self._hello is not None and self._hello.loads

    def connect_load(self, number: int) -> None:
        """Disconnect the unit and put reference resistor ``number`` (1 or 2) in its place; 0 takes it away, and leaves
        the unit disconnected. The box takes it away by itself after a minute."""
        self._raise_fault()
        self._clock.call(self._stop_alive)
        self._ask(f"load {number}", "which reference resistor is connected")
        if self._load != number:
            raise BenchError(self._subject, expected=f"reference resistor {number} to be connected",
                             seen=f"{self._load}", do="check that nothing else uses the box")

    def _stay_alive(self, every_s: float) -> None:
        def say_so() -> None:
            try:
                self._send("alive")
            except BenchError as error:
                self._faults.append(error)
                return
            self._alive = self._clock.loop.call_later(every_s, say_so)

        say_so()

    def _stop_alive(self) -> None:
        if self._alive is not None:
            self._alive.cancel()
            self._alive = None

    def close(self) -> None:
        self.make_safe()
        self._armed = False
        if self._clock.loop.is_running():
            self._clock.call(self._stop_alive)
            if self._hello is not None:
                with contextlib.suppress(BenchError):
                    self._ask("h", "its name")   # also tells the box to be silent from now on
            self._stop_reading()
        self._clock.in_flight.forget(f"{self._port} in")
        self._serial.close()

    # -- to the box -----------------------------------------------------------------------------------------------

    def _send(self, command: str) -> None:
        line = command.encode("ascii") + b"\n"
        # Counted before they are written: the reader of the other end may be faster than this thread.
        self._clock.in_flight.sent(f"{self._port} out", len(line))
        try:
            self._serial.write(line, drain=False)    # also called in the loop, which must not wait
        except BenchError:
            self._clock.in_flight.forget(f"{self._port} out")
            raise

    def _ask(self, command: str, expected: str) -> None:
        self._answered = False
        self._send(command)
        try:
            self._clock.wait_for(lambda: self._answered or self._gone, ANSWER_S)
        except DeadlinePassed:
            self._raise_fault()
            raise BenchError(self._subject, expected=f"{expected} within {ANSWER_S:g} s of '{command}'",
                             seen="no answer", do="check its power and cable, and that it runs the firmware of "
                                                  "drivers/panel/firmware") from None
        if not self._answered:
            self._raise_fault()
            self.raise_if_gone()

    def _ask_time(self, *, enough_s: float) -> None:
        """Some round trips, until one is no longer than ``enough_s``. Raises ``BenchError`` when all take too long."""
        self._shortest_trip_s = float("inf")
        for _ in range(_ROUND_TRIPS):
            self._asked_us = self._now_us()
            self._ask("t", "its time")
            if self._shortest_trip_s <= enough_s:
                return
        if self._shortest_trip_s > LATE_S:
            fastest = f"the fastest of {_ROUND_TRIPS} after {self._shortest_trip_s:.1f} s"
            raise BenchError(self._subject, expected=f"an answer within {LATE_S:g} s",
                             seen=f"no answer in time, {fastest}",
                             do="check the USB hub and the load of this machine")

    def _raise_fault(self) -> None:
        if not self._faults:
            return
        faults, self._faults = self._faults, []
        first = faults[0]
        if len(faults) == 1:
            raise first
        raise BenchError(first.subject, expected=first.expected, seen=f"{first.seen} (and {len(faults) - 1} more "
                         "faults after that)", do=first.do)

    # -- from the box (in the loop's thread) --------------------------------------------------------------------------

    def _readable(self) -> None:
        try:
            data = self._serial.read_waiting()
            if not data:
                raise BenchError(self._subject, expected="an open port", seen="its end",
                                 do="check that the cable is still plugged in")
        except BenchError as error:
            self._gone = error
            self._faults.append(error)
            self._stop_reading()
            self._clock.nudge()
            return
        for message in self._lines.feed(data):
            self._on_message(message)
        self._clock.in_flight.received(f"{self._port} in", len(data))

    def _stop_reading(self) -> None:
        with contextlib.suppress(BenchError):
            descriptor = self._serial.fileno()
            self._clock.call(lambda: self._clock.loop.remove_reader(descriptor))
        self._clock.in_flight.forget(f"{self._port} in")

    def _on_message(self, message: Message) -> None:
        match message:
            case Hello():
                self._on_hello(message)
            case _ if self._hello is None:
                pass   # left over from an earlier user of the box
            case Stamp(stamp_us):
                self._on_stamp(stamp_us)
            case Edge() if self._armed:
                self._count(message.sequence)
                self._on_edge(message)
            case PressDone() if self._armed:
                self._count(message.sequence)
                self._on_press_done(message)
            case Relay(closed):
                self._relay_closed = closed
                self._answer()
            case Load(number):
                self._load = number
                self._answer()
            case Lamp():
                self._switched_us[message.channel] = message.stamp_us
            case Trouble(text):
                self._fault("no error", f"the report '{text}'", "see docs/edge-box.md for what it means")
            case Garbage(line):
                self._fault("a line of the edge box protocol", repr(line), "check the cable, and that nothing else "
                            "uses the port")

    def _on_hello(self, hello: Hello) -> None:
        if self._armed:
            self._armed = False
            self._fault("the box to run on", "its restart", "check its power supply and its cable")
        if self._hello is None:
            self._hello = hello
            # In virtual time nothing is late: bytes in flight hold the clock.
            self._time = DeviceTime(hello.crystal_ppm, 0.0 if self._clock.is_virtual else WORST_DELAY_S)
        self._answer()

    def _answer(self) -> None:
        self._answered = True
        self._clock.nudge()

    def _on_stamp(self, stamp_us: int) -> None:
        asked_us, self._asked_us = self._asked_us, None
        self._follow(stamp_us, asked_us)
        if asked_us is not None:
            self._shortest_trip_s = min(self._shortest_trip_s, (self._now_us() - asked_us) / 1e6)
            self._answer()

    def _follow(self, stamp_us: int, asked_us: int | None = None) -> None:
        wrong_s = self._time.arrived(stamp_us, self._now_us(), asked_us)
        if wrong_s > WRONG_CLOCK_S and not self._clock_is_wrong and self._hello is not None:
            self._clock_is_wrong = True
            self._fault(f"a clock within {self._hello.crystal_ppm} ppm", f"one that is {wrong_s:.3f} s beyond that",
                        "replace the board; a ceramic resonator is not good enough")

    def _on_edge(self, edge: Edge) -> None:
        self._follow(edge.stamp_us)
        self._seen_us[edge.channel] = edge.stamp_us
        # When the estimate of the box clock moves, two edges of one channel must not change places.
        at = max(self._time.to_bench(edge.stamp_us), self._last_times[edge.channel])
        self._last_times[edge.channel] = at
        was, self._levels[edge.channel] = self._levels[edge.channel], edge.on
        if self._levels_to_come:
            self._levels_to_come -= 1
            if self._levels_to_come == 0:
                self._answer()
            if was == edge.on:
                return
        elif was == edge.on:
            self._fault(f"the {edge.channel} channel to change", f"it went {'on' if edge.on else 'off'} twice",
                        "an edge was lost: repeat the test, and check the sensor if it happens again")
            return
        if edge.channel == "button":
            if edge.on and self._opened_at is not None:
                self._longest_gap_s = max(self._longest_gap_s, at - self._opened_at)
            self._closed_at = at if edge.on and self._closed_at is None else self._closed_at
            self._opened_at = None if edge.on else at
            self._timeline.append("panel", "button", {"pressed": edge.on}, at=at)
        elif not self._is_testing:
            self._timeline.append("panel", "led", {"channel": edge.channel, "on": edge.on}, at=at)

    def _on_press_done(self, done: PressDone) -> None:
        """Does the contact, as sensed, agree with what the actuator did?"""
        closed_at, opened_at, gap_s = self._closed_at, self._opened_at, self._longest_gap_s
        self._closed_at = self._opened_at = None
        self._longest_gap_s = 0.0
        self._is_pressing = False
        hold_s = done.hold_ms / 1000
        if closed_at is None or opened_at is None:
            seen = "a contact that did not close" if closed_at is None else "a contact that did not open"
        elif abs(opened_at - closed_at - hold_s) > HOLD_TOLERANCE_S:
            seen = f"a contact closed for {opened_at - closed_at:.3f} s"
        elif gap_s > HOLD_TOLERANCE_S:
            seen = f"a contact that opened for {gap_s:.3f} s in between"
        else:
            return
        self._fault(f"the contact to be closed for the {hold_s:g} s of the press", seen,
                    "check the actuator and the contact of the button")

    def _count(self, sequence: int) -> None:
        expected, self._sequence = self._sequence, (sequence + 1) % SEQUENCE
        if expected is None:
            expected = 0
        if sequence != expected:
            self._fault(f"line number {expected}", f"number {sequence}: {(sequence - expected) % SEQUENCE} events lost",
                        "repeat the test, and check the USB cable and the load of this machine")

    def _fault(self, expected: str, seen: str, do: str) -> None:
        self._faults.append(BenchError(self._subject, expected=expected, seen=seen, do=do))

    def _now_us(self) -> int:
        return round(self._clock.time() * 1e6)
