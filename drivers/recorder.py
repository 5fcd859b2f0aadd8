"""What goes over the wires of the instruments, kept while somebody asks for it: ``mcm-bench doctor --first-contact``.

The transports tell ``sent`` and ``came``; nothing is kept unless a ``recording`` is on. NFC readers tell only what has
no settings in it. What looks like a key does not get out of here: 32 hexadecimal digits or more in a row, and what a
JSON message calls a password or a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_MOST_KEPT = 1 << 20
_HIDDEN = b"(hidden)"
_KEY = re.compile(rb"[0-9A-Fa-f]{32,}")
_NAMED = re.compile(rb'("(?:password|key|k|opc?|challenge|res)"\s*:\s*)"[^"]*"', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was sent in one go at ``place`` (the address or port in the station file), and all that came until the next:
    octets as on the wire, of WebSocket, HTTP and HiSLIP the messages without their frames. What came before anything
    was sent has ``sent`` empty. Of what is longer than a megabyte the rest is left out."""

    place: str
    sent: bytes
    received: bytes


@dataclass(slots=True)
class _Open:
    place: str
    sent: bytes
    received: bytearray = field(default_factory=bytearray)


class Recorder:
    """The exchanges so far."""

    def __init__(self) -> None:
        self._all: list[_Open] = []
        self._last: dict[str, _Open] = {}

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """In the order in which they were begun, without keys."""
        return tuple(Exchange(one.place, _without_keys(one.sent), _without_keys(bytes(one.received)))
                     for one in tuple(self._all))

    def _begin(self, place: str, octets: bytes) -> _Open:
        self._last[place] = begun = _Open(place, octets[:_MOST_KEPT])
        self._all.append(begun)
        return begun

    def _came(self, place: str, octets: bytes) -> None:
        received = (self._last.get(place) or self._begin(place, b"")).received
        received += octets[:_MOST_KEPT - len(received)]


_recorders: list[Recorder] = []


@contextmanager
def recording() -> Iterator[Recorder]:
    """All that this process's instruments are sent and send, from now on."""
    recorder = Recorder()
    _recorders.append(recorder)
    try:
        yield recorder
    finally:
        _recorders.remove(recorder)


def sent(place: str, octets: bytes) -> None:
    """Told by a transport: this goes out now."""
    for recorder in _recorders:
        recorder._begin(place, bytes(octets))


def came(place: str, octets: bytes | bytearray | memoryview) -> None:
    """Told by a transport: this has come, a piece of an answer or all of it."""
    if octets:
        for recorder in _recorders:
            recorder._came(place, bytes(octets))


def _without_keys(octets: bytes) -> bytes:
    return _KEY.sub(_HIDDEN, _NAMED.sub(rb'\1"' + _HIDDEN + b'"', octets))
