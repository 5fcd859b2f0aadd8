"""Driver and twin of the Keysight supply over a real TCP socket, and what it measures against the truth."""

from __future__ import annotations

import math
import random
from datetime import date

import numpy as np
import pytest

from bench.analysis.current import charge, peak_current, sleep_current
from bench.clock import WarpClock
from bench.errors import BenchError
from bench.timeline import Timeline
from bench.twin.cmi6110.current import CurrentTrace, Waveform
from bench.twin.scpi import ScpiServer
from bench.twin.signal import Signal
from bench.twin.supply.n6705 import N6705
from drivers.supply.keysight_n6700 import KeysightN6700
from fixtures.power import capture_of


class Lab:
    """A twin supply on its port, and what is behind its terminals."""

    def __init__(self, clock, seed):
        self.clock = clock
        self.timeline = Timeline(clock.time)
        self.terminals = Signal(0.0)
        self.unit = CurrentTrace(clock, self.terminals)
        self.instrument = N6705(clock, self.terminals, self.unit, random.Random(seed))
        self.module = self.instrument.module(1)
        self.server = ScpiServer(self.instrument)
        clock.run(self.server.start())

    def open(self, **options):
        return KeysightN6700(self.server.address, clock=self.clock, timeline=self.timeline,
                             **{"timeout_s": 20.0, **options})

    def truth(self, function):
        return self.clock.call(function)


@pytest.fixture
def clock():
    with WarpClock() as clock:
        yield clock


@pytest.fixture
def make_lab(clock):
    labs = []

    def make(seed=1):
        labs.append(Lab(clock, seed))
        return labs[-1]

    yield make
    for lab in labs:
        clock.run(lab.server.stop())


@pytest.fixture
def lab(make_lab):
    return make_lab()


def sleeping(lab, floor_a=5.2e-6):
    wave = Waveform()
    lab.unit.set("floor", floor_a)
    lab.unit.repeat("tick", wave.tick_a, wave.tick_s, wave.tick_period_s)


def test_the_supply_switches_the_units_voltage(lab):
    supply = lab.open()
    assert supply.identity.startswith("Keysight Technologies,N6705C,")
    supply.set_voltage(3.6)
    assert lab.terminals.value == 0.0
    supply.output_on()
    assert lab.terminals.value == 3.6
    assert supply.voltage() == pytest.approx(3.6, abs=0.00025 * 3.6 + 1.2e-3 + 5e-4)
    supply.set_voltage(2.4)
    assert lab.terminals.value == 2.4
    supply.make_safe()
    assert lab.terminals.value == 0.0
    assert [dict(seen.data) for seen in lab.timeline.select("supply", "output")] == [
        {"on": False, "voltage_v": 3.6}, {"on": True, "voltage_v": 3.6}, {"on": True, "voltage_v": 2.4},
        {"on": False, "voltage_v": 2.4}]
    supply.close()


def test_opening_leaves_a_running_output_alone(lab):
    lab.instrument.execute("VOLT 3.0,(@1);:OUTP ON,(@1)")
    supply = lab.open()
    assert lab.terminals.value == 3.0
    supply.make_safe()
    assert lab.terminals.value == 0.0


def test_make_safe_works_after_the_connection_was_lost(lab, clock):
    supply = lab.open()
    supply.set_voltage(3.6)
    supply.output_on()
    clock.call(lab.server.drop_connections)
    clock.settle()
    supply.make_safe()
    assert lab.terminals.value == 0.0


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("floor_a", [0.5e-6, 6e-6, 20e-6])
def test_the_sleep_current_is_measured_within_the_stated_uncertainty(make_lab, clock, seed, floor_a):
    lab = make_lab(seed)
    supply = lab.open()
    supply.set_voltage(3.6)
    supply.output_on()
    lab.truth(lambda: sleeping(lab, floor_a))
    clock.sleep(5)
    reading = supply.mean_current(60.0)
    true_a = lab.truth(lambda: lab.unit.charge(5, 65)) / 60
    assert abs(reading.mean_a - true_a) <= reading.uncertainty_a
    assert reading.uncertainty_a < 0.11e-6
    assert reading.gap_free
    assert reading.duration_s == pytest.approx(60.0, abs=0.1)
    assert reading.samples == pytest.approx(1000, abs=2)


@pytest.mark.parametrize("voltage", [2.4, 3.0, 3.6, 4.2])
def test_the_current_follows_the_voltage_and_a_wake_is_told_apart(lab, clock, voltage):
    supply = lab.open()
    supply.set_voltage(voltage)
    supply.output_on()
    lab.truth(lambda: sleeping(lab))
    lab.truth(lambda: lab.unit.pulse("readout", 2e-3, 1.5, at=100.0))
    log = supply.log(600.0, 0.1)
    sleep = sleep_current(capture_of(log))
    true_sleep = 5.23e-6 * 3.6 / voltage
    assert abs(sleep.mean_a - true_sleep) < 0.12e-6
    assert abs(sleep.median_a - true_sleep) < 0.15e-6 + 0.03e-6
    assert [round(wake.start_s) for wake in sleep.wakes] == [100]
    assert sleep.wakes[0].duration_s == pytest.approx(1.5, abs=0.2)
    assert sleep.wakes[0].peak_a == pytest.approx(2.3052e-3 * 3.6 / voltage, rel=0.05)     # a tick falls into it
    start_s, end_s = log.start_bench_s, log.start_bench_s + len(log.mean_a) * log.period_s
    true_charge = lab.truth(lambda: lab.unit.charge(start_s, end_s))
    measured = charge(capture_of(log))
    assert abs(measured - true_charge) < float(log.uncertainty_a.sum()) * log.period_s
    assert clock.time() == pytest.approx(600.0, abs=0.2)


def test_the_peak_of_a_transmission_is_seen_at_the_finest_period(lab):
    supply = lab.open()
    supply.set_voltage(3.6)
    supply.output_on()
    lab.truth(lambda: sleeping(lab))
    lab.truth(lambda: lab.unit.pulse("modem", 0.25, 0.002, at=1.0005))
    log = supply.log(3.0, 0.0003072)
    assert len(log.mean_a) == pytest.approx(3.0 / 0.0003072, abs=2)
    assert peak_current(capture_of(log)) == pytest.approx(0.25, rel=0.01)
    assert log.start_bench_s + np.argmax(log.maximum_a > 0.1) * log.period_s == pytest.approx(1.0005, abs=0.0004)


def test_the_limit_never_hides_a_peak_that_the_manual_forbids(lab):
    supply = lab.open()
    supply.set_voltage(3.6)
    supply.output_on()
    lab.truth(lambda: lab.unit.set("short", 5.0))
    with pytest.raises(BenchError, match=r"expected a peak well below the limit of 1 A"):
        peak_current(capture_of(supply.log(1.0, 0.01)))
    with pytest.raises(BenchError, match=r"at least 0\.5 A"):
        supply.set_current_limit(0.4)
    with pytest.raises(BenchError, match=r"at least 0\.5 A"):
        lab.open(current_limit_a=0.3)


def test_measurements_are_on_the_timeline(lab):
    supply = lab.open()
    supply.set_voltage(3.6)
    supply.output_on()
    lab.truth(lambda: lab.unit.set("floor", 6e-6))
    supply.mean_current(10.0)
    seen, = lab.timeline.select("supply", "current")
    assert seen.time == 0.0
    assert seen.data["mean_a"] == pytest.approx(6e-6, abs=0.11e-6)
    assert seen.data["duration_s"] == pytest.approx(10.0, abs=0.02)
    assert set(seen.data) == {"mean_a", "min_a", "max_a", "duration_s", "samples"}


def test_equal_seeds_measure_equally_and_other_seeds_do_not(make_lab):
    readings = []
    for seed in (1, 1, 2):
        lab = make_lab(seed)
        supply = lab.open()
        supply.set_voltage(3.6)
        supply.output_on()
        lab.truth(lambda lab=lab: lab.unit.set("floor", 6e-6))
        readings.append(supply.mean_current(10.0))
        supply.close()
    assert readings[0] == readings[1]
    assert readings[0].mean_a != readings[2].mean_a


def test_an_overrun_of_the_instruments_buffer_is_a_bench_error(lab):
    supply = lab.open()
    lab.module.fifo_s = 1.0
    with pytest.raises(BenchError, match="a log without gaps"):
        supply.log(30.0, 0.01)


def test_a_fixed_range_in_place_of_seamless_ranging_is_a_bench_error(lab):
    supply = lab.open()
    lab.module.range_locked = True
    with pytest.raises(BenchError, match="seamless ranging"):
        supply.log(1.0, 0.01)


def test_a_tripped_protection_is_a_bench_error_and_switching_on_clears_it(lab):
    supply = lab.open()
    supply.set_voltage(3.6)
    supply.output_on()
    supply.check()
    lab.instrument.execute("VOLT:PROT:REM 3.0,(@1)")
    with pytest.raises(BenchError, match="over-voltage"):
        supply.check()
    lab.instrument.execute("VOLT:PROT:REM 4.5,(@1)")
    supply.output_on()
    assert lab.terminals.value == 3.6


def test_a_ramp_brings_the_voltage_evenly_to_its_end(lab, clock):
    supply = lab.open()
    supply.set_voltage(3.6)
    supply.output_on()
    seen = []
    lab.terminals.follow(lambda volts: seen.append((round(clock.time(), 6), volts)))
    supply.ramp(2.4, 1.2)
    assert lab.terminals.value == 2.4
    assert clock.time() == pytest.approx(1.2)
    assert len(seen) == 60
    assert seen[29] == (pytest.approx(0.6), pytest.approx(3.0))


def test_the_supply_tells_its_calibration_and_tests_itself(lab):
    supply = lab.open()
    assert supply.calibrated_on() == date(2025, 9, 1)
    supply.self_test()
    lab.instrument.self_test_result = 3
    with pytest.raises(BenchError, match=r"\*TST\?"):
        supply.self_test()


def test_an_offset_of_the_instrument_shows_in_the_reading(lab):
    supply = lab.open()
    before = supply.mean_current(10.0).mean_a
    lab.module.input.offset_a = 3e-6
    assert supply.mean_current(10.0).mean_a - before == pytest.approx(3e-6, rel=0.01)


def test_an_overload_of_a_fixed_range_is_a_bench_error(lab, clock):
    supply = lab.open()
    supply.set_voltage(3.6)
    supply.output_on()
    lab.truth(lambda: lab.unit.set("modem", 0.05))
    lab.instrument.execute("SENS:CURR:RANG:AUTO OFF,(@1);:SENS:CURR:RANG 1e-3,(@1)")
    clock.sleep(1)
    with pytest.raises(BenchError, match="a number"):
        supply._visa.query_float("MEAS:CURR? (@1)")


def test_the_average_measurement_covers_the_aperture_before_now(lab, clock):
    supply = lab.open()
    supply.set_voltage(3.6)
    supply.output_on()
    lab.truth(lambda: lab.unit.set("modem", 0.05))
    clock.sleep(1)
    assert supply._visa.query_float("MEAS:CURR? (@1)") == pytest.approx(0.05, rel=0.001)
    supply._visa.configure("SENS:SWE:TINT 20.48us,(@1)", "SENS:SWE:POIN 4096,(@1)")
    lab.truth(lambda: lab.unit.set("modem", 0.0))
    clock.sleep(4096 * 20.48e-6 / 2)
    assert supply._visa.query_float("MEAS:CURR? (@1)") == pytest.approx(0.025, rel=0.01)


@pytest.mark.parametrize(("identity", "channel", "sees"), [
    ("Rohde&Schwarz,NGU201,1,1", 1, "NGU201"), ("Keysight Technologies,N6705C,1,1", 2, "-222")])
def test_a_wrong_instrument_or_channel_is_refused(lab, identity, channel, sees):
    lab.instrument.identity = identity
    if channel == 2:        # an instrument that doesn't answer a channel that it lacks
        with pytest.raises(BenchError, match="SYST:CHAN:MOD"):
            lab.open(channel=2, timeout_s=0.1)
    else:
        with pytest.raises(BenchError, match=sees):
            lab.open()


@pytest.mark.parametrize("voltage", [-1.0, 4.5, 20.0, math.nan])
def test_a_voltage_that_could_harm_the_unit_is_refused(lab, voltage):
    supply = lab.open()
    with pytest.raises(BenchError, match="a voltage from 0 V"):
        supply.set_voltage(voltage)


@pytest.mark.parametrize(("duration", "period"), [(1.0, 1e-4), (1.0, 2.0), (0.0, 0.1), (100.0, 61.0), (1.0, math.nan)])
def test_an_impossible_log_is_refused(lab, duration, period):
    supply = lab.open()
    with pytest.raises(BenchError, match="a period from"):
        supply.log(duration, period)


def test_the_overvoltage_protection_trips(lab):
    lab.instrument.execute("VOLT:PROT:REM 4.5,(@1);:VOLT 3.6,(@1);:OUTP ON,(@1)")
    lab.instrument.execute("VOLT 6,(@1)")
    assert lab.terminals.value == 0.0
    assert lab.instrument.execute("STAT:QUES:COND? (@1)") == b"1"
    lab.instrument.execute("VOLT 3.6,(@1);:OUTP:PROT:CLE (@1)")
    assert lab.terminals.value == 3.6


def test_the_log_in_both_formats_and_byte_orders_tells_the_same(lab, clock):
    lab.instrument.execute("VOLT 3.6,(@1);:OUTP ON,(@1)")
    lab.truth(lambda: lab.unit.set("modem", 0.05))
    execute = lab.instrument.execute
    execute("SENS:ELOG:PER 0.1,(@1);:SENS:ELOG:FUNC:VOLT ON,(@1);:SENS:ELOG:CURR:RANG:AUTO ON,(@1)")
    execute("TRIG:ELOG:SOUR IMM,(@1);:INIT:ELOG (@1)")
    clock.sleep(1.05)
    ascii_reply = execute("FETC:ELOG? 5,(@1)")
    execute("FORM REAL;FORM:BORD SWAP")
    binary_reply = execute("FETC:ELOG? 100,(@1)")
    as_ascii = np.array(ascii_reply.split(b","), float).reshape(-1, 2)
    assert binary_reply.startswith(b"#240")
    as_binary = np.frombuffer(binary_reply[4:], "<f4").reshape(-1, 2)
    assert (len(as_ascii), len(as_binary)) == (5, 5)
    for records in (as_ascii, as_binary):
        assert records[:, 0] == pytest.approx([0.05] * 5, rel=1e-3)      # current comes first
        assert records[:, 1] == pytest.approx([3.6] * 5, rel=1e-3)


@pytest.mark.parametrize(("commands", "code"), [
    (["FETC:ELOG? 10,(@1)"], -230), (["TRIG:ELOG (@1)"], -211), (["*TRG"], -211),
    (["INIT:ELOG (@1)", "INIT:ELOG (@1)"], -213), (["SENS:ELOG:PER 1e-4,(@1)"], -222),
    (["SENS:ELOG:FUNC:CURR:MINM ON,(@1)", "SENS:ELOG:PER 102.4us,(@1)", "FORM REAL", "INIT:ELOG (@1)"], -221),
    (["SENS:ELOG:PER 204.8us,(@1)", "INIT:ELOG (@1)"], -221)])      # ASCII needs five times as long
def test_the_instrument_refuses_what_the_real_one_refuses(lab, commands, code):
    for text in commands:
        lab.instrument.execute(text)
    assert lab.instrument.execute("SYST:ERR?").startswith(str(code).encode())
