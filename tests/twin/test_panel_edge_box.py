"""The panel driver and its twin, over a real pseudo-terminal, in virtual time."""

from __future__ import annotations

import os
import random
import time
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from bench.analysis.buttons import presses
from bench.analysis.leds import pulses
from bench.clock import WarpClock
from bench.errors import BenchError
from bench.timeline import Timeline
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.panel.edge_box import EdgeBox as TwinEdgeBox
from bench.twin.signal import Signal
from bench.twin.supply.line import SupplyLine, Terminals
from drivers.panel import Panel
from drivers.panel.edge_box import LAG_S, EdgeBox


@dataclass
class Lab:
    clock: WarpClock
    timeline: Timeline
    green: Signal[bool]
    red: Signal[bool]
    button: Signal[bool]
    twin: TwinEdgeBox

    def open(self) -> EdgeBox:
        return EdgeBox(self.twin.path, self.clock, self.timeline)

    def set(self, signal: Signal[bool], value: bool) -> None:
        self.clock.call(lambda: signal.set(value))

    def at(self, time: float, signal: Signal[bool], value: bool) -> None:
        self.clock.call(lambda: self.clock.loop.call_at(time, signal.set, value))


@pytest.fixture
def lab() -> Iterator[Lab]:
    with WarpClock() as clock:
        green, red, button = Signal(False), Signal(False), Signal(False)
        twin = clock.call(lambda: TwinEdgeBox(clock, green, red, button))
        yield Lab(clock, Timeline(clock.time, clock.nudge), green, red, button, twin)
        clock.call(twin.close)


@pytest.fixture
def panel(lab: Lab) -> Iterator[EdgeBox]:
    panel = lab.open()
    yield panel
    panel.close()


def test_the_box_introduces_itself_and_the_timeline_starts_empty(lab: Lab, panel: EdgeBox) -> None:
    checked: Panel = panel
    assert checked.identity == "edge box, firmware twin-3, crystal 50 ppm"
    assert len(lab.timeline) == 0
    panel.check()


def test_20000_led_events_are_on_time_while_the_clock_jumps(lab: Lab, panel: EdgeBox) -> None:
    rng = random.Random(20)
    truth: list[tuple[float, bool]] = []

    def change() -> None:
        lab.green.set(not lab.green.value)
        truth.append((lab.clock.time(), lab.green.value))
        if len(truth) < 20_000:
            lab.clock.loop.call_later(rng.expovariate(1 / 400), change)

    lab.clock.call(change)
    lab.clock.wait_for(lambda: len(truth) == 20_000, timeout=None)
    lab.clock.settle()
    seen = [(edge.time, edge.data["on"]) for edge in lab.timeline.select("panel", "led", channel="green")]
    assert seen == truth
    assert lab.clock.time() > 80 * 86400
    panel.check()


@pytest.mark.parametrize("hold_s", [0.3, 4.7, 5.3, 14.6, 15.4, 19.6, 60.0])
def test_a_press_is_measured_as_long_as_it_was(lab: Lab, panel: EdgeBox, hold_s: float) -> None:
    for _ in range(5):
        lab.clock.sleep(1000.1)
        panel.press(hold_s)
        lab.clock.sleep(70)
    # A timer of the virtual clock may fire one microsecond late; the measurement adds nothing to that.
    assert [press.duration for press in presses(lab.timeline)] == pytest.approx([hold_s] * 5, abs=1.1e-6)
    panel.check()


def test_press_returns_at_once_and_the_box_lets_go_by_itself(lab: Lab, panel: EdgeBox) -> None:
    panel.press(5.3)
    assert lab.clock.time() == 0.0
    lab.clock.sleep(5.2)
    assert lab.button.value
    lab.clock.sleep(0.2)
    assert not lab.button.value


def test_hold_lasts_until_release(lab: Lab, panel: EdgeBox) -> None:
    panel.hold()
    lab.clock.sleep(12.5)
    panel.release()
    lab.clock.settle()
    assert [press.duration for press in presses(lab.timeline)] == [12.5]
    panel.release()    # harmless
    panel.check()


def test_a_button_held_for_ever_is_let_go_by_the_watchdog(lab: Lab, panel: EdgeBox) -> None:
    panel.hold()
    lab.clock.sleep(100)
    assert not lab.button.value
    assert [press.duration for press in presses(lab.timeline)] == [65.0]
    with pytest.raises(BenchError, match="watchdog"):
        panel.check()


def test_a_second_press_while_the_button_is_held_is_a_bench_error(lab: Lab, panel: EdgeBox) -> None:
    panel.hold()
    panel.press(1.0)
    with pytest.raises(BenchError, match="held already"):
        panel.check()


@pytest.mark.parametrize("hold_s", [0.0, -1.0, 65.1, float("nan"), float("inf")])
def test_a_press_that_the_box_cannot_do_is_refused(panel: EdgeBox, hold_s: float) -> None:
    with pytest.raises(BenchError, match="correct the length"):
        panel.press(hold_s)


def test_the_button_is_let_go_on_close(lab: Lab) -> None:
    panel = lab.open()
    panel.hold()
    lab.clock.sleep(1)
    assert lab.button.value
    panel.close()
    assert not lab.button.value
    panel.close()      # idempotent


def test_a_closed_panel_leaves_nothing_in_flight(lab: Lab) -> None:
    lab.open().close()
    lab.set(lab.green, True)
    lab.clock.sleep(86400)
    assert not lab.clock.in_flight.any()
    assert len(lab.timeline) == 0


def test_a_button_left_held_by_a_session_that_died_is_let_go_by_the_next(lab: Lab, panel: EdgeBox) -> None:
    panel.hold()
    lab.clock.sleep(1)
    panel._stop_reading()
    panel._serial.close()
    assert lab.button.value
    other = lab.open()
    assert not lab.button.value
    other.close()


def test_a_second_user_of_the_port_is_refused_and_the_first_notices_nothing(lab: Lab, panel: EdgeBox) -> None:
    panel.hold()
    with pytest.raises(BenchError, match="saw a port that another program has open"):
        lab.open()
    lab.clock.sleep(1)
    assert lab.button.value
    panel.release()
    panel.check()


def test_make_safe_lets_the_button_go_and_never_raises(lab: Lab, panel: EdgeBox) -> None:
    panel.hold()
    lab.clock.sleep(1)
    panel.make_safe()
    lab.clock.settle()
    assert not lab.button.value
    lab.clock.call(lab.twin.close)
    panel.make_safe()


@pytest.mark.parametrize("ppm", [-45.0, 45.0])
def test_the_drift_of_the_box_is_found_and_taken_out(lab: Lab, ppm: float) -> None:
    lab.twin.clock_ppm = ppm
    panel = lab.open()
    for hour in range(1, 49):
        lab.at(hour * 3600.0, lab.green, True)
        lab.at(hour * 3600.0 + 8.0, lab.green, False)
    lab.clock.sleep(49 * 3600)
    seen = pulses(lab.timeline, "green")
    assert len(seen) == 48
    for hour, pulse in enumerate(seen, start=1):
        assert pulse.start == pytest.approx(hour * 3600.0, abs=2e-6)
        assert pulse.duration == pytest.approx(8.0, abs=2e-6)
    assert panel.drift_ppm == pytest.approx(ppm, abs=0.01)
    assert panel.uncertainty_s < LAG_S + 1e-5
    panel.check()
    panel.close()


@pytest.mark.parametrize("ppm", [-5000.0, 5000.0])
def test_a_clock_worse_than_its_crystal_is_a_bench_error(lab: Lab, ppm: float) -> None:
    lab.twin.clock_ppm = ppm
    panel = lab.open()
    lab.clock.sleep(60)
    with pytest.raises(BenchError, match="expected a clock within 50 ppm"):
        panel.check()
    panel.close()


def test_lost_events_are_a_bench_error(lab: Lab, panel: EdgeBox) -> None:
    lab.twin.lose_events = 2
    for level in (True, False, True, False):
        lab.set(lab.green, level)
    with pytest.raises(BenchError, match="2 events lost"):
        panel.check()
    panel.check()      # said once


def test_lost_events_are_raised_by_the_next_press_too(lab: Lab, panel: EdgeBox) -> None:
    lab.twin.lose_events = 1
    lab.set(lab.red, True)
    lab.set(lab.red, False)
    lab.clock.settle()
    with pytest.raises(BenchError, match="1 events lost"):
        panel.press(5.3)
    lab.clock.sleep(1)
    assert not lab.button.value


def test_a_contact_that_does_not_follow_the_actuator_is_a_bench_error(lab: Lab, panel: EdgeBox) -> None:
    lab.twin.bent_contact = True
    panel.press(5.3)
    lab.clock.sleep(6)
    with pytest.raises(BenchError, match=r"5\.3 s of the press, saw a contact that did not close"):
        panel.check()


def test_a_dead_box_is_a_bench_error_when_it_is_opened(lab: Lab) -> None:
    lab.twin.dead = True
    with pytest.raises(BenchError, match="its name within 10 s of 'h', saw no answer"):
        lab.open()


def test_a_box_whose_answers_come_too_late_is_a_bench_error(lab: Lab, panel: EdgeBox) -> None:
    lab.twin.late_s = 2.0
    with pytest.raises(BenchError, match=r"an answer within 1 s, saw no answer in time, the fastest of 5 after 2\.0 s"):
        panel.check()
    panel.close()
    with pytest.raises(BenchError, match="the fastest of 5 after 2"):
        lab.open()


def test_a_machine_that_sleeps_for_a_second_fails_no_healthy_run(lab: Lab, panel: EdgeBox) -> None:
    """Real time passes without the loop getting a turn: virtual time, and with it the box's deadline, stands still."""
    lab.clock.loop.call_soon_threadsafe(time.sleep, 1.2)
    panel.check()
    assert lab.clock.time() == 0.0


def test_a_box_that_dies_later_is_a_bench_error_when_it_is_checked(lab: Lab, panel: EdgeBox) -> None:
    lab.twin.dead = True
    with pytest.raises(BenchError, match="its time within 10 s of 't', saw no answer"):
        panel.check()
    lab.clock.sleep(10_000)


def test_an_unplugged_box_is_a_bench_error(lab: Lab, panel: EdgeBox) -> None:
    lab.clock.call(lab.twin.close)
    with pytest.raises(BenchError, match="edge box at /dev/pts/"):
        panel.check()


def test_a_missing_port_is_named() -> None:
    with WarpClock() as clock, pytest.raises(BenchError, match=r"/dev/ttyMISSING.*station file"):
        EdgeBox("/dev/ttyMISSING", clock, Timeline(clock.time))


def test_swapped_sensors_show_green_as_red(lab: Lab) -> None:
    lab.twin.swapped = True
    panel = lab.open()
    lab.set(lab.green, True)
    lab.clock.sleep(8)
    lab.set(lab.green, False)
    lab.clock.settle()
    assert pulses(lab.timeline, "green") == []
    assert [pulse.duration for pulse in pulses(lab.timeline, "red")] == [8.0]
    panel.close()


def test_a_stuck_sensor_is_seen_as_a_light_that_never_ends(lab: Lab) -> None:
    lab.twin.stuck_green = True
    panel = lab.open()
    lab.set(lab.green, True)
    lab.set(lab.green, False)
    lab.clock.sleep(60)
    (pulse,) = pulses(lab.timeline, "green", until=lab.clock.time())
    assert pulse.is_open
    assert pulse.duration == 60.0
    panel.close()


def test_a_light_that_is_on_when_the_panel_is_opened_counts_from_then(lab: Lab) -> None:
    lab.set(lab.red, True)
    lab.clock.sleep(5)
    panel = lab.open()
    lab.clock.sleep(3)
    lab.set(lab.red, False)
    lab.clock.settle()
    assert [(pulse.start, pulse.duration) for pulse in pulses(lab.timeline, "red")] == [(5.0, 3.0)]
    panel.close()


def test_two_runs_with_the_same_events_write_the_same_timeline() -> None:
    def run() -> list[str]:
        with WarpClock() as clock:
            lab = Lab(clock, Timeline(clock.time, clock.nudge), Signal(False), Signal(False), Signal(False),
                      twin=None)  # type: ignore[arg-type]
            lab.twin = clock.call(lambda: TwinEdgeBox(clock, lab.green, lab.red, lab.button))
            lab.twin.clock_ppm = 12.5
            panel = lab.open()
            rng = random.Random(3)
            for _ in range(50):
                panel.press(round(rng.uniform(0.1, 20), 3))
                lab.at(clock.time() + rng.uniform(0, 30), lab.green, True)
                lab.at(clock.time() + rng.uniform(30, 60), lab.green, False)
                clock.sleep(rng.uniform(60, 3000))
            panel.close()
            clock.call(lab.twin.close)
            return [observation.to_json() for observation in lab.timeline]

    first = run()
    assert len(first) == 200
    assert run() == first


class Scripted:
    """The far end of a pseudo-terminal that answers as it is told, to say what no healthy box would say."""

    def __init__(self, clock: WarpClock) -> None:
        self.clock = clock
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        self.path = os.ttyname(self.slave)
        self.sequence = 0
        clock.call(lambda: clock.loop.add_reader(self.master, self._readable))

    def say(self, data: bytes) -> None:
        self.clock.in_flight.sent(f"{self.path} in", len(data))
        os.write(self.master, data)

    def _readable(self) -> None:
        data = os.read(self.master, 4096)
        for command in data.split(b"\n"):
            if command == b"h":
                self.say(b"H 1.0 50\r\n")
            elif command == b"t":
                self.say(b"T %d\r\n" % (1_000_000 + round(self.clock.time() * 1e6)))
            elif command == b"arm":
                self.say(b"E 0 1000000 green 0\r\nE 1 1000000 red 0\r\nE 2 1000000 button 0\r\n")
        self.clock.in_flight.received(f"{self.path} out", len(data))

    def close(self) -> None:
        self.clock.call(lambda: self.clock.loop.remove_reader(self.master))
        os.close(self.master)
        os.close(self.slave)


@pytest.mark.parametrize(("said", "text"), [
    (b"\xff\xfe\x00garbage\n", "expected a line of the edge box protocol"),
    (b"E 3 1000000 blue 1\n", "blue"),
    (b"E 3 1000000 green 2\n", "green 2"),
    (b"E 3 -5 green 1\n", "-5"),
    (b"E x 1000000 green 1\n", "E x"),
    (b"A" * 5000 + b"\n", "AAAA"),
    (b"E 3 1000000 green 0\n", "the green channel to change, saw it went off twice"),
    (b"E 7 1000000 green 1\n", "4 events lost"),
    (b"H 1.0 50\n", "its restart"),
    (b"X sensor supply low\n", "sensor supply low"),
])
def test_what_no_healthy_box_says_is_a_bench_error_and_the_next_line_is_read_again(said: bytes, text: str) -> None:
    with WarpClock() as clock:
        box = Scripted(clock)
        timeline = Timeline(clock.time, clock.nudge)
        panel = EdgeBox(box.path, clock, timeline)
        clock.call(lambda: box.say(said))
        clock.sleep(1)
        with pytest.raises(BenchError, match="edge box at /dev/pts/") as caught:
            panel.check()
        assert text in str(caught.value)
        panel.check()
        panel.close()
        box.close()


def test_a_line_cut_into_single_bytes_is_one_line() -> None:
    with WarpClock() as clock:
        box = Scripted(clock)
        timeline = Timeline(clock.time, clock.nudge)
        panel = EdgeBox(box.path, clock, timeline)
        for byte in b"E 3 1500000 green 1\n":
            clock.call(lambda byte=byte: box.say(bytes([byte])))   # type: ignore[misc]
            clock.sleep(0.1)
        assert [edge.data for edge in timeline.select("panel", "led")] == [{"channel": "green", "on": True}]
        assert timeline.ordered()[0].time == 0.5   # by its stamp, not by its arrival 1.4 s later
        panel.close()
        box.close()


# -- the relay in the unit's supply line ------------------------------------------------------------------------------

@pytest.fixture
def connector(lab: Lab) -> Signal[float]:
    """The unit's supply connector, behind the relay of the box; the supply is on."""
    connector = Signal(0.0)

    def wire() -> None:
        terminals = Terminals()
        SupplyLine(lab.clock, terminals, lab.twin.relay_closed, lab.twin.load, connector,
                   CurrentTrace(lab.clock, connector))
        terminals.set(3.6)

    lab.clock.call(wire)
    return connector


def test_who_arms_no_watchdog_has_supply_for_ever(lab: Lab, panel: EdgeBox, connector: Signal[float]) -> None:
    assert panel.has_relay
    lab.clock.sleep(7 * 86400)
    assert connector.value == 3.6
    panel.check()


def test_an_armed_watchdog_is_fed_while_this_process_lives(
        lab: Lab, panel: EdgeBox, connector: Signal[float]) -> None:
    panel.arm_watchdog(10)
    for _ in range(20):
        lab.clock.sleep(60)
        panel.check()
    assert connector.value == 3.6


def test_a_process_that_dies_leaves_the_unit_dark_and_the_button_free(
        lab: Lab, panel: EdgeBox, connector: Signal[float]) -> None:
    panel.arm_watchdog(10)
    panel.hold()
    lab.clock.sleep(30)
    lab.clock.call(panel._stop_alive)    # what the end of the process does
    lab.clock.sleep(7.4)
    assert connector.value == 3.6
    assert lab.button.value
    lab.clock.sleep(2.7)
    assert connector.value == 0.0
    assert not lab.button.value
    with pytest.raises(BenchError, match="watchdog: supply cut after 10 s"):
        panel.check()


def test_a_sign_of_life_after_the_cut_does_not_bring_the_supply_back(
        lab: Lab, panel: EdgeBox, connector: Signal[float]) -> None:
    panel.arm_watchdog(10)
    lab.clock.call(panel._stop_alive)
    lab.clock.sleep(11)
    lab.clock.call(lambda: panel._stay_alive(2.5))
    lab.clock.sleep(60)
    assert connector.value == 0.0


def test_the_next_user_of_the_box_decides_about_the_supply(lab: Lab, connector: Signal[float]) -> None:
    first = lab.open()
    first.arm_watchdog(10)
    first.close()
    second = lab.open()      # opening alone neither feeds the watchdog nor disarms it
    lab.clock.sleep(11)
    assert connector.value == 0.0
    second.close()
    third = lab.open()
    third.connect_supply()
    lab.clock.sleep(60)
    assert connector.value == 3.6
    third.close()


def test_the_supply_can_be_cut_at_once_and_is_connected_again_by_arming(
        lab: Lab, panel: EdgeBox, connector: Signal[float]) -> None:
    panel.arm_watchdog(10)
    panel.cut_supply()
    assert connector.value == 0.0
    lab.clock.sleep(60)
    panel.check()            # a watchdog that was disarmed says nothing
    panel.arm_watchdog(10)
    assert connector.value == 3.6


@pytest.mark.parametrize("silence_s", [0, -1, 3601, 2.5, float("nan")])
def test_a_watchdog_that_the_box_can_not_keep_is_refused(panel: EdgeBox, silence_s: float) -> None:
    with pytest.raises(BenchError, match="1 to 3600 whole seconds"):
        panel.arm_watchdog(silence_s)  # type: ignore[arg-type]


def test_a_welded_relay_shows_at_the_unit_and_not_at_the_box(
        lab: Lab, panel: EdgeBox, connector: Signal[float]) -> None:
    lab.twin.welded_relay = True
    panel.cut_supply()                  # the box knows its coil, not the contact (docs/edge-box.md)
    assert connector.value == 3.6


def test_a_box_without_a_relay_says_so_and_has_nothing_to_connect() -> None:
    with WarpClock() as clock:
        box = Scripted(clock)
        panel = EdgeBox(box.path, clock, Timeline(clock.time, clock.nudge))
        panel.connect_supply()
        for call in (panel.cut_supply, lambda: panel.arm_watchdog(10)):
            with pytest.raises(BenchError, match="expected a supply relay, saw firmware without one"):
                call()
        panel.close()
        box.close()


# -- what the bench can find out by itself ----------------------------------------------------------------------------

def test_healthy_sensors_see_their_test_lamps_and_the_timeline_does_not(lab: Lab, panel: EdgeBox) -> None:
    assert panel.self_test() == "both sensors see their test lamps, and nothing else, within 2 ms"
    assert lab.timeline.select("panel", "led") == []
    panel.check()


def _stuck_lit(twin: TwinEdgeBox) -> None:
    twin.stuck_green = True


def _stuck_dark(twin: TwinEdgeBox) -> None:
    twin.stuck_green = False


def _swapped(twin: TwinEdgeBox) -> None:
    twin.swapped = True


@pytest.mark.parametrize(("spoil", "text"), [
    (_stuck_lit, "expected darkness, saw light"),
    (_stuck_dark, "expected to see that its test lamp is on, saw green dark and red dark"),
    (_swapped, "expected to see that its test lamp is on, saw green dark and red lit")])
def test_a_sensor_that_does_not_see_its_lamp_is_a_bench_error(
        lab: Lab, spoil: Callable[[TwinEdgeBox], None], text: str) -> None:
    lab.clock.call(lambda: spoil(lab.twin))
    panel = lab.open()
    with pytest.raises(BenchError, match=text):
        panel.self_test()
    panel.close()


def test_a_contact_that_opens_in_the_middle_of_a_press_is_a_bench_error(lab: Lab, panel: EdgeBox) -> None:
    lab.twin.contact_gap_s = 0.3
    panel.press(6.0)
    lab.clock.wait_for(lambda: panel.press_is_over, timeout=7)
    with pytest.raises(BenchError, match=r"the 6 s of the press, saw a contact that opened for 0\.300 s in between"):
        panel.check()


def test_bounces_shorter_than_20_ms_are_none(lab: Lab, panel: EdgeBox) -> None:
    lab.twin.contact_gap_s = 0.019
    panel.press(6.0)
    lab.clock.wait_for(lambda: panel.press_is_over, timeout=7)
    panel.check()
    (press,) = presses(lab.timeline)
    assert press.duration == 6.0


def test_the_uncertainty_of_an_interval_is_the_crystals_until_the_drift_is_known(lab: Lab, panel: EdgeBox) -> None:
    assert panel.interval_uncertainty_s(8.0) == pytest.approx(LAG_S + 8.0 * 50e-6)
    lab.clock.sleep(3600)
    panel.check()
    assert panel.interval_uncertainty_s(8.0) < LAG_S + 8.0 * 1e-6
