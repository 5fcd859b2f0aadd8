"""The way of the unit to one server: a socket of its modem and, where its account says so, DTLS 1.2 with a PSK on it.

The timers are those of Mbed TLS, whose words "min" and "max" the settings use: a flight is sent again after the
minimum, then after twice that, and after a wait of the maximum the handshake has failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.protocols.dtls import CipherSuite, ClientOptions, DtlsClient
from bench.protocols.dtls.pipe import DtlsClientPipe
from bench.twin.cmi6110.modem import Modem
from bench.twin.cmi6110.modem_socket import ModemSocket
from bench.twin.radio.cell import Address

PSK, NO_SECURITY = 0, 3
"""Security modes of 0/x/2 and 33905/x/2."""

_KEY_OCTETS = range(16, 65)


class NoCredentials(Exception):  # noqa: N818 - a state of the unit, not an error of the program
    """DTLS is asked for, and there is no key to do it with."""


class HandshakeFailed(Exception):  # noqa: N818 - an outcome
    """The server has not answered, or not with the right key."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How the unit speaks with a server. The time-outs don't make two of them differ."""

    mode: int
    identity: bytes
    key: bytes = field(repr=False)
    min_timeout_s: float = field(compare=False)
    max_timeout_s: float = field(compare=False)


class Uplink:
    """``connect`` before ``send``. ``terms`` is asked at each handshake; when they have changed, or the association is
    over, the uplink is not open any more.

    ``on_datagram(data)`` gets what the server sends.
    """

    suites: tuple[CipherSuite, ...] = (CipherSuite.TLS_PSK_WITH_AES_128_CCM_8, CipherSuite.TLS_PSK_WITH_AES_128_CCM)
    client = DtlsClient

    def __init__(self, modem: Modem, server: Address, terms: Callable[[], Terms],
                 on_datagram: Callable[[bytes], None]) -> None:
        self.server = server
        self._modem = modem
        self._terms = terms
        self._on_datagram = on_datagram
        self._agreed: Terms | None = None
        self._wire: _Wire | None = None
        self._pipe: DtlsClientPipe | None = None
        self._connecting = asyncio.Lock()

    @property
    def is_open(self) -> bool:
        return self._wire is not None and self._agreed == self._terms()

    @property
    def is_secured(self) -> bool:
        """Open, with DTLS."""
        return self._pipe is not None

    async def connect(self) -> None:
        """Open the way, if it isn't open. Raises NoCredentials, HandshakeFailed, and OSError without a socket."""
        async with self._connecting:
            if self.is_open:
                return
            self.close()
            terms = self._terms()
            if terms.mode == NO_SECURITY:
                await self.go_plain()
            else:
                await self.shake_hands(terms)
            self._agreed = terms

    async def go_plain(self) -> None:
        self._wire = _Wire(await self._modem.open(self._on_datagram))

    async def shake_hands(self, terms: Terms) -> None:
        if len(terms.key) not in _KEY_OCTETS:
            raise NoCredentials
        client = self.client(
            ClientOptions(identity=terms.identity, key=terms.key, suites=self.suites,
                          min_timeout_s=terms.min_timeout_s,
                          max_timeout_s=max(terms.min_timeout_s, terms.max_timeout_s),
                          connection_id=self.connection_id()), self._modem.rng.randbytes)
        wire = _Wire(await self._modem.open(lambda data: pipe.datagram_received(self.server, data)))
        pipe = DtlsClientPipe(wire, self.server, client, on_datagram=lambda server, data: self._on_datagram(data),
                              on_closed=lambda server, reason: self.close())
        try:
            await pipe.connect()
        except ConnectionError as failure:
            wire.close()
            raise HandshakeFailed(str(failure)) from None
        except BaseException:
            wire.close()
            pipe.close()
            raise
        self._wire, self._pipe = wire, pipe

    def connection_id(self) -> bytes | None:
        """What a server is to put into its records (RFC 9146); empty: nothing, but the unit puts in what the server
        asks for. None: the unit knows no connection ids."""
        return None

    def send(self, data: bytes, *, release_assistance: int = 0) -> None:
        """Send ``data``; without a way it is lost. ``release_assistance``: see ``ModemSocket.send``."""
        if self._wire is None:
            return
        self._wire.release_assistance = release_assistance
        if self._pipe is not None:
            self._pipe.send(self.server, data)
        else:
            self._wire.send(self.server, data)

    def drop(self) -> None:
        """The server doesn't answer: perhaps it has lost the association, so the next attempt makes a new one."""
        if self._pipe is not None:
            self.close()

    def close(self) -> None:
        """Without a word to the server. Doing it twice does no harm."""
        if self._wire is not None:
            self._wire.close()
        if self._pipe is not None:
            self._pipe.close()
        self._wire = self._pipe = self._agreed = None


MakeUplink = Callable[[Address, Callable[[bytes], None]], Uplink]
"""An uplink to a server, and who gets what comes from there."""


class _Wire:
    """The socket below; nothing leaves once it is closed."""

    def __init__(self, socket: ModemSocket) -> None:
        self.release_assistance = 0
        self._socket: ModemSocket | None = socket

    def send(self, peer: Address, data: bytes) -> None:
        if self._socket is not None:
            self._socket.send(peer, data, release_assistance=self.release_assistance)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
