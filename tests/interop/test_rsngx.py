"""Rohde & Schwarz's own package RsNgx drives the twin NGM202, of the firmware whose names of rates it knows, with the
flow of the maker's example for the fast log."""

from __future__ import annotations

import random

import numpy as np
import pytest
from RsNgx import RsNgx, enums, repcap

from bench.clock import WarpClock
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.scpi import ScpiServer
from bench.twin.signal import Signal
from bench.twin.supply.ngu import Ngm202
from bench.twin.wires.hislip import HislipServer


@pytest.mark.parametrize(("make_server", "options"), [
    (ScpiServer, "SelectVisa=socket, VisaTimeout=20000, OpcTimeout=30000"),
    (HislipServer, "SelectVisa=@py, VisaTimeout=20000, OpcTimeout=30000")])
def test_rsngx_supplies_and_logs(make_server, options):
    with WarpClock() as clock:
        terminals = Signal(0.0)
        unit = CurrentTrace(clock, terminals)
        server = make_server(Ngm202(clock, terminals, unit, random.Random(1), firmware="03.034"))
        clock.run(server.start())
        clock.call(lambda: unit.set("modem", 0.05))

        # Its socket knows "TCPIP" without a number only.
        supply = RsNgx(server.address.replace("TCPIP0", "TCPIP"), id_query=True, reset=True, options=options)
        assert supply.utilities.idn_string.startswith("Rohde&Schwarz,NGM202,")
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
        assert supply.flog.get_symbol_rate() == enums.FastLogSampleRate.S010k
        for text in ("STAT:OPER:ENAB 8192", "STAT:OPER:PTR 8192", "STAT:OPER:NTR 0"):
            supply.utilities.write_str(text)
        status = supply.status.operation.instrument
        status.set_enable(7)
        status.set_ptransition(7)
        status.isummary.enable.set(4096, repcap.Channel.Nr1)
        status.isummary.ptransition.set(4096, repcap.Channel.Nr1)
        supply.flog.set_state(True)
        pairs = []
        while len(pairs) < 4:
            clock.sleep(0.01)
            if not int(supply.utilities.query_str("*STB?")) & 1 << 7:
                continue
            assert int(supply.utilities.query_str("STAT:OPER:EVEN?")) & 1 << 13
            assert status.get_event() & 1 << 1
            assert status.isummary.event.get(repcap.Channel.Nr1) & 1 << 12
            if make_server is ScpiServer:       # over HiSLIP it chokes on the bytearray that pyvisa-py gives it
                pairs.append(np.array(supply.flog.get_data()).reshape(-1, 2))
                assert len(pairs[-1]) == 2500      # 250 ms of 10 kS/s
                assert pairs[-1].mean(axis=0) == pytest.approx([3.6, 0.05], rel=2e-3)
            else:
                pairs.append(np.empty((0, 2)))
        assert clock.time() == pytest.approx(1.0, abs=0.02)
        supply.flog.set_state(False)
        assert supply.utilities.query_all_errors() is None

        supply.output.general.set_state(False)
        assert terminals.value == 0.0
        supply.close()
        clock.run(server.stop())
