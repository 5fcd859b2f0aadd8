"""LED indications, manual 5.3.5 and 5.3.6."""

from itertools import pairwise

import pytest

from bench.analysis.leds import LONG_LIGHT_S, NETWORK_CONNECTION
from bench.manual.paths import Device
from fixtures.judging import first_of
from fixtures.outcomes import NetworkEvent
from fixtures.radio import REFUSED
from fixtures.words import device_time, everywhere, hours, in_regression, minutes, needs, req, s

GOODBYE = 60 * s
"""A unit that is switched off may take so long to leave: nothing is printed."""
LONGEST_DARK = 45 * s
"""Between two flashes of a unit that searches: their period is not printed (G05)."""


def long_lights(pulses):
    """Those that tell of the network."""
    return [pulse for pulse in pulses if pulse.duration > LONG_LIGHT_S]


def take(measure, panel, name, duration):
    """Measure a time between two edges, with what the sensors' clock may be off."""
    measure(name, duration, panel.uncertainty(duration))


@req("LED-01", "LED-13", "BTN-10")
@device_time("20 s")
@needs("panel.leds", "panel.button")
@everywhere
def test_green_lights_when_the_button_has_been_held_for_5_s(passive_unit, panel, measure):
    pressed, released = passive_unit.hold_button(until=panel.green.on)
    lit = first_of(panel.green.pulses(since=pressed), "a pulse of the green LED")
    take(measure, panel, "led.hold.green", lit.start - pressed)
    assert not panel.red.pulses(since=pressed, until=released), "the red LED lit with the green one"


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


@req("LED-04", "LED-14")
@device_time("10 min")
@needs("panel.leds", "settings.nfc.write")
@in_regression
def test_the_long_green_light_tells_of_the_same_each_time(passive_unit, bench, panel, dm, bootstrap, readings):
    """Of the attach, the bootstrap or the full connection: that is not printed (U12)."""
    for _ in range(2):
        began = passive_unit.activate()
        registered = dm.wait_for_registration(10 * minutes, after=began).registered_at
        bench.clock.sleep(15 * s)
        lit = first_of(long_lights(panel.green.pulses(since=began)), "a long green light").start
        bootstrapped = first_of(bootstrap.sequences(began), "a bootstrap").finished_at
        readings.takes("U12", "registration" if lit >= registered else "bootstrap" if lit >= bootstrapped else "attach")
        passive_unit.switch_off()
        bench.clock.sleep(GOODBYE)


@req("LED-06", "LED-07")
@device_time("40 s")
@needs("panel.leds", "panel.button")
@everywhere
def test_a_held_button_shows_green_from_5_s_and_red_from_15_s(passive_unit, panel, measure):
    pressed, released = passive_unit.press_button(19.5 * s)
    green = first_of(panel.green.pulses(since=pressed), "a pulse of the green LED")
    red = first_of(panel.red.pulses(since=pressed), "a pulse of the red LED")
    take(measure, panel, "led.hold.green", green.start - pressed)
    take(measure, panel, "led.hold.red", min(green.end, red.start) - pressed)
    take(measure, panel, "led.hold.change_over", red.start - green.end)
    take(measure, panel, "led.hold.red_until_released", red.end - released)


@req("LED-11")
@device_time("1 min")
@needs("panel.leds")
@everywhere
def test_a_passive_unit_shows_no_light(passive_unit, panel, bench, watch):
    begin = bench.clock.time()
    bench.clock.sleep(watch)
    assert not panel.green.pulses(since=begin), "the green LED of a passive unit lit"
    assert not panel.red.pulses(since=begin), "the red LED of a passive unit lit"


@req("LED-14", "ACT-04")
@device_time("90 s")
@needs("panel.leds", "settings.nfc.write")
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
        dm.execute(Device.REBOOT)
    else:
        _, begin = joined_unit.press_button(held=10 * s)
    joined_unit.wait_until_joined(after=begin)
    shown = panel.match(NETWORK_CONNECTION, since=begin)
    take(measure, panel, "led.start_up.green", shown.value("start_up.green.duration"))
    take(measure, panel, "led.start_up.red", shown.value("start_up.red.duration"))
    take(measure, panel, "led.joining.longest_flash", shown.value("joining.green.longest"))
    take(measure, panel, "led.joined.green", shown.value("joined.green.duration"))


@req("LED-05", "LED-03", "ACT-08")
@device_time("45 min")
@needs("panel.leds", "panel.button", "cell.outage")
@in_regression
def test_without_a_network_there_is_no_long_green_light_until_there_is_one(passive_unit, panel, bench, cell):
    passive_unit.make_passive({"search_period": 600})
    cell.off()
    _, released = passive_unit.hold_button(until=panel.green.on)
    bench.clock.sleep(30 * minutes)
    shown = panel.green.pulses(since=released)
    assert not long_lights(shown), f"the unit says that it has joined, and there is no network: {shown}"
    well_in_search = released + 9 * minutes
    first_search = [pulse.start for pulse in shown if pulse.start < well_in_search]
    dark = [later - earlier for earlier, later in pairwise([released, *first_search, well_in_search])]
    assert max(dark) < LONGEST_DARK, f"no flash for {max(dark):.0f} s though the unit has not joined and searches"
    assert len(first_search) > 10, "the unit does not show that it tries"
    begin = bench.clock.time()
    cell.on()
    passive_unit.wait_until_joined(after=begin, timeout=12 * minutes)    # its pause of a minute, and a search


@req("LED-05", "ACT-20")
@device_time("15 min")
@needs("panel.leds", "panel.button", "settings.nfc.write", "cell.nas")
@in_regression
def test_a_unit_that_the_network_refuses_shows_no_long_green_light(passive_unit, panel, bench, radio):
    passive_unit.make_passive(REFUSED)
    _, released = passive_unit.hold_button(until=panel.green.on)
    bench.clock.sleep(10 * minutes)
    assert radio.events(NetworkEvent.ATTACH_REJECT, released), "the unit did not ask the network to let it in"
    shown = panel.green.pulses(since=released)
    assert not long_lights(shown), f"the unit says that it has joined, and the network has refused it: {shown}"


@req("LED-09")
@device_time("40 min")
@needs("panel.leds", "panel.button", "cell.outage", "meter.simulator", "settings.nfc.write")
@in_regression
@pytest.mark.parametrize("fault", ["no network", "refused", "no meter"])
def test_with_a_fault_red_shows_the_start_up_and_the_same_of_the_fault_each_time(
        passive_unit, panel, bench, cell, meter_simulator, fault):
    """What it shows of a fault is not printed (G06, LED-15): it is recorded, and must be repeatable."""
    passive_unit.make_passive({"search_period": 120, "restart_backoff": "60-60"} | (
        REFUSED if fault == "refused" else {}))
    if fault == "no network":
        cell.off()
    if fault == "no meter":
        meter_simulator.disconnect()
    shown = []
    for _ in range(3):
        _, released = passive_unit.hold_button(until=panel.green.on)
        bench.clock.sleep(5 * minutes)
        shown.append([(round(light.start - released), round(light.duration, 1))
                      for light in panel.red.pulses(since=released)])
        passive_unit.switch_off()
        bench.clock.sleep(GOODBYE)
    bench.step(f"red with {fault}, (after, for) in s: {shown}")
    assert all(shown), f"with {fault} red does not show the start-up: {shown}"
    assert [[light for _, light in each] for each in shown] == [[light for _, light in shown[0]]] * 3, (
        f"with {fault} red shows something else each time: {shown}")


@req("LED-09", "LED-10")
@device_time("27 h")
@needs("panel.leds", "panel.button")
@in_regression
def test_without_a_fault_the_lights_of_the_start_are_the_last_for_a_day(passive_unit, panel, bench, gateway):
    passive_unit.make_passive({"transmit_interval": 60, "transmit_offset": 1, "transmit_delay": 5})
    _, released = passive_unit.hold_button(until=panel.green.on)
    joined = passive_unit.wait_until_joined(after=released)
    count = gateway.count
    bench.clock.sleep(26 * hours)
    assert gateway.count > count + 20, "the unit did not transmit, so nothing can be said of its lights"
    red = panel.red.pulses(since=released)
    assert red and red[-1].start < joined, f"red lit again without a fault: {red}"
    green = panel.green.pulses(since=joined + 10)
    assert not green, f"green lit again in steady operation: {green}"
