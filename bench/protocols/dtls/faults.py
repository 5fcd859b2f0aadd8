"""Faults that an end makes on purpose, in the datagrams that it sends and in the messages inside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeAlias, TypeVar

from bench.protocols.dtls.handshake import ChangeCipherSpec, HandshakeMessage

Destination = TypeVar("Destination")

Bend: TypeAlias = Callable[[HandshakeMessage | ChangeCipherSpec], HandshakeMessage | ChangeCipherSpec | None]
"""Gets each message before it is sent for the first time and gives what is sent instead; None leaves it out.

The handshake hash covers what is sent, so that nothing but the bent field is wrong.
"""


class Action(Enum):
    DROP = "drop"
    DELAY = "delay"
    DUPLICATE = "duplicate"
    CORRUPT = "corrupt"
    """The last octet is changed: of an encrypted record's tag, or of a plain message's last field."""


@dataclass(frozen=True, slots=True)
class DatagramFault:
    """What happens to one datagram of a flight, in its first ``times`` transmissions.

    Flights are numbered as in RFC 6347, figure 1: 1 ClientHello, 2 HelloVerifyRequest, 3 ClientHello with cookie,
    4 ServerHello to ServerHelloDone, 5 ClientKeyExchange to Finished, 6 ChangeCipherSpec and Finished. ``datagram``
    counts from 0. ``delay_s`` is for DELAY.
    """

    action: Action
    flight: int
    datagram: int = 0
    times: int = 1
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Faults:
    """``Faults()`` is an honest end."""

    datagrams: tuple[DatagramFault, ...] = ()
    bend: Bend | None = None


class Outbox(Generic[Destination]):
    """Does the datagram faults, and holds what is delayed."""

    def __init__(self, faults: Sequence[DatagramFault]) -> None:
        self._left = {fault: fault.times for fault in faults}
        self._delayed: list[tuple[float, Destination, bytes]] = []

    @property
    def next_timeout(self) -> float | None:
        return self._delayed[0][0] if self._delayed else None

    def put(self, destination: Destination, flight: int, datagrams: list[bytes], now: float) -> list[bytes]:
        """A transmission of a flight; gives the datagrams that leave at once."""
        if not self._left:
            return datagrams
        leaving: list[bytes] = []
        for number, datagram in enumerate(datagrams):
            fault = self._take(flight, number)
            match fault.action if fault is not None else None:
                case None:
                    leaving.append(datagram)
                case Action.DUPLICATE:
                    leaving += [datagram, datagram]
                case Action.CORRUPT:
                    leaving.append(datagram[:-1] + bytes([datagram[-1] ^ 1]))
                case Action.DELAY:
                    assert fault is not None
                    self._delayed.append((now + fault.delay_s, destination, datagram))
                    self._delayed.sort(key=lambda item: item[0])
        return leaving

    def due(self, now: float) -> list[tuple[Destination, bytes]]:
        """The delayed datagrams whose time has come."""
        due: list[tuple[Destination, bytes]] = []
        while self._delayed and self._delayed[0][0] <= now:
            _, destination, datagram = self._delayed.pop(0)
            due.append((destination, datagram))
        return due

    def _take(self, flight: int, number: int) -> DatagramFault | None:
        for fault, left in self._left.items():
            if left > 0 and (fault.flight, fault.datagram) == (flight, number):
                self._left[fault] -= 1
                return fault
        return None
