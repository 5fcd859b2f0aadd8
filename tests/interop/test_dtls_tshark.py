"""tshark decrypts our DTLS from a capture alone, with the session keys that we have put into it."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiocoap import CONTENT, GET, POST
from aiocoap.message import Message
from aiocoap.numbers.types import ACK, CON

from bench.backend.backend import Backend
from bench.backend.psk import Psk, Psks
from bench.clock import WallClock
from bench.protocols.dtls import (
    ALL_SUITES,
    CipherSuite,
    ClientOptions,
    Data,
    DtlsClient,
    DtlsServer,
    Send,
    ServerOptions,
)
from bench.protocols.lwm2m import Type
from bench.protocols.pcapng import PcapngWriter
from bench.timeline import Timeline

DM = ("10.0.0.1", 5684)
IDENTITY = bytes.fromhex("94193A04010020B8")
KEY = bytes(range(0x40, 0x60))

Tshark = Callable[..., list[list[str]]]


@pytest.fixture(scope="module")
def tshark() -> Tshark:
    program = shutil.which("tshark")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("tshark is missing: apt-get install tshark")
        pytest.skip("tshark is missing (apt-get install tshark): OUR ENCRYPTED CAPTURES ARE NOT CHECKED")

    def run(capture: Path, *fields: str) -> list[list[str]]:
        options = [option for field in fields for option in ("-e", field)]
        finished = subprocess.run([program, "-n", "-r", str(capture), "-T", "fields", *options], capture_output=True,
                                  text=True, timeout=60, check=True)
        return [line.split("\t") for line in finished.stdout.splitlines()]

    return run


def coap(**fields: Any) -> bytes:
    message = Message(**fields)
    encoded: bytes = message.encode()  # type: ignore[no-untyped-call,unused-ignore]
    return encoded


class Session:
    """A handshake and one CoAP exchange; ``datagrams`` has what was on the wire, ``inbound`` first.

    Connection ids differ between sessions, for tshark finds a session by them alone.
    """

    def __init__(self, suite: CipherSuite, *, connection_id: bool, extended: bool = True) -> None:
        self.key_log: list[str] = []
        self.datagrams: list[tuple[bool, bytes]] = []
        server = DtlsServer(ServerOptions(connection_id_length=8 if connection_id else None,
                                          extended_master_secret=extended),
                            {IDENTITY: KEY}.get, os.urandom, self.key_log.append)
        client = DtlsClient(ClientOptions(identity=IDENTITY, key=KEY, suites=(suite,),
                                          connection_id=os.urandom(4) if connection_id else None), os.urandom)

        def pump(events: list[Any]) -> None:
            for event in events:
                if isinstance(event, Send):
                    self.datagrams.append((True, event.datagram))
                    for each in server.receive("unit", event.datagram, 0):
                        if isinstance(each.event, Send):
                            answer(each.event.datagram)

        def answer(datagram: bytes) -> None:
            self.datagrams.append((False, datagram))
            pump(client.receive(datagram, 0))

        pump(client.start(0))
        pump(client.send(coap(_mtype=CON, _mid=1, code=GET, uri_path=("3", "0", "1")), 0))
        session, = server.sessions
        for each in server.send(session, coap(_mtype=ACK, _mid=1, code=CONTENT, payload=b"CMi6110"), 0):
            assert isinstance(each.event, Send)
            answer(each.event.datagram)


def write(capture: Path, sessions: list[Session], secrets_before: int = 0) -> Path:
    """``secrets_before``: the number of the datagram before which a session's keys are written."""
    with PcapngWriter(capture) as writer:
        for port, session in enumerate(sessions, 49152):
            for number, (inbound, datagram) in enumerate(session.datagrams):
                if number == secrets_before:
                    writer.secrets("".join(session.key_log))
                unit = ("10.64.0.1", port)
                writer.packet("dm", number * 0.1, unit if inbound else DM, DM if inbound else unit, datagram,
                              inbound=inbound)
    return capture


def test_tshark_shows_coap_of_every_suite_and_option_from_the_file_alone(tmp_path: Path, tshark: Tshark) -> None:
    """tshark checks each record's MAC or tag, so this is also a third party's proof of RFC 9146's records."""
    options = list(itertools.product(ALL_SUITES, (False, True), (False, True)))
    capture = write(tmp_path / "run.pcapng", [Session(suite, connection_id=connection_id, extended=extended)
                                              for suite, connection_id, extended in options])
    rows = tshark(capture, "coap.opt.uri_path", "coap.code", "data.data", "_ws.malformed")
    assert len(rows) == 8 * len(options)
    for number, option in enumerate(options):
        *handshake, request, response = rows[8 * number:8 * number + 8]
        assert handshake == 6 * [["", "", "", ""]], option
        assert request == ["3,0,1", "1", "", ""], option
        assert response == ["", "69", b"CMi6110".hex(), ""], option


def test_tshark_names_the_messages_of_the_handshake_and_the_suite(tmp_path: Path, tshark: Tshark) -> None:
    capture = write(tmp_path / "run.pcapng", [Session(ALL_SUITES[0], connection_id=False)])
    rows = tshark(capture, "dtls.handshake.type", "dtls.handshake.ciphersuite")
    assert [row[0] for row in rows[:6]] == ["1", "3", "1", "2,14", "16,20", "20"]
    assert rows[3][1] == "0xc0a8"


def test_the_keys_may_come_as_late_as_just_before_the_client_key_exchange(tmp_path: Path, tshark: Tshark) -> None:
    capture = write(tmp_path / "run.pcapng", [Session(ALL_SUITES[0], connection_id=False)], 4)
    assert tshark(capture, "coap.opt.uri_path")[6] == ["3,0,1"]


def test_without_the_keys_tshark_shows_nothing(tmp_path: Path, tshark: Tshark) -> None:
    capture = write(tmp_path / "run.pcapng", [Session(ALL_SUITES[0], connection_id=False)], -1)
    assert all(row == [""] for row in tshark(capture, "coap.opt.uri_path"))


@pytest.mark.parametrize("own", [b"", b"8 octets"])
def test_tshark_follows_a_session_that_has_moved_through_the_capture_of_a_server(tmp_path: Path, tshark: Tshark,
                                                                                 own: bytes) -> None:
    """What a unit behind an address translation sends from another port is in the capture beside what it sent before.
    Of two sessions with connection ids at a time tshark 4.0 shows the one that began last."""
    capture = tmp_path / "run.pcapng"
    with PcapngWriter(capture) as writer, WallClock() as clock:
        timeline = Timeline(clock.time, clock.nudge)
        backend = Backend(clock, timeline, lambda path: Type.STRING, pcap=writer,
                          psks={"dm": Psks({IDENTITY.hex().upper(): Psk(KEY)})})
        clock.run(backend.start())
        secure = backend.sockets["dm"].secure
        assert secure is not None
        client = DtlsClient(ClientOptions(identity=IDENTITY, key=KEY, connection_id=own), os.urandom)
        pump(client, secure.port, client.start(0), lambda: client.established)
        for mid, path in enumerate(("rd", "rd/1", "rd/1"), 1):
            query = (f"ep={IDENTITY.hex().upper()}",) if path == "rd" else ()
            pump(client, secure.port, client.send(coap(_mtype=CON, _mid=mid, code=POST, uri_path=tuple(path.split("/")),
                                                       uri_query=query), 0), lambda: False)
        clock.run(backend.stop())
        assert [seen.data["text"] for seen in timeline.select("dm", "dtls", event="moved")] == [
            f"from peer {before}" for before in (1, 2, 3)]
    rows = tshark(capture, "coap.opt.uri_path", "coap.code", "frame.comment", "_ws.malformed")
    shown = [row for row in rows if row[1]]
    assert [row[:2] for row in shown] == [["rd", "2"], ["", "65"], ["rd,1", "2"], ["", "68"], ["rd,1", "2"], ["", "68"]]
    assert not any(row[3] for row in rows)
    assert [row[2] for row in shown if row[2]] == [
        f"from peer {number}, another address than at first" for number in (2, 3, 4)]


def pump(client: DtlsClient, port: int, events: list[Any], done: Callable[[], bool]) -> None:
    """Exchange what has to be exchanged from a port of its own, until ``done``, or the first application data."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.settimeout(5)
        wire.connect(("127.0.0.1", port))
        while not (done() or any(isinstance(event, Data) for event in events)):
            for event in events:
                if isinstance(event, Send):
                    wire.send(event.datagram)
            events = client.receive(wire.recv(2048), 0)
        for event in events:
            if isinstance(event, Send):
                wire.send(event.datagram)
