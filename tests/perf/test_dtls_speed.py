"""Speed of the DTLS engine: handshakes and records per second, both ends in one process.

    python -m pytest tests/perf/test_dtls_speed.py -s

Prints; it asserts only that everything arrives.
"""

from __future__ import annotations

import os
import time
import tracemalloc
from typing import Any

import pytest

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

KEY = bytes(range(16))
HANDSHAKES = 500
RECORDS = 5000
DATA = bytes(200)


def connect(server: DtlsServer, suite: CipherSuite, identity: bytes) -> DtlsClient:
    client = DtlsClient(ClientOptions(identity=identity, key=KEY, suites=(suite,)), os.urandom)
    up: list[Any] = client.start(0)
    while up:
        down = [each.event for event in up if isinstance(event, Send)
                for each in server.receive(identity, event.datagram, 0)]
        up = [event for each in down if isinstance(each, Send) for event in client.receive(each.datagram, 0)]
    assert client.established
    return client


@pytest.mark.parametrize("suite", ALL_SUITES)
def test_handshakes_and_records_per_second_are_printed(suite: CipherSuite) -> None:
    server = DtlsServer(ServerOptions(), lambda identity: KEY, os.urandom)
    started = time.perf_counter()
    for number in range(HANDSHAKES):
        client = connect(server, suite, b"%d" % number)
    handshakes = HANDSHAKES / (time.perf_counter() - started)

    address = b"%d" % (HANDSHAKES - 1)
    started = time.perf_counter()
    for _ in range(RECORDS):
        sent, = client.send(DATA, 0)
        assert isinstance(sent, Send)
        received, = server.receive(address, sent.datagram, 0)
        assert received.event == Data(DATA)
        assert received.association is not None
        answer, = server.send(received.association, DATA, 0)
        assert isinstance(answer.event, Send)
        assert client.receive(answer.event.datagram, 0) == [Data(DATA)]
    trips = RECORDS / (time.perf_counter() - started)
    print(f"\n{suite.name}: {handshakes:.0f} handshakes/s, {trips:.0f} round trips of {len(DATA)} octets/s, "
          f"both ends ({2 * trips:.0f} records/s written and read)")


def test_memory_of_a_session_is_printed() -> None:
    server = DtlsServer(ServerOptions(), lambda identity: KEY, os.urandom)
    connect(server, ALL_SUITES[0], b"warm")
    tracemalloc.start()
    for number in range(HANDSHAKES):
        connect(server, ALL_SUITES[0], b"%d" % number)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"\n{used / HANDSHAKES / 1024:.1f} KiB of Python memory for a session of the server")
