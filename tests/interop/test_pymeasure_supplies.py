"""pymeasure's drivers of supplies of the desk drive their twins, as far as they know them."""

from __future__ import annotations

import random
from contextlib import contextmanager

import pytest
from pymeasure.instruments.aimtti import PL303P
from pymeasure.instruments.keysight import KeysightE36312A
from pymeasure.instruments.rohdeschwarz.hmp import HMP4040
from pymeasure.instruments.siglenttechnologies import SPD1305X

from bench.clock import WarpClock
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.scpi import ScpiServer
from bench.twin.signal import Signal
from bench.twin.supply.keysight_e36312 import KeysightE36312
from bench.twin.supply.rohde_schwarz_hmp import RohdeSchwarzHmp
from bench.twin.supply.siglent_spd3303x import SiglentSpd3303x
from bench.twin.supply.tti_mx180 import TtiMx180


@contextmanager
def lab(kind, driver):
    with WarpClock() as clock:
        terminals = Signal(0.0)
        unit = CurrentTrace(clock, terminals)
        twin = clock.call(lambda: kind(clock, terminals, unit, random.Random(1)))
        server = ScpiServer(twin)
        clock.run(server.start())
        instrument = driver(server.address, visa_library="@py", write_termination="\n", read_termination="\n",
                            timeout=20_000)
        yield twin, terminals, instrument
        instrument.adapter.close()
        clock.run(server.stop())


def test_the_e36312():
    with lab(KeysightE36312, KeysightE36312A) as (_, terminals, supply):
        supply.ch_1.voltage_setpoint = 3.6
        supply.ch_1.current_limit = 1.0
        supply.ch_1.output_enabled = True
        assert supply.ch_1.voltage == pytest.approx(3.6, abs=0.01)
        assert terminals.value == 3.6
        assert (supply.ch_1.voltage_setpoint, supply.ch_1.output_enabled) == (3.6, True)
        assert supply.ch_2.voltage_setpoint == 0.0
        supply.ch_1.output_enabled = False
        assert supply.check_errors() == []
        assert terminals.value == 0.0


def test_the_hmp4040():
    with lab(RohdeSchwarzHmp, HMP4040) as (twin, terminals, supply):
        supply.selected_channel = 2
        supply.voltage = 5.0
        supply.selected_channel = 1
        supply.voltage, supply.current = 3.6, 1.0
        assert (supply.voltage, supply.current) == (3.6, 1.0)
        assert (twin.outputs[1].voltage_v, twin.outputs[2].voltage_v) == (3.6, 5.0)
        supply.write("OUTP ON")
        assert supply.measured_voltage == pytest.approx(3.6, abs=0.01)
        assert terminals.value == 3.6


def test_the_siglent():
    with lab(SiglentSpd3303x, SPD1305X) as (_, terminals, supply):
        supply.ch_1.voltage_setpoint = 3.6
        supply.ch_1.current_limit = 1.0
        supply.ch_1.enable_output(True)
        assert supply.ch_1.voltage == pytest.approx(3.6, abs=0.01)
        assert terminals.value == 3.6
        assert (supply.ch_1.voltage_setpoint, supply.ch_1.current_limit) == (3.6, 1.0)
        assert int(supply.system_status_code) & 16
        supply.ch_1.enable_output(False)
        assert not int(supply.system_status_code) & 16
        assert terminals.value == 0.0


def test_the_tti():
    with lab(TtiMx180, PL303P) as (_, terminals, supply):
        supply.write("V1 3.6")
        supply.ch_1.output_enabled = True
        assert supply.ch_1.voltage == pytest.approx(3.6, abs=0.01)
        assert terminals.value == 3.6
        assert supply.ch_1.output_enabled is True
        supply.ch_1.output_enabled = False
        assert supply.ch_1.output_enabled is False
        assert terminals.value == 0.0
