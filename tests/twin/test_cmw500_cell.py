"""Driver and twin of the CMW500 over a real TCP socket, in front of a radio that does nothing by itself."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from bench.clock import WarpClock
from bench.errors import BenchError
from bench.timeline import Timeline
from bench.twin.cmw500 import Cmw500
from bench.twin.scpi import ScpiServer
from drivers.radio import CellState
from drivers.radio.cmw500 import Cmw500Cell


@dataclass
class Radio:
    power: bool = False
    state: str = "off"
    rrc_connected: bool = False
    level_dbm: float = 0.0
    band: int = 20
    psm_allowed: bool = False
    edrx_allowed: bool = False
    t3324_grant_s: int | None = None
    t3412_grant_s: int | None = None

    def detach(self) -> None:
        self.state, self.rrc_connected = "on", False

    def release(self) -> None:
        self.state, self.rrc_connected = "idle", False


@pytest.fixture
def clock():
    with WarpClock() as clock:
        yield clock


@pytest.fixture
def radio():
    return Radio()


@pytest.fixture
def server(clock, radio):
    server = ScpiServer(Cmw500(clock, radio))
    clock.run(server.start())
    yield server
    clock.run(server.stop())


@pytest.fixture
def timeline(clock):
    return Timeline(clock.time)


@pytest.fixture
def cell(clock, server, timeline):
    cell = Cmw500Cell(server.address, clock=clock, timeline=timeline, band=8, timeout_s=20.0)
    yield cell
    cell.close()


def test_the_cell_is_configured_and_its_signal_awaited(cell, radio, clock):
    cell.on()
    assert radio.power
    assert (radio.band, radio.level_dbm, radio.psm_allowed, radio.edrx_allowed) == (8, -85.0, True, True)
    assert (radio.t3324_grant_s, radio.t3412_grant_s) == (None, None)      # the unit gets what it asks for
    assert clock.time() == pytest.approx(2.0, abs=0.51)
    cell.off()
    assert not radio.power


@pytest.mark.parametrize(("state", "rrc", "seen"), [
    ("on", False, CellState.ON), ("on", True, CellState.ON), ("attached", True, CellState.CONNECTED),
    ("connected", True, CellState.CONNECTED), ("attached", False, CellState.IDLE), ("idle", False, CellState.IDLE),
    ("psm", False, CellState.IDLE)])
def test_states_are_told_as_far_as_the_instrument_can(cell, radio, state, rrc, seen):
    cell.on()
    radio.state, radio.rrc_connected = state, rrc
    assert cell.state() is seen


def test_each_change_of_state_is_on_the_timeline_once(cell, radio, timeline):
    cell.on()
    radio.state = "on"
    for state, rrc in (("on", False), ("connected", True), ("connected", True), ("idle", False), ("psm", False)):
        radio.state, radio.rrc_connected = state, rrc
        cell.state()
    cell.off()
    assert [seen.data["state"] for seen in timeline.select("cell", "state")] == ["on", "connected", "idle", "off"]


def test_the_network_releases_and_detaches(cell, radio):
    cell.on()
    radio.state, radio.rrc_connected = "connected", True
    cell.release_rrc()
    assert radio.state == "idle"
    cell.detach()
    assert radio.state == "on"
    with pytest.raises(BenchError, match="no unit is attached"):
        cell.detach()


def test_the_level_can_be_set_while_the_cell_is_on(cell, radio):
    cell.on()
    cell.set_level(-120.5)
    assert radio.level_dbm == -120.5
    with pytest.raises(BenchError, match="-222"):
        cell.set_level(-500)


def test_a_cell_that_does_not_come_on_is_a_bench_error(clock, radio, timeline):
    server = ScpiServer(Cmw500(clock, radio, switching_s=300.0))
    clock.run(server.start())
    cell = Cmw500Cell(server.address, clock=clock, timeline=timeline)
    with pytest.raises(BenchError, match="ON,ADJ within 60 s, saw ON,PEND"):
        cell.on()
    clock.run(server.stop())


def test_another_instrument_is_refused(clock, server, timeline):
    server.instrument.identity = "Twin,Toaster,1,1"
    with pytest.raises(BenchError, match="CMW500"):
        Cmw500Cell(server.address, clock=clock, timeline=timeline)


@pytest.mark.parametrize(("command", "grant"), [
    ("T3324 120", 120), ("T3324 100", 120), ("T3324 62", 62), ("T3324 11160", 11160), ("T3324 ON", 2),
    ("T3324 OFF", None)])
def test_the_active_time_is_granted_in_the_steps_of_its_information_element(server, radio, command, grant):
    server.instrument.execute(f"CONFigure:NIOT:SIGN1:CELL:TOUT:{command}")
    assert radio.t3324_grant_s == grant


def test_the_extended_timer_goes_before_the_plain_one(server, radio):
    server.instrument.execute("CONF:NIOT:SIGN:CELL:TOUT:T3412 3600")
    assert radio.t3412_grant_s == 3600
    server.instrument.execute("CONF:NIOT:SIGN:CELL:TOUT:TEXT 252000")
    assert radio.t3412_grant_s == 252000
    assert server.instrument.execute("CONF:NIOT:SIGN:CELL:TOUT:TEXT?") == b"252000"


def test_the_examples_of_the_manual_are_taken(server):
    for text in ("CONFigure:NIOT:SIGN:BAND OB8", "CONFigure:NIOT:SIGN:CONNection:RRC:KEEP OFF",
                 "CONFigure:NIOT:SIGN:CONNection:RRC:TIMer 4", "CONFigure:NIOT:SIGN:CONNection:PSMallowed ON",
                 "CONFigure:NIOT:SIGN:CONNection:EDRX:IMODe:ENABle ON",
                 "CONFigure:NIOT:SIGN:CONNection:EDRX:IMODe:PTWindow W5K12",
                 "CONFigure:NIOT:SIGN:CONNection:EDRX:IMODe:CLENgth L4K"):
        server.instrument.execute(text)
    assert server.instrument.execute("CONFigure:NIOT:SIGN:RFSettings:CHANnel:DL 3500 ;UL?") == b"21500"
    assert server.instrument.execute("SYST:ERR?") == b'0,"No error"'


@pytest.mark.parametrize("text", ["CONF:NIOT:SIGN:BAND 8", "CONF:NIOT:SIGN:BAND OB0", "CONF:NIOT:SIGN:BAND OB\u00b2",
                                  "CONF:NIOT:SIGN2:BAND OB8", "SOUR:NIOT:SIGN:CELL:STAT MAYBE",
                                  "CALL:NIOT:SIGN:PSW:ACT CONN", "CONF:NIOT:SIGN:CELL:TOUT:T3324 1"])
def test_wrong_commands_are_errors(server, text):
    server.instrument.execute(text)
    assert server.instrument.execute("SYST:ERR?").startswith(b"-")
