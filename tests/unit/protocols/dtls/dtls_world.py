"""Client and server of the engine on a wire in memory, in virtual time."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any, Literal, TypeVar

from bench.protocols.dtls import (
    ClientOptions,
    Data,
    DtlsClient,
    DtlsServer,
    Event,
    Send,
    ServerAssociation,
    ServerEvent,
    ServerOptions,
)

DEV_EUI = bytes.fromhex("94193A04010020B8")
TEXT_IDENTITY = b"94193A04010020B8"
KEY = bytes(range(0x40, 0x50))

Direction = Literal["up", "down"]
Network = Callable[[Direction, int, bytes], tuple[float, ...]]
"""Direction ("up" is to the server), number in that direction, datagram: after what delays it arrives, if at all."""

E = TypeVar("E")


def client_options(**changes: Any) -> ClientOptions:
    return replace(ClientOptions(identity=DEV_EUI, key=KEY), **changes)


def one(kind: type[E], events: list[Event]) -> E:
    """The only event of a kind."""
    found = [event for event in events if isinstance(event, kind)]
    assert len(found) == 1, f"{len(found)} of {kind.__name__} in {[e for e in events if not isinstance(e, Send)]}"
    return found[0]


class World:
    """One server and one client at a time. Each event is kept; ``sent`` has (time, direction, datagram)."""

    def __init__(self, client: ClientOptions | None = None, server: ServerOptions | None = None, *,
                 keys: dict[bytes, bytes] | None = None, network: Network | None = None, seed: int = 1,
                 latency_s: float = 0.01) -> None:
        self.now = 0.0
        self.key_log: list[str] = []
        self.random = random.Random(seed)
        self.keys = {DEV_EUI: KEY, TEXT_IDENTITY: KEY} if keys is None else keys
        self.server = DtlsServer(server or ServerOptions(), self.keys.get, self.random.randbytes, self.key_log.append)
        self.client_options = client or client_options()
        self.client = self.new_client()
        self.address: Hashable = "unit"
        self.network = network or (lambda direction, number, datagram: (0.0,))
        self.latency_s = latency_s
        self.client_events: list[Event] = []
        self.server_events: list[Event] = []
        self.sent: list[tuple[float, Direction, bytes]] = []
        self._wire: list[tuple[float, int, Direction, Hashable, bytes]] = []

    def new_client(self) -> DtlsClient:
        self.client = DtlsClient(self.client_options, self.random.randbytes)
        return self.client

    @property
    def session(self) -> ServerAssociation:
        """The only established session of the server."""
        session, = self.server.sessions
        return session

    def connect(self, until: float | None = None) -> World:
        self.from_client(self.client.start(self.now))
        self.run(until)
        return self

    def from_client(self, events: list[Event]) -> None:
        for event in events:
            self.client_events.append(event)
            if isinstance(event, Send):
                self._put("up", self.address, event.datagram)

    def from_server(self, events: list[ServerEvent]) -> None:
        for each in events:
            self.server_events.append(each.event)
            if isinstance(each.event, Send):
                self._put("down", each.address, each.event.datagram)

    def _put(self, direction: Direction, address: Hashable, datagram: bytes) -> None:
        number = len([1 for _, way, _ in self.sent if way == direction])
        self.sent.append((self.now, direction, datagram))
        for delay in self.network(direction, number, datagram):
            heapq.heappush(self._wire, (self.now + self.latency_s + delay, len(self.sent), direction, address,
                                        datagram))

    def run(self, until: float | None = None) -> None:
        """Let time pass until ``until``, or until nothing is left that could happen (an unfinished handshake's end at
        the server isn't waited for).
        """
        while True:
            timers = [self.client.next_timeout, self.server.next_timeout]
            if until is None:
                timers = [timer for timer in timers if timer is not None and timer < self.now + 500]
            times = [time for time in (*timers, self._wire[0][0] if self._wire else None) if time is not None]
            if not times or (until is not None and min(times) > until):
                break
            self.now = max(self.now, min(times))
            if self._wire and self._wire[0][0] <= self.now:
                _, _, direction, address, datagram = heapq.heappop(self._wire)
                if direction == "up":
                    self.from_server(self.server.receive(address, datagram, self.now))
                elif address == self.address:
                    self.from_client(self.client.receive(datagram, self.now))
            self.from_client(self.client.timeout(self.now))
            self.from_server(self.server.timeout(self.now))
        if until is not None:
            self.now = until

    def echo(self, data: bytes = b"up") -> None:
        """Application data goes both ways; fails if it doesn't arrive."""
        already = len(self.client_events), len(self.server_events)
        self.from_client(self.client.send(data, self.now))
        self.run(self.now + 1)
        assert Data(data) in self.server_events[already[1]:]
        session = next(each for each in self.server.sessions if each.address == self.address)
        self.from_server(self.server.send(session, data[::-1], self.now))
        self.run(self.now + 1)
        assert Data(data[::-1]) in self.client_events[already[0]:]

    def times(self, direction: Direction) -> list[float]:
        return [time for time, way, _ in self.sent if way == direction]
