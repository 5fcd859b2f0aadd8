"""The example device with a firmware that can be updated: object 5, by URI and by write. A package is head, version
and a digest over both and over what follows them.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[3] / "docs" / "examples"))

import aiocoap
import lwm2m_device as example
from aiocoap import Message
from aiocoap.numbers import codes
from content_formats import Path as At
from content_formats import Refused, Values
from lwm2m_device import Device

HEAD, DIGEST = b"EXFW", 32
OPAQUE = 42
PACKAGE, URI, STATE, RESULT = (5, 0, 0), (5, 0, 1), (5, 0, 3), (5, 0, 5)
IDLE, DOWNLOADING, DOWNLOADED, UPDATING = range(4)
INITIAL, SUCCESS, LOST, WRONG, INVALID_URI, UNSUPPORTED = 0, 1, 4, 5, 7, 9

example.READABLE |= {(5, 3), (5, 5), (5, 8), (5, 9)}
example.WRITABLE |= {(5, 0): None, (5, 1): None}
example.EXECUTABLE |= {(5, 2)}


def package(version: str, size: int = 6000) -> bytes:
    body = HEAD + version.encode().ljust(16) + bytes(range(256)) * (size // 256)
    return body + hashlib.sha256(body).digest()


class Updating(Device):
    def __init__(self, endpoint: str, bootstrap: str) -> None:
        super().__init__(endpoint, bootstrap)
        self.values |= {PACKAGE: b"", URI: "", STATE: IDLE, RESULT: INITIAL, (5, 0, 8, 0): 0, (5, 0, 9): 2}
        self.fetching: set[asyncio.Task[None]] = set()
        self.turn = 0                           # how often it was asked to fetch, or to forget, a package
        self.context: Any = None

    async def live(self, context: aiocoap.Context) -> None:
        self.context = context
        await super().live(context)

    def decoded(self, path: At, request: Message) -> Values:
        if path == PACKAGE and request.opt.content_format == OPAQUE:
            return {path: request.payload}
        return super().decoded(path, request)

    def write(self, values: Values) -> None:
        super().write(values)
        if PACKAGE in values:
            self.judge(self.values[PACKAGE])
        if URI in values:
            self.turn += 1
            self.be(DOWNLOADING if self.values[URI] else IDLE)
            if self.values[URI]:
                self.fetching.add(asyncio.get_running_loop().create_task(self.fetch(self.values[URI], self.turn)))

    def be(self, state: int, result: int = INITIAL) -> None:
        self.values |= {STATE: state, RESULT: result}

    async def fetch(self, uri: str, number: int) -> None:
        """What comes when something else has been asked meanwhile is nothing any more."""
        await asyncio.sleep(5)                  # a flash is erased first
        place, content, result = urlsplit(uri), b"", LOST
        if place.scheme != "coap" or not place.hostname:
            result = UNSUPPORTED if place.hostname else INVALID_URI
        elif number == self.turn:
            try:
                content = (await self.context.request(Message(code=codes.GET, uri=uri)).response).payload
                result = WRONG
            except (aiocoap.error.Error, ValueError, OSError):
                pass
        if number == self.turn:
            self.judge(content, result)

    def judge(self, content: bytes, otherwise: int = WRONG) -> None:
        is_sound = content[:4] == HEAD and hashlib.sha256(content[:-DIGEST]).digest() == content[-DIGEST:]
        self.values[PACKAGE] = content if is_sound else b""
        self.be(DOWNLOADED if is_sound else IDLE, INITIAL if is_sound else otherwise)

    def execute(self, path: At) -> None:
        if path == (5, 0, 2):
            if self.values[STATE] != DOWNLOADED:
                raise Refused(codes.METHOD_NOT_ALLOWED)
            self.be(UPDATING)
            asyncio.get_running_loop().call_later(20, self.install)
            return
        super().execute(path)

    def install(self) -> None:
        if self.values[STATE] != UPDATING:      # called off meanwhile
            return
        self.values[3, 0, 3] = self.values[PACKAGE][4:20].decode().strip()
        self.be(IDLE, SUCCESS)
        super().execute((3, 0, 4))


if __name__ == "__main__":
    example.start(Updating)
