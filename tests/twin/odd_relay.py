"""A relay in front of an instrument's TCP port that spoils what the instrument answers."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable

Spoil = Callable[[bytes], "Iterable[bytes] | None"]
"""The pieces that take the place of what came at once; ``None``: the connection dies here."""


class OddRelay:
    """Leads to ``port``. ``spoil`` is used once, for the next answer, and is then forgotten."""

    def __init__(self, port: int) -> None:
        self.spoil: Spoil | None = None
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        for one in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets += [client, server]
                for source, sink, answers in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._copy, args=(source, sink, answers), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                pieces: Iterable[bytes] | None = [data]
                if answers and self.spoil is not None:
                    spoil, self.spoil = self.spoil, None
                    pieces = spoil(data)
                if pieces is None:
                    break
                for piece in pieces:
                    sink.sendall(piece)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
