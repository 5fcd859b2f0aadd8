"""The drivers of supplies and ammeters on wires that spoil what the instrument says: what can be understood is, all
else is one BenchError, the next command works, and the supply goes off."""

from __future__ import annotations

import contextlib

import pytest
from power_lab import PowerLab

from bench.clock import WarpClock
from bench.errors import BenchError
from bench.twin.scpi import ScpiServer
from bench.twin.scpi.server import _Connection
from bench.twin.wires.hislip import HislipServer

NAMES = ["n6705", "ngu", "dmm6500"]


class BadWire(ScpiServer):
    """The server of an instrument. ``spoil`` makes of each answer the pieces that are sent; ``fatal`` of the answer to
    message number ``at``, counted from the first that an open session carries."""

    def __init__(self, instrument):
        super().__init__(instrument)
        self.spoil = lambda answer: [answer]
        self.fatal = None
        self.at = -1
        self.count = 0

    def connection(self):
        return _BadConnection(self)


class _BadConnection(_Connection):
    def _serve(self, message):
        server = self._server
        number, server.count = server.count, server.count + 1
        if server.fatal == "dies" and number == server.at:
            self._transport.abort()
            return
        for _, answer in self._conversation.exchange(message):
            pieces = server.spoil(answer)
            if number == server.at:
                pieces = server.fatal(answer)
            for piece in pieces:
                self._transport.write(piece)

    def data_received(self, data):
        if not self._transport.is_closing():
            super().data_received(data)


@contextlib.contextmanager
def bad_lab(name):
    with WarpClock() as clock:
        lab = PowerLab(clock, name)
        for server in lab.servers:
            clock.run(server.stop())
        lab.servers = [BadWire(instrument) for instrument in lab.power.instruments]
        for server in lab.servers:
            clock.run(server.start())
        try:
            yield lab
        finally:
            lab.close()


def use(supply):
    supply.set_voltage(3.6)
    supply.output_on()
    supply.voltage()
    supply.log(1.0, 0.02)
    supply.check()


def in_pieces(answer):
    return [answer[i:i + 997] for i in range(0, len(answer), 997)] if len(answer) > 100 else [
        answer[i:i + 1] for i in range(len(answer))]


def is_text(answer):
    return answer[:1] != b"#"


UNDERSTOOD = {
    "CRLF": lambda answer: [answer[:-1] + b"\r\n"],
    "blanks": lambda answer: [answer[:-1] + b"  \n"],
    "both": lambda answer: [b" " * is_text(answer) + answer[:-1] + b" \r\n"],
    "pieces": in_pieces,
    "ON and OFF": lambda answer: [{b"1\n": b"ON\n", b"0\n": b"OFF\n"}.get(answer, answer)],
    "errors without comma": lambda answer: [b"0 No Error\n" if b'0,"No error"' in answer else answer],
}


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name in NAMES for kind in UNDERSTOOD
                                            if (name, kind) != ("dmm6500", "ON and OFF")])
def test_what_can_be_understood_is(name, kind):
    with bad_lab(name) as lab:
        for server in lab.servers:
            server.spoil = UNDERSTOOD[kind]
        if kind == "ON and OFF":       # *OPC? and counts are no switches
            for server in lab.servers:
                server.spoil = lambda answer: [answer]
            lab.power.supply.boolean_words = ("OFF", "ON")
        supply = lab.open()
        use(supply)
        assert lab.connector.value == 3.6
        supply.make_safe()
        assert lab.connector.value == 0.0


@pytest.mark.parametrize("name", ["n6705", "ngu"])        # the multimeter has no HiSLIP
def test_the_drivers_work_over_hislip(name):
    with WarpClock() as clock:
        lab = PowerLab(clock, name)
        for server in lab.servers:
            clock.run(server.stop())
        lab.servers = [HislipServer(instrument) for instrument in lab.power.instruments]
        for server in lab.servers:
            clock.run(server.start())
        supply = lab.open()
        for _ in range(2):
            use(supply)
            assert lab.connector.value == 3.6
            for server in lab.servers:
                clock.call(server.drop_connections)
            clock.settle()
            supply.make_safe()
            assert lab.connector.value == 0.0
        lab.close()


@pytest.mark.parametrize("at", range(0, 60, 3))
@pytest.mark.parametrize("name", NAMES)
def test_a_session_that_dies_is_one_bench_error_and_the_supply_goes_off(name, at):
    with bad_lab(name) as lab:
        supply = lab.open()
        for server in lab.servers:
            server.count, server.at, server.fatal = 0, at, "dies"
        with contextlib.suppress(BenchError):     # the connection may be lost where nothing is lost with it
            use(supply)
        for server in lab.servers:
            server.at = -1
        supply.make_safe()
        assert lab.connector.value == 0.0
        use(supply)
        assert lab.connector.value == 3.6


FATAL = {
    "nothing": lambda answer: [],
    "NUL": lambda answer: [b"\x00" + answer],
    "an empty line": lambda answer: [b"\n"],
    "half": lambda answer: [answer[:len(answer) // 2]],
    "too long": lambda answer: [answer[:-1] + b"xyzzy\n"],
    "another spelling": lambda answer: [b"VOLT 3.6,CURR 1.0\n"],
    "nan": lambda answer: [b"nan\n"],
}


@pytest.mark.parametrize("kind", FATAL)
@pytest.mark.parametrize("name", NAMES)
def test_what_can_not_be_understood_is_one_bench_error_and_the_supply_goes_off(name, kind):
    with bad_lab(name) as lab:
        supply = lab.open(timeout_s=0.1)
        supply.set_voltage(3.6)
        for query in ("SYST:ERR?", "OUTP?", "MEAS:VOLT?", "*OPC?"):
            if (kind, query) == ("too long", "SYST:ERR?"):
                continue                 # the text of an error is free
            text = query if name != "n6705" or query in ("SYST:ERR?", "*OPC?") else f"{query} (@1)"
            inner = getattr(supply, "supply", supply)
            visa = getattr(inner, "_visa", None) or inner._link
            for server in lab.servers:
                server.count, server.at, server.fatal = 0, 0, FATAL[kind]
            ask = {"SYST:ERR?": lambda visa, _: visa.check_errors(),
                   "OUTP?": lambda visa, text: visa.query_switch(text),
                   "MEAS:VOLT?": lambda visa, text: visa.query_float(text),
                   "*OPC?": lambda visa, text: visa.query_whole(text)}[query]
            with pytest.raises(BenchError, match=r"127\.0\.0\.1"):
                ask(visa, text)
            for server in lab.servers:
                server.at = -1
            supply.output_on()
            assert lab.connector.value == 3.6
            supply.make_safe()
            assert lab.connector.value == 0.0


@pytest.mark.parametrize("kind", ["nothing", "NUL", "half", "too long", "nan"])
@pytest.mark.parametrize("name", NAMES)
def test_a_spoiled_block_is_one_bench_error_and_the_next_log_is_right(name, kind):
    with bad_lab(name) as lab:
        supply = lab.open(timeout_s=0.2)
        use(supply)
        for server in lab.servers:
            server.spoil = lambda answer: [answer] if is_text(answer) else FATAL[kind](answer)
        with pytest.raises(BenchError):
            supply.log(1.0, 0.02)
        for server in lab.servers:
            server.spoil = lambda answer: [answer]
        assert supply.log(1.0, 0.02).gap_free
        supply.make_safe()
        assert lab.connector.value == 0.0


@pytest.mark.parametrize("name", NAMES)
def test_a_late_answer_never_answers_another_query_of_a_driver(name):
    with bad_lab(name) as lab:
        supply = lab.open(timeout_s=0.1)
        supply.set_voltage(3.6)
        lab.power.supply.late_replies = 1
        with pytest.raises(BenchError, match="none within"):
            supply.check()
        supply.make_safe()
        use(supply)
        assert lab.connector.value == 3.6
