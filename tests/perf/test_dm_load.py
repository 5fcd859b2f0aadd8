"""2,000 registered clients on one DM server over loopback UDP, beside aiocoap's bare echo server in the same run.

    python -m pytest tests/perf/test_dm_load.py -s

Prints; it asserts only that every client got its answers. The clients are a process of their own.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiocoap
from aiocoap import resource

from bench.backend.backend import Backend
from bench.clock import WallClock
from bench.manual.resources import type_of
from bench.timeline import Observation, Timeline

CLIENTS = 2000
ROUNDS = 2
CLIENTS_WEIGHED = 500
"""For the memory of one: under tracemalloc everything is slow."""

LINKS = b'</>;rt="oma.lwm2m",</1/1>,</3/0>,</4/0>,</5/0>,</33906/0>,</33907/0>'


class Echo(resource.Resource):
    async def render_post(self, request):
        return aiocoap.Message(code=aiocoap.CHANGED, payload=request.payload)


class ForgetfulTimeline(Timeline):
    """To tell the memory of the server from that of its record."""

    def append(self, source, kind, data=None, *, at=None):
        return Observation(0.0, source, kind, {})


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests per second of wall time, and the seconds of processor time that the server spends on one. The second
    figure hardly depends on what else the machine does."""

    per_second: float
    cpu_s: float

    def __str__(self) -> str:
        return f"{self.per_second:,.0f}/s ({self.cpu_s * 1e6:,.0f} us of CPU each)"


class Clients:
    """The other process."""

    def __init__(self, port: int, count: int) -> None:
        self.count = count
        self._process = subprocess.Popen([sys.executable, str(Path(__file__).with_name("coap_clients.py"))],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.tell(do="open", clients=count, port=port)

    def tell(self, **order: object) -> Any:
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def ask(self, clock: WallClock, requests: list[bytes], rounds: int = 1) -> tuple[Rate, list[bytes]]:
        """How fast they were answered, and the last answers."""
        busy = clock.call(time.thread_time)
        told = self.tell(do="ask", requests=[one.hex() for one in requests], rounds=rounds)
        busy = clock.call(time.thread_time) - busy
        count = self.count * rounds
        return Rate(count / told["seconds"], busy / count), [bytes.fromhex(one) for one in told["answers"]]

    def close(self) -> None:
        self._process.stdin.close()
        assert self._process.wait(10) == 0
        self._process.stdout.close()


@contextmanager
def clients_of(port: int, count: int = CLIENTS) -> Iterator[Clients]:
    clients = Clients(port, count)
    try:
        yield clients
    finally:
        clients.close()


def confirmable_post(message_id: int, *options: tuple[int, bytes], payload: bytes = b"") -> bytes:
    """RFC 7252 by hand: a token of two octets; ``options`` are (delta, value), values of 13 to 268 octets extended."""
    octets = bytes([0x42, 0x02]) + message_id.to_bytes(2, "big") + message_id.to_bytes(2, "big")
    for delta, value in options:
        length = len(value)
        octets += bytes([delta << 4 | min(length, 13)]) + (bytes([length - 13]) if length >= 13 else b"") + value
    return octets + (b"\xff" + payload if payload else b"")


def registration(number: int) -> bytes:
    return confirmable_post(100, (11, b"rd"), (1, b"\x28"), (3, b"ep=94193A0401%06X" % number), (0, b"lt=86400"),
                            (0, b"lwm2m=1.1"), (0, b"b=U"), payload=LINKS)


def location_of(answer: bytes) -> bytes:
    """The second Location-Path of 2.01: after "rd" as option 8."""
    assert (answer[1], answer[6:9]) == (0x41, b"\x82rd")
    return answer[10:10 + (answer[9] & 0x0F)]


def echo_rate(clock: WallClock, requests: list[bytes], rounds: int) -> Rate:
    site = resource.Site()
    site.add_resource(["rd"], Echo())
    context = clock.run(aiocoap.Context.create_server_context(site, bind=("127.0.0.1", 0), transports=["udp6"]))
    try:
        transport = context.request_interfaces[0].token_interface.message_interface.transport
        with clients_of(transport.get_extra_info("socket").getsockname()[1]) as clients:
            rate, answers = clients.ask(clock, requests, rounds)
    finally:
        clock.run(context.shutdown())
    assert {answer[1] for answer in answers} == {0x44}
    return rate


def read_rate(clock: WallClock, backend: Backend, clients: Clients) -> Rate:
    """Requests to the units, 64 at a time."""
    async def all_read() -> set[object]:
        left = list(backend.dm.registrations)
        seen = set()

        async def some() -> None:
            while left:
                seen.add(await backend.dm.read("/3/0/0", endpoint=left.pop()))

        await asyncio.gather(*(some() for _ in range(64)))
        return seen

    clients.tell(do="serve")
    began, busy = time.perf_counter(), clock.call(time.thread_time)
    assert clock.run(all_read(), timeout=60) == {"Elvaco"}
    return Rate(CLIENTS / (time.perf_counter() - began), (clock.call(time.thread_time) - busy) / CLIENTS)


def memory_per_client(timeline_type: type[Timeline]) -> float:
    """Octets."""
    with WallClock() as clock:
        backend = Backend(clock, timeline_type(clock.time, clock.nudge), type_of)
        clock.run(backend.start())
        gc.collect()
        tracemalloc.start()
        try:
            with clients_of(backend.ports[1], CLIENTS_WEIGHED) as clients:
                clients.ask(clock, [registration(number) for number in range(CLIENTS_WEIGHED)])
            gc.collect()
            assert len(backend.dm.registrations) == CLIENTS_WEIGHED
            return tracemalloc.get_traced_memory()[0] / CLIENTS_WEIGHED
        finally:
            tracemalloc.stop()
            clock.run(backend.stop())


def test_2000_clients_on_one_dm_server_beside_a_bare_echo_server(capsys):
    requests = [registration(number) for number in range(CLIENTS)]
    with WallClock() as clock:
        echo = echo_rate(clock, requests, ROUNDS)
        backend = Backend(clock, Timeline(clock.time, clock.nudge), type_of)
        clock.run(backend.start())
        with clients_of(backend.ports[1]) as clients:
            registrations, answers = clients.ask(clock, requests)
            assert len(backend.dm.registrations) == CLIENTS
            updates, changed = clients.ask(clock, [confirmable_post(200, (11, b"rd"), (0, location_of(answer)))
                                                   for answer in answers], ROUNDS)
            assert {answer[1] for answer in changed} == {0x44}
            reads = read_rate(clock, backend, clients)
        clock.run(backend.stop())
    bare, recorded = memory_per_client(ForgetfulTimeline), memory_per_client(Timeline)
    with capsys.disabled():
        print(f"\nDM server with {CLIENTS:,} clients: registrations {registrations}, updates {updates}, reads {reads}\n"
              f"aiocoap's echo server, the same requests: {echo}\n"
              f"CPU of a registration is {registrations.cpu_s / echo.cpu_s:.2f} times, of an update "
              f"{updates.cpu_s / echo.cpu_s:.2f} times that of an echo\n"
              f"memory per registered client: {bare / 1024:.1f} KiB, with the timeline's record of it "
              f"{recorded / 1024:.1f} KiB")
