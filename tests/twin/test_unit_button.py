"""The twin unit's button and LEDs against manual 5.3.5 and 5.3.6."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from unit_lab import READY, World, world


@pytest.fixture
def passive() -> Iterator[World]:
    """Supplied, as delivered, and re-activated without a bootstrap server."""
    with world(brown_out_delay=0) as made:
        made.unit.life.bootstraps_on_activation = False
        made.supply()
        made.clock.sleep(10)
        yield made


@pytest.fixture
def joined() -> Iterator[World]:
    with world(**READY) as made:
        made.supply()
        made.until("psm")
        yield made


def power_mode(made: World) -> str:
    return ["passive", "active"][made.unit.settings.number("power_mode")]


def test_a_delivered_unit_is_passive_dark_and_off_the_air(passive: World) -> None:
    passive.clock.sleep(3600)
    assert power_mode(passive) == "passive"
    assert passive.edges == []
    assert (passive.unit.modem.state, passive.lab.cell.state) == ("off", "on")


@pytest.mark.parametrize(("held_s", "mode"), [
    (0.2, "passive"), (4.9, "passive"), (5.1, "active"), (14.9, "active"), (15.1, "passive"), (19.9, "passive"),
    (20.1, "passive"), (60.0, "passive")])
def test_a_press_of_5_to_15_s_activates_a_passive_unit(passive: World, held_s: float, mode: str) -> None:
    released = passive.press(held_s)
    passive.clock.sleep(60)
    assert power_mode(passive) == mode
    assert bool(passive.lit("red", since=released)) == (mode == "active")
    assert passive.unit.modem.attached == (mode == "active")


@pytest.mark.parametrize(("held_s", "outcome"), [
    (0.2, "nothing"), (4.9, "nothing"), (5.1, "reboot"), (14.9, "reboot"), (15.1, "off"), (19.9, "off"),
    (20.1, "nothing"), (60.0, "nothing")])
def test_a_press_reboots_from_5_s_and_switches_off_from_15_to_20_s(joined: World, held_s: float, outcome: str) -> None:
    joins = joined.unit.modem.registrations
    released = joined.press(held_s)
    joined.clock.sleep(60)
    assert power_mode(joined) == ("passive" if outcome == "off" else "active")
    assert bool(joined.lit("red", since=released)) == (outcome == "reboot")
    assert joined.unit.modem.registrations == joins + (outcome == "reboot")
    assert joined.unit.modem.attached == (outcome != "off")
    if outcome == "reboot":
        assert joined.unit.consumption.uptime_s() <= 60


def test_a_held_button_shows_green_at_5_s_red_at_15_s_and_nothing_from_20_s(passive: World) -> None:
    began = passive.clock.time()
    passive.press(25)
    assert passive.lit("green") == [(began + 5, 10)]
    assert passive.lit("red") == [(began + 15, 5)]


def test_the_light_of_a_held_button_goes_out_with_its_release(joined: World) -> None:
    began = round(joined.clock.time(), 3)
    joined.press(17)
    joined.clock.sleep(60)
    assert joined.lit("green", since=began) == [(began + 5, 10)]
    assert joined.lit("red", since=began) == [(began + 15, 2)]


def test_activation_shows_both_for_1_s_then_flashes_then_green_for_8_s(passive: World) -> None:
    released = passive.press(6)
    joined_at = passive.until("connected")
    passive.clock.sleep(20)
    ((start, both_s),) = passive.lit("red", since=released)
    assert start - released < 2
    assert both_s == 1
    green = passive.lit("green", since=released)
    assert green[0] == (start, 1)
    assert green[-1] == (round(joined_at, 3), 8)
    flashes = green[1:-1]
    assert len(flashes) >= 3
    assert all(0.05 <= duration <= 0.5 for _, duration in flashes)
    assert all(start + 1 < began < joined_at for began, _ in flashes)


def test_a_short_press_does_not_end_the_flashes_of_joining(passive: World) -> None:
    passive.air(False)
    passive.press(6)
    passive.clock.sleep(30)
    released = passive.press(1)
    passive.clock.sleep(10)
    assert len(passive.lit("green", since=released)) >= 9


def test_a_unit_that_joins_while_the_button_is_held_still_shows_what_the_release_will_do(passive: World) -> None:
    passive.air(False)
    passive.press(6)
    passive.clock.sleep(30)
    began = passive.clock.time()
    passive.button(True)
    passive.clock.sleep(5.5)
    passive.air(True)
    passive.until("connected", 30)
    passive.clock.sleep(began + 18 - passive.clock.time())
    passive.button(False)
    assert (began + 15, 3) in passive.lit("red", since=began)
    assert (began + 5, 10) in passive.lit("green", since=began)


def test_a_button_pressed_before_a_power_cut_counts_for_nothing_after_it(joined: World) -> None:
    joined.button(True)
    joined.clock.sleep(1)
    joined.supply(0)
    joined.clock.sleep(1)
    joined.supply()
    joined.clock.sleep(8)
    joined.button(False)
    joined.clock.sleep(1)
    assert power_mode(joined) == "active"
    began = joined.unit.consumption.uptime_s()
    joined.clock.sleep(30)
    assert joined.unit.consumption.uptime_s() == began + 30


def test_without_supply_nothing_lights_and_no_press_counts() -> None:
    with world() as dark:
        dark.press(7)
        dark.clock.sleep(60)
        assert dark.edges == []
        assert power_mode(dark) == "passive"


def test_a_supply_cut_ends_every_light_at_once(passive: World) -> None:
    passive.air(False)
    passive.press(6)
    passive.clock.sleep(1)
    passive.supply(2.2)
    cut = passive.clock.time()
    passive.clock.sleep(60)
    assert not [edge for edge in passive.edges if edge[0] > cut]
    assert not (passive.unit.front.green.value or passive.unit.front.red.value)
