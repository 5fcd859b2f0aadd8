"""What is particular to the NGU (autorange), to the DMM6500 in series (burden, no seamless ranging), and to a station
whose supply has no ammeter."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from power_lab import power_lab

from bench.clock import WarpClock
from bench.errors import BenchError
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.signal import Signal
from bench.twin.supply.supplies import SUPPLIES
from drivers.supply.in_series import InSeries, NoAmmeter


def test_the_ngu_measures_a_sleeping_unit_in_its_finest_ranges_and_by_default_would_not():
    with power_lab("ngu") as lab:
        supply = lab.supplied()
        lab.truth(lambda: lab.unit.set("floor", 6e-6))
        lab.clock.sleep(1.0)
        assert set(supply.log(2.0, 0.02).full_scale_a) == {10e-6}
        errors = []
        for text in ("SENS:CURR:RANG:AUTO:DOWN:MIN 1E-5", "SENS:CURR:RANG:AUTO:DOWN:MIN 1E-3"):
            lab.truth(lambda text=text: lab.power.supply.execute(text))
            lab.clock.sleep(1.0)
            answer = lab.truth(lambda: lab.power.supply.execute("SENS:NPLC 10;:MEAS:CURR?"))
            errors.append(abs(float(answer) - 6e-6))
        assert errors[0] < 15e-9 < errors[1]


def test_a_default_overrange_throws_the_ngu_into_its_highest_range_and_a_stepwise_one_does_not():
    with power_lab("ngu") as lab:
        lab.supplied()
        lab.truth(lambda: lab.unit.set("floor", 6e-6))
        lab.truth(lambda: lab.unit.repeat("tick", 0.3e-3, 1e-4, 1.0))
        noise = {}
        for approach in ("STEP", "TOP"):
            lab.truth(lambda approach=approach: lab.power.supply.execute(
                f"SENS:CURR:RANG:AUTO:UP:APPR {approach};:FLOG:TARG SCPI;:FLOG:SRAT S3K906;:FLOG:STAT ON"))
            samples = []
            for _ in range(8):
                lab.clock.sleep(0.25)
                block = lab.truth(lambda: lab.power.supply.execute("FLOG:DATA?"))
                samples.append(np.frombuffer(block[2 + int(block[1:2]):], "<f4").reshape(-1, 2)[:, 1])
            lab.truth(lambda: lab.power.supply.execute("FLOG:STAT OFF"))
            noise[approach] = np.abs(np.concatenate(samples)).max()
        assert noise["STEP"] < 0.3e-3 < noise["TOP"]      # the highest range's noise, in a sleeping unit


def test_the_ngu_refuses_a_stranger_and_impossible_logs():
    with power_lab("ngu") as lab:
        supply = lab.open()
        for duration, period in ((1.0, 1e-6), (1.0, 2.0), (100.0, 61.0), (0.0, 0.1)):
            with pytest.raises(BenchError, match="a period from"):
                supply.log(duration, period)
    with power_lab("ngu") as lab:
        lab.power.supply.identity = "Keysight Technologies,N6705C,1,1"
        with pytest.raises(BenchError, match="NGU or NGM"):
            lab.open()


def test_a_low_range_of_the_multimeter_starves_a_unit_that_wakes():
    with power_lab("dmm6500") as lab:
        supply = lab.supplied()
        lab.sleep()
        volts = []
        lab.truth(lambda: lab.connector.follow(lambda value: volts.append((round(lab.clock.time(), 2), value))))
        lab.truth(lambda: lab.power.ammeter.execute("CURR:RANG:AUTO OFF;:CURR:RANG 1e-3"))
        lab.truth(lambda: lab.unit.pulse("readout", 2e-3, 1.5))        # 0.2 V: it lives
        lab.clock.sleep(2.0)
        assert volts == []
        lab.truth(lambda: lab.unit.pulse("modem", 46e-3, 0.02))        # 4.6 V, but the capacitor bridges it
        lab.clock.sleep(1.0)
        assert volts == []
        lab.truth(lambda: lab.unit.pulse("modem", 46e-3, 0.5))
        lab.clock.sleep(1.0)
        assert volts == [(3.05, 0.0), (3.25, 3.6)]                     # and then it draws nothing, and starts anew
        supply.close()


def test_in_its_highest_range_the_multimeter_starves_nobody_and_the_driver_rests_there():
    with power_lab("dmm6500") as lab:
        supply = lab.supplied()
        lab.sleep()
        supply.log(5.0, 0.02)
        assert lab.truth(lambda: lab.power.ammeter.execute("CURR:RANG?")) == b"3.0000000E+00"
        lab.truth(lambda: lab.unit.pulse("modem", 0.3, 1.0))
        lab.clock.sleep(2.0)
        assert lab.connector.value == 3.6


def test_a_log_of_the_multimeter_is_gap_free_only_when_the_unit_does_not_wake():
    with power_lab("dmm6500") as lab:
        supply = lab.supplied()
        lab.sleep()
        assert supply.log(10.0, 0.02).gap_free
        lab.truth(lambda: lab.unit.pulse("readout", 2e-3, 1.5, at=lab.clock.time() + 5))
        log = supply.log(10.0, 0.02)
        assert not log.gap_free
        assert len(log.mean_a) == 500
        assert log.maximum_a.max() > 1e-3
        lab.truth(lambda: lab.unit.set("modem", 46e-3))
        awake = supply.log(5.0, 0.1)
        assert awake.gap_free
        assert set(awake.full_scale_a) == {3.0}
        assert abs(awake.mean_a.mean() - 46.006e-3) <= awake.uncertainty_a.mean()
        assert awake.mean_a - awake.minimum_a == pytest.approx(awake.uncertainty_a)


def test_the_multimeter_refuses_a_stranger_and_impossible_logs():
    with power_lab("dmm6500") as lab:
        supply = lab.open()
        for duration, period in ((1.0, 1e-6), (1.0, 2.0), (100.0, 0.5), (0.01, 0.02), (7000.0, 0.001)):
            with pytest.raises(BenchError, match=r"a period from|a log of at most"):
                supply.log(duration, period)
    with power_lab("dmm6500") as lab:
        lab.power.ammeter.identity = "KEITHLEY INSTRUMENTS,MODEL 2450,1,1"
        with pytest.raises(BenchError, match="a Keithley DMM6500"):
            lab.open()


@pytest.mark.parametrize(("commands", "code"), [
    (["INIT"], -221), (['TRAC:DATA? 1,2,"b"'], -224), (['TRAC:MAKE "b",100', 'TRAC:DATA? 1,2,"b"'], -222),
    (['TRAC:MAKE "b",100', 'TRAC:MAKE "b",100'], -221), (['TRAC:DEL "b"'], -224), (['TRAC:MAKE "b",x'], -104),
    (['TRAC:MAKE "b",100', 'TRIG:BLOC:MDIG 2,"b",50', "INIT", "INIT"], -213)])
def test_the_multimeter_refuses_what_the_real_one_refuses(commands, code):
    with power_lab("dmm6500") as lab:
        def send():
            for text in commands:
                lab.power.ammeter.execute(text)
            return lab.power.ammeter.execute("SYST:ERR?")
        assert lab.truth(send).startswith(str(code).encode())


def test_the_multimeter_answers_in_both_formats():
    with power_lab("dmm6500") as lab:
        supply = lab.supplied()
        lab.truth(lambda: lab.unit.set("modem", 0.05))
        execute = lab.power.ammeter.execute
        lab.truth(lambda: [execute(text) for text in (
            "FORM ASC", 'DIG:FUNC "CURR"', "DIG:CURR:SRAT 1000", 'TRAC:MAKE "b",100', 'TRIG:BLOC:MDIG 2,"b",50',
            "INIT")])
        lab.clock.sleep(1.0)
        unsettled = lab.truth(lambda: execute('TRAC:DATA? 1,30,"b"')).decode().split(",")
        assert [float(word) > 0.07 for word in unsettled] == [True] * 25 + [False] * 5      # 25 ms after a new range
        lab.truth(lambda: execute("INIT"))
        lab.clock.sleep(1.0)
        words = lab.truth(lambda: execute('TRAC:DATA? 1,3,"b",READ,REL')).decode().split(",")
        assert [float(word) for word in words[1::2]] == [0.0, 1e-3, 2e-3]
        assert [float(word) for word in words[::2]] == pytest.approx([0.05] * 3, abs=3e-3)
        block = lab.truth(lambda: execute('FORM REAL;:FORM:BORD NORM;:TRAC:DATA? 50,50,"b",REL'))
        assert block[:2] == b"#0"
        assert np.frombuffer(block[2:], ">f8").tolist() == [0.049]
        supply.close()


def test_a_supply_without_an_ammeter_says_what_is_missing():
    with power_lab("dmm6500") as lab:
        alone = InSeries(lab.open().supply, NoAmmeter())
        alone.set_voltage(3.6)
        alone.output_on()
        assert lab.connector.value == 3.6
        for ask in (lambda: alone.log(1.0, 0.1), lambda: alone.mean_current(1.0)):
            with pytest.raises(BenchError, match=r"add a table \[ammeter\]"):
                ask()
        alone.make_safe()
        alone.close()


HEADERS = ["VOLT", "SOUR:CURR", "OUTP", "OUTP:GEN", "SENS:CURR:RANG", "SENS:CURR:RANG:AUTO:DOWN:MIN", "FLOG",
           "FLOG:DATA", "FLOG:SRAT", "MEAS:CURR", "CAL:DATE", "FUNC", "DIG:FUNC", "CURR:NPLC", "DIG:CURR:SRAT",
           "TRAC:MAKE", "TRAC:DATA", "TRAC:ACT", "TRAC:DEL", "TRIG:LOAD", "TRIG:BLOC:MDIG", "INIT", "ABOR", "READ",
           "FORM", "*RST"]
ARGUMENTS = ["", "1", "-1", "1e300", "MAX", "ON", "500K", '"CURR"', '"b",100', '1,5,"b"', '2,"b",20', '"EMPTY"', "REAL",
             '1,5,"b",READ,REL', "#15", "'"]


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(["ngu", "dmm6500"]),
       st.lists(st.tuples(st.sampled_from(HEADERS), st.sampled_from(["", "?"]), st.sampled_from(ARGUMENTS),
                          st.floats(0, 0.2)), min_size=1, max_size=12))
def test_any_sequence_of_commands_answers_or_queues_an_error(name, messages):
    with WarpClock() as clock:
        connector = Signal(0.0)
        power = clock.call(lambda: SUPPLIES[name](clock, connector, CurrentTrace(clock, connector), Random(1)))

        def send(instrument, text):
            before = int(instrument.execute("SYST:ERR:COUN?"))
            reply = instrument.execute(text)
            return reply, int(instrument.execute("SYST:ERR:COUN?")) > before

        for header, mark, argument, wait in messages:
            for instrument in power.instruments:
                reply, refused = clock.call(lambda i=instrument, t=f"{header}{mark} {argument}": send(i, t))
                assert (reply is None) == (refused or not mark)
            clock.sleep(wait)
