"""LED indications, manual 5.3.5 and 5.3.6."""

import pytest

from bench.analysis.leds import LONG_LIGHT_S, NETWORK_CONNECTION
from fixtures.words import device_time, everywhere, in_regression, minutes, needs, req, s


def take(measure, panel, name, duration):
    """Measure a time between two edges, with what the sensors' clock may be off."""
    measure(name, duration, panel.uncertainty(duration))


@req("LED-01", "LED-13", "BTN-10")
@device_time("20 s")
@needs("panel.leds", "panel.button")
@everywhere
def test_green_lights_when_the_button_has_been_held_for_5_s(passive_unit, panel, measure):
    pressed, released = passive_unit.hold_button(until=panel.green.on)
    lit = panel.green.pulses(since=pressed)[0]
    take(measure, panel, "led.hold.green", lit.start - pressed)
    assert not panel.red.pulses(since=pressed, until=released), "the red LED lit too"


@req("LED-02", "LED-03", "LED-04", "LED-08")
@device_time("90 s")
@needs("panel.leds", "panel.button")
@everywhere
def test_start_up_shows_both_for_1_s_then_green_flashes_then_8_s_green(passive_unit, panel, measure):
    _, released = passive_unit.hold_button(until=panel.green.on)
    passive_unit.wait_until_joined(after=released)
    shown = panel.match(NETWORK_CONNECTION, since=released)
    take(measure, panel, "led.start_up.lag", shown.value("start_up.lag"))
    take(measure, panel, "led.start_up.green", shown.value("start_up.green.duration"))
    take(measure, panel, "led.start_up.red", shown.value("start_up.red.duration"))
    take(measure, panel, "led.joining.longest_flash", shown.value("joining.green.longest"))
    take(measure, panel, "led.joined.green", shown.value("joined.green.duration"))


@req("LED-06", "LED-07")
@device_time("30 s")
@needs("panel.leds", "panel.button")
@everywhere
def test_a_held_button_shows_green_from_5_s_and_red_from_15_s(passive_unit, panel, measure):
    pressed, released = passive_unit.hold_button(until=panel.red.on, timeout=18 * s)
    green, red = panel.green.pulses(since=pressed)[0], panel.red.pulses(since=pressed)[0]
    take(measure, panel, "led.hold.green", green.start - pressed)
    take(measure, panel, "led.hold.red", red.start - pressed)
    assert abs(green.end - red.start) <= 0.05, "green and red don't change over"
    assert red.end >= released - 0.05, "the red LED went out before the button was let go"


@req("LED-11")
@device_time("1 min")
@needs("panel.leds")
@everywhere
def test_a_passive_unit_shows_no_light(passive_unit, panel, bench, watch):
    begin = bench.clock.time()
    bench.clock.sleep(watch)
    assert not panel.green.pulses(since=begin)
    assert not panel.red.pulses(since=begin)


@req("LED-14", "ACT-04")
@device_time("90 s")
@needs("panel.leds", "nfc")
@everywhere
def test_a_unit_activated_over_nfc_shows_the_same_lights(passive_unit, panel, bench, measure):
    applied = bench.clock.time()
    passive_unit.write_settings({"power_mode": "Active"})
    passive_unit.wait_until_joined(after=applied)
    shown = panel.match(NETWORK_CONNECTION, since=applied)
    take(measure, panel, "led.start_up.green", shown.value("start_up.green.duration"))
    take(measure, panel, "led.joined.green", shown.value("joined.green.duration"))


@req("LED-12", "ACT-20")
@device_time("4 min")
@needs("panel.leds", "panel.button")
@in_regression
@pytest.mark.parametrize("rebooted_by", ["button", "dm"])
def test_a_reboot_shows_the_same_lights_as_an_activation(joined_unit, panel, dm, bench, measure, rebooted_by):
    if rebooted_by == "dm":
        begin = bench.clock.time()
        dm.execute("/3/0/4")
    else:
        _, begin = joined_unit.press_button(held=10 * s)
    joined_unit.wait_until_joined(after=begin)
    shown = panel.match(NETWORK_CONNECTION, since=begin)
    take(measure, panel, "led.start_up.green", shown.value("start_up.green.duration"))
    take(measure, panel, "led.start_up.red", shown.value("start_up.red.duration"))
    take(measure, panel, "led.joining.longest_flash", shown.value("joining.green.longest"))
    take(measure, panel, "led.joined.green", shown.value("joined.green.duration"))


@req("LED-05", "ACT-08")
@device_time("45 min")
@needs("panel.leds", "panel.button", "cell.outage")
@in_regression
def test_without_a_network_there_is_no_long_green_light_until_there_is_one(passive_unit, panel, bench, cell):
    passive_unit.write_settings({"search_period": 600})
    cell.off()
    _, released = passive_unit.hold_button(until=panel.green.on)
    bench.clock.sleep(30 * minutes)
    long = [pulse for pulse in panel.green.pulses(since=released) if pulse.duration > LONG_LIGHT_S]
    assert not long, f"the unit says that it has joined, and there is no network: {long[0]}"
    assert panel.green.pulses(since=released), "the unit does not show that it tries"
    begin = bench.clock.time()
    cell.on()
    passive_unit.wait_until_joined(after=begin, timeout=12 * minutes)    # its pause of a minute, and a search


@req("LED-09")
@device_time("40 min")
@needs("panel.leds", "panel.button", "cell.outage", "meter.simulator")
@in_regression
@pytest.mark.parametrize("fault", ["no network", "no meter"])
def test_what_red_shows_of_a_fault_is_the_same_each_time(passive_unit, panel, bench, cell, meter_simulator, fault):
    """No pattern is printed (G06): it is recorded, and must be repeatable; without a fault red shows the start-up only.
    """
    passive_unit.write_settings({"search_period": 120, "restart_backoff": "60-60"})
    cell.off()
    if fault == "no meter":
        cell.on()
        meter_simulator.disconnect()
    shown = []
    for _ in range(3):
        _, released = passive_unit.hold_button(until=panel.green.on)
        bench.clock.sleep(5 * minutes)
        shown.append([(round(light.start - released), round(light.duration, 1))
                      for light in panel.red.pulses(since=released)])
        passive_unit.write_settings({"power_mode": "Passive"})
        bench.clock.sleep(30 * s)
    bench.timeline.append("test", "note", {"text": f"red with {fault}, (after, for) in s: {shown}"})
    assert [[light for _, light in each] for each in shown] == [[light for _, light in shown[0]]] * 3, (
        f"with {fault} red shows something else each time: {shown}")


@req("LED-09", "LED-10")
@device_time("35 min")
@needs("panel.leds", "panel.button")
@in_regression
def test_without_a_fault_red_shows_the_start_up_only(passive_unit, panel, bench):
    _, released = passive_unit.hold_button(until=panel.green.on)
    joined = passive_unit.wait_until_joined(after=released)
    bench.clock.sleep(30 * minutes)
    assert len(panel.red.pulses(since=released)) == 1, "red lit again without a fault"
    assert not panel.green.pulses(since=joined + 10), "green lit again in steady operation"
