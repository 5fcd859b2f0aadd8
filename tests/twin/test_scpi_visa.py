"""The VISA transport over raw sockets and HiSLIP: each trap of pyvisa-py is closed, each failure is a BenchError."""

from __future__ import annotations

import socket
import time

import numpy as np
import pytest

from bench.clock import WarpClock
from bench.errors import BenchError
from bench.twin.scpi import Parameters, ScpiInstrument, ScpiServer, command
from bench.twin.wires.hislip import HislipServer
from drivers.visa import VisaInstrument


class Odd(ScpiInstrument, source="this test"):
    """An instrument with bad habits."""

    identity = "Twin,Odd,TWIN0001,1.0"
    server: ScpiServer | HislipServer

    @command("VALue?")
    def value(self, parameters: Parameters) -> str:
        return "+1.5E-03"

    @command("OVERload?")
    def overload(self, parameters: Parameters) -> str:
        return "+9.91E+37"

    @command("TWICe?")
    def twice(self, parameters: Parameters) -> str:
        return "1\n2"

    @command("HANG:UP?")
    def hang_up(self, parameters: Parameters) -> None:
        self.server.drop_connections()

    @command("DATA?")
    def data(self, parameters: Parameters) -> bytes:
        return self.block(np.array([10, 0x0A0A0A0A, 1.5], ">f4").tobytes() + b"\n\n\n\n")

    @command("DATA:EMPTy?")
    def no_data(self, parameters: Parameters) -> bytes:
        return self.block(b"")

    @command("DATA:GARBage?")
    def garbage(self, parameters: Parameters) -> bytes:
        return b"#9123x56789abc"

    @command("DATA:SHORt?")
    def short(self, parameters: Parameters) -> bytes:
        return self.block(b"123")

    @command("DATA:MILLion?")
    def million(self, parameters: Parameters) -> bytes:
        return self.block(np.arange(1_000_000, dtype=">f4").tobytes())

    @command("LATIn?")
    def latin(self, parameters: Parameters) -> str:
        return "\u00b5A"


@pytest.fixture
def clock():
    with WarpClock() as clock:
        yield clock


@pytest.fixture(params=[ScpiServer, HislipServer])
def server(clock, request):
    odd = Odd()
    odd.server = request.param(odd)
    clock.run(odd.server.start())
    yield odd.server
    clock.run(odd.server.stop())


def connect(server, timeout_s=30.0):
    return VisaInstrument(server.address, subject="meter", timeout_s=timeout_s)


def test_opening_asks_for_the_identity_and_clears_old_errors(server):
    server.instrument.execute("NOSUCH")
    visa = connect(server)
    assert visa.identity == "Twin,Odd,TWIN0001,1.0"
    visa.check_errors()
    visa.close()
    visa.close()


def test_nagle_is_off(server):
    visa = connect(server)
    assert visa._answers._wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    visa.close()


def test_a_closed_port_is_found_on_opening(clock, server, caplog):
    address = server.address
    clock.run(server.stop())
    with pytest.raises(BenchError, match=r"expected an (instrument|answer)") as caught:
        VisaInstrument(address, subject="meter")
    assert address in str(caught.value)
    assert caplog.text == ""


@pytest.mark.parametrize("address", ["nonsense", "TCPIP0::127.0.0.1::99999::SOCKET", "",
                                     "TCPIP0::127.0.0.1::hislip0,x::INSTR"])
def test_a_wrong_address_is_a_bench_error(address):
    with pytest.raises(BenchError, match="meter at"):
        VisaInstrument(address, subject="meter", timeout_s=0.2)


def test_a_dead_instrument_is_a_bench_error(server):
    server.instrument.dead = True
    with pytest.raises(BenchError, match=r"expected an answer to \*IDN\?, saw none within 0.05 s"):
        connect(server, 0.05)


def test_a_late_answer_never_answers_the_next_query(server):
    visa = connect(server, 0.05)
    server.instrument.late_replies = 1
    with pytest.raises(BenchError, match=r"an answer to VAL\?"):
        visa.query("VAL?")
    assert visa.query("SYST:VERS?") == "1999.0"
    visa.close()


@pytest.mark.parametrize("server", [ScpiServer], indirect=True)      # HiSLIP knows where an answer ends
def test_an_unasked_second_line_never_answers_the_next_query(server):
    visa = connect(server)
    assert visa.query("TWIC?") == "1"
    assert visa.query("VAL?") == "+1.5E-03"
    visa.close()


def test_a_hang_up_is_told_at_once_and_the_next_query_works(server):
    visa = connect(server, 600.0)      # spinning until the time-out would be noticed
    with pytest.raises(BenchError, match=r"closed the connection|reset by peer"):
        visa.query("HANG:UP?")
    assert visa.query_float("VAL?") == 1.5e-3
    visa.close()


def test_an_instrument_that_restarted_between_two_queries_is_found_again(clock, server):
    visa = connect(server)
    clock.call(server.drop_connections)
    clock.settle()
    assert visa.query_float("VAL?") == 1.5e-3
    visa.close()


def test_an_instrument_that_went_away_is_a_bench_error(clock, server):
    visa = connect(server)
    clock.run(server.stop())
    for _ in range(2):
        with pytest.raises(BenchError, match="meter at"):
            visa.query("VAL?")
    with pytest.raises(BenchError, match="meter at"):
        visa.write("*RST")


def test_another_instrument_at_the_same_address_is_refused(clock, server):
    visa = connect(server)
    server.instrument.identity = "Twin,Other,TWIN0002,1.0"
    clock.call(server.drop_connections)
    clock.settle()
    with pytest.raises(BenchError, match="exchanged"):
        visa.query("VAL?")


def test_the_self_test_of_an_instrument_is_asked_for(server):
    visa = connect(server)
    visa.self_test()
    server.instrument.self_test_result = 5
    with pytest.raises(BenchError, match=r"\*TST\?, saw '5'"):
        visa.self_test()
    visa.close()


def test_configure_tells_every_error_of_the_queue(server):
    visa = connect(server)
    with pytest.raises(BenchError, match="-113 Undefined header;NOSUCH; -109 Missing parameter"):
        visa.configure("NOSUCH 1", "*ESE")
    visa.check_errors()
    visa.close()


def test_a_number_is_a_number_and_an_overload_is_not(server):
    visa = connect(server)
    assert visa.query_float("VAL?") == 1.5e-3
    for query in ("OVER?", "*IDN?"):
        with pytest.raises(BenchError, match="a number in answer"):
            visa.query_float(query)
    visa.close()


def test_blocks_with_line_feeds_inside_arrive_whole(server):
    visa = connect(server)
    assert visa.query_block("DATA?", ">f4")[[0, 2]].tolist() == [10.0, 1.5]
    assert len(visa.query_block("DATA:EMPT?", ">f4")) == 0
    assert visa.query_float("VAL?") == 1.5e-3
    visa.close()


def test_a_million_values_arrive_whole_and_in_less_than_a_second_of_processor_time(server):
    visa = connect(server)
    begin = time.process_time()
    values = visa.query_block("DATA:MILL?", ">f4")
    assert time.process_time() - begin < 1.0
    assert values[[0, 1, 999_999]].tolist() == [0.0, 1.0, 999_999.0]
    assert visa.query_float("VAL?") == 1.5e-3
    visa.close()


@pytest.mark.parametrize("query", ["DATA:GARB?", "VAL?", "DATA:SHOR?"])
def test_a_bad_block_is_a_bench_error_and_the_next_query_works(server, query):
    visa = connect(server)
    with pytest.raises(BenchError, match=r"a block|definite-length block"):
        visa.query_block(query, ">f4")
    assert visa.query_float("VAL?") == 1.5e-3
    visa.close()


def test_an_answer_that_is_not_ascii_is_a_bench_error(server):
    visa = connect(server)
    with pytest.raises(BenchError, match="LATI"):
        visa.query("LATI?")
    assert visa.query_float("VAL?") == 1.5e-3
    visa.close()


@pytest.mark.parametrize("server", [ScpiServer], indirect=True)
def test_an_endless_line_is_dropped_and_told(clock, server):
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"x" * 100_000 + b"\nSYST:ERR?\n*IDN?\n")
        answers = client.makefile("rb")
        assert answers.readline() == b'-363,"Input buffer overrun"\n'
        assert answers.readline() == b"Twin,Odd,TWIN0001,1.0\n"
