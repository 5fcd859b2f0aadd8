"""The twin unit's current: exact charge, faithful rendering, bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.clock import WarpClock
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.signal import Signal


@pytest.fixture
def clock():
    with WarpClock() as clock:
        yield clock


def powered(clock, voltage=3.6, **options):
    return CurrentTrace(clock, Signal(voltage), **options)


def test_charge_of_a_level_is_current_times_time(clock):
    trace = powered(clock)
    trace.set("floor", 6e-6)
    clock.sleep(1000)
    assert trace.charge(0, 1000) == pytest.approx(6e-3, rel=1e-12)


def test_components_add_up_and_a_pulse_ends_by_itself(clock):
    trace = powered(clock)
    trace.set("floor", 5e-6)
    trace.pulse("readout", 2e-3, 1.5, at=10.0)
    clock.sleep(20)
    assert trace.at(9.999999) == pytest.approx(5e-6)
    assert trace.at(10.0) == pytest.approx(2.005e-3)
    assert trace.at(11.5) == pytest.approx(5e-6)
    assert trace.charge(0, 20) == pytest.approx(20 * 5e-6 + 1.5 * 2e-3, rel=1e-12)


def test_the_unit_draws_constant_power(clock):
    supply = Signal(3.6)
    trace = CurrentTrace(clock, supply)
    trace.set("floor", 6e-6)
    clock.sleep(10)
    supply.set(2.4)
    clock.sleep(10)
    assert trace.at(15) == pytest.approx(9e-6)
    assert trace.charge(0, 20) == pytest.approx(10 * 6e-6 + 10 * 9e-6, rel=1e-12)
    mean, minimum, maximum = trace.render(0, 20, 20)
    assert (mean[0], minimum[0], maximum[0]) == pytest.approx((7.5e-6, 6e-6, 9e-6), rel=1e-9)


def test_without_supply_nothing_flows_and_what_was_planned_is_forgotten(clock):
    supply = Signal(3.6)
    trace = CurrentTrace(clock, supply)
    trace.set("floor", 6e-6)
    trace.repeat("tick", 0.3e-3, 1e-4, 1.0)
    trace.pulse("modem", 0.22, 1.0, at=15.0)
    clock.sleep(10)
    supply.set(0.0)
    clock.sleep(2)
    supply.set(3.6)
    clock.sleep(10)
    assert trace.charge(10, 22) == 0.0
    trace.set("floor", 6e-6)
    assert trace.at(22) == pytest.approx(6e-6)


def test_a_repeating_pattern_ends_when_its_component_is_set(clock):
    trace = powered(clock)
    trace.repeat("tick", 0.3e-3, 1e-4, 1.0)
    clock.sleep(5.5)
    trace.set("tick", 0.0)
    clock.sleep(10)
    assert trace.charge(0, 15.5) == pytest.approx(6 * 0.3e-3 * 1e-4, rel=1e-12)   # at 0, 1, 2, 3, 4, 5 s
    _, minimum, maximum = trace.render(0, 15, 1.0)
    assert maximum[:6] == pytest.approx([0.3e-3] * 6)
    assert not minimum.any()
    assert not maximum[6:].any()


def test_an_edge_on_the_border_of_two_bins_shows_only_in_its_own(clock):
    trace = powered(clock)
    trace.pulse("modem", 0.1, 0.001024, at=0.1 + 0.001024)
    clock.sleep(1)
    mean, minimum, maximum = trace.render(0.1, 0.1 + 3 * 0.001024, 0.001024)
    assert mean == pytest.approx([0, 0.1, 0])
    assert minimum == pytest.approx([0, 0.1, 0])
    assert maximum == pytest.approx([0, 0.1, 0])


def test_forgetting_keeps_the_charge_and_refuses_to_render(clock):
    trace = powered(clock)
    trace.set("floor", 6e-6)
    trace.pulse("readout", 2e-3, 1.0, at=5.0)
    clock.sleep(100)
    before = trace.charge(0, 100)
    trace.forget(50)
    assert trace.charge(0, 100) == pytest.approx(before, rel=1e-12)
    assert trace.at(60) == pytest.approx(6e-6)
    with pytest.raises(ValueError, match="forgotten"):
        trace.render(40, 60, 1.0)
    with pytest.raises(ValueError, match="forgotten"):
        trace.charge(40, 60)


def test_a_device_year_of_readouts_stays_small_with_a_retention_window(clock):
    trace = powered(clock, retention_s=3600)
    trace.set("floor", 5e-6)
    for _ in range(365 * 24):
        clock.sleep(3600)
        trace.pulse("readout", 2e-3, 1.5)
    assert len(trace._times) < 20
    expected = 365 * 24 * 3600 * 5e-6 + (365 * 24 - 1) * 1.5 * 2e-3
    assert trace.charge(0, clock.time()) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("amps", [-1e-6, float("nan"), float("inf")])
def test_an_impossible_current_is_refused(clock, amps):
    with pytest.raises(ValueError, match="can't draw"):
        powered(clock).set("floor", amps)


def test_a_component_does_not_change_before_its_last_change(clock):
    trace = powered(clock)
    trace.set("modem", 0.1, at=10.0)
    with pytest.raises(ValueError, match="modem"):
        trace.set("modem", 0.0, at=9.0)


@given(pulses=st.lists(st.tuples(st.integers(0, 5_000_000), st.integers(1, 3_000_000), st.integers(1, 400_000)),
                       max_size=12),
       period_us=st.integers(100, 2_000_000), tick_us=st.integers(1, 900_000), voltage=st.floats(2.4, 4.2))
def test_the_means_of_all_bins_add_up_to_the_charge(pulses, period_us, tick_us, voltage):
    with WarpClock() as clock:
        trace = powered(clock, voltage)
        trace.repeat("tick", 1e-3, tick_us / 1e6, 1.0)
        for start, length, microamperes in pulses:
            trace.pulse("pulse", microamperes * 1e-6, length / 1e6, at=start / 1e6)
        period = period_us / 1e6
        mean, minimum, maximum = trace.render(0, 8.0, period)
        assert len(mean) == 8_000_000 // period_us
        assert (minimum <= mean + 1e-12).all()
        assert (mean <= maximum + 1e-12).all()
        assert mean.sum() * period == pytest.approx(trace.charge(0, len(mean) * period), rel=1e-6, abs=1e-12)
