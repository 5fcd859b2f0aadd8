"""HiSLIP of the twin, octet by octet as IVI-6.1 prints it."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.clock import WarpClock
from bench.twin.scpi import Parameters, ScpiInstrument, command
from bench.twin.wires.hislip import HislipServer


class Meter(ScpiInstrument, source="this test"):
    identity = "Twin,Meter,TWIN0001,1.0"

    @command("DATA?")
    def data(self, parameters: Parameters) -> bytes:
        return self.block(b"x" * 100)


class Client:
    """A HiSLIP client of a few lines."""

    def __init__(self, port):
        self.sync = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.sync.sendall(b"HS\x00\x00" + b"\x01\x00" + b"xx" + (7).to_bytes(8, "big") + b"hislip0")
        kind, overlap, parameter, payload = receive(self.sync)
        assert (kind, overlap, parameter >> 16, payload) == (1, 0, 0x0100, b"")
        self.session = parameter & 0xFFFF
        self.asynchronous = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.send_asynchronous(17, self.session)
        assert receive(self.asynchronous)[0] == 18

    def send(self, kind, parameter=0, payload=b"", control=0):
        self.sync.sendall(message(kind, control, parameter, payload))

    def send_asynchronous(self, kind, parameter=0, payload=b"", control=0):
        self.asynchronous.sendall(message(kind, control, parameter, payload))

    def close(self):
        self.sync.close()
        self.asynchronous.close()


def message(kind, control, parameter, payload):
    return b"HS" + bytes([kind, control]) + struct.pack("!IQ", parameter, len(payload)) + payload


def receive(wire):
    header = exactly(wire, 16)
    assert header[:2] == b"HS"
    parameter, length = struct.unpack("!IQ", header[4:])
    return header[2], header[3], parameter, exactly(wire, length)


def exactly(wire, count):
    data = b""
    while len(data) < count:
        part = wire.recv(count - len(data))
        assert part, "the server closed the connection"
        data += part
    return data


@pytest.fixture
def server():
    with WarpClock() as clock:
        server = HislipServer(Meter())
        clock.run(server.start())
        yield server
        clock.run(server.stop())


@pytest.fixture
def client(server):
    client = Client(server.port)
    yield client
    client.close()


def test_an_answer_bears_the_id_of_its_message(client):
    client.send(7, 0xFFFFFF00, b"*IDN?\n")
    assert receive(client.sync) == (7, 0, 0xFFFFFF00, b"Twin,Meter,TWIN0001,1.0\n")
    client.send(6, 0xFFFFFF02, b"*ES")
    client.send(7, 0xFFFFFF04, b"R?\n")
    assert receive(client.sync) == (7, 0, 0xFFFFFF04, b"128\n")


def test_a_long_answer_is_cut_to_the_size_that_the_client_takes(client):
    client.send_asynchronous(15, payload=(80).to_bytes(8, "big"))
    kind, _, _, payload = receive(client.asynchronous)
    assert kind == 16
    assert int.from_bytes(payload, "big") >= 1 << 20
    client.send(7, 2, b"DATA?\n")
    parts = [receive(client.sync), receive(client.sync)]
    assert [(kind, number, len(part)) for kind, _, number, part in parts] == [(6, 2, 64), (7, 2, 42)]
    assert b"".join(part for *_, part in parts) == b"#3100" + b"x" * 100 + b"\n"


def test_the_status_byte_is_read_beside_the_messages(client):
    client.send(7, 2, b"NOSUCH\n")
    client.send(7, 4, b"*IDN?\n")
    receive(client.sync)
    client.send_asynchronous(21, 4)
    assert receive(client.asynchronous)[:2] == (22, 0x04)       # the error queue is not empty


def test_a_device_clear_drops_half_a_message_and_a_late_answer(server, client):
    server.instrument.late_replies = 1
    client.send(7, 2, b"*IDN?\n")
    client.send(6, 4, b"*ES")
    client.send_asynchronous(19)
    assert receive(client.asynchronous)[0] == 23
    client.send(8)
    assert receive(client.sync)[0] == 9
    client.send(7, 0xFFFFFF00, b"*OPC?\n")
    assert receive(client.sync) == (7, 0, 0xFFFFFF00, b"1\n")


def test_locks_and_remote_control_are_granted(client):
    client.send_asynchronous(4, 1000, b"", control=1)
    assert receive(client.asynchronous)[:2] == (5, 1)
    client.send_asynchronous(24)
    assert receive(client.asynchronous)[0] == 25
    client.send_asynchronous(10, control=1)
    assert receive(client.asynchronous)[0] == 11


def test_two_clients_are_told_apart(server, client):
    other = Client(server.port)
    assert other.session != client.session
    client.send(7, 2, b"*OPC?\n")
    other.send(7, 8, b"SYST:VERS?\n")
    assert receive(client.sync) == (7, 0, 2, b"1\n")
    assert receive(other.sync) == (7, 0, 8, b"1999.0\n")
    other.close()


@pytest.mark.parametrize(("octets", "code"), [
    (b"XX" + bytes(14), 1), (message(7, 0, 2, b"*IDN?\n"), 2), (message(17, 0, 999, b""), 3),
    (b"HS\x07\x00" + bytes(4) + b"\xff" * 8, 0)])
def test_what_is_no_hislip_ends_the_connection_with_a_fatal_error(server, octets, code):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as wire:
        wire.sendall(octets)
        assert receive(wire)[:2] == (2, code)
        assert wire.recv(1) == b""


def test_an_unknown_message_is_an_error_and_the_session_goes_on(client):
    client.send(200)
    assert receive(client.sync)[:2] == (3, 1)
    client.send(7, 2, b"*OPC?\n")
    assert receive(client.sync)[3] == b"1\n"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=60), st.builds(
    message, st.integers(0, 40), st.integers(0, 255), st.integers(0, 2**32 - 1), st.binary(max_size=40))), max_size=6))
def test_any_octets_are_survived(parts):
    with WarpClock() as clock:
        server = HislipServer(Meter())
        clock.run(server.start())
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as wire:
            wire.sendall(b"".join(parts))
        client = Client(server.port)
        client.send(7, 2, b"*IDN?\n")
        assert receive(client.sync)[3] == b"Twin,Meter,TWIN0001,1.0\n"
        client.close()
        clock.run(server.stop())
