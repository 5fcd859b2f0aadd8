"""Driver and twin of the CMW500 over a real TCP socket, in front of a radio that does nothing by itself.

The oracles: the maker's help pages (``tests/data/cmw500/help_pages.tsv``), and the maker's package for LTE, whose tree
is the sister of the one for NB-IoT.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from RsCmwLteSig import enums

from bench.clock import WarpClock
from bench.errors import BenchError
from bench.timeline import Timeline
from bench.twin.radio.cmw500 import BASE, DAU, Cmw500
from bench.twin.radio.nas import AirMessage
from bench.twin.scpi import ScpiError, ScpiServer
from drivers.radio import CellState
from drivers.radio.cmw500 import MODULE_T3412_S, Cmw500Cell
from drivers.radio.sim import SimKeys


@dataclass
class Radio:
    power: bool = False
    state: str = "off"
    rrc_connected: bool = False
    level_dbm: float = 0.0
    noise_dbm: float = 0.0
    band: int = 20
    mcc: int = 0
    mnc: int = 0
    user_plane: bool = True
    network_key: tuple[str, str | None] | None = None
    inactivity_s: float = 0.0
    psm_allowed: bool = False
    edrx_allowed: bool = False
    edrx_grant: int | None = None
    t3324_grant_s: int | None = None
    t3412_grant_s: int | None = None
    log: list[AirMessage] = field(default_factory=list)

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
    assert (radio.t3324_grant_s, radio.t3412_grant_s) == (None, MODULE_T3412_S)
    assert (radio.edrx_grant, radio.inactivity_s, radio.user_plane) == (0x13, 10, True)
    assert (radio.mcc, radio.mnc) == (1, 1)
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


def test_a_connection_is_released_and_without_one_nothing_is_sent(cell, radio):
    cell.on()
    radio.state, radio.rrc_connected = "connected", True
    cell.release_rrc()
    assert radio.state == "idle"
    with pytest.raises(BenchError, match="expected a unit with an RRC connection, saw packet-switched state ATT"):
        cell.release_rrc()


def test_to_detach_the_cell_goes_off_and_on_in_another_tracking_area(cell, radio, server, timeline):
    cell.on()
    radio.state = "on"
    with pytest.raises(BenchError, match="expected an attached unit, saw packet-switched state ON"):
        cell.detach()
    for area in (2, 1):
        radio.state = "idle"
        cell.detach()
        assert (server.instrument.tracking_area, radio.power) == (area, True)
    seen = [one.data["state"] for one in timeline.select("cell", "state")]
    assert seen[-2:] == ["off", "idle"], "the radio of this test does not forget its unit"


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


def test_an_instrument_that_is_busy_for_longer_than_its_time_out_is_waited_for(clock, radio, timeline):
    """Switching and releasing take up to 30 s, says the maker's driver for LTE, which waits for *OPC?."""
    class Busy(Cmw500):
        def execute(self, message):
            if message == "*OPC?":
                threading.Event().wait(1.5)
            return super().execute(message)

    server = ScpiServer(Busy(clock, radio))
    clock.run(server.start())
    cell = Cmw500Cell(server.address, clock=clock, timeline=timeline, timeout_s=1.0)
    cell.on()
    assert radio.power
    cell.close()
    clock.run(server.stop())


def test_another_instrument_is_refused(clock, server, timeline):
    server.instrument.identity = "Twin,Toaster,1,1"
    with pytest.raises(BenchError, match="CMW500"):
        Cmw500Cell(server.address, clock=clock, timeline=timeline)


# -- held against the maker's help


PAGES = Path(__file__).parent.parent / "data" / "cmw500" / "help_pages.tsv"


def help_pages() -> Iterator[tuple[str, str, str]]:
    """(header, page, values); the page is "-" where only the list of commands has been read."""
    for line in PAGES.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            header, page, *values = line.split("\t")
            yield header, page, values[0] if values else ""


def _long(header: str) -> str:
    """The pages shorten the names of the applications."""
    return header.replace("SIGN<i>", "SIGNaling<i>").replace("NIOT:MEAS<i>", "NIOT:MEASurement<i>")


def printed(header: str) -> re.Pattern[str]:
    """What a printed header such as SENSe:NIOT:SIGN<i>:RRCState? stands for, in short and in long form."""
    forms = []
    for part in re.findall(r"<\w+>|\w+|\W", _long(header)):
        rest = part.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
        if part.startswith("<"):
            forms.append(r"\d*")
        elif part.isalnum():
            forms.append(f"{part.removesuffix(rest)}(?:{rest})?" if rest else part)
        else:
            forms.append({"[": "(?:", "]": ")?"}.get(part, re.escape(part)))
    return re.compile("".join(forms), re.IGNORECASE)


def words(values: str) -> set[str]:
    """The words that a value may be, in their short forms."""
    return {"".join(letter for letter in word if not letter.islower())
            for word in re.findall(r"[A-Z][A-Za-z0-9]*", values)}


class Recorded(Cmw500):
    """Keeps what came in on the wire."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.heard: list[str] = []

    def execute(self, message):
        self.heard.append(message)
        return super().execute(message)


SIM = SimKeys("465B5CE8B199B49FAA5F0A2EE238A6BC", "CD63CB71954A9F4E48A5994E37A02BAF")


@pytest.fixture
def sim(tmp_path):
    path = tmp_path / "sim.toml"
    path.write_text(f'key = "{SIM.key}"\nopc = "{SIM.opc}"', "utf-8")
    path.chmod(0o600)
    return path


@pytest.fixture
def recorded(clock, radio, timeline, sim):
    """Everything that the driver ever sends."""
    server = ScpiServer(Recorded(clock, radio))
    clock.run(server.start())
    cell = Cmw500Cell(server.address, clock=clock, timeline=timeline, sim=sim, plmn="310410",
                      signal_path="SUA1,RF1C,RX1,RF1C,TX1")
    cell.on()
    cell.set_level(-100.0)
    cell.set_noise(3.0)
    cell.grant(60, 36000)
    cell.use_bands(8)
    radio.state, radio.rrc_connected = "connected", True
    cell.release_rrc()
    cell.detach()
    cell.restore()
    cell.off()
    cell._last_event()
    cell.close()
    clock.run(server.stop())
    return server.instrument


def test_every_header_that_the_driver_sends_is_printed_in_the_makers_help(recorded, record_property):
    pages = [(printed(header), page) for header, page, _ in help_pages()]
    sent = {message.split()[0] for message in recorded.heard}
    own = sorted(header for header in sent if not header.startswith("*") and header != "SYST:ERR?")
    source = {header: [page for pattern, page in pages if pattern.fullmatch(header)
                       or pattern.fullmatch(header.removesuffix("?"))] for header in own}
    from_memory = [header for header, found in source.items() if not found]
    record_property("from memory", len(from_memory))
    print(f"CMW500: {len(own)} headers, {len(from_memory)} from memory {from_memory}")
    assert from_memory == []
    assert [header for header, found in source.items() if found == ["-"]] == [], "only the list names it"
    assert len(own) >= 29
    for standard in sent - set(own):
        assert standard in ("*IDN?", "*CLS", "*OPC?", "SYST:ERR?")


def test_every_word_that_the_driver_sends_is_a_value_on_the_help_page(recorded):
    pages = [(printed(header), words(values)) for header, _, values in help_pages() if "|" in values]
    checked = set()
    for message in recorded.heard:
        header, *value = message.split(maxsplit=1)
        for pattern, known in pages:
            if pattern.fullmatch(header) and value and value[0][0].isalpha():
                assert value[0] in known, message
                checked.add(header)
    assert len(checked) >= 15


def test_the_twin_has_nothing_that_is_not_in_the_makers_help():
    """Each line names the page that prints its header, and the page's values are the twin's."""
    own = [line for line in Cmw500.command_table if not line.header.startswith(("*", "SYSTem", "STATus"))
           and line.source not in (BASE, DAU)]
    by_header = {header: (page, values) for header, page, values in help_pages()}
    for line in own:
        header = line.header.replace("SIGNaling<i>", "SIGN<i>").replace("MEASurement<i>", "MEAS<i>")
        page, values = by_header[header if header in by_header else header.removesuffix("?")]
        assert page in line.source, line
        assert not line.from_memory
        if "|" in values and "OFF" not in values and line.takes:
            assert words(line.takes.replace(" or ", ",")) == words(values), line


def test_states_and_actions_are_among_those_of_the_makers_package_for_lte():
    """NB-IoT has fewer of both: it knows no DETach."""
    lte = {"".join(letter for letter in one.name if not letter.islower()) for one in enums.PswState}
    values = {header: words(values) for header, _, values in help_pages()}
    assert values["FETCh:NIOT:SIGN<i>:PSWitched:STATe?"] < lte
    assert {"SMES", "RMES"} <= lte
    actions = {"".join(letter for letter in one.name if not letter.islower()) for one in enums.PswAction}
    assert values["CALL:NIOT:SIGN<i>:PSWitched:ACTion"] == {"CONN", "DISC"} < actions
    assert "DET" in actions
    assert values["SENSe:NIOT:SIGN<i>:RRCState?"] == {one.name.removesuffix("ected")[:4] for one in enums.RrcState}


def test_the_examples_of_the_help_are_taken(server):
    for text in ("CONFigure:NIOT:SIGN:BAND OB8", "CONFigure:NIOT:SIGN:CONNection:CTYPe TEST",
                 "CONFigure:NIOT:SIGN:CONNection:DAPPlication:CIOT CPL",
                 "CONFigure:NIOT:SIGN:CONNection:DAPPlication:IPVersion IPV4",
                 "CONFigure:NIOT:SIGN:CONNection:RRC:KEEP OFF", "CONFigure:NIOT:SIGN:CONNection:RRC:TIMer 4",
                 "CONFigure:NIOT:SIGN:CONNection:PSMallowed ON",
                 "CONFigure:NIOT:SIGN:CONNection:EDRX:IMODe:ENABle ON",
                 "CONFigure:NIOT:SIGN:CONNection:EDRX:IMODe:PTWindow W5K12",
                 "CONFigure:NIOT:SIGN:CONNection:EDRX:IMODe:CLENgth L4K",
                 "ROUTe:NIOT:SIGN:SCENario:SCELl SUA1,RF1C,RX1,RF1C,TX1",
                 "CONFigure:NIOT:SIGN:CELL:MCC 262", "CONFigure:NIOT:SIGN:CELL:MNC:DIGits TWO",
                 "CONFigure:NIOT:SIGN:CELL:MNC 30", "CONFigure:NIOT:SIGN:CELL:TAC 1384",
                 "CONFigure:NIOT:SIGN:CELL:SECurity:AUTHenticat ON", "CONFigure:NIOT:SIGN:CELL:SECurity:SECurity ON",
                 "CONFigure:NIOT:SIGN:CELL:SECurity:SKEY #H000102030405060708090A0B0C0D0E0F",
                 "CONFigure:NIOT:SIGN:CELL:SECurity:OPC #H000010B00091006000F00000A0005000",
                 "CONFigure:NIOT:SIGN:CELL:SECurity:MILenage ON", "CONFigure:NIOT:SIGN:CELL:TOUT:T3324 10",
                 "CONFigure:NIOT:SIGN:CELL:TOUT:T3412 180", "CONFigure:NIOT:SIGN:CELL:TOUT:TEXT 18600"):
        server.instrument.execute(text)
    assert server.instrument.execute("CONFigure:NIOT:SIGN:RFSettings:CHANnel:DL 3500 ;UL?") == b"21500"
    assert server.instrument.execute("SYST:ERR?") == b'0,"No error"'


@pytest.mark.parametrize("text", [
    "CONF:NIOT:SIGN:BAND 8", "CONF:NIOT:SIGN:BAND OB0", "CONF:NIOT:SIGN:BAND OB\u00b2", "CONF:NIOT:SIGN:BAND OB71",
    "CONF:NIOT:SIGN2:BAND OB8", "SOUR:NIOT:SIGN:CELL:STAT MAYBE", "CALL:NIOT:SIGN:PSW:ACT CONN",
    "CALL:NIOT:SIGN:PSW:ACT DETach", "CONF:NIOT:SIGN:CELL:TOUT:T3324 1", "CONF:NIOT:SIGN:CELL:TOUT:T3324 100",
    "CONF:NIOT:SIGN:CELL:TOUT:T3324 64", "CONF:NIOT:SIGN:CELL:TOUT:T3412 1920", "CONF:NIOT:SIGN:CELL:TOUT:TEXT 100000",
    "CONF:NIOT:SIGN:CONN:RRC:TIM 0", "CONF:NIOT:SIGN:CONN:EDRX:IMOD:PTW W10K24",
    "CONF:NIOT:SIGN:CONN:EDRX:IMOD:CLEN L131K", "CONF:NIOT:SIGN:BAND OB8;RFS:CHAN:DL 6300",
    "CONF:NIOT:SIGN:CELL:SEC:SKEY 1234", "CONF:NIOT:SIGN:CELL:MCC 1000", "ROUT:NIOT:SIGN:SCEN:SCEL RF1C"])
def test_what_the_instrument_does_not_have_is_an_error(server, text):
    server.instrument.execute(text)
    assert server.instrument.execute("SYST:ERR?").startswith(b"-")


def test_a_bad_query_gets_silence(server):
    assert server.instrument.execute("FETC:NIOT:SIGN:PSW:STATUS?") is None
    assert server.instrument.execute("CONF:NIOT:SIGN:CELL:TOUT:T3324?;*OPC?") == b"OFF;1"


@pytest.mark.parametrize(("name", "value", "answer"), [
    ("TOUT:T3324", "OFF", b"OFF"), ("TOUT:T3324", "120", b"120"), ("TOUT:T3324", "120S", b"120"),
    ("TOUT:TEXT", "252000", b"252000"), ("TOUT:T3412", "ON", b"2"), ("MNC:DIG", "THRee", b"THR"),
    ("MCC", "262", b"262")])
def test_what_is_set_is_answered(server, name, value, answer):
    server.instrument.execute(f"CONF:NIOT:SIGN:CELL:{name} {value}")
    assert server.instrument.execute(f"CONF:NIOT:SIGN:CELL:{name}?") == answer


@pytest.mark.parametrize(("timers", "t3324_s", "t3412_s"), [
    ((), None, 0), (("T3324 120",), 120, 0), (("T3324 120", "T3324 OFF"), None, 0),
    (("T3324 120", "T3324 OFF", "T3324 ON"), 120, 0), (("T3412 3600",), None, 3600),
    (("T3412 3600", "TEXT 252000"), None, 252000), (("TEXT 252000", "T3412 3600", "TEXT OFF"), None, 3600),
    (("T3412 OFF", "TEXT OFF"), None, 0)])
def test_off_means_what_the_unit_asks_for_only_for_t3324(cell, radio, server, timers, t3324_s, t3412_s):
    """Help pages 8a36fa10 ("the user-requested value is returned"), 8c087180 and b5cd175e ("disables the timer")."""
    cell.on()
    for one in ("T3324 OFF", "T3412 OFF", "TEXT OFF", *timers):
        server.instrument.execute(f"CONF:NIOT:SIGN:CELL:TOUT:{one}")
    assert (radio.t3324_grant_s, radio.t3412_grant_s) == (t3324_s, t3412_s)


# -- what the driver of 535c861 sent, and today's


OCTETS_OF_535C861 = [
    "CONF:NIOT:SIGN:BAND OB20", "CONF:NIOT:SIGN:RFS:CHAN:DL 6300", "CONF:NIOT:SIGN:CONN:RRC:KEEP OFF",
    "CONF:NIOT:SIGN:CONN:PSM ON", "CONF:NIOT:SIGN:CONN:EDRX:IMOD:PTW W5K12", "CONF:NIOT:SIGN:CONN:EDRX:IMOD:CLEN L4K",
    "CONF:NIOT:SIGN:CONN:EDRX:IMOD:ENAB ON", "CONF:NIOT:SIGN:DL:NRS:LEV -85", "CONF:NIOT:SIGN:CELL:TOUT:T3324 OFF",
    "CONF:NIOT:SIGN:CELL:TOUT:T3412 OFF", "CONF:NIOT:SIGN:CELL:TOUT:TEXT OFF", "SOUR:NIOT:SIGN:CELL:STAT ON"]


def test_contradiction_8_the_timers_of_535c861_were_none_and_their_steps_are_refused(server, radio, clock):
    for text in OCTETS_OF_535C861:
        server.instrument.execute(text)
    clock.sleep(3.0)
    assert radio.power
    assert radio.t3412_grant_s == 0, "no unit updates its tracking area, whatever it asks for"
    assert not radio.user_plane, "without CONN:CTYP DAPP no datagram gets anywhere"
    for grant in ("T3324 100", "TEXT 100000"):    # as grant(100, 100000) had it
        server.instrument.execute(f"CONF:NIOT:SIGN:CELL:TOUT:{grant}")
        assert server.instrument.execute("SYST:ERR?").startswith(b"-222")


@pytest.mark.parametrize(("t3324_s", "t3412_s", "granted"), [
    (None, None, (None, MODULE_T3412_S)), (120, 252000, (120, 252000)), (2, 62, (2, 62)),
    (11160, 11160, (11160, 11160)),
    (60, 600, (60, 600)), (None, 90, (None, 90)), (60, 35712000, (60, 35712000))])
def test_contradiction_8_todays_driver_grants_what_it_is_told(cell, radio, t3324_s, t3412_s, granted):
    cell.on()
    cell.grant(t3324_s, t3412_s)
    assert (radio.t3324_grant_s, radio.t3412_grant_s) == granted


@pytest.mark.parametrize(("t3324_s", "t3412_s", "told"), [
    (100, None, "expected a T3324 .* saw 100 s; correct the test: 120 s is the next one"),
    (0, None, "2 s is the next one"), (None, 100000, "saw 100000 s; correct the test: 100800 s"),
    (None, -5, "expected a T3412")])
def test_a_timer_that_no_element_can_hold_is_not_sent(cell, radio, t3324_s, t3412_s, told):
    cell.on()
    with pytest.raises(BenchError, match=told):
        cell.grant(t3324_s, t3412_s)
    assert (radio.t3324_grant_s, radio.t3412_grant_s) == (None, MODULE_T3412_S)


def test_detach_of_535c861_is_refused(cell, radio, server):
    cell.on()
    radio.state = "idle"
    server.instrument.execute("CALL:NIOT:SIGN:PSW:ACT DET")
    assert server.instrument.execute("SYST:ERR?").startswith(b"-224")
    assert radio.power
    cell.detach()


def test_disconnect_without_a_connection_does_nothing(cell, radio, server):
    cell.on()
    radio.state = "psm"
    server.instrument.execute("CALL:NIOT:SIGN:PSW:ACT DISC")
    assert server.instrument.execute("SYST:ERR?") == b'0,"No error"'


# -- the network and its SIM


def test_network_code_and_keys_come_from_the_station(recorded, radio):
    assert (radio.mcc, radio.mnc, radio.network_key) == (310, 410, (SIM.key, SIM.opc))
    assert recorded.execute("CONF:NIOT:SIGN:CELL:MNC:DIG?") == b"THR"


def test_without_keys_of_a_sim_the_instrument_keeps_its_own(cell, radio):
    cell.on()
    assert radio.network_key == ("000102030405060708090A0B0C0D0E0F", None)


@pytest.mark.parametrize("trouble", ["refuses", "dies"])
def test_keys_are_in_no_error(clock, radio, timeline, sim, trouble):
    class Sick(Cmw500):
        def execute(self, message):
            if "SKEY" not in message:
                return super().execute(message)
            if trouble == "dies":
                server.drop_connections()
            else:
                self.report(ScpiError(-224, message))
            return None

    server = ScpiServer(Sick(clock, radio))
    clock.run(server.start())
    cell = Cmw500Cell(server.address, clock=clock, timeline=timeline, sim=sim)
    with pytest.raises(BenchError, match="expected to take the keys of the SIM") as caught:
        cell.on()
    shown: BaseException | None = caught.value
    while shown is not None:
        assert not re.search(f"{SIM.key}|{SIM.opc}", str(shown), re.IGNORECASE)
        shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)
    assert repr(SIM) == "SimKeys()"
    cell.close()
    clock.run(server.stop())


def test_a_tester_without_data_application_unit_is_told(clock, radio, timeline, server, cell):
    server.instrument.has_data_unit = False
    with pytest.raises(BenchError, match="expected an answer to SOUR:DATA:CONT:STAT"):
        cell.on()    # the query of a part that is not there gets silence
    server.instrument.execute("CONF:NIOT:SIGN:CONN:CTYP DAPP")
    assert b"-241" in b"".join(server.instrument.execute("SYST:ERR?") for _ in range(9))


def test_a_signal_that_leaves_by_another_connector_reaches_no_unit(clock, radio, timeline, server):
    cell = Cmw500Cell(server.address, clock=clock, timeline=timeline, signal_path="SUA1,RF2C,RX1,RF2C,TX1")
    cell.on()
    assert not radio.power
    cell.close()


# -- another firmware, and sick peers


@pytest.mark.parametrize(("says", "rrc", "seen"), [
    ("ATTached", "IDLE", CellState.IDLE), ("att", "idle", CellState.IDLE),
    (" ATT ", " CONN ", CellState.CONNECTED),
    ('"CEST"', "CONNected", CellState.CONNECTED), ("CESTablished", "CONN", CellState.CONNECTED),
    ("SMES", "CONN", CellState.CONNECTED), ("RMESsage", "CONN", CellState.CONNECTED),
    ("SIGNaling", "IDLE", CellState.ON)])
def test_another_firmwares_spelling_is_understood(cell, server, says, rrc, seen):
    cell.on()
    server.instrument._found.clear()
    other = {"FETC:NIOT:SIGN:PSW:STAT?": says, "SENS:NIOT:SIGN:RRCS?": rrc}
    execute = server.instrument.execute
    server.instrument.execute = lambda message: other[message].encode() if message in other else execute(message)
    assert cell.state() is seen


@pytest.mark.parametrize("says", ["NAV", "\x00", "INV,INV", "A" * 500])
def test_a_state_that_is_none_is_a_bench_error(cell, server, says):
    cell.on()
    execute = server.instrument.execute
    server.instrument.execute = lambda message: says.encode() if message.startswith("FETC") else execute(message)
    with pytest.raises(BenchError, match=r"expected a known packet-switched state|expected an answer to FETC"):
        cell.state()
    del server.instrument.execute
    assert cell.state() is CellState.ON


def test_a_session_that_dies_is_one_bench_error_and_the_next_command_works(cell, server, radio):
    cell.on()
    radio.state = "on"
    execute = server.instrument.execute
    server.instrument.execute = lambda message: server.drop_connections()
    with pytest.raises(BenchError, match="expected an answer to FETC"):
        cell.state()
    server.instrument.execute = execute
    assert cell.state() is CellState.ON
    assert radio.power


def test_the_cell_is_not_released_by_itself_while_the_connection_is_kept(server, radio, clock):
    for text in ("CONF:NIOT:SIGN:CONN:RRC:KEEP ON", "SOUR:NIOT:SIGN:CELL:STAT ON"):
        server.instrument.execute(text)
    clock.sleep(3.0)
    assert radio.inactivity_s == math.inf
    server.instrument.execute("CONF:NIOT:SIGN:CONN:RRC:KEEP OFF;TIM 4")
    assert radio.inactivity_s == 4
