"""A target on a real socket that does to each request what its script says, and keeps what it has got."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"

Act = Callable[[socket.socket], None]


def answer(content: bytes) -> Act:
    return lambda connection: connection.sendall(content)


def status(code: int, body: bytes = b"{}", kind: str = "application/json") -> Act:
    return answer(b"HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (
        code, kind.encode(), len(body), body))


def silence(connection: socket.socket) -> None:
    """Takes the document, and never says so."""
    connection.settimeout(20)
    while connection.recv(4096):
        pass


@dataclass
class Request:
    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class ScriptedTarget:
    """``script``: what to do to the next requests, whose documents it takes; it says ``then`` to all others."""

    script: list[Act] = field(default_factory=list)
    then: Act = field(default_factory=lambda: answer(CREATED))
    requests: list[Request] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        self._listener: socket.socket | None = None
        self.open()

    @property
    def taken(self) -> dict[str, bytes]:
        """As a target that knows ids has them: each once."""
        return {request.headers["idempotency-key"]: request.body for request in self.requests}

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, args=[self._listener], daemon=True).start()

    def close(self) -> None:
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        connection.settimeout(20)
        with connection.makefile("rb") as stream:
            line = stream.readline().decode().strip()
            if not line:
                return
            headers = {}
            while header := stream.readline().decode().strip():
                name, _, value = header.partition(":")
                headers[name.lower()] = value.strip()
            self.requests.append(Request(line, headers, stream.read(int(headers.get("content-length", "0")))))
        try:
            (self.script.pop(0) if self.script else self.then)(connection)
        except OSError:
            return
