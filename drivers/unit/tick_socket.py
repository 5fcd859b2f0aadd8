"""The wire by which a process lives in the bench's virtual time (docs/foreign-units.md).

Lines of ASCII over TCP on the loopback interface. The bench begins with ``epoch 2026-03-02T09:30:00+00:00``: the UTC
moment of time 0. Then it asks, before each of its jumps::

    bench   now 12500000 7         it is 12.5 s (in microseconds) since the epoch; question 7
    unit    next 15000000 7        it has done all there was to do, and wants to act next at 15 s
    unit    next never 7           or: only when something comes for it

Whatever the bench has sent the unit before the question is there when the question is; a unit reads it first, and what
it sends in turn it sends before it answers.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import datetime

from bench.errors import BenchError

HELLO_S = 30.0
"""Real seconds in which a process that was started must connect."""


class TickListener:
    """Where a process connects to: ``address`` is "127.0.0.1:PORT"."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"

    def accept(self, epoch: datetime) -> TickSocket | None:
        """The process, if it connects within a moment (0.1 s of real time)."""
        try:
            connection, _ = self._socket.accept()
        except TimeoutError:
            return None
        return TickSocket(connection, epoch)

    def close(self) -> None:
        self._socket.close()


class TickSocket:
    """A ``Companion`` of the clock."""

    def __init__(self, connection: socket.socket, epoch: datetime) -> None:
        self.next_us: int | None = None
        self._connection = connection
        self._question = self._answered = 0
        self._received = b""
        self._is_gone = False
        self.on_gone: Callable[[], None] = lambda: None
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        self._send(f"epoch {epoch.isoformat()}\n")

    def fileno(self) -> int:
        return self._connection.fileno()

    def ask(self, now_us: int) -> None:
        self._question += 1
        self._send(f"now {now_us} {self._question}\n")

    @property
    def is_answered(self) -> bool:
        return self._is_gone or self._answered == self._question

    def take(self) -> bool:
        try:
            octets = self._connection.recv(4096)
        except BlockingIOError:
            return True
        except OSError:
            octets = b""
        if not octets:
            self._is_gone, self.next_us = True, None
            self.on_gone()
            return False
        *lines, self._received = (self._received + octets).split(b"\n")
        for line in lines:
            self._note(line)
        return True

    def close(self) -> None:
        self._is_gone, self.next_us = True, None
        self._connection.close()

    def _note(self, line: bytes) -> None:
        match line.split():
            case [b"next", moment, question] if question.isdigit() and (moment == b"never" or moment.isdigit()):
                self._answered = int(question)
                self.next_us = None if moment == b"never" else int(moment)
            case _:
                raise BenchError("tick socket of the unit's process", expected="next MICROSECONDS NUMBER",
                                 seen=repr(line[:60].decode("ascii", "replace")), do="see docs/foreign-units.md")

    def _send(self, text: str) -> None:
        try:
            self._connection.sendall(text.encode("ascii"))
        except OSError:
            self._is_gone, self.next_us = True, None    # whoever waits for its answer waits no more
