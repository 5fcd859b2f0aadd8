"""The push button, manual 5.3.5 and 5.3.6."""

from datetime import timedelta

import pytest

from bench.manual.paths import McmConfig, NbIotStatus
from fixtures.judging import first_of
from fixtures.outcomes import CellState
from fixtures.words import device_time, everywhere, in_regression, minutes, needs, req, s

GOODBYE = 60 * s
"""A unit that is switched off may take so long to leave: nothing is printed."""


@req("BTN-01", "BTN-10", "ACT-03")
@device_time("90 s")
@needs("panel.button")
@everywhere
def test_holding_for_5_s_activates_a_passive_unit(passive_unit, panel, measure):
    _, released = passive_unit.hold_button(until=panel.green.on)
    measure("activation.join", passive_unit.wait_until_joined(after=released) - released)


@req("BTN-02")
@device_time("6 min")
@needs("panel.button", "cell.state")
@in_regression
@pytest.mark.parametrize("held", [1.0, 3.0, 4.5, 4.7])
def test_a_shorter_press_does_not_activate(passive_unit, panel, bench, cell, held):
    mark = bench.mark()
    _, released = passive_unit.press_button(held)
    bench.clock.sleep(5 * minutes)
    assert not panel.green.pulses(since=released), f"a start-up indication after a press of {held:g} s"
    assert not [seen for seen in bench.timeline.since(mark) if seen.kind == "datagram"], "the unit has sent something"
    assert cell.state() is not CellState.CONNECTED, "the unit went on the air"


@req("BTN-03", "ACT-20")
@device_time("4 min")
@needs("panel.button")
@everywhere
def test_a_press_of_10_s_reboots_a_joined_unit(joined_unit, panel, dm, bench, measure):
    """And the next one does, too."""
    for _ in range(2):
        before = bench.clock.time()
        _, released = joined_unit.press_button(held=10 * s)
        joined_unit.wait_until_joined(after=released)
        start_up = first_of(panel.red.pulses(since=released), "a pulse of the red LED after the reboot")
        measure("reboot.start", start_up.start - released)
        dm.wait_for_registration(timeout=5 * minutes, after=before)
        uptime_s, since_s = dm.read(NbIotStatus.UPTIME), bench.clock.time() - released
        assert uptime_s <= since_s + 5, f"{since_s:.0f} s after the reboot the uptime is {uptime_s} s"


@req("BTN-04")
@device_time("6 min")
@needs("panel.button", "cell.state")
@everywhere
def test_a_press_of_17_s_switches_a_joined_unit_off(joined_unit, panel, bench, cell, gateway, watch):
    _, released = joined_unit.press_button(held=17.5 * s)
    bench.clock.sleep(60 * s)      # a detach within a minute is allowed
    telegrams, begin = gateway.count, bench.mark()
    bench.clock.sleep(watch)
    assert not panel.green.pulses(since=released), "a start-up indication after switching off"
    assert gateway.count == telegrams, "a telegram after switching off"
    assert not [seen for seen in bench.timeline.since(begin) if seen.kind == "datagram"], "traffic of a dead unit"
    assert cell.state() is not CellState.CONNECTED, "the unit is still on the air"


@req("BTN-04", "BTN-08")
@device_time("15 min")
@needs("panel.button", "supply.voltage", "settings.nfc.read")
@in_regression
def test_a_unit_that_was_switched_off_is_passive_or_starts_with_the_supply(joined_unit, bench, supply, dm, readings):
    """Which of both is not printed (U13)."""
    joined_unit.press_button(held=17.5 * s)
    bench.clock.sleep(GOODBYE)
    shown = joined_unit.power_mode
    supply.output_off()
    bench.clock.sleep(10 * s)
    back = bench.clock.time()
    joined_unit.power_up()
    bench.clock.sleep(10 * minutes)
    started = any(event.time_s > back for event in dm.history(back))
    assert started == (shown == "Active"), f"the power mode was {shown}, and with the supply the unit " + (
        "starts" if started else "does not start")
    readings.takes("U13", "does not survive power" if started else "survives power")
    if not started:
        _, pressed = joined_unit.press_button(6 * s)
        dm.wait_for_registration(15 * minutes, after=pressed)


@req("BTN-08")
@device_time("5 min")
@needs("panel.button")
@everywhere
def test_a_unit_switched_off_by_the_button_can_be_activated_again(joined_unit, panel, gateway, bench, measure):
    joined_unit.press_button(held=17.5 * s)
    bench.clock.sleep(GOODBYE)
    telegrams = gateway.count
    _, released = joined_unit.hold_button(until=panel.green.on)
    measure("activation.join", joined_unit.wait_until_joined(after=released) - released)
    gateway.wait_for_telegram(timeout=15 * minutes, after=telegrams)


@req("BTN-05", "BTN-06")
@device_time("3 min")
@needs("panel.button", "cell.state")
@in_regression
@pytest.mark.parametrize(("held", "outcome"), [(4.7, "nothing"), (5.3, "reboot"), (12.5, "reboot"), (14.6, "reboot"),
                                               (15.4, "off")])
def test_the_windows_of_the_button_end_where_they_should(joined_unit, panel, bench, cell, held, outcome):
    _, released = joined_unit.press_button(held)
    bench.clock.sleep(GOODBYE)
    found = "reboot" if panel.red.pulses(since=released) else "off" if is_off(joined_unit, cell) else "nothing"
    assert found == outcome, f"a press of {held:g} s: {found}"


def is_off(unit, cell):
    """Passive, or gone from the network for the time being (U13)."""
    return unit.power_mode == "Passive" or cell.state() is CellState.ON


@req("BTN-07")
@device_time("3 min")
@needs("panel.button", "cell.state")
@in_regression
def test_the_switch_off_window_reaches_to_20_s(joined_unit, bench, cell):
    joined_unit.press_button(held=19.6 * s)
    bench.clock.sleep(GOODBYE)
    assert is_off(joined_unit, cell), "a press of 19.6 s did not switch the unit off"


@req("BTN-03", "BTN-05", "BTN-07", "LED-06", "LED-07")
@device_time("75 min")
@needs("panel.button", "panel.leds", "cell.state", "cell.outage")
@in_regression
@pytest.mark.parametrize("state", ["while it searches", "asleep", "connected"])
def test_the_windows_of_the_button_are_the_same_in_each_state(unit, panel, bench, cell, dm, radio, state):
    """One press near the end of each window, and what is lit as long as it is held."""
    unit.make_joined()
    for held, light in ((14.6 * s, panel.green), (19.6 * s, panel.red)):
        match state:
            case "while it searches":
                cell.off()
                bench.clock.sleep(20 * s)
            case "asleep":
                bench.clock.sleep(30 * minutes)    # the active timer is 2 min
            case _:
                dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
                radio.wait_for(CellState.CONNECTED, timeout=1 * minutes, every=0.1 * s)
        begin = bench.clock.time()
        pressed, released = unit.press_button(held)
        bench.clock.sleep(GOODBYE)
        lit_from = pressed + (5.5 if light is panel.green else 15.5)
        assert any(pulse.start <= lit_from and pulse.end >= released - 0.5 * s for pulse in light.pulses(since=pressed)
                   ), f"a press of {held:g} s {state} did not show its window"
        if light is panel.green:
            assert panel.red.pulses(since=released), f"a press of {held:g} s {state} did not reboot the unit"
            cell.on()
            dm.wait_for_registration(15 * minutes, after=begin)
    cell.on()
    bench.clock.sleep(5 * minutes)
    assert is_off(unit, cell), f"a press of {held:g} s {state} did not switch the unit off"


@req("BTN-07", "LED-07")
@device_time("8 min")
@needs("panel.button", "settings.nfc.read")
@in_regression
@pytest.mark.parametrize("held", [22.0, 60.0])
def test_after_a_longer_press_the_unit_has_its_settings_and_obeys_the_next(joined_unit, panel, bench, held):
    """What such a press does is not printed (G07); it is recorded. But who lets go while red is lit switches off."""
    before = joined_unit.read_settings().values
    pressed, released = joined_unit.press_button(held)
    bench.clock.sleep(2 * minutes)
    lit = [light for light in panel.red.pulses(since=pressed) if light.start < released - 0.5 * s < light.end]
    after = joined_unit.read_settings().values
    outcome = "rebooted" if panel.red.pulses(since=released) else "unchanged"
    if after["power_mode"] == "Passive":
        outcome = "off"
    bench.step(f"a press of {held:g} s: {outcome}")
    assert outcome == "off" or not lit, f"released while red was lit after {held:g} s, and the unit is {outcome}"
    assert {**after, "power_mode": "Active"} == before, "the press has changed settings"
    _, released = joined_unit.hold_button(until=panel.green.on)
    joined_unit.wait_until_joined(after=released)


@req("BTN-11")
@device_time("10 min")
@needs("panel.button")
@in_regression
def test_a_passive_unit_survives_the_press_that_switches_off(passive_unit, panel, bench):
    """What it does is not printed (G07); it must end passive or active, and obey the next press."""
    passive_unit.press_button(held=17 * s)
    bench.clock.sleep(5 * minutes)
    outcome = passive_unit.power_mode
    bench.step(f"a passive unit after a press of 17 s: {outcome}")
    _, released = passive_unit.hold_button(until=panel.green.on)
    passive_unit.wait_until_joined(after=released)


@req("BTN-12")
@device_time("45 min")
@needs("panel.button", "meter.optical")
@in_regression
def test_a_reboot_by_the_button_keeps_settings_and_readouts(unit, gateway, meter, bench):
    unit.make_joined({"readout_interval": 5, "report_interval": 5, "utc_offset": 60, "mqtt_sn_topic": "bench/heat",
                      "max_meter_retries": 7, "search_period": 240})
    before, begin = unit.read_settings().values, meter.read().meter_time
    bench.clock.sleep(31 * minutes)
    first = begin.replace(second=0) + timedelta(minutes=5 - begin.minute % 5) - timedelta(hours=1)
    _, released = unit.press_button(held=10 * s)
    unit.wait_until_joined(after=released)
    after = unit.read_settings().values
    lost = {key: value for key, value in after.items() if before[key] != value}
    assert not lost, f"settings after the reboot: {lost}"
    for number in range(6):
        gateway.wait_for_readout(first + timedelta(minutes=5 * number), timeout=15 * minutes)
