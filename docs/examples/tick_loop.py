"""The bench's virtual time for any asyncio program: a loop that takes its time from the tick socket
(docs/foreign-units.md)."""

from __future__ import annotations

import asyncio
import selectors
import socket
from typing import Any


class TickSelector(selectors.DefaultSelector):
    """Answers the bench's questions when there is nothing more to do, and lets it say what time it is."""

    def __init__(self, address: str) -> None:
        super().__init__()
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.register(self.socket, selectors.EVENT_READ, self)
        self.now_us, self.asked, self.received = 0, "", b""

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if not events and timeout != 0:
            if self.asked:
                then = "never" if timeout is None else self.now_us + max(1, round(timeout * 1e6))
                self.socket.sendall(f"next {then} {self.asked}\n".encode())
                self.asked = ""
            events = super().select(None)
        if any(key.data is self for key, _ in events):
            octets = self.socket.recv(4096)
            if not octets:
                raise SystemExit("the bench has gone")
            *lines, self.received = (self.received + octets).split(b"\n")
            for line in lines:                      # the first one tells the epoch, which not every program needs
                match line.split():
                    case [b"now", moment, question]:
                        self.now_us, self.asked = int(moment), question.decode()
        return [(key, mask) for key, mask in events if key.data is not self]


class TickLoop(asyncio.SelectorEventLoop):
    def __init__(self, address: str) -> None:
        self.ticks = TickSelector(address)
        super().__init__(self.ticks)
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self.ticks.now_us / 1e6

    async def getaddrinfo(self, *arguments: Any, **options: Any) -> Any:
        """Here and now: who waits for a thread looks as if there were nothing to do."""
        return socket.getaddrinfo(*arguments, **options)
