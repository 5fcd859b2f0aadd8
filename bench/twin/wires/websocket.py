"""A server of JSON messages over WebSocket that answers each at once, as the state is at the present virtual time.

The protocol is that of ``websockets`` without its I/O: no tasks and no timers of its own, so that nothing but the twin
lets virtual time pass.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Protocol

from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from bench.twin.wires.tcp import TcpConnection, TcpServer

LONGEST_MESSAGE = 1 << 20

Json = dict[str, Any]


class Service(Protocol):
    """What is served. Each connection has a memory of its own, a dictionary that begins empty."""

    def greeting(self) -> Json: ...

    def answer(self, message: Json, memory: dict[str, Any]) -> Json | None:
        """None: there is no answer."""


class WebSocketServer(TcpServer):
    """Serves ``service``. ``dead``: it takes messages and doesn't answer."""

    def __init__(self, service: Service, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host, port)
        self.service = service
        self.dead = False

    def connection(self) -> asyncio.Protocol:
        return _Connection(self)

    @property
    def address(self) -> str:
        return f"ws://{self.host}:{self.port}"


class _Connection(TcpConnection):
    """One client. Without an Origin header it is refused."""

    def __init__(self, server: WebSocketServer) -> None:
        super().__init__(server)
        self._server = server
        self._websocket = ServerProtocol(max_size=LONGEST_MESSAGE)
        self._memory: dict[str, Any] = {}
        self._parts = bytearray()

    def eof_received(self) -> None:
        self._websocket.receive_eof()
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._websocket.receive_data(data)
        for event in self._websocket.events_received():
            if isinstance(event, Request):
                self._open(event)
            elif isinstance(event, Frame):
                self._frame(event)
        self._flush()

    def _open(self, request: Request) -> None:
        if "Origin" in request.headers:
            self._websocket.send_response(self._websocket.accept(request))
            self._say(self._server.service.greeting())
        else:
            self._websocket.send_response(self._websocket.reject(HTTPStatus.FORBIDDEN, "Origin header required\n"))

    def _frame(self, frame: Frame) -> None:
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        self._parts += frame.data
        if len(self._parts) > LONGEST_MESSAGE:
            self._websocket.fail(1009, "too long")
        elif frame.fin:
            text, self._parts = bytes(self._parts), bytearray()
            if not self._server.dead:
                self._say(self._answer(text))

    def _answer(self, text: bytes) -> Json | None:
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return {"error": "JSON parse error"}
        if not isinstance(message, dict):
            return {"error": "not an object"}
        return self._server.service.answer(message, self._memory)

    def _say(self, message: Mapping[str, Any] | None) -> None:
        if message is None:
            return
        try:
            self._websocket.send_text(json.dumps(message).encode())
        except InvalidState:    # the client is on its way out
            return

    def _flush(self) -> None:
        for data in self._websocket.data_to_send():
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()
        if self._websocket.close_expected():
            self._transport.close()
