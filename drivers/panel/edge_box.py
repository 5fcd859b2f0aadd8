"""The edge box: LED sensors, button actuator and contact sense on one serial line (docs/edge-box.md)."""

from __future__ import annotations

import contextlib
import threading

from bench.clock import Clock, DeadlinePassed
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers.panel.device_time import DeviceTime
from drivers.panel.lines import SEQUENCE, Edge, Garbage, Hello, LineReader, Message, PressDone, Stamp, Trouble
from drivers.serial_port import SerialPort

ANSWER_S = 1.0
"""Real seconds within which the box must answer; it needs a few milliseconds."""

LONGEST_PRESS_S = 65.0
"""The box lets the button go by itself after this."""

HOLD_TOLERANCE_S = 0.02
"""A contact that was closed so much shorter or longer than the actuator held it is bent, or bounces; so does one that
opens for longer in the middle of a press."""

LAMP_S = 0.5
"""Within this a sensor sees that its test lamp goes on or off; it takes 3 ms."""

WORST_DELAY_S = 0.02
"""What a line may take from its stamp to this machine: 3 ms of filter in the box, and 15 ms seen on USB under load."""

WRONG_CLOCK_S = 0.02
"""A box time further than this from where the crystal's tolerance allows it is a fault of the board."""

_FIRST_ROUND_TRIPS = 5


class EdgeBox:
    """An edge box at a serial port::

        panel = EdgeBox("/dev/ttyACM0", clock, timeline)
        panel.press(6.0)
        clock.wait_for(lambda: timeline.select("panel", "led", channel="green", on=True), timeout=7)

    Edges come unasked. They are read in the clock's loop, stamped by the box to the microsecond, mapped to bench
    time (``DeviceTime``) and put on the timeline. Raises ``BenchError`` when the box does not answer; what it lost,
    garbled or complained about later is raised, once, by the next call.
    """

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
        self._answer = threading.Event()     # H, T or P, whichever is awaited
        self._asked_us: int | None = None    # bench time of the "t" that is not answered yet
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
            for _ in range(_FIRST_ROUND_TRIPS):
                self._ask_time()
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
        return self._time.uncertainty_s

    def interval_uncertainty_s(self, duration_s: float) -> float:
        return self._time.interval_uncertainty_s(duration_s)

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
        return "both sensors see their test lamps, and nothing else"

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

    def _lights(self) -> dict[str, bool]:
        return {channel: self._levels[channel] for channel in ("green", "red")}

    def release(self) -> None:
        self._raise_fault()
        self._send("release")

    def check(self) -> None:
        self._raise_fault()
        self._ask_time()
        self._raise_fault()

    def raise_if_gone(self) -> None:
        """Raise ``BenchError`` when the port has died. Asks nothing of the box, so any thread may call it."""
        if self._gone is not None:
            raise self._gone

    def make_safe(self) -> None:
        with contextlib.suppress(BenchError):
            self._send("release")

    def close(self) -> None:
        self.make_safe()
        self._armed = False
        if self._clock.loop.is_running():
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
            self._serial.write(line)
        except BenchError:
            self._clock.in_flight.forget(f"{self._port} out")
            raise

    def _ask(self, command: str, expected: str) -> None:
        self._answer.clear()
        self._send(command)
        if not self._answer.wait(ANSWER_S):
            self._raise_fault()
            raise BenchError(self._subject, expected=f"{expected} within {ANSWER_S:g} s of '{command}'",
                             seen="no answer", do="check its power and cable, and that it runs the firmware of "
                                                  "drivers/panel/firmware")

    def _ask_time(self) -> None:
        self._asked_us = self._now_us()
        self._ask("t", "its time")

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
        self._answer.set()

    def _on_stamp(self, stamp_us: int) -> None:
        asked_us, self._asked_us = self._asked_us, None
        self._follow(stamp_us, asked_us)
        if asked_us is not None:
            self._answer.set()

    def _follow(self, stamp_us: int, asked_us: int | None = None) -> None:
        wrong_s = self._time.arrived(stamp_us, self._now_us(), asked_us)
        if wrong_s > WRONG_CLOCK_S and not self._clock_is_wrong and self._hello is not None:
            self._clock_is_wrong = True
            self._fault(f"a clock within {self._hello.crystal_ppm} ppm", f"one that is {wrong_s:.3f} s beyond that",
                        "replace the board; a ceramic resonator is not good enough")

    def _on_edge(self, edge: Edge) -> None:
        self._follow(edge.stamp_us)
        # When the estimate of the box clock moves, two edges of one channel must not change places.
        at = max(self._time.to_bench(edge.stamp_us), self._last_times[edge.channel])
        self._last_times[edge.channel] = at
        was, self._levels[edge.channel] = self._levels[edge.channel], edge.on
        if self._levels_to_come:
            self._levels_to_come -= 1
            if self._levels_to_come == 0:
                self._answer.set()
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
