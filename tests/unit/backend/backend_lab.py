"""A backend in virtual time, and clients of its ports in the main thread."""

from __future__ import annotations

import socket

from bench.backend.backend import Backend
from bench.clock import WarpClock
from bench.protocols.lwm2m import Path, Type
from bench.timeline import Timeline


def type_of(path: Path) -> Type:
    return Type.STRING


class Lab:
    def __init__(self, **options) -> None:
        self.clock = WarpClock()
        self.clock.__enter__()
        self.timeline = Timeline(self.clock.time, self.clock.nudge)
        self.backend = Backend(self.clock, self.timeline, type_of, **options)
        self.clock.run(self.backend.start())
        self.sockets: list[socket.socket] = []

    def client(self, server: int) -> socket.socket:
        """A socket connected to server 0 bootstrap, 1 DM, 2 MDM or 3 files."""
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.settimeout(5)
        client.connect(("127.0.0.1", list(self.backend.routes.values())[server]))
        self.sockets.append(client)
        return client

    def tell(self, client: socket.socket, datagram: bytes) -> None:
        """Send a datagram that may get no answer. Under load the kernel hands it over a little after ``send``."""
        seen = self.arrived()
        client.send(datagram)
        while self.arrived() == seen:
            self.clock.call(lambda: None)

    def arrived(self) -> int:
        return len(self.timeline.select(kind="datagram", direction="in"))

    def close(self) -> None:
        for one in self.sockets:
            one.close()
        if not self.clock.loop.is_closed():
            self.clock.run(self.backend.stop())
            self.clock.close()
