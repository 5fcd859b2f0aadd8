"""The twin's end of vsmartcard's virtual reader (vpcd): pcscd, and with it any PC/SC program, sees the twin's reader.

Wire, as tried with Debian's vsmartcard-vpcd 3.3: each message is its length (2 bytes, big-endian) and so many bytes.
One byte is control: 00 power off, 01 power on, 02 reset, 04 asks for the ATR (the only one that is answered); all else
is an APDU. A tag that is not there is a connection that is not there. The daemon listens on all interfaces: let it run
in a network namespace of its own. pcscd lives in real time, so this wire needs the wall clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket

from bench.clock import Clock
from bench.twin.nfc.pcsc_reader import PcscReader

DEFAULT_PORT = 35963


class VpcdWire:
    """Connects ``reader`` to vpcd while there is a tag in its field. Use it in the loop's thread."""

    def __init__(self, clock: Clock, reader: PcscReader, *, host: str = "127.0.0.1", port: int = DEFAULT_PORT) -> None:
        self.reader = reader
        self._clock = clock
        self._address = host, port
        self._serving: asyncio.Task[None] | None = None

    async def insert(self) -> None:
        """The tag comes into the field. Raises OSError when vpcd is not there."""
        receive, send = await asyncio.open_connection(*self._address)
        self._serving = self._clock.spawn(self._serve(receive, send))

    async def remove(self) -> None:
        """The tag, or the reader, goes away. Idempotent."""
        if self._serving is not None:
            self._serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._serving
            self._serving = None
        self.reader.power(False)

    async def _serve(self, receive: asyncio.StreamReader, send: asyncio.StreamWriter) -> None:
        wire: socket.socket = send.get_extra_info("socket")
        try:
            while self.reader.sees_tag:
                # Else each APDU takes 50 ms: vpcd writes length and bytes apart, and waits for an acknowledgement.
                wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                length = int.from_bytes(await receive.readexactly(2), "big")
                wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                answer = self._answer(await receive.readexactly(length))
                if answer is not None:
                    send.write(len(answer).to_bytes(2, "big") + answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass        # pcscd has ended
        finally:
            send.close()

    def _answer(self, message: bytes) -> bytes | None:
        match message:
            case b"\x00" | b"\x01" | b"\x02":
                if message == b"\x02":
                    self.reader.power(False)
                self.reader.power(message != b"\x00")
                return None
            case b"\x04":
                return self.reader.atr
            case _:
                return self.reader.apdu(message)
