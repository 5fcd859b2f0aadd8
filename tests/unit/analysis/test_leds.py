"""Pulses and LED patterns, from observations written by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.buttons import presses
from bench.analysis.edges import Pulse
from bench.analysis.leds import LONG_LIGHT_S, NETWORK_CONNECTION, REBOOT_ZONE, SWITCH_OFF_ZONE, match, pulses
from bench.timeline import Observation


def led(time: float, channel: str, on: bool) -> Observation:
    return Observation(time, "panel", "led", {"channel": channel, "on": on})


def contact(time: float, pressed: bool) -> Observation:
    return Observation(time, "panel", "button", {"pressed": pressed})


def flash(channel: str, *lights: tuple[float, float]) -> list[Pulse]:
    """(start, duration) of each light."""
    return [Pulse(channel, start, start + duration) for start, duration in lights]


def test_a_pulse_is_from_on_to_off_of_its_own_channel() -> None:
    seen = [led(1.0, "green", True), led(1.5, "red", True), led(2.25, "green", False), led(3.0, "red", False),
            Observation(2.0, "supply", "output", {"on": True})]
    assert pulses(seen, "green") == [Pulse("green", 1.0, 2.25)]
    assert pulses(seen, "red")[0].duration == 1.5


def test_a_light_that_is_still_on_is_open_until_the_end_of_the_observation() -> None:
    seen = [led(1.0, "green", True), led(2.0, "green", False), led(5.0, "green", True)]
    assert pulses(seen, "green", until=9.0) == [Pulse("green", 1.0, 2.0), Pulse("green", 5.0, 9.0, is_open=True)]
    assert pulses(seen, "green")[1] == Pulse("green", 5.0, 5.0, is_open=True)
    assert str(pulses(seen, "green", until=9.0)[1]) == "green still on after 4.000 s"


def test_edges_after_the_end_do_not_count() -> None:
    seen = [led(1.0, "green", True), led(9.0, "green", False)]
    assert pulses(seen, "green", until=4.0) == [Pulse("green", 1.0, 4.0, is_open=True)]


def test_an_off_without_an_on_and_a_repeated_on_make_no_pulse() -> None:
    seen = [led(0.5, "green", False), led(1.0, "green", True), led(1.2, "green", True), led(2.0, "green", False)]
    assert pulses(seen, "green") == [Pulse("green", 1.0, 2.0)]


@given(st.lists(st.tuples(st.integers(0, 10**12), st.sampled_from(["green", "red"]), st.booleans()), max_size=60),
       st.none() | st.integers(0, 10**12))
def test_pulses_never_overlap_and_cover_what_was_on(edges: list[tuple[int, str, bool]], until_us: int | None) -> None:
    until = None if until_us is None else until_us / 1e6
    found = pulses([led(time / 1e6, channel, on) for time, channel, on in edges], "green", until)
    for earlier, later in pairwise(found):
        assert earlier.start <= earlier.end <= later.start <= later.end
        assert not earlier.is_open
    assert all(pulse.channel == "green" and pulse.duration >= 0 for pulse in found)
    assert until is None or all(pulse.end <= until for pulse in found)


@given(st.lists(st.integers(1, 10**9), min_size=2, max_size=40))
def test_alternating_edges_give_each_light_its_length(lengths_us: list[int]) -> None:
    time_us, seen = 0, []
    for index, length in enumerate(lengths_us):
        time_us += length
        seen.append(led(time_us / 1e6, "green", index % 2 == 0))
    lights = [round(pulse.duration * 1e6) for pulse in pulses(seen, "green", until=time_us / 1e6) if not pulse.is_open]
    assert lights == lengths_us[1::2]


HEALTHY = [*flash("green", (10.3, 1.0)), *flash("red", (10.3, 1.0)),
           *flash("green", (13.0, 0.1), (16.0, 0.1), (19.0, 0.1)), *flash("green", (21.0, 8.0))]


def test_the_network_connection_of_5_3_5_is_found_and_measured() -> None:
    found = match(NETWORK_CONNECTION, HEALTHY, start=10.0)
    assert found.problem == ""
    assert found.found
    assert {measured.name: measured.value for measured in found.measured} == {
        "start_up.start": 0.3, "start_up.lag": 0.3,
        "start_up.green.duration": 1.0, "start_up.green.count": 1, "start_up.green.longest": 1.0,
        "start_up.red.duration": 1.0, "start_up.red.count": 1, "start_up.red.longest": 1.0,
        "joining.start": 3.0, "joining.lag": 1.7, "joining.green.duration": 6.1, "joining.green.count": 3,
        "joining.green.longest": pytest.approx(0.1), "joining.green.period": 3.0,
        "joined.start": 11.0, "joined.lag": 1.9, "joined.green.duration": 8.0,
    }
    assert found.end == 29.0
    assert found.value("joined.green.duration") == 8.0
    assert {measured.unit for measured in found.measured if measured.name.endswith("count")} == {"1"}


def test_a_flashing_start_up_is_as_good_as_a_steady_one() -> None:
    flashes = [(10.0 + 0.2 * index, 0.1) for index in range(5)]
    seen = [*flash("green", *flashes), *flash("red", *[(start + 0.1, length) for start, length in flashes]),
            *flash("green", (11.2, 0.1), (14.0, 0.1), (15.0, 8.0))]
    found = match(NETWORK_CONNECTION, seen, start=9.0)
    assert found.problem == ""
    assert found.value("start_up.green.duration") == pytest.approx(0.9)
    assert found.value("start_up.red.count") == 5
    assert found.value("joining.green.count") == 2


def test_the_light_of_the_held_button_belongs_to_what_was_before() -> None:
    held = flash("green", (5.0, 5.31))
    seen = [*held, *[Pulse(pulse.channel, pulse.start + 0.5, pulse.end + 0.5) for pulse in HEALTHY]]
    assert match(NETWORK_CONNECTION, seen, start=10.3).found


@pytest.mark.parametrize(("seen", "problem"), [
    ([], "start_up: green stays dark"),
    (flash("green", (10.3, 1.0)), "start_up: red stays dark"),
    (HEALTHY[:2], "joining: green stays dark"),
    ([*HEALTHY[:2], *flash("green", (13.0, 0.1))], "joined: green stays dark"),
    ([*HEALTHY[:2], *flash("green", (13.0, 0.7))], "joining: green for 0.700 s"),
    ([*HEALTHY[:5], *flash("green", (21.0, 1.5))], "joined: green for 1.500 s"),
    ([*HEALTHY[:5], Pulse("green", 21.0, 24.0, is_open=True)], "joined: green still on after 3.000 s when the "
                                                               "observation ends"),
    ([*HEALTHY, *flash("red", (16.0, 0.1))], "joining: red for 0.100 s at the same time"),
    ([*HEALTHY[:5], *flash("red", (20.5, 0.1)), *flash("green", (21.0, 8.0))], "joined: red for 0.100 s before it"),
    ([*flash("red", (10.1, 0.05)), *HEALTHY[:1], *flash("red", (12.0, 1.0)), *HEALTHY[2:]], "start_up: "),
    (flash("red", (10.3, 1.0), (13.0, 0.1), (21.0, 8.0)) + flash("green", (10.3, 1.0)), "joining: green stays dark"),
], ids=["dark", "no red", "no flashes", "never joined", "long flash", "short light", "still on", "red too",
        "red before", "not together", "swapped"])
def test_what_is_not_the_pattern_is_told_in_words(seen: list[Pulse], problem: str) -> None:
    found = match(NETWORK_CONNECTION, seen, start=10.0)
    assert not found.found
    assert found.problem.startswith(problem)
    assert found.problem in found.text


def test_a_red_light_between_two_steps_is_told_even_when_the_next_step_never_comes() -> None:
    seen = [*HEALTHY[:5], *flash("red", (20.5, 0.1))]
    assert match(NETWORK_CONNECTION, seen, start=10.0).problem == "joined: green stays dark"


def test_what_was_found_before_the_problem_is_measured() -> None:
    found = match(NETWORK_CONNECTION, HEALTHY[:5], start=10.0)
    assert found.problem == "joined: green stays dark"
    assert found.value("joining.green.count") == 3
    with pytest.raises(KeyError):
        found.value("joined.green.duration")


def test_the_text_says_what_was_expected_and_what_was_seen() -> None:
    assert match(NETWORK_CONNECTION, HEALTHY[:3], start=10.0).text.splitlines() == [
        "expected",
        "  start_up: green and red at least 1 times, each at most 3 s",
        "  joining: green at least 1 times, each at most 0.5 s",
        "  joined: green once, each at least 2 s",
        "seen",
        "      +0.300 s  green for 1.000 s",
        "      +0.300 s  red for 1.000 s",
        "      +3.000 s  green for 0.100 s",
        "result: joined: green stays dark",
    ]


def test_the_text_of_an_hour_of_flashes_stays_short() -> None:
    seen = [*HEALTHY[:2], *flash("green", *[(13.0 + 3 * index, 0.1) for index in range(1200)])]
    text = match(NETWORK_CONNECTION, seen, start=10.0).text
    assert "... 1190 more ..." in text
    assert len(text.splitlines()) < 25


def test_the_zones_of_a_held_button_are_measured_from_the_press() -> None:
    seen = [*flash("green", (105.0, 10.0)), *flash("red", (115.0, 4.0))]
    found = match(SWITCH_OFF_ZONE, seen, start=100.0)
    assert found.found
    assert found.value("reboot_zone.start") == 5.0
    assert found.value("switch_off_zone.start") == 15.0
    assert found.value("switch_off_zone.red.duration") == 4.0
    assert match(REBOOT_ZONE, seen, start=100.0).value("reboot_zone.green.duration") == 10.0


def test_green_that_stays_on_beside_red_is_told() -> None:
    seen = [*flash("green", (105.0, 14.0)), *flash("red", (115.0, 4.0))]
    assert match(SWITCH_OFF_ZONE, seen, start=100.0).problem == "reboot_zone: red for 4.000 s at the same time"


def test_swapped_leds_are_told() -> None:
    seen = [*flash("red", (105.0, 10.0)), *flash("green", (115.0, 4.0))]
    assert match(SWITCH_OFF_ZONE, seen, start=100.0).problem == "reboot_zone: red for 10.000 s before it"


@given(st.lists(st.tuples(st.sampled_from(["green", "red"]), st.integers(0, 60_000), st.integers(1, 12_000)),
                max_size=30))
def test_any_pulses_give_a_verdict_and_a_text(lights: list[tuple[str, int, int]]) -> None:
    seen = [Pulse(channel, start / 1000, (start + length) / 1000) for channel, start, length in lights]
    found = match(NETWORK_CONNECTION, seen, start=5.0)
    assert found.found == (found.problem == "")
    assert all(measured.value >= 0 for measured in found.measured if not measured.name.endswith(".lag"))
    assert found.text.startswith("expected\n")


@given(st.floats(0.2, 2.9), st.integers(1, 50), st.floats(0.01, 0.5), st.floats(2.0, 30.0))
def test_every_sequence_of_the_right_shape_is_found(up: float, count: int, short: float, long: float) -> None:
    flashes = [(5.0 + 2.0 * index, short) for index in range(count)]
    seen = [*flash("green", (0.5, up), *flashes, (5.0 + 2.0 * count, long)), *flash("red", (0.5, up))]
    found = match(NETWORK_CONNECTION, [Pulse(pulse.channel, pulse.start, pulse.end) for pulse in seen], start=0.0)
    if any(pulse.duration > 0.5 for pulse in seen[1:-2]):
        return   # floating point made a flash a hair too long
    assert found.problem == ""
    assert found.value("joining.green.count") == count
    assert found.value("joined.green.duration") == pytest.approx(long, abs=1e-5)


def test_the_long_light_alone_can_be_asked_for() -> None:
    assert match(NETWORK_CONNECTION[2:], flash("green", (21.0, 7.5)), start=20.0).value("joined.green.duration") == 7.5


def test_a_press_is_the_time_the_contact_was_closed_bounces_included() -> None:
    seen = [contact(1.0, True), contact(1.001, False), contact(1.0015, True), contact(6.3, False),
            contact(8.0, True), contact(9.0, False), contact(12.0, True)]
    assert presses(seen, until=13.0) == [Pulse("button", 1.0, 6.3), Pulse("button", 8.0, 9.0),
                                         Pulse("button", 12.0, 13.0, is_open=True)]
    assert presses(seen)[0].duration == 5.3


def test_the_patterns_are_the_printed_ones() -> None:
    assert [str(step) for step in NETWORK_CONNECTION] == [
        "start_up: green and red at least 1 times, each at most 3 s",
        "joining: green at least 1 times, each at most 0.5 s",
        "joined: green once, each at least 2 s"]
    assert [(step.name, step.channels) for step in SWITCH_OFF_ZONE] == [
        ("reboot_zone", ("green",)), ("switch_off_zone", ("red",))]
    assert LONG_LIGHT_S == 2.0
