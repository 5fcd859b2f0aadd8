"""LEDs and button, manual 5.3.5 and 5.3.6."""

from bench.analysis.leds import LONG_LIGHT_S, NETWORK_CONNECTION
from fixtures.judging import first_of
from fixtures.words import judges, over_nfc, req, s

pytestmark = judges

FIRST_FLASH = 12 * s
"""So soon after the start-up a join is quick."""


def take(measure, life, name, duration):
    """Measure a time between two edges, with what the sensors' clock may be off."""
    measure(name, duration, life.light_uncertainty_s(duration))


@req("LED-01", "LED-13", "BTN-10", "BTN-01", "ACT-03")
def test_green_lights_when_the_button_has_been_held_for_5_s(life, measure):
    pressed, released = life.fact("activation", "pressed"), life.fact("activation", "released")
    lit = first_of(life.pulses("green", pressed), "a pulse of the green LED")
    take(measure, life, "led.hold.green", lit.start - pressed)
    assert not life.pulses("red", pressed, released), "the red LED lit with the green one"


def lights_of_a_join(life, released):
    """How often green flashes is not printed (G05): a unit that joins soon may not have come to its first flash."""
    lit = first_of((pulse for pulse in life.pulses("green", released) if pulse.duration > LONG_LIGHT_S),
                   "a long green light")
    start_up = first_of(life.pulses("red", released), "a pulse of the red LED")
    flashes = life.pulses("green", start_up.end, lit.start)
    soon = lit.start - start_up.end < FIRST_FLASH and not flashes
    return life.lights([step for step in NETWORK_CONNECTION if not (soon and step.name == "joining")], after=released)


@req("LED-02", "LED-03", "LED-04", "LED-08", "ACT-20")
def test_start_up_shows_both_for_1_s_then_green_flashes_then_8_s_green(life, measure):
    released = life.fact("activation", "released")
    life.fact("join", "registered")
    shown = lights_of_a_join(life, released)
    take(measure, life, "led.start_up.lag", shown.value("start_up.lag"))
    take(measure, life, "led.start_up.green", shown.value("start_up.green.duration"))
    take(measure, life, "led.start_up.red", shown.value("start_up.red.duration"))
    if any(name.startswith("joining.") for name in shown.names):
        take(measure, life, "led.joining.longest_flash", shown.value("joining.green.longest"))
    take(measure, life, "led.joined.green", shown.value("joined.green.duration"))
    measure("activation.join", shown.value("joined.start"))
    assert life.upload("SenML/CBOR"), "the light of a joined unit, and no telegram"


@over_nfc
@req("BTN-08")
def test_a_unit_switched_off_by_the_button_can_be_activated_again(life, measure):
    """It starts up: the rest of a join takes a takt of its own. Over the network units register once more at the end.
    """
    released = life.fact("activation again", "released")
    shown = life.lights([step for step in NETWORK_CONNECTION if step.name == "start_up"], after=released)
    take(measure, life, "led.start_up.green", shown.value("start_up.green.duration"))
    take(measure, life, "led.start_up.red", shown.value("start_up.red.duration"))


@req("LED-06", "LED-07")
def test_a_held_button_shows_green_from_5_s_and_red_from_15_s(life, measure):
    pressed, released = life.fact("switch-off", "pressed"), life.fact("switch-off", "released")
    green = first_of(life.pulses("green", pressed), "a pulse of the green LED")
    red = first_of(life.pulses("red", pressed), "a pulse of the red LED")
    take(measure, life, "led.hold.green", green.start - pressed)
    take(measure, life, "led.hold.red", min(green.end, red.start) - pressed)
    take(measure, life, "led.hold.change_over", red.start - green.end)
    take(measure, life, "led.hold.red_until_released", red.end - released)


@req("LED-10")
def test_a_sleeping_unit_shows_no_light(life):
    life.went_through("sleep")
    begin, end = life.stage("sleep").began_s, life.stage("sleep").ended_s
    for channel in ("green", "red"):
        assert not life.pulses(channel, begin, end), f"the {channel} LED lit while the unit fell asleep"


@req("BTN-04")
def test_a_unit_that_is_switched_off_is_silent(life):
    released, quiet = life.fact("switch-off", "released"), life.fact("switch-off", "quiet from")
    end = life.stage("switch-off").ended_s
    assert not life.pulses("green", released, end), "a start-up indication after switching off"
    sent = life.sent(after=quiet, before=end)
    assert not sent, f"{len(sent)} datagrams of a unit that is off"
    before, after = (life.fact("switch-off", name) for name in ("telegrams before", "telegrams"))
    assert after == before, "a telegram of a unit that is off"
