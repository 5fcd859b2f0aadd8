"""What the twin unit's activities draw: charges and levels of public modems, written out."""

from __future__ import annotations

import math

import pytest

from bench.clock import WarpClock
from bench.twin.cmi6110.consumption import Consumption
from bench.twin.cmi6110.current import CurrentTrace, Waveform
from bench.twin.signal import Signal

REPORT_AIR_S = 0.133
"""250 octets at 15 kbit/s."""


@pytest.fixture
def clock():
    with WarpClock() as clock:
        yield clock


@pytest.fixture
def trace(clock):
    return CurrentTrace(clock, Signal(3.6))


@pytest.fixture
def draws(clock, trace):
    return Consumption(clock, trace, Waveform())


def test_a_report_from_power_saving_costs_what_public_modems_cost(clock, trace, draws):
    draws.modem("psm", 0, 0.0)
    draws.modem("connected", 0, 0.0)
    draws.transmit(REPORT_AIR_S, 0)
    clock.sleep(13.0)
    draws.modem("idle", 0, 40.96)
    assert 0.140 < trace.charge(0, 13.0) < 0.190      # C: 149 by the nRF9160's specification, 168 measured by boaks
    assert trace.render(0, 13.0, 13.0)[2][0] == pytest.approx(0.25, abs=0.055)     # the receiver may add to it


def test_the_transmitter_comes_on_when_the_cell_is_found_and_in_blocks_with_ramps(clock, trace, draws):
    draws.modem("psm", 0, 0.0)
    draws.modem("connected", 0, 0.0)
    draws.transmit(REPORT_AIR_S, 0)
    clock.sleep(2.0)
    _, _, maximum = trace.render(0, 1.0, 0.001)
    on = maximum > 0.2
    assert not on[:351].any()
    assert math.isclose(on.sum() * 0.001, REPORT_AIR_S + 0.05, abs_tol=0.03)
    assert trace.at(0.351) == pytest.approx(0.11 + 6e-3, abs=1e-6)      # half of it for 2 ms
    assert trace.at(0.354) == pytest.approx(0.25 + 6e-3, abs=1e-6)      # the peak
    assert trace.at(0.37) == pytest.approx(0.22 + 6e-3, abs=1e-6)
    assert trace.at(0.395) < 0.06                                       # the pause


def test_two_transmissions_follow_one_another_and_never_add_up(clock, trace, draws):
    for _ in range(5):
        draws.transmit(0.5, 1)
    clock.sleep(10.0)
    assert trace.render(0, 10.0, 10.0)[2][0] == pytest.approx(0.25)
    assert trace.charge(0, 10.0) == pytest.approx(5 * 0.55 * 0.22, rel=0.05)


def test_poor_coverage_costs_more(clock, trace, draws):
    draws.transmit(20.0, 2)
    clock.sleep(60.0)
    assert trace.charge(0, 60.0) == pytest.approx(20.05 * 0.22, rel=0.05)
    assert len(trace._times) < 2000


def test_the_inrush_decays_and_stays_below_400_ma(clock, trace, draws):
    draws.powered()
    clock.sleep(1.0)
    mean, _, maximum = trace.render(0, 0.01, 0.001)
    assert maximum.max() == pytest.approx(0.35 + 25e-3 + 0.3e-3, rel=0.01)
    assert mean[0] > 2 * mean[2] > 4 * mean[5] * 0.9
    assert trace.at(0.03) == pytest.approx(8e-3 + 5.2e-6)      # between two spikes of the boot
    assert trace.at(0.052) == pytest.approx(25e-3 + 5.2e-6)


@pytest.mark.parametrize(("state", "cycle_s", "mean_a"), [
    ("searching", 0.0, 0.6 * 46e-3), ("idle", 0.0, 15e-6 + 46e-3 * 0.02 / 2.56), ("idle", 40.96, 15e-6 + 46e-3 * 0.04
                                                                                  / 40.96),
    ("connected", 0.0, 6e-3 + 46e-3 * 12 / 256), ("psm", 0.0, 0.0), ("off", 0.0, 0.0)])
def test_each_state_of_the_modem_has_its_mean(clock, trace, draws, state, cycle_s, mean_a):
    draws.modem("connected", 0, 0.0)
    clock.sleep(5.0)
    draws.modem(state, 0, cycle_s)
    clock.sleep(40.96 * 16)
    assert trace.charge(5.0, 5.0 + 40.96 * 16) / (40.96 * 16) == pytest.approx(mean_a, rel=0.01, abs=1e-9)
