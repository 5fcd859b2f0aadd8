"""The file server that a unit fetches firmware from, by CoAP block by block.

Source: RFC 7252 and RFC 7959. Every request is answered from the file and the block number in it alone, so a unit may
sleep, come back from another port and go on where it was. Nothing is kept of any peer.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from aiocoap.message import Message
from aiocoap.numbers.codes import (
    BAD_OPTION,
    BAD_REQUEST,
    CONTENT,
    EMPTY,
    GET,
    METHOD_NOT_ALLOWED,
    NOT_ACCEPTABLE,
    NOT_FOUND,
    SERVICE_UNAVAILABLE,
    VALID,
    Code,
)
from aiocoap.numbers.optionnumbers import OptionNumber
from aiocoap.numbers.types import ACK, CON, NON, RST

from bench.backend.server_socket import ServerSocket
from bench.clock import Clock
from bench.journal import Journal
from bench.protocols import coap_message
from bench.protocols.coap_message import CoapError
from bench.protocols.lwm2m import ContentFormat

BLOCK_SIZE = 512
"""Octets of a block, unless the unit asks for others: what fits an NB-IoT transport block with room for DTLS."""

_Message: Any = Message    # its constructor has no types
_UNDERSTOOD = {OptionNumber.URI_HOST, OptionNumber.URI_PORT, OptionNumber.URI_PATH, OptionNumber.URI_QUERY,
               OptionNumber.ACCEPT, OptionNumber.BLOCK2}


def etag_of(content: bytes) -> bytes:
    """Four octets that are the same for the same content."""
    return hashlib.sha256(content).digest()[:4]


@dataclass(frozen=True, slots=True)
class ServedFile:
    """A file and what is wrong with the way it is served. Blocks are numbered as the unit asks for them.

    ``announced_size`` is what Size2 says, if not the true size. From ``stalls_at_block`` on there is no answer, from
    ``other_etag_at_block`` on the ETag is another one, and from ``unavailable_at_block`` on the answer is 5.03.
    """

    content: bytes
    announced_size: int | None = None
    stalls_at_block: int | None = None
    other_etag_at_block: int | None = None
    unavailable_at_block: int | None = None

    def corrupted(self, position: int | None = None) -> ServedFile:
        """With one octet inverted, in the middle or at ``position``. Raises IndexError beyond the end."""
        at = len(self.content) // 2 if position is None else position
        content = bytearray(self.content)
        content[at] ^= 0xFF
        return replace(self, content=bytes(content))

    def truncated(self, size: int) -> ServedFile:
        """Ends after ``size`` octets, though Size2 announces all of them."""
        return replace(self, content=self.content[:size], announced_size=len(self.content))

    def padded(self, size: int) -> ServedFile:
        """Filled up to ``size`` octets: too big for the unit."""
        return replace(self, content=self.content.ljust(size, b"\xFF"))

    def etag(self, block: int) -> bytes:
        """The ETag that goes with that block."""
        etag = etag_of(self.content)
        if self.other_etag_at_block is not None and block >= self.other_etag_at_block:
            return bytes(octet ^ 0xFF for octet in etag)
        return etag


@dataclass(frozen=True, slots=True)
class BlockRequest:
    """A block that ``peer`` asked for; ``code`` of the answer such as "2.05", None where there is none."""

    time_s: float
    peer: int
    name: str
    block: int
    size: int
    code: str | None


class FileServer:
    """Serves ``files`` by name, ``coap://HOST:PORT/NAME``, from memory. A name it doesn't have is 4.04.

    ``requests`` are the blocks asked for, in order. ::

        server.files["good.bin"] = ServedFile(image)
        server.files["bad.bin"] = ServedFile(image).corrupted()
        server.files["stalled.bin"] = ServedFile(image, stalls_at_block=40)
    """

    def __init__(self, clock: Clock, socket: ServerSocket) -> None:
        self.files: dict[str, ServedFile] = {}
        self.requests: Journal[BlockRequest] = Journal()
        self._clock = clock
        self._socket = socket
        self._message_id = 0
        socket.on_datagram = self._received

    async def start(self, host: str, port: int) -> None:
        """Raises BenchError when the address can't be bound."""
        await self._socket.open(host, port)

    def stop(self) -> None:
        """Frees the port. Doing it twice does no harm."""
        self._socket.close()

    def _received(self, peer: int, data: bytes) -> None:
        try:
            asked = coap_message.parse(data)
        except CoapError:
            if len(data) >= 4 and data[0] >> 4 == 0b0100:    # a CON that is no CoAP (RFC 7252 section 4.2)
                self._reset(peer, data[2:4])
            return
        code: Any = asked.code
        if code == EMPTY or not code.is_request():
            if asked.mtype is CON:
                self._reset(peer, data[2:4])
            return
        if asked.mtype not in (CON, NON):
            return
        answer = self._answer(peer, asked)
        if answer is None:
            return
        answer.mtype, answer.token = (ACK if asked.mtype is CON else NON), asked.token
        answer.mid = asked.mid if asked.mtype is CON else self._next_message_id()
        self._socket.send(peer, answer.encode())

    def _reset(self, peer: int, message_id: bytes) -> None:
        self._socket.send(peer, bytes([0x40 | int(RST) << 4, 0]) + message_id)

    def _next_message_id(self) -> int:
        self._message_id = (self._message_id + 1) % 0x10000
        return self._message_id

    def _answer(self, peer: int, asked: Message) -> Message | None:
        name = "/".join(asked.opt.uri_path)
        block2 = asked.opt.block2
        number, size = (block2.block_number, block2.size) if block2 is not None else (0, BLOCK_SIZE)
        answer = self._block(asked, name, number, size)
        code: Any = answer.code if answer is not None else None
        self.requests.append(BlockRequest(self._clock.time(), peer, name, number, size,
                                          None if code is None else str(code.dotted)))
        return answer

    def _block(self, asked: Message, name: str, number: int, size: int) -> Message | None:
        if any(option.number.is_critical() and option.number not in _UNDERSTOOD for option in asked.opt.option_list()):
            return _short(BAD_OPTION)
        if asked.code != GET:
            return _short(METHOD_NOT_ALLOWED)
        file = self.files.get(name)
        if file is None:
            return _short(NOT_FOUND)
        if _reached(file.stalls_at_block, number):
            return None
        if _reached(file.unavailable_at_block, number):
            return _short(SERVICE_UNAVAILABLE)
        if asked.opt.accept not in (None, ContentFormat.OPAQUE):
            return _short(NOT_ACCEPTABLE)
        etag = file.etag(number)
        if number == 0 and etag in asked.opt.etags:
            return _short(VALID, etag=etag)
        start, end = number * size, (number + 1) * size
        if _is_reserved_size(asked) or (number and start >= len(file.content)):
            return _short(BAD_REQUEST)
        content = file.content[start:end]
        answer = _short(CONTENT, etag=etag, content_format=int(ContentFormat.OPAQUE), payload=content,
                        block2=(number, end < len(file.content), size.bit_length() - 5))
        if number == 0:
            answer.opt.size2 = len(file.content) if file.announced_size is None else file.announced_size
        return answer


def _reached(at_block: int | None, number: int) -> bool:
    return at_block is not None and number >= at_block


def _is_reserved_size(asked: Message) -> bool:
    return asked.opt.block2 is not None and asked.opt.block2.size_exponent > 6


def _short(code: Code, payload: bytes = b"", **options: Any) -> Message:
    message: Message = _Message(code=code, payload=payload, **options)
    return message
