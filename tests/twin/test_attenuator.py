"""The attenuator's twin before somebody else's driver, and its own driver before sick peers on a real socket."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import socket
import sys
import threading
from contextlib import contextmanager
from types import ModuleType
from urllib.request import urlopen

import pytest

from bench.clock import WarpClock
from bench.errors import BenchError
from bench.timeline import Timeline
from bench.twin.radio.attenuator import Attenuator, HttpServer
from bench.twin.radio.cell import Cell
from drivers.radio.attenuator import AttenuatorCell


@pytest.fixture
def clock():
    with WarpClock() as clock:
        yield clock


@pytest.fixture
def server(clock):
    server = HttpServer(clock.call(lambda: Attenuator(Cell(clock))))
    clock.run(server.start())
    yield server
    clock.run(server.stop())


def get(server, command):
    """As the maker's own example for HTTP does it."""
    with urlopen(f"{server.address}/:{command}", timeout=5) as answer:
        return answer.read().decode()


def test_the_lines_of_the_makers_example_are_answered(server):
    box = server.attenuator
    assert [get(server, command) for command in ("MN?", "SN?", "SETATT=10.75", "ATT?")] == [
        "MN=RCDAT-6000-110", "SN=TWIN0001", "1", "10.75"]
    assert get(server, "CHAN:1:SETATT:0") == "0", "this model has one channel"
    assert (get(server, "SETATT=111"), get(server, "ATT?")) == ("2", "110")
    box.model = "RC4DAT-6G-95"
    assert [get(server, command) for command in ("CHAN:1:SETATT:0", "CHAN:2:3:4:SETATT:10.25", "ATT?", "CHAN:3:ATT?")] \
        == ["1", "1", "0 10.25 10.25 10.25", "10.25"]
    for command in ("CHAN:5:SETATT:1", "SETATT=1", "CHAN:1:SETATT:-1", "FLY?"):
        assert get(server, command) == "0"


def test_the_rudat_driver_of_qcodes_sets_and_reads_it(server, monkeypatch):
    """Its commands are its own; its wire, USB on Windows, is exchanged for the twin's."""
    pytest.importorskip("qcodes")
    monkeypatch.setitem(sys.modules, "clr", ModuleType("clr"))    # of Windows, for the package's switches
    qcodes = importlib.import_module("qcodes.instrument_drivers.Minicircuits")

    class OverHttp(qcodes.MiniCircuitsRudat13G90Base):
        def ask_raw(self, cmd):
            with urlopen(f"{server.address}/{cmd}", timeout=5) as answer:
                return answer.read().decode().split("=")[-1]

        def write_raw(self, cmd):
            assert self.ask_raw(cmd) == "1"

    server.attenuator.model = "RUDAT-6000-90"
    driver = OverHttp("rudat")
    try:
        assert driver.get_idn() == {"vendor": "Mini-Circuits", "model": "RUDAT-6000-90", "serial": "TWIN0001",
                                    "firmware": "A1"}
        for wanted_db in (0.0, 0.25, 37.5, 90.0):
            driver.attenuation(wanted_db)
            assert driver.attenuation() == wanted_db
    finally:
        driver.close()


# -- sick peers


@contextmanager
def peer(talk):
    """A server each of whose connections ``talk(connection, number)`` has to itself."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            for number in itertools.count():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    connection.recv(4096)
                    talk(connection, number)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def http(body, length=None):
    size = len(body) if length is None else length
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (size, body)


def answers(*bodies):
    return lambda connection, number: connection.sendall(http(bodies[number % len(bodies)]))


def opened(clock, address, **options):
    return AttenuatorCell(address, clock=clock, timeline=Timeline(clock.time), **{"timeout_s": 0.5, **options})


def drips(connection, number):
    """An octet each moment, without end."""
    for octet in itertools.chain(b"HTTP/1.1 200 OK\r\nContent-Length: 150\r\n\r\n", itertools.repeat(65)):
        connection.sendall(bytes((octet,)))
        dripping.wait(0.01)


dripping = threading.Event()


def in_pieces(connection, number):
    for octet in http(b"MN=RCDAT-6000-110"):
        connection.sendall(bytes((octet,)))


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("talk", "told"), [
    (drips, r"expected an answer to :MN\?, saw none within 0\.5 s"),
    (lambda connection, number: dripping.wait(2.0), r"saw none within 0\.5 s"),
    (lambda connection, number: None, "expected an answer to :MN"),
    (lambda connection, number: connection.sendall(http(b"MN=RCDAT", 200)), "expected an answer to :MN"),
    (lambda connection, number: connection.sendall(http(b"A" * 5000)), "saw 5000 octets"),
    (lambda connection, number: connection.sendall(b"\x00\x00\x00"), "expected an answer to :MN"),
    (lambda connection, number: connection.sendall(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"), "HTTP status 401"),
    (answers(b""), r"expected an answer to :MN\?, saw an empty one"),
    (answers(b"MN=RCSP4T-A18"), "expected a Mini-Circuits")])
def test_a_peer_that_answers_otherwise_is_one_bench_error_within_the_time_out(clock, talk, told):
    with peer(talk) as address, pytest.raises(BenchError, match=told):
        opened(clock, address)


def test_an_answer_in_pieces_with_crlf_blanks_or_nul_is_read(clock):
    with peer(in_pieces) as address:
        assert opened(clock, address).identity.startswith("Mini-Circuits RCDAT-6000-110")
    with peer(answers(b"MN=RCDAT-6000-110 \r\n", b"SN=1\x00", b"1\r\n", b"55 \r\n")) as address:
        cell = opened(clock, address)
        cell.set_level(-140.0)
        assert cell.identity == "Mini-Circuits RCDAT-6000-110 1"


@pytest.mark.parametrize("told", [b"NaN", b"55 55", b"54.75", b"5\x005", b"on"])
def test_an_attenuation_that_is_not_confirmed_is_a_bench_error_and_the_next_one_works(clock, told):
    said = [b"MN=RCDAT-6000-110", b"SN=1", b"1", told, b"1", b"55"]
    with peer(answers(*said)) as address:
        cell = opened(clock, address)
        with pytest.raises(BenchError, match="expected 55 dB, saw answer '1'"):
            cell.set_level(-140.0)
        cell.set_level(-140.0)


def test_a_session_that_dies_in_the_middle_is_one_bench_error_and_the_next_command_works(clock):
    def dies_once(connection, number):
        if number == 2:
            connection.sendall(http(b"1")[:20])
        else:
            connection.sendall(http([b"MN=RCDAT-6000-110", b"SN=1", b"", b"1", b"55"][number]))

    with peer(dies_once) as address:
        cell = opened(clock, address)
        with pytest.raises(BenchError, match="expected an answer to :SETATT"):
            cell.set_level(-140.0)
        cell.set_level(-140.0)
