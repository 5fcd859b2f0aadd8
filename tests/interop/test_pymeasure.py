"""pymeasure's driver of the DMM6500 drives the twin."""

from __future__ import annotations

import random

import pytest
from pymeasure.instruments.keithley import KeithleyDMM6500

from bench.clock import WarpClock
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.scpi import ScpiServer
from bench.twin.signal import Signal
from bench.twin.supply.dmm6500 import Dmm6500


@pytest.fixture
def lab():
    """The clock, the twin, the unit's current, and pymeasure's meter."""
    with WarpClock() as clock:
        source, terminals = Signal(0.0), Signal(0.0)
        unit = CurrentTrace(clock, terminals)
        twin = clock.call(lambda: Dmm6500(clock, source, terminals, unit, random.Random(1)))
        clock.call(lambda: source.set(3.6))
        server = ScpiServer(twin)
        clock.run(server.start())
        meter = KeithleyDMM6500(server.address, visa_library="@py", write_termination="\n", timeout=20_000)
        yield clock, twin, unit, meter
        meter.close()
        clock.run(server.stop())


def test_pymeasure_reads_and_sets_the_dmm6500(lab):
    clock, _, unit, meter = lab
    clock.call(lambda: unit.set("modem", 0.05))
    assert "DMM6500" in meter.id
    assert meter.command_set == "SCPI"
    assert meter.line_frequency == 50
    assert meter.mode == "current"
    meter.current_range = 0.1
    assert meter.current_range == pytest.approx(0.1)
    meter.current_nplc = 2
    assert meter.current_nplc == 2
    clock.sleep(1.0)
    assert meter.current == pytest.approx(unit.at(clock.time()), rel=1e-3)
    assert meter.check_errors() == []


def test_pymeasure_hears_that_another_command_set_is_in_force(lab):
    _, twin, _, meter = lab
    twin.language = "TSP"
    assert meter.command_set == "TSP"
