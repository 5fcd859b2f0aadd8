"""The socket of a server: numbers its peers, plain and in DTLS, and shows every datagram to the tap."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from bench.backend.dtls_port import DtlsPort, Random
from bench.backend.flood import FloodGate
from bench.backend.psk import Psks
from bench.backend.tap import Tap
from bench.clock import Clock
from bench.protocols.dtls import ServerAssociation, describe
from bench.protocols.udp import Address, UdpEndpoint

PEERS_REMEMBERED = 50_000
"""Beyond them the one that has been silent for longest is forgotten; it gets a new number when it comes back."""


class ServerSocket:
    """A plain UDP port and, when there are ``psks``, a DTLS port. Above this class nobody sees an address.

    Peers are numbered from 1 in the order in which they appear: plain ones are senders, peers in DTLS are sessions,
    which keep their number when their address changes. It is the pipe of a CoapEndpoint and the wire of the MQTT-SN
    gateway: ``on_datagram(peer, data)`` is set by the server before ``open``; ``on_session(peer)`` hears of
    a session that has begun, ``on_gone(peer, reason)`` of one that is over.

    A flood is dropped, and noted once when it begins and once when it is over. ``refuses_plain``: what comes to the
    plain port is noted (``refused``) and dropped. ``silent``: all that comes is written down, and nothing else happens
    (a black hole). A datagram for which ``loses()`` is true is lost, either way: of those that come nothing is written
    down. ``keeps_secrets`` is for captures: see ``DtlsPort``.
    """

    def __init__(self, tap: Tap, clock: Clock, psks: Psks | None = None, random: Random | None = None, *,
                 keeps_secrets: bool = True, loses: Callable[[], bool] = lambda: False) -> None:
        self.on_datagram: Callable[[int, bytes], None] = lambda peer, data: None
        self.on_session: Callable[[int], object] = lambda peer: None
        self.on_gone: Callable[[int, str], None] = lambda peer, reason: None
        self.gate = FloodGate()
        self.refuses_plain = False
        self.silent = False
        self.secure: DtlsPort | None = None
        self._tap = tap
        self._clock = clock
        self._loses = loses
        self._endpoint: UdpEndpoint | None = None
        self._count = 0
        self._numbers: dict[tuple[Address, bool], int] = {}
        self._addresses: dict[int, Address] = {}
        self._plain: set[int] = set()
        self._heard: dict[int, float] = {}
        self._sessions: dict[int, ServerAssociation] = {}
        self._peers: dict[ServerAssociation, int] = {}
        self._identities: dict[int, bytes] = {}
        if psks is not None and random is not None:
            self.secure = DtlsPort(tap, psks, random, self._addresses.get, keeps_secrets=keeps_secrets)
            self.secure.on_session = self._session_begun
            self.secure.on_data = self._received_inside
            self.secure.on_closed = self._session_over

    async def open(self, host: str, port: int, secure_port: int = 0) -> None:
        """Bind an IP address and its ports (0: any free one). Raises BenchError when that's impossible."""
        self._endpoint = await UdpEndpoint.open(host, port, self._received, loses=self._loses)
        if self.secure is not None:
            await self.secure.open(host, secure_port, self._received_secure, self._loses)

    @property
    def port(self) -> int:
        """The plain port it is bound to; 0 before ``open``."""
        return self._endpoint.port if self._endpoint is not None else 0

    def send(self, peer: int, data: bytes, *, allow_empty: bool = False) -> None:
        """Send one datagram to a peer that has been heard. An empty one takes ``allow_empty``, else ValueError."""
        session = self._sessions.get(peer)
        if session is not None and self.secure is not None:
            if self._tap.saw_inside("out", peer, data):
                self.secure.forget_secrets(session)
            with contextlib.suppress(ConnectionError):
                self.secure.write(session, data)
            return
        address = self._addresses.get(peer)
        if self._endpoint is None or address is None or peer not in self._plain:
            return
        # Written down first: whoever has got an answer finds it on the timeline.
        self._tap.saw("out", peer, data)
        self._endpoint.send(address, data, allow_empty=allow_empty)

    def heard_at(self, peer: int) -> float:
        """When the last datagram of ``peer`` came, in seconds of the clock; minus infinity if it isn't known."""
        return self._heard.get(peer, float("-inf"))

    def host_of(self, peer: int) -> Hashable:
        """What the plain peers of one address have in common; a peer in DTLS is by itself."""
        address = self._addresses.get(peer)
        return address[0] if address is not None else peer

    def identity_of(self, peer: int) -> bytes | None:
        """The identity that ``peer`` has proved; None over plain UDP, which proves nothing."""
        session = self._sessions.get(peer)
        return session.identity if session is not None else None

    def hide(self, payload: bytes, secrets: Iterable[bytes] | None = None) -> None:
        """``payload`` is about to be sent and carries keys: see ``Masks.hide``."""
        self._tap.masks.hide(payload, secrets)

    def note(self, kind: str, **data: Any) -> None:
        """An observation of the server that owns the socket."""
        self._tap.note(kind, **data)

    @property
    def newest_session(self) -> int | None:
        """The peer whose DTLS session began last, of those that are not over."""
        return next(reversed(self._sessions), None)

    def ask_to_renegotiate(self, peer: int) -> None:
        """Ask ``peer`` for a new handshake inside of its session. Raises ConnectionError when that is over."""
        if peer not in self._sessions or self.secure is None:
            raise ConnectionError("the DTLS association is over")
        self.secure.ask_to_renegotiate(self._sessions[peer])

    def forget_sessions(self) -> None:
        """The DTLS sessions are lost, as after a restart of the server."""
        if self.secure is not None:
            self.secure.forget_sessions()

    def close(self) -> None:
        """Doing it twice does no harm."""
        if self.secure is not None:
            self.secure.close()
        if self._endpoint is not None:
            self._endpoint.close()
            self._endpoint = None

    # -- what comes in

    def _received(self, address: Address, data: bytes) -> None:
        peer = self._numbered(address, secure=False)
        if not self._admitted(peer):
            return
        self._tap.saw("in", peer, data)
        if self.refuses_plain:
            self.note("refused", peer=peer, text="a plain datagram, and this server takes DTLS only")
        elif not self.silent:
            self.on_datagram(peer, data)

    def _received_secure(self, address: Address, datagram: bytes) -> None:
        assert self.secure is not None
        number = self._numbered(address, secure=True)
        if not self._admitted(number):
            return
        self._tap.saw_record("in", number, datagram, describe(datagram))
        if self.silent:
            self._tap.capture("in", number, datagram, secure=True)
        else:
            self.secure.take(number, datagram)

    def _admitted(self, peer: int) -> bool:
        now = self._clock.time()
        over = self.gate.next_window(now)
        if over:
            self.note("flood", text=f"over: {over} datagram(s) were dropped")
        if self.gate.admits(peer):
            self._hear(peer, now)
            return True
        if self.gate.refused == 1:
            self.note("flood", peer=peer, text=f"more than {self.gate.per_peer} datagrams of one peer or "
                      f"{self.gate.in_all} in all within {self.gate.window_s:g} s: the rest is dropped")
        return False

    def _hear(self, peer: int, now: float) -> None:
        self._heard.pop(peer, None)
        self._heard[peer] = now    # the last heard stands last
        if len(self._heard) > 2 * PEERS_REMEMBERED:    # senders, and sessions with numbers of their own
            del self._heard[next(iter(self._heard))]

    def _received_inside(self, session: ServerAssociation, data: bytes) -> None:
        assert self.secure is not None
        peer = self._peers[session]
        self._hear(peer, self._clock.time())
        if self._tap.saw_inside("in", peer, data):
            self.secure.forget_secrets(session)
        self.on_datagram(peer, data)

    # -- sessions

    def _session_begun(self, session: ServerAssociation, sender: int) -> None:
        """It is called by its sender's number, unless that is taken, or was somebody else's."""
        peer = sender
        identity = session.identity or b""
        if peer in self._sessions or self._identities.get(peer, identity) != identity:
            peer = self._next_number()
        self._sessions[peer], self._peers[session], self._identities[peer] = session, peer, identity
        if len(self._identities) > PEERS_REMEMBERED:
            del self._identities[next(iter(self._identities))]
        self._hear(peer, self._clock.time())
        self.on_session(peer)

    def _session_over(self, session: ServerAssociation, reason: str) -> None:
        peer = self._peers.pop(session, None)
        if peer is not None:
            del self._sessions[peer]
            self.on_gone(peer, reason)

    # -- numbers

    def _next_number(self) -> int:
        self._count += 1
        return self._count

    def _numbered(self, address: Address, *, secure: bool) -> int:
        peer = self._numbers.pop((address, secure), 0)
        if not peer:
            peer = self._next_number()
            self._addresses[peer] = address
            if not secure:
                self._plain.add(peer)
        self._numbers[address, secure] = peer    # the last heard stands last
        if len(self._numbers) > PEERS_REMEMBERED:
            silent = self._numbers.pop(next(iter(self._numbers)))
            self._plain.discard(silent)
            self._addresses.pop(silent, None)
            self._heard.pop(silent, None)
        return peer
