"""How many datagrams a server takes before it calls it a flood."""

from __future__ import annotations

from collections import Counter


class FloodGate:
    """Admits so many datagrams of one peer, and of all together, in each window of time; the rest is only counted.

    aiocoap remembers each request for 247 s and the timeline for good, so what is admitted bounds their memory. The
    limits lie far above what a unit does on NB-IoT, and above a file fetched block by block in no time at all.
    """

    def __init__(self, *, per_peer: int = 10_000, in_all: int = 100_000, window_s: float = 60.0) -> None:
        self.per_peer = per_peer
        self.in_all = in_all
        self.window_s = window_s
        self.refused = 0
        """In this window."""
        self._until_s = float("-inf")
        self._of_peer: Counter[int] = Counter()
        self._admitted = 0

    def next_window(self, time_s: float) -> int:
        """Begins a new window where the last one is over, and tells how many datagrams that one refused."""
        if time_s < self._until_s:
            return 0
        refused, self.refused = self.refused, 0
        self._until_s = time_s + self.window_s
        self._of_peer.clear()
        self._admitted = 0
        return refused

    def admits(self, peer: int) -> bool:
        """Whether one more datagram of ``peer`` is taken in this window."""
        if self._admitted >= self.in_all or self._of_peer[peer] >= self.per_peer:
            self.refused += 1
            return False
        self._of_peer[peer] += 1
        self._admitted += 1
        return True
