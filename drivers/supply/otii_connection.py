"""The socket under Qoitech's package otii-tcp-client: its commands, over a connection that ends when it should.

The package's own connection waits without end for data, takes a late reply for that of the next command, and never
recovers from a message that it did not ask for.
"""

from __future__ import annotations

import json
import socket
import time
from typing import Any

from bench.errors import BenchError
from drivers.recorder import came, sent

_MOST_OCTETS = 16 << 20
"""More than 40,000 values can't take."""
_SHOWN = 120


class OtiiConnection:
    """JSON objects, each ended by CR LF. Every failure closes the socket and is a ``BenchError`` within ``timeout_s``;
    ``is_open`` is false then, and ``open`` begins anew.
    """

    def __init__(self, address: str, *, subject: str, timeout_s: float) -> None:
        self.subject = f"{subject} at {address}"
        host, colon, port = address.rpartition(":")
        if not colon or not port.isdigit() or not 0 < int(port) < 65536:
            raise BenchError(self.subject, expected="HOST:PORT of the Otii server, such as 127.0.0.1:1905",
                             seen=repr(address), do="correct the address in the station file")
        self._address = address
        self._place = host, int(port)
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._received = b""
        self._number = 0

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    def open(self) -> None:
        """Connect, and await the greeting."""
        self.close()
        try:
            self._socket = socket.create_connection(self._place, self._timeout_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise BenchError(self.subject, expected="the TCP server of Otii", seen=str(error.strerror or error).lower(),
                             do="start Otii with its TCP server, or otii_server, and check the address") from error
        greeting = self._next(time.monotonic() + self._timeout_s, "a greeting")
        if greeting.get("type") != "information" or greeting.get("info") != "connected":
            raise self._broken("a greeting", repr(greeting)[:_SHOWN])

    def send_and_receive(self, request: dict[str, Any], timeout: float | None = None) -> dict[str, Any]:
        """The server's reply. ``timeout`` is what the package would wait, which is left out of account."""
        self._number += 1
        request = {**request, "trans_id": str(self._number)}
        what = f"an answer to {request['cmd']}"
        deadline = time.monotonic() + self._timeout_s
        try:
            if self._socket is None:
                raise ConnectionResetError("the connection is closed")
            self._socket.settimeout(self._timeout_s)
            octets = json.dumps(request).encode() + b"\r\n"
            sent(self._address, octets)
            self._socket.sendall(octets)
        except OSError as error:
            raise self._broken(what, str(error)) from error
        while True:
            reply = self._next(deadline, what)
            if reply.get("type") == "progress":
                continue
            if reply.get("trans_id") != request["trans_id"]:
                raise self._broken(what, repr(reply)[:_SHOWN])
            return reply

    def close(self) -> None:
        old, self._socket, self._received = self._socket, None, b""
        if old is not None:
            old.close()

    def _next(self, deadline: float, what: str) -> dict[str, Any]:
        """The next object that the server sends."""
        assert self._socket is not None
        try:
            while b"\r\n" not in self._received:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise TimeoutError
                self._socket.settimeout(left_s)
                part = self._socket.recv(1 << 18)
                if not part:
                    raise ConnectionResetError("the server closed the connection")
                came(self._address, part)
                self._received += part
                if len(self._received) > _MOST_OCTETS:
                    raise ValueError(f"{len(self._received)} octets without an end")
            line, self._received = self._received.split(b"\r\n", 1)
            message = json.loads(line)
            if not isinstance(message, dict):
                raise ValueError(line[:_SHOWN])
        except TimeoutError as error:
            raise self._broken(what, f"none within {self._timeout_s:g} s") from error
        except (OSError, ValueError, RecursionError) as error:
            raise self._broken(what, str(error)[:_SHOWN]) from error
        return message

    def _broken(self, expected: str, seen: str) -> BenchError:
        self.close()
        return BenchError(self.subject, expected=expected, seen=seen,
                          do="check Otii and its device, and that nobody else uses it")
