"""A Mini-Circuits RCDAT programmable attenuator between the unit and a live network: its HTTP interface.

Source: Mini-Circuits' programming manual of these attenuators: GET ``/:SETATT=37.5`` is answered with 1 (done), 2 (more
than it has: set to the most) or 0 (not understood), GET ``/:ATT?`` with the attenuation in dB.
"""

from __future__ import annotations

import asyncio
import re

from bench.twin.cell import Cell
from bench.twin.tcp_server import TcpServer

MOST_DB = 95.0
STEP_DB = 0.25
LONGEST_REQUEST = 4096

_SET = re.compile(r"/:SETATT=(\d+(?:\.\d+)?)", re.ASCII)


class Attenuator:
    """The instrument. When it is used, the lab's network is a live one, always on the air."""

    model, serial, firmware = "RCDAT-6000-95", "TWIN0001", "A1"

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self.attenuation_db = 0.0

    def answer(self, path: str) -> str:
        texts = {"/:MN?": f"MN={self.model}", "/:SN?": f"SN={self.serial}", "/:FIRMWARE?": self.firmware,
                 "/:ATT?": f"{self.attenuation_db:g}"}
        if path in texts:
            return texts[path]
        wanted = _SET.fullmatch(path)
        return "0" if wanted is None else self._set(float(wanted[1]))

    def _set(self, wanted_db: float) -> str:
        self.attenuation_db = round(min(wanted_db, MOST_DB) / STEP_DB) * STEP_DB
        cell = self._cell
        cell.attenuation_db = self.attenuation_db
        cell.psm_allowed = cell.edrx_allowed = cell.power = True
        cell.levels_changed()
        return "1" if wanted_db <= MOST_DB else "2"


class HttpServer(TcpServer):
    """Serves the attenuator."""

    def __init__(self, attenuator: Attenuator, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host, port)
        self.attenuator = attenuator

    def connection(self) -> asyncio.Protocol:
        return _Connection(self)

    @property
    def address(self) -> str:
        return f"http://{self.host}:{self.port}"


class _Connection(asyncio.Protocol):
    """One request, one answer, and the end."""

    _transport: asyncio.Transport

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._request = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections.add(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._server.connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._request += data
        if b"\r\n\r\n" in self._request:
            method, _, rest = self._request.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")
            path = rest.rpartition(" ")[0]
            status, text = ("200 OK", self._server.attenuator.answer(path)) if method == "GET" else \
                ("405 Method Not Allowed", "")
            self._transport.write(f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(text)}\r\n"
                                  f"Connection: close\r\n\r\n{text}".encode("latin-1"))
            self._transport.close()
        elif len(self._request) > LONGEST_REQUEST:
            self._transport.abort()
