"""qcodes' driver of the N6705B drives the twin: what it sends, and what an N678x refuses of it."""

from __future__ import annotations

import random

import pytest
import pyvisa

from bench.clock import WarpClock
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.scpi import ScpiServer
from bench.twin.signal import Signal
from bench.twin.supply.n6705 import N6705

qcodes = pytest.importorskip("qcodes.instrument_drivers.Keysight", reason="the extra oracles is not there")


@pytest.fixture
def lab():
    """The clock, the twin, its terminals, the unit's current, and qcodes' supply."""
    with WarpClock() as clock:
        terminals = Signal(0.0)
        unit = CurrentTrace(clock, terminals)
        twin = clock.call(lambda: N6705(clock, terminals, unit, random.Random(1)))
        server = ScpiServer(twin)
        clock.run(server.start())
        supply = qcodes.KeysightN6705B("twin", server.address, visalib="@py", timeout=1)
        yield clock, twin, terminals, unit, supply
        supply.close()
        clock.run(server.stop())


def test_qcodes_supplies_and_measures(lab):
    clock, twin, terminals, unit, supply = lab
    channel = supply.ch1
    assert supply.get_idn()["model"] == "N6705C"
    channel.source_voltage(3.6)
    channel.enable("on")
    assert channel.enable() == "on"
    assert terminals.value == 3.6
    assert channel.source_voltage() == pytest.approx(3.6)
    clock.call(lambda: unit.set("modem", 0.05))
    clock.sleep(1.0)
    assert channel.voltage() == pytest.approx(3.6, abs=5e-3)
    assert channel.current() == pytest.approx(0.05, abs=500e-6)       # of the 3 A range
    channel.enable("off")
    assert channel.enable() == "off"
    assert terminals.value == 0.0
    assert twin.execute("SYST:ERR?") == b'+0,"No error"'


def test_an_n678x_refuses_the_protection_of_qcodes(lab):
    _, twin, _, _, supply = lab
    with pytest.raises(pyvisa.VisaIOError):
        supply.ch1.voltage_limit()
    assert twin.execute("SYST:ERR?").startswith(b"-113")
    supply.ch1.voltage_limit(4.5)         # "@(1)" in place of "(@1)"
    supply.ch1.enable()                   # a command has no answer to wait for
    assert twin.execute("SYST:ERR?") != b'+0,"No error"'
