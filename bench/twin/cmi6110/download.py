"""A file that the unit pulls by CoAP, block by block (RFC 7959), with a socket of its own beside device management."""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import Any

from aiocoap import error
from aiocoap.message import Message
from aiocoap.numbers import codes

from bench.protocols.coap_pipe import CoapEndpoint, transport_tuning
from bench.twin.cmi6110 import uri as uris
from bench.twin.cmi6110.modem import Modem
from bench.twin.cmi6110.modem_socket import ModemSocket
from bench.twin.cmi6110.settings import Settings
from bench.twin.radio.cell import Address

DEFAULT_PORT = 5683
BLOCK_EXPONENT = 5
"""Blocks of 512 octets."""


class Failure(Enum):
    """Why a download failed."""

    BAD_URI = auto()
    """No URI, or no file at it."""
    BAD_SCHEME = auto()
    """A URI of a protocol other than plain CoAP."""
    NO_ANSWER = auto()
    """The server is silent, or unavailable."""
    TOO_BIG = auto()
    """More than the flash holds."""
    CHANGED = auto()
    """Another file at the same URI in the midst of it: what has come doesn't fit what is to come."""


class DownloadFailed(Exception):  # noqa: N818 - an outcome, not an error of the program
    """``failure`` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.name)
        self.failure = failure


class Download:
    """One file. What has come is in flash: ``run`` again goes on from there. ``limit`` in octets.

    Raises DownloadFailed at once for a URI that can't be used.
    """

    def __init__(self, uri: str, limit: int) -> None:
        try:
            parts = uris.split(uri)
        except uris.NoUri:
            raise DownloadFailed(Failure.BAD_URI) from None
        if parts.scheme != "coap":
            raise DownloadFailed(Failure.BAD_SCHEME)
        self.server: Address = (parts.hostname or "", parts.port or DEFAULT_PORT)
        self.content = bytearray()
        self._path = tuple(part for part in parts.path.split("/") if part)
        self._limit = limit
        self._etag: bytes | None = None

    async def run(self, modem: Modem, settings: Settings) -> bytes:
        """The whole file. Raises DownloadFailed."""
        wire = _Wire(self.server)
        await wire.open(modem)
        try:
            more, exponent = True, BLOCK_EXPONENT
            while more:
                answer = await self._block(wire, settings, len(self.content) >> exponent + 4, exponent)
                more, exponent = self._take(answer)
        finally:
            await wire.close()
        return bytes(self.content)

    async def _block(self, wire: _Wire, settings: Settings, number: int, exponent: int) -> Any:
        build: Any = Message    # its constructor has no types
        message = build(code=codes.GET, uri_path=self._path, block2=(number, False, exponent))
        message.transport_tuning = transport_tuning(
            ack_timeout_s=settings.number("coap_ack_timeout"),
            max_retransmit=settings.number("coap_max_retransmit"), confirmable=True)
        try:
            answer: Any = await wire.request(message)
        except error.Error:
            raise DownloadFailed(Failure.NO_ANSWER) from None
        if answer.code.class_ == 5:
            raise DownloadFailed(Failure.NO_ANSWER)
        if answer.code != codes.CONTENT:
            raise DownloadFailed(Failure.BAD_URI)
        return answer

    def _take(self, answer: Any) -> tuple[bool, int]:
        """Keep a block; whether more follow, and how large they are."""
        etag = answer.opt.etag
        if self._etag is not None and etag != self._etag:
            raise DownloadFailed(Failure.CHANGED)
        self._etag = etag
        block2 = answer.opt.block2
        if block2 is not None and block2.start != len(self.content):
            # The server has made the blocks smaller, or sent another one: go back to where it is.
            del self.content[block2.start:]
        self.content += answer.payload
        if max(answer.opt.size2 or 0, len(self.content)) > self._limit:
            raise DownloadFailed(Failure.TOO_BIG)
        return (False, BLOCK_EXPONENT) if block2 is None else (block2.more, min(block2.size_exponent, BLOCK_EXPONENT))


class _Wire:
    """A CoAP endpoint on a socket of the unit, for one server."""

    def __init__(self, server: Address) -> None:
        self._server = server
        self._socket: ModemSocket | None = None
        self._coap: CoapEndpoint | None = None

    async def open(self, modem: Modem) -> None:
        self._coap = await CoapEndpoint.create(self, None, "unit-download")
        self._socket = await modem.open(lambda data: self._received(data))

    def _received(self, data: bytes) -> None:
        if self._coap is not None:
            self._coap.datagram_received(self._server, data)

    def send(self, peer: Any, data: bytes) -> None:
        if self._socket is not None:
            self._socket.send(peer, data)

    async def request(self, message: Any) -> Any:
        """One block; aiocoap would fetch them all by itself, and begin anew after an outage."""
        assert self._coap is not None
        message.remote = self._coap.remote(self._server)
        return await self._coap.context.request(message, handle_blockwise=False).response

    async def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._coap is not None:
            await asyncio.shield(self._coap.shutdown())
        self._socket = self._coap = None
