"""Each combination of supply and ammeter measures the twin unit within what its instruments promise, and says so when
one of them lies."""

from __future__ import annotations

import random

import numpy as np
import pytest
from power_lab import power_lab

from bench.analysis.current import charge, sleep_current
from bench.analysis.current_capture import CurrentCapture
from bench.clock import WarpClock
from bench.errors import BenchError
from bench.timeline import Timeline
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.faults import FAULTS
from bench.twin.signal import Signal
from bench.twin.supply.n6705 import N6705
from bench.twin.supply.ngu import Ngu201
from bench.twin.supply.supplies import SUPPLIES
from bench.twin.wires.hislip import HislipServer
from drivers.supply.keysight_n6700 import KeysightN6700
from drivers.supply.rohde_schwarz_ngu import RohdeSchwarzNgu

COMBINATIONS = ["dmm6500", "e36312", "n6705", "ngu", "otii", "ppk2"]
"""Of the many; the other supplies of the desk are in test_supply_dialects.py."""
SEAMLESS = ["n6705", "ngu", "otii", "ppk2"]
WITH_A_MULTIMETER = {"dmm6500", "e36312"}
UNPROTECTED = {"otii", "ppk2"}
FINEST_A = {"ppk2": 1e-6}
"""How well a sleep current is known, where that is not within 0.2 uA: the kit reads to 10 %."""


WITHOUT_THE_FAULT = {
    ("dmm6500", "ammeter-fifo-overrun"), ("dmm6500", "supply-other-instrument"), ("e36312", "ammeter-fifo-overrun"),
    ("otii", "ammeter-fifo-overrun"), ("otii", "supply-other-instrument"), ("ppk2", "supply-other-instrument"),
    ("ppk2", "supply-late-answer"), ("ppk2", "ammeter-wrong-range"), ("ppk2", "ammeter-fifo-overrun")}


def capture(log):
    return CurrentCapture(log.start_bench_s, log.period_s, log.mean_a, log.minimum_a, log.maximum_a, log.uncertainty_a,
                          log.gap_free, limit_a=log.limit_a, voltage_v=log.voltage_v)


def measure(lab, timeout_s):
    supply = lab.open(timeout_s=timeout_s)
    supply.set_voltage(3.6)
    supply.output_on()
    lab.sleep()
    supply.log(30.0, 0.02)


def test_there_are_six_combinations_and_each_can_be_chosen():
    assert len(COMBINATIONS) == 6
    assert set(COMBINATIONS) <= SUPPLIES.keys()


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", COMBINATIONS)
def test_the_sleep_current_is_true_within_the_stated_uncertainty(name, seed):
    with power_lab(name, seed) as lab:
        supply = lab.supplied()
        for volts in (3.6,) if seed == 2 or name in ("ppk2", "otii") else (2.4, 3.0, 3.6, 4.2):
            supply.set_voltage(volts)
            for sleep_a in (6e-6,) if name == "ppk2" else (0.5e-6, 6e-6, 20e-6):   # 100,000 samples a second are many
                lab.sleep(sleep_a)
                for wakes in (0, 2) if name in SEAMLESS or sleep_a == 6e-6 else (0,):
                    lab.clock.sleep(2.0)
                    now = lab.clock.time()
                    if wakes:
                        lab.truth(lambda now=now: lab.unit.pulse("readout", 2e-3, 1.5, at=now + 20))
                        lab.truth(lambda now=now: lab.unit.pulse("modem", 46e-3, 0.02, at=now + 40))
                    asleep = sleep_current(capture(supply.log(60.0, 0.02)), at_least_s=60.0)
                    true_a = sleep_a * 3.6 / volts
                    assert abs(asleep.mean_a - true_a) <= asleep.uncertainty_a
                    assert asleep.uncertainty_a < FINEST_A.get(name, 0.2e-6)
                    assert asleep.asleep_s > 55
                    # The multimeter's change of range may part a wake in two.
                    assert len(asleep.wakes) == wakes or (name in WITH_A_MULTIMETER
                                                          and len(asleep.wakes) > wakes > 0)


@pytest.mark.parametrize("name", SEAMLESS)
def test_the_charge_of_bursts_is_true_within_the_stated_uncertainty(name):
    with power_lab(name) as lab:
        supply = lab.supplied()
        lab.sleep()
        for start in (3.0, 7.0007, 11.1234):
            lab.truth(lambda start=start: lab.unit.pulse("modem", 0.22, 0.0325, at=start))
        log = supply.log(15.0, 0.01)
        start_s, duration_s = log.start_bench_s, len(log.mean_a) * log.period_s
        true_c = lab.truth(lambda start=start_s, end=start_s + duration_s: lab.unit.charge(start, end))
        assert abs(charge(capture(log)) - true_c) <= log.uncertainty_a.sum() * log.period_s
        assert true_c > 0.02


@pytest.mark.parametrize("name", COMBINATIONS)
def test_a_peak_is_seen_and_the_limit_does_not_hide_it(name):
    with power_lab(name) as lab:
        supply = lab.supplied()
        lab.sleep()
        lab.truth(lambda: lab.unit.pulse("modem", 0.45, 0.003, at=1.5))
        log = supply.log(3.0, 0.001)
        peak = log.maximum_a.argmax()
        assert log.maximum_a[peak] == pytest.approx(0.45, rel=0.1 if name == "ppk2" else 0.02)
        assert log.start_bench_s + peak * log.period_s == pytest.approx(1.5, abs=0.005)
        assert log.limit_a == 1.0
        assert log.voltage_v == pytest.approx(3.6, abs=0.01)
        assert log.gap_free


@pytest.mark.parametrize("name", COMBINATIONS)
def test_the_supply_switches_ramps_and_is_made_safe(name):
    with power_lab(name) as lab:
        supply = lab.supplied(3.0)
        assert lab.connector.value == 3.0
        assert supply.voltage() == pytest.approx(3.0, abs=0.01)
        supply.ramp(4.0, 0.2)
        assert lab.connector.value == 4.0
        supply.check()
        for harm in (lambda: supply.set_voltage(5.0), lambda: supply.ramp(5.0, 1.0)):
            with pytest.raises(BenchError, match="a voltage from"):
                harm()
        assert lab.connector.value == 4.0
        with pytest.raises(BenchError, match=r"(at least|a limit of) 0\.5"):
            supply.set_current_limit(0.3)
        supply.make_safe()
        assert lab.connector.value == 0.0
        assert [dict(seen.data) for seen in lab.timeline.select("supply", "output")][-1] == {
            "on": False, "voltage_v": 4.0}
        supply.close()


@pytest.mark.parametrize("name", sorted(set(COMBINATIONS) - UNPROTECTED))
def test_a_protection_that_trips_is_told(name):
    with power_lab(name) as lab:
        supply = lab.supplied()
        lab.truth(lambda: lab.power.supply.execute(
            {"ngu": "SOUR:VOLT:PROT:LEV 3", "n6705": "VOLT:PROT:REM 3,(@1)", "e36312": "VOLT:PROT 3,(@1)"}.get(
                name, "VOLT:PROT 3")))
        assert lab.connector.value == 0.0
        with pytest.raises(BenchError, match="over-voltage"):
            supply.check()


@pytest.mark.parametrize("name", COMBINATIONS)
def test_without_a_current_the_zero_is_within_the_stated_uncertainty_and_an_offset_is_not(name):
    with power_lab(name) as lab:
        supply = lab.open()
        zero = supply.mean_current(5.0)
        assert abs(zero.mean_a) <= zero.uncertainty_a
        assert zero.gap_free
        for fault in FAULTS.find(["ammeter-offset"]):
            lab.truth(lambda fault=fault: fault.prepare(lab))
        assert supply.mean_current(5.0).mean_a - zero.mean_a == pytest.approx(3e-6, rel=0.02)


@pytest.mark.parametrize("name", COMBINATIONS)
@pytest.mark.parametrize("fault", ["supply-dead", "supply-other-instrument", "supply-late-answer",
                                   "ammeter-garbage-block", "ammeter-wrong-range", "ammeter-fifo-overrun"])
def test_a_fault_of_an_instrument_is_a_bench_error(name, fault):
    if (name, fault) in WITHOUT_THE_FAULT:
        pytest.skip("it keeps all readings, has no identity or no range that could be another, or any supply will do")
    with power_lab(name) as lab:
        lab.truth(lambda: FAULTS[fault].prepare(lab))
        with pytest.raises(BenchError, match=r"supply|ammeter"):
            measure(lab, timeout_s=0.1 if fault in ("supply-dead", "supply-late-answer") else 20.0)


@pytest.mark.parametrize("name", sorted(set(COMBINATIONS) - UNPROTECTED))
def test_calibration_and_self_test_can_be_asked_for(name):
    with power_lab(name) as lab:
        supply = lab.open()
        supply.self_test()
        if name in WITH_A_MULTIMETER:
            assert supply.calibrated_on() is None      # it doesn't tell
        else:
            assert supply.calibrated_on().year == 2025
            lab.truth(lambda: FAULTS["ammeter-calibration-overdue"].prepare(lab))
            assert supply.calibrated_on().year == 2023
        lab.truth(lambda: FAULTS["supply-self-test"].prepare(lab))
        with pytest.raises(BenchError, match=r"\*TST\?"):
            supply.self_test()


def test_each_fault_has_an_instrument_and_says_what_is_wrong():
    assert len(FAULTS) >= 9
    for fault in FAULTS.values():
        assert fault.text
        assert fault.instrument
    with pytest.raises(BenchError, match=r"fault nonsense: expected one of the .* there are, saw 'nonsense'"):
        FAULTS.find(["nonsense"])


def test_every_range_and_rate_of_a_log_is_whole():
    for name in SEAMLESS:
        with power_lab(name) as lab:
            supply = lab.supplied()
            lab.sleep()
            for period_s in (0.0005, 0.01, 0.1, 1.0):
                log = supply.log(4.0, period_s)
                assert len(log.mean_a) * log.period_s == pytest.approx(4.0, rel=0.02, abs=log.period_s)
                assert log.period_s == pytest.approx(period_s, rel=0.05)
                assert (log.minimum_a <= log.maximum_a).all()
                assert np.isin(log.full_scale_a, [10e-6, 50e-6, 100e-6, 500e-6, 1e-3, 19e-3]).all()


@pytest.mark.parametrize(("build", "driver"), [(N6705, KeysightN6700), (Ngu201, RohdeSchwarzNgu)])
def test_a_driver_works_over_hislip_as_over_a_socket(build, driver):
    with WarpClock() as clock:
        connector = Signal(0.0)
        unit = CurrentTrace(clock, connector)
        server = HislipServer(build(clock, connector, unit, random.Random(1)))
        clock.run(server.start())
        supply = driver(server.address, clock=clock, timeline=Timeline(clock.time), timeout_s=20.0)
        supply.set_voltage(3.6)
        supply.output_on()
        clock.call(lambda: unit.set("modem", 0.05))
        reading = supply.mean_current(2.0)
        assert abs(reading.mean_a - 0.05) <= reading.uncertainty_a
        supply.make_safe()
        assert connector.value == 0.0
        supply.close()
        clock.run(server.stop())
