"""Phases found in traces that were written by hand, second by second."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.current import charge
from bench.analysis.current_capture import CurrentCapture
from bench.analysis.current_phases import ActiveTimer, Kind, active_timers, find_phases, sessions, share
from bench.errors import BenchError

PERIOD_S = 0.01

SLEEP, IDLE, BOOT, SEARCH, SEND, LISTEN, BETWEEN, READOUT = 5e-6, 20e-6, 8e-3, 46e-3, 220e-3, 52e-3, 6e-3, 2e-3
"""A: what public modems draw (nRF9160, SARA-N2), written out here once more."""


def trace(*pieces, period_s=PERIOD_S, noise_a=0.1e-6):
    """A capture of (current, seconds) after each other, with ticks of 0.3 mA for 0.1 ms each second and noise."""
    mean = np.concatenate([np.full(round(seconds / period_s), current) for current, seconds in pieces])
    rng = np.random.default_rng(7)
    mean = mean + noise_a * rng.standard_normal(len(mean))
    minimum, maximum = mean - 3 * noise_a, mean + 3 * noise_a
    ticks = np.arange(0, len(mean), round(1 / period_s))
    mean[ticks] += 0.3e-3 * 1e-4 / period_s
    maximum[ticks] += 0.3e-3
    return CurrentCapture(0.0, period_s, mean, minimum, maximum, np.zeros(len(mean)), gap_free=True)


CONNECTED = ((LISTEN, 0.02), (BETWEEN, 0.23)) * 20
REPORT = ((BOOT, 0.4), (SEARCH, 0.6), (SLEEP, 0.4), (SEARCH, 0.6), (SEND, 0.1), (BETWEEN, 0.2), (SEND, 0.15),
          *CONNECTED)
PAGED = ((IDLE, 40.92), (SEARCH, 0.04)) * 2 + ((IDLE, 38.0),)


def found(capture, places=2):
    return [(str(phase.kind), round(phase.start_s, places), round(phase.duration_s, places))
            for phase in find_phases(capture)]


def test_a_report_is_taken_apart():
    whole = trace((SLEEP, 30.0), (READOUT, 1.5), (SLEEP, 10.0), *REPORT, *PAGED, (SLEEP, 60.0))
    assert found(whole) == [
        ("sleep", 0.0, 30.0), ("readout", 30.0, 1.5), ("sleep", 31.5, 10.0),
        ("wake", 41.5, 0.4), ("search", 41.9, 1.6), ("transmit", 43.5, 0.1), ("connected", 43.6, 0.2),
        ("transmit", 43.8, 0.15), ("connected", 43.95, 5.0), ("idle", 48.95, 119.92), ("sleep", 168.87, 60.0)]
    phases = find_phases(whole)
    assert active_timers(phases) == [ActiveTimer(pytest.approx(48.95), pytest.approx(168.87))]
    assert [len(session) for session in sessions(phases)] == [6]
    by_hand_c = {Kind.READOUT: 3.0e-3, Kind.WAKE: 3.2e-3, Kind.SEARCH: 55.202e-3, Kind.TRANSMIT: 55e-3,
                 Kind.CONNECTED: 1.2e-3 + 20 * (1.04e-3 + 1.38e-3), Kind.IDLE: 119.84 * 20.03e-6 + 2 * 1.84e-3,
                 Kind.SLEEP: 100 * 5.03e-6}
    assert {kind: share(phases, kind).charge_c for kind in Kind} == pytest.approx(by_hand_c, rel=2e-3)


@pytest.mark.parametrize("volts", [2.4, 3.0, 4.2])
def test_the_supply_voltage_scales_the_current_and_not_what_is_found(volts):
    pieces = ((SLEEP, 30.0), (READOUT, 1.5), (SLEEP, 10.0), *REPORT, *PAGED, (SLEEP, 60.0))
    scaled = trace(*[(current * 3.6 / volts, seconds) for current, seconds in pieces])
    assert found(scaled) == found(trace(*pieces))


@pytest.mark.parametrize("period_s", [0.001, 0.05])
def test_shorter_and_longer_periods_find_the_same(period_s):
    whole = trace((SLEEP, 5.0), *REPORT, *PAGED, (SLEEP, 60.0), period_s=period_s)
    phases = find_phases(whole)
    assert [phase.kind for phase in phases] == [
        "sleep", "wake", "search", "transmit", "connected", "transmit", "connected", "idle", "sleep"]
    assert active_timers(phases)[0].duration_s == pytest.approx(119.92, abs=0.1)


def test_idle_without_edrx_is_seen_by_its_paging():
    paging = ((IDLE, 2.54), (SEARCH, 0.02)) * 10
    whole = trace(*REPORT, *paging, (SLEEP, 60.0))
    assert found(whole)[-2:] == [("idle", 7.45, 25.6), ("sleep", 33.05, 60.0)]


def test_a_unit_that_stays_idle_never_sleeps():
    phases = find_phases(trace(*REPORT, *((IDLE, 2.54), (SEARCH, 0.02)) * 100))
    assert phases[-1].kind is Kind.IDLE
    assert active_timers(phases) == []


def test_a_unit_that_stays_connected_is_never_released():
    phases = find_phases(trace((SLEEP, 1.0), *REPORT, *CONNECTED * 20))
    assert phases[-1].kind is Kind.CONNECTED
    assert active_timers(phases) == []


def test_a_readout_does_not_end_the_active_timer():
    whole = trace(*REPORT, (IDLE, 20.0), (READOUT, 1.5), (IDLE, 20.0), (SLEEP, 60.0))
    assert found(whole)[-4:] == [("idle", 7.45, 20.0), ("readout", 27.45, 1.5), ("idle", 28.95, 20.0),
                                 ("sleep", 48.95, 60.0)]
    assert active_timers(find_phases(whole))[0].duration_s == pytest.approx(41.5)


def test_a_capture_that_begins_in_a_session_begins_connected():
    whole = trace(*CONNECTED, (IDLE, 30.0), (SLEEP, 60.0))
    assert [kind for kind, *_ in found(whole)] == ["connected", "idle", "sleep"]


def test_a_search_that_finds_nothing_is_no_session_with_an_active_timer():
    whole = trace((SLEEP, 5.0), *((SEARCH, 0.6), (SLEEP, 0.4)) * 30, (SLEEP, 100.0))
    assert [kind for kind, *_ in found(whole)] == ["sleep", "search", "sleep"]
    assert active_timers(find_phases(whole)) == []


@pytest.mark.parametrize("period_s", [0.001, 0.02, 0.1])
def test_the_inrush_is_no_transmission(period_s):
    """350 mA for 2 ms when the supply comes, then the boot."""
    whole = trace((0.0, 1.0), (BOOT, 0.4), (SLEEP, 10.0), period_s=period_s)
    first = round(1.0 / period_s)
    samples = max(1, round(0.002 / period_s))
    whole.mean_a[first:first + samples] += 0.35 * 0.002 / (samples * period_s)
    whole.maximum_a[first:first + samples] = 0.35
    assert [kind for kind, *_ in found(whole)] == ["sleep", "wake", "sleep"]


def test_a_trace_with_gaps_has_no_phases():
    with pytest.raises(BenchError, match=r"^phases of the current: expected a log without gaps"):
        find_phases(replace(trace((SLEEP, 1.0)), gap_free=False))


levels = st.sampled_from([0.0, SLEEP, IDLE, READOUT, BOOT, BETWEEN, SEARCH, LISTEN, SEND, 0.35])
pieces = st.lists(st.tuples(levels, st.floats(0.01, 20.0)), min_size=1, max_size=25)


@given(pieces)
def test_phases_follow_each_other_and_their_charges_add_up(pieces):
    whole = trace(*pieces)
    phases = find_phases(whole)
    assert phases[0].start_s == 0.0
    assert phases[-1].end_s == pytest.approx(whole.duration_s)
    for before, after in pairwise(phases):
        assert before.end_s == pytest.approx(after.start_s)
        assert before.kind is not after.kind
    assert sum(phase.charge_c for phase in phases) == pytest.approx(charge(whole), abs=1e-9)
    assert share(phases, *Kind).duration_s == pytest.approx(whole.duration_s)


@given(pieces)
def test_an_active_timer_runs_from_a_session_to_sleep(pieces):
    phases = find_phases(trace(*pieces))
    for timer in active_timers(phases):
        assert timer.duration_s >= 0
        before = next(phase for phase in phases if phase.end_s == pytest.approx(timer.release_s))
        assert before.kind in (Kind.CONNECTED, Kind.TRANSMIT)
        assert any(phase.start_s == timer.sleep_s and phase.kind is Kind.SLEEP for phase in phases)
