"""Handshake messages put together again from fragments that may be cut, reordered and repeated in any way."""

from __future__ import annotations

from bench.protocols.dtls.handshake import Fragment

MAX_MESSAGE = 4096
"""Octets. No message of a PSK handshake comes near; what claims to be longer is ignored."""

MAX_AHEAD = 8
"""How many messages beyond the next one are kept."""


class Reassembly:
    """Gives the messages of one side of a handshake in the order of their sequence numbers, from ``expected`` on."""

    def __init__(self, expected: int = 0) -> None:
        self.expected = expected
        self._parts: dict[int, _Part] = {}

    def add(self, fragment: Fragment) -> bool:
        """Whether the fragment is of use: neither of a message already given, nor too long, nor too far ahead."""
        ahead = fragment.sequence - self.expected
        if not 0 <= ahead <= MAX_AHEAD or fragment.length > MAX_MESSAGE:
            return False
        part = self._parts.get(fragment.sequence)
        if part is None or not part.matches(fragment):
            # Of two that contradict each other the newer wins: a forged one must not block the handshake.
            part = self._parts[fragment.sequence] = _Part(fragment)
        part.add(fragment)
        return True

    def next(self) -> Fragment | None:
        """The next message, whole, once it is complete."""
        part = self._parts.get(self.expected)
        if part is None or part.missing:
            return None
        del self._parts[self.expected]
        self.expected += 1
        return Fragment(part.message_type, part.length, part.sequence, 0, bytes(part.data))


class _Part:
    def __init__(self, first: Fragment) -> None:
        self.message_type = first.message_type
        self.length = first.length
        self.sequence = first.sequence
        self.data = bytearray(first.length)
        self._have = bytearray(first.length)

    def matches(self, fragment: Fragment) -> bool:
        return (self.message_type, self.length) == (fragment.message_type, fragment.length)

    def add(self, fragment: Fragment) -> None:
        end = fragment.offset + len(fragment.data)
        self.data[fragment.offset:end] = fragment.data
        self._have[fragment.offset:end] = b"\1" * len(fragment.data)

    @property
    def missing(self) -> bool:
        return 0 in self._have
