"""The Power Profiler Kit II on its port: samples that were left over, a kit that is gone, samples that are lost."""

from __future__ import annotations

import pytest
from power_lab import power_lab

from bench.errors import BenchError


@pytest.fixture
def lab():
    with power_lab("ppk2") as lab:
        yield lab


def kit(lab):
    return lab.open(timeout_s=1.0)


def test_one_log_after_the_other_has_no_samples_of_the_one_before(lab):
    supply = kit(lab)
    supply.set_voltage(3.6)
    supply.output_on()
    for load_a in (6e-6, 2e-3, 0.2, 6e-6):
        lab.truth(lambda load_a=load_a: lab.unit.set("floor", load_a))
        lab.clock.sleep(0.1)
        log = supply.log(0.3, 0.001)
        assert log.gap_free
        assert (abs(log.mean_a - load_a) <= log.uncertainty_a).all()
        assert log.minimum_a.min() > 0.8 * load_a - 1e-6


def test_what_a_killed_program_left_streaming_is_stopped(lab):
    lab.truth(lab.power.supply.was_streaming)
    lab.truth(lambda: lab.power.supply.wire.write(bytes.fromhex("bbaa9988") * 10))     # and what it had not read
    supply = kit(lab)
    assert supply.identity == "Nordic Semiconductor,PPK2,9173"
    supply.set_voltage(3.6)
    supply.output_on()
    assert lab.connector.value == 3.6


def test_a_kit_without_a_voltage_measures_nothing_and_says_so(lab):
    log = kit(lab).log(0.2, 0.01)
    assert (abs(log.mean_a) <= log.uncertainty_a).all()
    assert log.voltage_v == 0.0


@pytest.mark.parametrize("act", ["output_off", "make_safe", "output_on", "check"])
def test_nothing_succeeds_on_a_port_that_is_gone(lab, act):
    supply = kit(lab)
    supply.set_voltage(3.6)
    supply.output_on()
    lab.truth(lab.power.supply.wire.close)
    with pytest.raises(BenchError, match="supply at /dev/pts"):
        getattr(supply, act)()
    with pytest.raises(BenchError, match="supply at /dev/pts"):
        supply.log(0.2, 0.01)
    supply.close()


def test_a_kit_that_hangs_does_not_count_as_off_and_is_off_when_it_is_back(lab):
    supply = kit(lab)
    supply.set_voltage(3.6)
    supply.output_on()
    lab.truth(lambda: setattr(lab.power.supply, "dead", True))
    with pytest.raises(BenchError, match="the calibration data of a PPK2, saw none"):
        supply.make_safe()
    assert lab.connector.value == 3.6
    lab.truth(lambda: setattr(lab.power.supply, "dead", False))
    supply.make_safe()
    assert lab.connector.value == 0.0


@pytest.mark.parametrize("fault", [{"lose": True}, {"garbage_blocks": 1}])
def test_samples_that_are_lost_or_foreign_are_a_bench_error_and_the_next_log_is_whole(lab, fault):
    supply = kit(lab)
    supply.set_voltage(3.6)
    supply.output_on()
    for name, value in fault.items():
        lab.truth(lambda name=name, value=value: setattr(lab.power.supply, name, value))
    with pytest.raises(BenchError, match="samples that follow one another"):
        supply.log(0.3, 0.01)
    lab.truth(lambda: setattr(lab.power.supply, "lose", False))
    assert supply.log(0.3, 0.01).gap_free


def test_a_stream_that_ends_is_a_bench_error_and_the_supply_goes_off(lab):
    supply = kit(lab)
    supply.set_voltage(3.6)
    supply.output_on()
    lab.truth(lambda: lab.clock.loop.call_later(2.0, lab.power.supply._stop))
    with pytest.raises(BenchError, match="a stream of samples"):
        supply.log(20.0, 0.01)
    supply.make_safe()
    assert lab.connector.value == 0.0


def test_a_short_circuit_is_an_overload_and_no_current(lab):
    supply = kit(lab)
    supply.set_voltage(3.6)
    supply.output_on()
    lab.truth(lambda: [constants.update(R=1.5) for constants in lab.power.supply.calibration[4:]])
    lab.truth(lambda: lab.unit.set("floor", 1.9))
    with pytest.raises(BenchError, match="currents below 1 A, saw an overload"):
        supply.log(0.2, 0.01)
