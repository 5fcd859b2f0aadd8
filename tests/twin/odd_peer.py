"""A peer on a TCP port that answers SCPI as no instrument should: late, in pieces, wrong, or not at all."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

Pieces = Callable[[str], "Iterator[bytes] | None"]
"""The pieces of the answer to a line; ``None``: the connection is closed."""


class Listener:
    """Accepts clients in a thread. ``sent`` counts the octets of answers."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.sent = 0
        self.ended = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        self.ended.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _run(self) -> None:
        raise NotImplementedError


class OddPeer(Listener):
    """Serves one client at a time. ``lines`` holds what came."""

    def __init__(self, answer: Pieces) -> None:
        self._answer = answer
        self.lines: list[str] = []
        super().__init__()

    @property
    def address(self) -> str:
        return f"TCPIP0::127.0.0.1::{self.port}::SOCKET"

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while not self.ended.is_set():
                client, _ = self._listener.accept()
                with client, contextlib.suppress(OSError):
                    self._serve(client)

    def _serve(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received = b""
        while part := client.recv(65536):
            received += part
            while b"\n" in received:
                line, received = received.split(b"\n", 1)
                self.lines.append(line.decode())
                pieces = self._answer(line.decode())
                if pieces is None:
                    return
                for piece in pieces:
                    client.sendall(piece)
                    self.sent += len(piece)

    def drip(self, octets: bytes, each_s: float = 0.05) -> Iterator[bytes]:
        """One octet after the other, with pauses."""
        for octet in octets:
            if self.ended.wait(each_s):
                return
            yield bytes([octet])


_HEADER = struct.Struct("!2sBBIQ")


def message(kind: int, parameter: int, payload: bytes = b"", control: int = 0) -> bytes:
    """A HiSLIP message."""
    return _HEADER.pack(b"HS", kind, control, parameter, len(payload)) + payload


class OddHislipPeer(Listener):
    """The same on HiSLIP: ``answer`` gets a line and its message id, and gives octets of the synchronous channel."""

    def __init__(self, answer: Callable[[str, int], Iterator[bytes]]) -> None:
        self._answer = answer
        super().__init__()

    @property
    def address(self) -> str:
        return f"TCPIP0::127.0.0.1::hislip0,{self.port}::INSTR"

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while not self.ended.is_set():
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError, struct.error):
            stream = client.makefile("rb")
            while True:
                _, kind, _, parameter, length = _HEADER.unpack(stream.read(_HEADER.size))
                payload = stream.read(length)
                if kind == 0:
                    client.sendall(message(1, 0x01000001))
                elif kind == 17:
                    client.sendall(message(18, 0))
                elif kind == 15:
                    client.sendall(message(16, 0, (1 << 20).to_bytes(8, "big")))
                elif kind == 7:
                    for piece in self._answer(payload.decode().strip(), parameter):
                        client.sendall(piece)
                        self.sent += len(piece)
