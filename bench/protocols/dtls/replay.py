"""The sliding window against replayed records (RFC 6347 section 4.1.2.6)."""

from __future__ import annotations

WINDOW = 64


class ReplayWindow:
    """Which sequence numbers of one epoch have been seen. Ask ``is_new`` before decryption, ``mark`` after it."""

    def __init__(self) -> None:
        self._newest = -1
        self._seen = 0
        """Bit n stands for the sequence number ``_newest`` - n."""

    def is_new(self, sequence: int) -> bool:
        """False for one seen before, and for one that has fallen out of the window."""
        age = self._newest - sequence
        return age < 0 or (age < WINDOW and not self._seen >> age & 1)

    def is_newest(self, sequence: int) -> bool:
        return sequence > self._newest

    def mark(self, sequence: int) -> None:
        age = self._newest - sequence
        if age < 0:
            self._seen = (self._seen << min(-age, WINDOW) | 1) & (1 << WINDOW) - 1
            self._newest = sequence
        elif age < WINDOW:
            self._seen |= 1 << age
