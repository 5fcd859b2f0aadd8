"""LED indications, manual 5.3.5 and 5.3.6."""

from bench.analysis.leds import NETWORK_CONNECTION
from fixtures.words import device_time, everywhere, needs, req, s


@req("LED-01", "LED-13", "BTN-10")
@device_time("20 s")
@needs("panel.leds", "panel.button")
@everywhere
def test_green_lights_when_the_button_has_been_held_for_5_s(passive_unit, panel, measure):
    pressed, released = passive_unit.hold_button(until=panel.green.on)
    lit = panel.green.pulses(since=pressed)[0]
    measure("led.hold.green", lit.start - pressed)
    assert not panel.red.pulses(since=pressed, until=released), "the red LED lit too"


@req("LED-02", "LED-03", "LED-04", "LED-08")
@device_time("90 s")
@needs("panel.leds", "panel.button")
@everywhere
def test_start_up_shows_both_for_1_s_then_green_flashes_then_8_s_green(passive_unit, panel, measure):
    _, released = passive_unit.hold_button(until=panel.green.on)
    passive_unit.wait_until_joined(after=released)
    shown = panel.match(NETWORK_CONNECTION, since=released)
    measure("led.start_up.lag", shown.value("start_up.lag"))
    measure("led.start_up.green", shown.value("start_up.green.duration"))
    measure("led.start_up.red", shown.value("start_up.red.duration"))
    measure("led.joining.longest_flash", shown.value("joining.green.longest"))
    measure("led.joined.green", shown.value("joined.green.duration"))


@req("LED-06", "LED-07")
@device_time("30 s")
@needs("panel.leds", "panel.button")
@everywhere
def test_a_held_button_shows_green_from_5_s_and_red_from_15_s(passive_unit, panel, measure):
    pressed, released = passive_unit.hold_button(until=panel.red.on, timeout=18 * s)
    green, red = panel.green.pulses(since=pressed)[0], panel.red.pulses(since=pressed)[0]
    measure("led.hold.green", green.start - pressed)
    measure("led.hold.red", red.start - pressed)
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
    measure("led.start_up.green", shown.value("start_up.green.duration"))
    measure("led.joined.green", shown.value("joined.green.duration"))
