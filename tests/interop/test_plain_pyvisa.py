"""A plain pyvisa script, as an engineer would write it, drives the twin supply."""

from __future__ import annotations

import random

import pytest
import pyvisa

from bench.clock import WarpClock
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.scpi import ScpiServer
from bench.twin.signal import Signal
from bench.twin.supply.n6705 import N6705
from bench.twin.wires.hislip import HislipServer


@pytest.mark.parametrize("make_server", [ScpiServer, HislipServer])
def test_a_plain_pyvisa_script_supplies_and_logs(make_server):
    with WarpClock() as clock:
        terminals = Signal(0.0)
        unit = CurrentTrace(clock, terminals)
        server = make_server(N6705(clock, terminals, unit, random.Random(1)))
        clock.run(server.start())
        clock.call(lambda: unit.set("modem", 0.05))

        supply = pyvisa.ResourceManager("@py").open_resource(server.address, read_termination="\n",
                                                             write_termination="\n", timeout=20_000)
        assert "N6705" in supply.query("*IDN?")
        supply.write("SOURce:VOLTage:LEVel:IMMediate:AMPLitude 3600mV,(@1)")
        supply.write("OUTPut:STATe ON,(@1)")
        assert supply.query("*OPC?") == "1"
        assert terminals.value == 3.6
        assert supply.query_ascii_values("MEASure:VOLTage? (@1)")[0] == pytest.approx(3.6, abs=3e-3)

        for text in ("FORMat REAL", "SENSe:ELOG:CURRent:RANGe:AUTO ON,(@1)", "SENSe:ELOG:PERiod 1.024ms,(@1)",
                     "TRIGger:ELOG:SOURce IMMediate,(@1)", "INITiate:ELOG (@1)"):
            supply.write(text)
        assert supply.query("SYSTem:ERRor?") == '+0,"No error"'
        clock.sleep(1.0)
        values = supply.query_binary_values("FETCh:ELOG? 4096,(@1)", datatype="f", is_big_endian=True)
        assert len(values) == 976
        assert sum(values) / len(values) == pytest.approx(0.05, rel=1e-3)
        supply.close()
        clock.run(server.stop())


def test_a_plain_pyvisa_script_reads_the_status_byte_and_clears_over_hislip():
    with WarpClock() as clock:
        terminals = Signal(0.0)
        server = HislipServer(N6705(clock, terminals, CurrentTrace(clock, terminals), random.Random(1)))
        clock.run(server.start())
        supply = pyvisa.ResourceManager("@py").open_resource(server.address, timeout=20_000)
        supply.write("*ESE 32;*SRE 32")
        supply.write("NOSUCH")
        assert supply.query("*OPC?") == "1\n"
        assert supply.read_stb() == 0x40 | 0x20 | 0x04
        supply.clear()
        assert supply.query("SYST:ERR?") == '-113,"Undefined header;NOSUCH"\n'
        supply.close()
        clock.run(server.stop())
