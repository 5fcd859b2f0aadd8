"""Rohde & Schwarz's own package RsNgx drives the twin NGU201."""

from __future__ import annotations

import random

import numpy as np
import pytest
from RsNgx import RsNgx, enums

from bench.clock import WarpClock
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.hislip import HislipServer
from bench.twin.ngu import Ngu201
from bench.twin.scpi import ScpiServer
from bench.twin.signal import Signal


@pytest.mark.parametrize(("make_server", "options"), [
    (ScpiServer, "SelectVisa=socket, VisaTimeout=20000, OpcTimeout=30000"),
    (HislipServer, "SelectVisa=@py, VisaTimeout=20000, OpcTimeout=30000")])
def test_rsngx_supplies_and_logs(make_server, options):
    with WarpClock() as clock:
        terminals = Signal(0.0)
        unit = CurrentTrace(clock, terminals)
        server = make_server(Ngu201(clock, terminals, unit, random.Random(1)))
        clock.run(server.start())
        clock.call(lambda: unit.set("modem", 0.05))

        # Its socket knows "TCPIP" without a number only.
        supply = RsNgx(server.address.replace("TCPIP0", "TCPIP"), id_query=True, reset=True, options=options)
        assert supply.utilities.idn_string.startswith("Rohde&Schwarz,NGU201,")
        supply.source.voltage.level.immediate.set_amplitude(3.6)
        supply.source.current.level.immediate.set_amplitude(1.0)
        supply.source.voltage.protection.set_level(4.5)
        supply.source.voltage.protection.set_state(True)
        supply.output.set_select(True)
        supply.output.general.set_state(True)
        assert terminals.value == 3.6
        assert supply.output.get_state() is True
        assert supply.measure.scalar.voltage.dc.get_value() == pytest.approx(3.6, abs=5e-3)
        supply.sense.current.range.set_auto(True)
        date = supply.calibration.get_date()
        assert (date.Arg_0, date.Arg_1, date.Arg_2) == (2025, 9, 1)

        supply.flog.set_target(enums.FastLogTarget.SCPI)
        supply.flog.set_symbol_rate(enums.FastLogSampleRate.S010k)
        supply.flog.set_state(True)
        clock.sleep(0.5)
        if make_server is ScpiServer:       # over HiSLIP it chokes on the bytearray that pyvisa-py gives it
            pairs = np.array(supply.flog.get_data()).reshape(-1, 2)
            assert len(pairs) == pytest.approx(0.5 * 7812.5, abs=2)
            assert pairs.mean(axis=0) == pytest.approx([3.6, 0.05], rel=2e-3)
        supply.flog.set_state(False)
        assert supply.utilities.query_all_errors() is None

        supply.output.general.set_state(False)
        assert terminals.value == 0.0
        supply.close()
        clock.run(server.stop())
