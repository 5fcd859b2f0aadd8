"""A Mini-Circuits programmable attenuator between the unit and a live network: its HTTP interface.

Sources: Mini-Circuits' HTTP example: GET ``/:SETATT=37.5``, of a model with several channels
``/:CHAN:2:3:SETATT:37.5``. By the programming manual they are answered with 1 (done), 2 (more than it has: set to the
most) or 0 (not understood). ``/:ATT?`` is answered with the attenuation in dB, of all channels with blanks in between,
and ``/:CHAN:2:ATT?`` with that of one, as a public driver of an RC4DAT-6G-95 reads them. From memory: that several
channels are answered with one digit.
"""

from __future__ import annotations

import asyncio
import re

from bench.twin.radio.cell import Cell
from bench.twin.wires.tcp import TcpConnection, TcpServer

STEP_DB = 0.25
LONGEST_REQUEST = 4096

_MODEL = re.compile(r"R[CU](\d?)DAT-\d+G?-(\d+)")
_SET = re.compile(r"/:SETATT=(\d+(?:\.\d+)?)", re.ASCII)
_SET_CHANNELS = re.compile(r"/:CHAN((?::\d)+):SETATT:(\d+(?:\.\d+)?)", re.ASCII)
_CHANNEL = re.compile(r"/:CHAN:(\d):ATT\?", re.ASCII)


class Attenuator:
    """The instrument. When it is used, the lab's network is a live one, always on the air. The unit is behind channel
    ``wired_to``; ``model`` says how many channels there are and how much each can do.
    """

    serial, firmware = "TWIN0001", "A1"

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self.wired_to = 1
        self.model = "RCDAT-6000-110"
        self.attenuations_db = [0.0]

    @property
    def model(self) -> str:
        return self._model

    @model.setter
    def model(self, model: str) -> None:
        match = _MODEL.match(model)
        self._model = model
        self.most_db = float(match[2]) if match else 0.0
        self.attenuations_db = [0.0] * int(match[1] or 1 if match else 1)

    def answer(self, path: str) -> str:
        texts = {"/:MN?": f"MN={self.model}", "/:SN?": f"SN={self.serial}", "/:FIRMWARE?": self.firmware,
                 "/:ATT?": " ".join(f"{one:g}" for one in self.attenuations_db)}
        if path in texts:
            return texts[path]
        one = _CHANNEL.fullmatch(path)
        if one is not None and 1 <= int(one[1]) <= len(self.attenuations_db):
            return f"{self.attenuations_db[int(one[1]) - 1]:g}"
        if len(self.attenuations_db) == 1:
            wanted = _SET.fullmatch(path)
            return "0" if wanted is None else self._set([1], float(wanted[1]))
        several = _SET_CHANNELS.fullmatch(path)
        return "0" if several is None else self._set([int(one) for one in several[1][1:].split(":")], float(several[2]))

    def _set(self, channels: list[int], wanted_db: float) -> str:
        if not all(1 <= channel <= len(self.attenuations_db) for channel in channels):
            return "0"
        for channel in channels:
            self.attenuations_db[channel - 1] = round(min(wanted_db, self.most_db) / STEP_DB) * STEP_DB
        cell = self._cell
        cell.attenuation_db = self.attenuations_db[self.wired_to - 1]
        cell.psm_allowed = cell.edrx_allowed = cell.power = True
        cell.levels_changed()
        return "1" if wanted_db <= self.most_db else "2"


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


class _Connection(TcpConnection):
    """One request, one answer, and the end."""

    def __init__(self, server: HttpServer) -> None:
        super().__init__(server)
        self._server = server
        self._request = bytearray()

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
