"""The DMM6500 as its reference manual has it: blocks of indefinite length, command sets, buffers, overloads."""

from __future__ import annotations

import numpy as np
import pytest
from power_lab import power_lab

from bench.errors import BenchError


@pytest.fixture
def lab():
    with power_lab("dmm6500") as lab:
        yield lab


def test_readings_come_in_a_block_without_length_that_535c861_refused(lab):
    meter = lab.power.ammeter
    lab.open().ammeter.log(1.0, 0.02)
    block = lab.truth(lambda: meter.execute('FORM REAL;:TRAC:DATA? 1,10,"bench",READ'))
    assert block[:2] == b"#0"                                # it expected b"#" and a digit from 1 on
    assert len(block) == 2 + 10 * 8                          # and a line feed on the wire


@pytest.mark.parametrize("count", [1, 7, 500])
def test_readings_whose_octets_are_line_feeds_arrive_whole(lab, count):
    supply = lab.supplied()
    value = np.frombuffer(b"\n" * 8, "<f8")[0]               # 4e-260 A, all octets 0x0A
    meter = lab.power.ammeter
    meter._readings = lambda first, wanted: np.full(wanted, value)
    log = supply.ammeter.log(count * 0.02, 0.02)
    assert len(log.mean_a) == count
    assert set(log.mean_a) == {value}


@pytest.mark.parametrize("language", ["TSP", "SCPI2000", "SCPI34401"])
def test_another_command_set_is_named_with_what_to_do(lab, language):
    lab.power.ammeter.language = language
    with pytest.raises(BenchError, match=rf"the command set SCPI in answer to \*LANG\?, saw {language}; choose SCPI"):
        lab.open()
    lab.power.ammeter.language = "SCPI"
    lab.open()


def test_the_calibration_query_of_535c861_is_refused_and_asking_for_the_day_leaves_no_error(lab):
    supply = lab.open()
    meter = lab.power.ammeter
    assert lab.truth(lambda: meter.execute("CAL:PROT:ADJ:DATE?")) is None
    assert lab.truth(lambda: meter.execute("SYST:ERR?")).startswith(b"-113")
    assert supply.ammeter.calibrated_on() is None
    supply.ammeter.check()
    supply.ammeter.log(0.5, 0.02)


def test_a_buffer_that_the_trigger_model_uses_can_not_be_deleted_and_one_log_follows_another(lab):
    supply = lab.open()
    for _ in range(3):
        supply.ammeter.log(0.5, 0.02)
    meter = lab.power.ammeter
    lab.truth(lambda: meter.execute('TRAC:DEL "bench"'))
    assert lab.truth(lambda: meter.execute("SYST:ERR?")).startswith(b"-221")
    lab.truth(lambda: meter.execute('TRIG:LOAD "EMPTY";:TRAC:DEL "bench"'))
    assert lab.truth(lambda: meter.execute("SYST:ERR?")) == b'0,"No error"'


def test_a_log_that_was_cut_short_is_no_hindrance_to_the_next(lab):
    supply = lab.supplied()
    lab.power.ammeter.dead = True
    with pytest.raises(BenchError):
        lab.open(timeout_s=0.1)
    lab.power.ammeter.dead = False
    meter = lab.power.ammeter
    lab.truth(lambda: [meter.execute(text) for text in (
        'TRIG:LOAD "EMPTY"', 'TRAC:MAKE "bench",100', 'TRIG:BLOC:MDIG 2,"bench",100', "INIT")])
    assert supply.ammeter.log(0.5, 0.02).gap_free


@pytest.mark.parametrize("overload", [9.9e37, -9.9e37, 9.91e37, float("inf"), float("-inf")])
def test_an_overload_of_either_sign_leaves_the_fine_range_and_makes_the_log_one_with_gaps(lab, overload):
    supply = lab.supplied()
    lab.sleep()
    lab.power.ammeter.overload = overload
    lab.truth(lambda: lab.unit.pulse("readout", 2e-3, 1.5, at=lab.clock.time() + 5))
    log = supply.log(10.0, 0.02)
    assert not log.gap_free
    assert len(log.mean_a) == 500
    assert 1e-3 < log.maximum_a.max() < 1.0
    assert log.mean_a.min() > 0


@pytest.mark.parametrize("overload", [9.9e37, -9.9e37, float("nan"), float("inf"), 100.0])
@pytest.mark.parametrize("period_s", [0.02, 0.001])
def test_a_reading_beyond_the_highest_range_or_none_is_a_bench_error(lab, overload, period_s):
    supply = lab.supplied()
    lab.power.ammeter.overload = overload
    lab.truth(lambda: lab.unit.set("short", 50.0))
    with pytest.raises(BenchError, match=r"an overload|NaN"):
        supply.ammeter.log(2.0, period_s)
    lab.truth(lambda: lab.unit.set("short", 0.01))
    supply.ammeter.log(1.0, period_s)
