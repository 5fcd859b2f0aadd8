"""HiSLIP (IVI-6.1, version 1.1): an instrument of the twin on a TCP port, as LAN instruments serve it beside the raw
socket.

A client opens two connections to one port. Program messages and answers go over the synchronous one; status queries,
device clears and locks over the asynchronous one. Every message has a header of 16 bytes: "HS", type, control code,
a 32-bit parameter, and the payload's length in 64 bits. Answers bear the id of the message that they answer, so that
a client drops late ones.
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass, field
from enum import IntEnum

from bench.twin.scpi import LINE_LIMIT, Conversation, ScpiError, ScpiInstrument
from bench.twin.wires.tcp import TcpConnection, TcpServer

_HEADER = struct.Struct("!2sBBIQ")
_VERSION = 0x0100
_VENDOR = int.from_bytes(b"TW", "big")
_MOST_PAYLOAD = 1 << 20


class Type(IntEnum):
    """Message types (IVI-6.1 table 4)."""

    INITIALIZE = 0
    INITIALIZE_RESPONSE = 1
    FATAL_ERROR = 2
    ERROR = 3
    ASYNC_LOCK = 4
    ASYNC_LOCK_RESPONSE = 5
    DATA = 6
    DATA_END = 7
    DEVICE_CLEAR_COMPLETE = 8
    DEVICE_CLEAR_ACKNOWLEDGE = 9
    ASYNC_REMOTE_LOCAL_CONTROL = 10
    ASYNC_REMOTE_LOCAL_RESPONSE = 11
    TRIGGER = 12
    ASYNC_MAX_MESSAGE_SIZE = 15
    ASYNC_MAX_MESSAGE_SIZE_RESPONSE = 16
    ASYNC_INITIALIZE = 17
    ASYNC_INITIALIZE_RESPONSE = 18
    ASYNC_DEVICE_CLEAR = 19
    ASYNC_STATUS_QUERY = 21
    ASYNC_STATUS_RESPONSE = 22
    ASYNC_DEVICE_CLEAR_ACKNOWLEDGE = 23
    ASYNC_LOCK_INFO = 24
    ASYNC_LOCK_INFO_RESPONSE = 25


class FatalError(Exception):
    """What ends a connection: a code of IVI-6.1 table 16, and its text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass
class _Session:
    """One client: its two connections share it. ``payload_size``: the largest payload the client takes."""

    conversation: Conversation
    payload_size: int = _MOST_PAYLOAD
    received: bytearray = field(default_factory=bytearray)


class HislipServer(TcpServer):
    """An instrument on HiSLIP."""

    def __init__(self, instrument: ScpiInstrument, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host, port)
        self.instrument = instrument
        self.sessions: dict[int, _Session] = {}
        self._last_session = 0

    def connection(self) -> asyncio.Protocol:
        return _Connection(self)

    @property
    def address(self) -> str:
        """The VISA resource name."""
        return f"TCPIP0::{self.host}::hislip0,{self.port}::INSTR"

    def new_session(self) -> int:
        self._last_session = self._last_session % 0xFFFF + 1
        self.sessions[self._last_session] = _Session(Conversation(self.instrument))
        return self._last_session


class _Connection(TcpConnection):
    """One of a client's two connections: cuts its bytes into messages and answers them."""

    def __init__(self, server: HislipServer) -> None:
        super().__init__(server)
        self._server = server
        self._buffer = bytearray()
        self._session: _Session | None = None
        self._session_id: int | None = None    # of the synchronous connection, with which the session ends

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if self._session_id is not None:
            self._server.sessions.pop(self._session_id, None)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            while len(self._buffer) >= _HEADER.size:
                mark, kind, control, parameter, length = _HEADER.unpack_from(self._buffer)
                if mark != b"HS":
                    raise FatalError(1, "Poorly formed message header")
                if length > _MOST_PAYLOAD:
                    raise FatalError(0, "Message too large")
                end = _HEADER.size + length
                if len(self._buffer) < end:
                    return
                payload = bytes(self._buffer[_HEADER.size:end])
                del self._buffer[:end]
                self._message(kind, control, parameter, payload)
        except FatalError as error:
            self._send(Type.FATAL_ERROR, error.code, 0, str(error).encode())
            self._transport.close()

    def _message(self, kind: int, control: int, parameter: int, payload: bytes) -> None:
        if kind == Type.INITIALIZE:
            self._session_id = self._server.new_session()
            self._session = self._server.sessions[self._session_id]
            self._send(Type.INITIALIZE_RESPONSE, 0, _VERSION << 16 | self._session_id)
        elif kind == Type.ASYNC_INITIALIZE:
            self._session = self._server.sessions.get(parameter)
            if self._session is None:
                raise FatalError(3, "Invalid Initialization sequence")
            self._send(Type.ASYNC_INITIALIZE_RESPONSE, 0, _VENDOR)
        elif self._session is None:
            raise FatalError(2, "Attempt to use connection without both channels established")
        elif self._session_id is not None:
            self._synchronous(self._session, kind, control, parameter, payload)
        else:
            self._asynchronous(self._session, kind, control, payload)

    def _synchronous(self, session: _Session, kind: int, control: int, parameter: int, payload: bytes) -> None:
        if kind in (Type.DATA, Type.DATA_END):
            session.received += payload
            if len(session.received) > LINE_LIMIT:
                session.conversation.instrument.report(ScpiError(-363))
                session.received.clear()
            elif kind == Type.DATA_END:
                text, session.received = session.received.decode("latin-1"), bytearray()
                for line in text.removesuffix("\n").split("\n"):
                    self._answer(session, parameter, line)
        elif kind == Type.TRIGGER:
            self._answer(session, parameter, "*TRG")
        elif kind == Type.DEVICE_CLEAR_COMPLETE:
            session.received.clear()
            session.conversation.clear()
            self._send(Type.DEVICE_CLEAR_ACKNOWLEDGE, control, 0)
        else:
            self._send(Type.ERROR, 1, 0, b"Unrecognized Message Type")

    def _asynchronous(self, session: _Session, kind: int, control: int, payload: bytes) -> None:
        if kind == Type.ASYNC_MAX_MESSAGE_SIZE and len(payload) == 8:
            session.payload_size = max(1, int.from_bytes(payload, "big") - _HEADER.size)
            self._send(Type.ASYNC_MAX_MESSAGE_SIZE_RESPONSE, 0, 0, (_MOST_PAYLOAD + _HEADER.size).to_bytes(8, "big"))
        elif kind == Type.ASYNC_DEVICE_CLEAR:    # what is on its way is dropped when the client says "complete"
            self._send(Type.ASYNC_DEVICE_CLEAR_ACKNOWLEDGE, 0, 0)
        elif kind == Type.ASYNC_STATUS_QUERY:
            self._send(Type.ASYNC_STATUS_RESPONSE, session.conversation.instrument.status_byte(), 0)
        elif kind == Type.ASYNC_LOCK:
            self._send(Type.ASYNC_LOCK_RESPONSE, 1, 0)
        elif kind == Type.ASYNC_LOCK_INFO:
            self._send(Type.ASYNC_LOCK_INFO_RESPONSE, 0, 0)
        elif kind == Type.ASYNC_REMOTE_LOCAL_CONTROL:
            self._send(Type.ASYNC_REMOTE_LOCAL_RESPONSE, 0, 0)
        else:
            self._send(Type.ERROR, 1, 0, b"Unrecognized Message Type")

    def _answer(self, session: _Session, message_id: int, line: str) -> None:
        for reply_id, reply in session.conversation.exchange(line, message_id):
            for begin in range(0, len(reply), session.payload_size):
                part = reply[begin:begin + session.payload_size]
                kind = Type.DATA_END if begin + len(part) == len(reply) else Type.DATA
                self._send(kind, 0, reply_id, part)

    def _send(self, kind: Type, control: int, parameter: int, payload: bytes = b"") -> None:
        self._transport.write(_HEADER.pack(b"HS", kind, control, parameter, len(payload)) + payload)
