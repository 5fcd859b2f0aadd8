"""An instrument on a raw TCP socket, and what is common to all wires."""

from __future__ import annotations

import asyncio

from bench.twin.scpi.instrument import ScpiInstrument
from bench.twin.scpi.syntax import ScpiError
from bench.twin.wires.tcp import TcpConnection, TcpServer

LINE_LIMIT = 16384
"""Bytes that one program message may have; more is an input buffer overrun (-363)."""


class Conversation:
    """What one client says and is answered, on whatever wire. Faults of the instrument that show on the wire live
    here: silence, and late answers."""

    def __init__(self, instrument: ScpiInstrument) -> None:
        self.instrument = instrument
        self._held: list[tuple[int, bytes]] = []

    def exchange(self, message: str, number: int = 0) -> list[tuple[int, bytes]]:
        """Carry out ``message``; the answers to send now, each with the number of the message that it answers."""
        instrument = self.instrument
        if instrument.dead:
            return []
        reply = instrument.execute(message)
        answers, self._held = self._held, []
        if reply is None:
            return answers
        if instrument.late_replies > 0:
            instrument.late_replies -= 1
            self._held.append((number, reply + instrument.line_end))
        else:
            answers.append((number, reply + instrument.line_end))
        return answers

    def clear(self) -> None:
        """Drop what is held back."""
        self._held.clear()


class ScpiServer(TcpServer):
    """An instrument on a raw TCP socket."""

    def __init__(self, instrument: ScpiInstrument, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host, port)
        self.instrument = instrument

    def connection(self) -> asyncio.Protocol:
        return _Connection(self)

    @property
    def address(self) -> str:
        """The VISA resource name."""
        return f"TCPIP0::{self.host}::{self.port}::SOCKET"


class _Connection(TcpConnection):
    """One client: cuts its bytes into program messages and writes the answers."""

    def __init__(self, server: ScpiServer) -> None:
        super().__init__(server)
        self._server = server
        self._buffer = bytearray()
        self._skipping = False
        self._conversation = Conversation(server.instrument)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[:end + 1]
            if self._skipping:
                self._skipping = False
            elif len(line) > LINE_LIMIT:
                self._server.instrument.report(ScpiError(-363))
            else:
                self._serve(line.decode("latin-1"))
        if len(self._buffer) > LINE_LIMIT:
            if not self._skipping:
                self._server.instrument.report(ScpiError(-363))
            self._skipping = True
            self._buffer.clear()

    def _serve(self, message: str) -> None:
        for _, answer in self._conversation.exchange(message):
            self._transport.write(answer)
