"""The push button, manual 5.3.5 and 5.3.6."""

from datetime import timedelta

import pytest

from fixtures.outcomes import CellState
from fixtures.words import device_time, everywhere, in_regression, minutes, needs, req, s


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
@pytest.mark.parametrize("held", [1.0, 3.0, 4.5])
def test_a_shorter_press_does_not_activate(passive_unit, panel, bench, cell, held):
    _, released = passive_unit.press_button(held)
    bench.clock.sleep(5 * minutes)
    assert not panel.green.pulses(since=released), "a start-up indication"
    assert cell.state() is CellState.ON, "the unit went on the air"


@req("BTN-03", "ACT-20")
@device_time("3 min")
@needs("panel.button")
@everywhere
def test_a_press_of_10_s_reboots_a_joined_unit(joined_unit, panel, dm, bench, measure):
    before = bench.clock.time()
    _, released = joined_unit.press_button(held=10 * s)
    joined_unit.wait_until_joined(after=released)
    start_up = panel.red.pulses(since=released)[0]
    measure("reboot.start", start_up.start - released)
    dm.wait_for_registration(timeout=5 * minutes, after=before)
    assert dm.read("/33907/0/0") <= bench.clock.time() - released + 5, "the uptime says that there was no reboot"


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
    assert cell.state() is CellState.ON, "the unit is still on the air"
    assert joined_unit.read_settings().values["power_mode"] == "Passive"


@req("BTN-08")
@device_time("5 min")
@needs("panel.button")
@everywhere
def test_a_unit_switched_off_by_the_button_can_be_activated_again(joined_unit, panel, gateway, bench, measure):
    joined_unit.press_button(held=17.5 * s)
    bench.clock.sleep(30 * s)
    telegrams = gateway.count
    _, released = joined_unit.hold_button(until=panel.green.on)
    measure("activation.join", joined_unit.wait_until_joined(after=released) - released)
    gateway.wait_for_telegram(timeout=15 * minutes, after=telegrams)


@req("BTN-05", "BTN-06")
@device_time("3 min")
@needs("panel.button")
@in_regression
@pytest.mark.parametrize(("held", "outcome"), [(4.7, "nothing"), (5.3, "reboot"), (14.6, "reboot"), (15.4, "off")])
def test_the_windows_of_the_button_end_where_they_should(joined_unit, panel, bench, held, outcome):
    _, released = joined_unit.press_button(held)
    bench.clock.sleep(60 * s)
    started_up = bool(panel.red.pulses(since=released))
    assert started_up == (outcome == "reboot")
    power_mode = joined_unit.read_settings().values["power_mode"]
    assert power_mode == ("Passive" if outcome == "off" else "Active")


@req("BTN-07")
@device_time("3 min")
@needs("panel.button")
@in_regression
def test_the_switch_off_window_reaches_to_20_s(joined_unit, bench):
    joined_unit.press_button(held=19.6 * s)
    bench.clock.sleep(30 * s)
    assert joined_unit.read_settings().values["power_mode"] == "Passive"


@req("BTN-07")
@device_time("8 min")
@needs("panel.button", "nfc")
@in_regression
@pytest.mark.parametrize("held", [22.0, 60.0])
def test_after_a_longer_press_the_unit_has_its_settings_and_obeys_the_next(joined_unit, panel, bench, held):
    """What such a press does is not printed (G07); it is recorded."""
    before = joined_unit.read_settings().values
    _, released = joined_unit.press_button(held)
    bench.clock.sleep(2 * minutes)
    after = joined_unit.read_settings().values
    outcome = "rebooted" if panel.red.pulses(since=released) else "unchanged"
    if after["power_mode"] == "Passive":
        outcome = "off"
    bench.timeline.append("test", "note", {"text": f"a press of {held:g} s: {outcome}"})
    assert {**after, "power_mode": "Active"} == before, "the press has changed settings"
    _, released = joined_unit.hold_button(until=panel.green.on)
    joined_unit.wait_until_joined(after=released)


@req("BTN-11")
@device_time("10 min")
@needs("panel.button", "nfc")
@in_regression
def test_a_passive_unit_survives_the_press_that_switches_off(passive_unit, panel, bench):
    """What it does is not printed (G07); it must end passive or active, and obey the next press."""
    passive_unit.press_button(held=17 * s)
    bench.clock.sleep(5 * minutes)
    outcome = passive_unit.read_settings().values["power_mode"]
    bench.timeline.append("test", "note", {"text": f"a passive unit after a press of 17 s: {outcome}"})
    _, released = passive_unit.hold_button(until=panel.green.on)
    passive_unit.wait_until_joined(after=released)


@req("BTN-12")
@device_time("45 min")
@needs("panel.button", "nfc", "meter.optical")
@in_regression
def test_a_reboot_by_the_button_keeps_settings_and_readouts(unit, gateway, meter, bench):
    unit.make_joined({"readout_interval": 5, "report_interval": 5, "utc_offset": 0, "mqtt_sn_topic": "bench/heat",
                      "max_meter_retries": 7, "t3324_timer": 240})
    before, begin = unit.read_settings().values, meter.read().meter_time
    bench.clock.sleep(31 * minutes)
    first = begin.replace(second=0) + timedelta(minutes=5 - begin.minute % 5)
    _, released = unit.press_button(held=10 * s)
    unit.wait_until_joined(after=released)
    assert unit.read_settings().values == before
    for number in range(6):
        gateway.wait_for_readout(first + timedelta(minutes=5 * number), timeout=15 * minutes)
