"""A server: many associations behind one socket, found by the peer's address or by connection id."""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from bench.protocols.dtls.alerts import AlertDescription, AlertLevel
from bench.protocols.dtls.association import KeyLog, Random
from bench.protocols.dtls.events import AlertSent, Dropped, Event, Moved, Send
from bench.protocols.dtls.faults import Outbox
from bench.protocols.dtls.handshake import (
    ClientHello,
    Fragment,
    HandshakeError,
    HandshakeType,
    HelloVerifyRequest,
    split_fragments,
)
from bench.protocols.dtls.options import Reaction, ServerOptions
from bench.protocols.dtls.reassembly import Reassembly
from bench.protocols.dtls.records import DTLS_1_0, DTLS_1_2, ContentType, Record, split
from bench.protocols.dtls.server_association import KeyOf, ServerAssociation

MAX_HELLO_NUMBER = 1000
"""Message numbers of a ClientHello; an honest client that was sent back by cookies has come to 1 or 2."""

MAX_CUT_HELLOS = 100
"""Senders whose ClientHello has come in part. Their number is bounded, for nothing has proven their address."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """An event of ``association`` (None: nobody's yet). ``Send`` goes to ``address``; else it tells where it was from.
    """

    address: Hashable
    association: ServerAssociation | None
    event: Event


class DtlsServer:
    """Without I/O and without a clock: see ``Association`` for ``now``, ``timeout`` and ``next_timeout``.

    ``key_of(identity)`` looks up a pre-shared key. A client that begins anew keeps its old association until the new
    handshake is finished (RFC 6347 section 4.2.8). Handshakes and sessions are bounded in number: above the bounds
    the oldest handshake and the longest silent session are given up.
    """

    def __init__(self, options: ServerOptions, key_of: KeyOf, random: Random, key_log: KeyLog | None = None) -> None:
        self._options = options
        self._key_of = key_of
        self._random = random
        self._key_log = key_log
        self._cookie_secret = random(32)
        self._events: list[ServerEvent] = []
        self._handshakes: OrderedDict[Hashable, ServerAssociation] = OrderedDict()
        self._sessions: OrderedDict[ServerAssociation, None] = OrderedDict()
        """The longest silent one first."""
        self._by_address: dict[Hashable, ServerAssociation] = {}
        self._by_connection_id: dict[bytes, ServerAssociation] = {}
        self._cut_hellos: OrderedDict[Hashable, Reassembly] = OrderedDict()
        self._outbox: Outbox[Hashable] = _outbox_of(options)
        self._timed: set[ServerAssociation] = set()

    @property
    def options(self) -> ServerOptions:
        return self._options

    @options.setter
    def options(self, options: ServerOptions) -> None:
        """For handshakes that begin from now on; the length of connection ids must stay. Raises ValueError."""
        if options.connection_id_length != self._options.connection_id_length:
            raise ValueError("the length of connection ids can't change while sessions use them")
        self._options = options
        self._outbox = _outbox_of(options)

    @property
    def sessions(self) -> tuple[ServerAssociation, ...]:
        """The established associations, the longest silent one first."""
        return tuple(self._sessions)

    @property
    def next_timeout(self) -> float | None:
        times = [time for each in self._timed if (time := each.next_timeout) is not None]
        if self._handshakes:
            times.append(next(iter(self._handshakes.values())).begun + self._options.handshake_lifetime_s)
        if self._outbox.next_timeout is not None:
            times.append(self._outbox.next_timeout)
        return min(times) if times else None

    def receive(self, address: Hashable, datagram: bytes, now: float) -> list[ServerEvent]:
        """Take a datagram that came from ``address``. Never raises for what is in it."""
        records, rest = split(datagram, self._options.connection_id_length or 0)
        for record in records:
            refused = self._take_record(address, record, now)
            if refused is not None:
                self._drop(address, refused)
        if rest is not None:
            self._drop(address, rest)
        return self._take_events()

    def send(self, association: ServerAssociation, data: bytes, now: float) -> list[ServerEvent]:
        """Raises as ``Association.send``."""
        return self._of(association, association.send(data, now))

    def close(self, association: ServerAssociation, now: float) -> list[ServerEvent]:
        """Say close_notify and forget the association."""
        return self._of(association, association.close(now))

    def alert(self, association: ServerAssociation, level: AlertLevel, description: AlertDescription,
              now: float) -> list[ServerEvent]:
        """See ``Association.alert``."""
        return self._of(association, association.alert(level, description, now))

    def ask_to_renegotiate(self, association: ServerAssociation, now: float) -> list[ServerEvent]:
        """See ``Association``; raises what it raises."""
        return self._of(association, association.ask_to_renegotiate(now))

    def forget_sessions(self) -> list[ServerEvent]:
        """Give up everything without a word, as after a restart."""
        for association in [*self._handshakes.values(), *self._sessions]:
            self._give_up(association, "the server has forgotten it")
        return self._take_events()

    def timeout(self, now: float) -> list[ServerEvent]:
        for address, datagram in self._outbox.due(now):
            self._events.append(ServerEvent(address, None, Send(datagram)))
        for association in list(self._timed):
            self._collect(association, association.timeout(now))
        while self._handshakes:
            oldest = next(iter(self._handshakes.values()))
            if now < oldest.begun + self._options.handshake_lifetime_s:
                break
            self._give_up(oldest, "handshake not finished in time")
        return self._take_events()

    # -- records

    def _take_record(self, address: Hashable, record: Record, now: float) -> str | None:
        if record.epoch == 0:
            if record.content_type == ContentType.HANDSHAKE and record.body[:1] == bytes([HandshakeType.CLIENT_HELLO]):
                return self._take_hellos(address, record, now)
            handshake = self._handshakes.get(address)
            if handshake is None:
                return "plaintext record without a handshake"
            return self._pass(handshake, address, record, now)
        if record.content_type == ContentType.TLS12_CID:
            named = self._by_connection_id.get(record.connection_id)
            candidates = [] if named is None else [named]
        else:
            here = (self._by_address.get(address), self._handshakes.get(address))
            candidates = [each for each in here if each is not None]
        refused: str | None = None
        for association in candidates:
            refused = self._pass(association, address, record, now)
            if refused is None:
                return None
        if refused is None:
            refused = "encrypted record without a session"
            if self._options.no_session is Reaction.ALERT:
                self._plain_alert(address, AlertDescription.INTERNAL_ERROR)
        return refused

    def _pass(self, association: ServerAssociation, address: Hashable, record: Record, now: float) -> str | None:
        was_established = association.established
        newest = association.is_newest(record)
        refused = association.take_record(record, now)
        if was_established and refused is None:
            # Now it is known to be the client's.
            self._sessions.move_to_end(association)
            if newest and record.content_type == ContentType.TLS12_CID and association.address != address:
                self._move(association, address)
        if association.established and not was_established:
            self._promote(association)
        self._collect(association, association.take_events())
        return refused

    def _collect(self, association: ServerAssociation, events: list[Event]) -> None:
        self._events += [ServerEvent(association.address, association, event) for event in events]
        if association.next_timeout is not None:
            self._timed.add(association)
        else:
            self._timed.discard(association)
        if association.closed:
            self._forget(association)

    # -- hellos

    def _take_hellos(self, address: Hashable, record: Record, now: float) -> str | None:
        try:
            fragments = split_fragments(record.body)
        except HandshakeError as malformed:
            return str(malformed)
        if any(fragment.message_type != HandshakeType.CLIENT_HELLO for fragment in fragments):
            return "handshake messages behind a ClientHello"
        for fragment in fragments:
            whole = fragment if fragment.is_whole else self._put_together(address, fragment)
            if whole is not None:
                # A record has one ClientHello at most: it is refused or answered as a whole.
                return self._take_hello(address, whole, record, now)
        return None

    def _put_together(self, address: Hashable, fragment: Fragment) -> Fragment | None:
        reassembly = self._cut_hellos.get(address)
        if reassembly is None or reassembly.expected != fragment.sequence:
            reassembly = self._cut_hellos[address] = Reassembly(fragment.sequence)
            if len(self._cut_hellos) > MAX_CUT_HELLOS:
                self._cut_hellos.popitem(last=False)
        reassembly.add(fragment)
        whole = reassembly.next()
        if whole is not None:
            del self._cut_hellos[address]
        return whole

    def _take_hello(self, address: Hashable, whole: Fragment, record: Record, now: float) -> str | None:
        if whole.sequence > MAX_HELLO_NUMBER:
            return f"ClientHello with message number {whole.sequence}"
        try:
            hello = ClientHello.decode(whole.data)
        except HandshakeError as malformed:
            return str(malformed)
        if self._options.cookies and not hmac.compare_digest(hello.cookie, self._cookie(address, hello)):
            self._verify(address, hello, whole, record, now)
            return None
        handshake = self._handshakes.get(address)
        if handshake is not None and handshake.client_random == hello.random:
            refused = handshake.hello_again(record.sequence, now)
            self._collect(handshake, handshake.take_events())
            return refused
        session = self._by_address.get(address)
        if session is not None and session.client_random == hello.random:
            return "repeated ClientHello of an established association"
        if handshake is not None:
            self._give_up(handshake, "the client began anew")
        association = ServerAssociation(self._options, self._key_of, self._random, self._key_log, address=address,
                                        connection_id=self._new_connection_id(), begun=now)
        association.accept(hello, whole, record.sequence, now)
        if not association.closed:
            self._handshakes[address] = association
            if association.connection_id:
                self._by_connection_id[association.connection_id] = association
            if len(self._handshakes) > self._options.max_handshakes:
                self._give_up(next(iter(self._handshakes.values())), "too many handshakes at a time")
        self._collect(association, association.take_events())
        return None

    def _verify(self, address: Hashable, hello: ClientHello, whole: Fragment, record: Record, now: float) -> None:
        """Answer with a cookie, and keep nothing: numbers are taken from the ClientHello."""
        request = HelloVerifyRequest(self._cookie(address, hello))
        bend = self._options.faults.bend
        bent = request if bend is None else bend(request)
        if not isinstance(bent, HelloVerifyRequest):
            return
        body = bent.encode()
        fragment = Fragment(bent.TYPE, len(body), whole.sequence, 0, body)
        datagram = Record(ContentType.HANDSHAKE, DTLS_1_0, 0, record.sequence, fragment.encode()).encode()
        for leaving in self._outbox.put(address, 2, [datagram], now):
            self._events.append(ServerEvent(address, None, Send(leaving)))

    def _cookie(self, address: Hashable, hello: ClientHello) -> bytes:
        what = [repr(address).encode(), hello.version.to_bytes(2, "big"), hello.random, hello.session_id,
                repr(hello.suites).encode(), hello.compression]
        framed = b"".join(len(each).to_bytes(4, "big") + each for each in what)
        return hmac.digest(self._cookie_secret, framed, "sha256")[:16]

    def _new_connection_id(self) -> bytes:
        length = self._options.connection_id_length
        if length is None:
            return b""
        while (made := self._random(length)) in self._by_connection_id:
            pass
        return made

    # -- who is where

    def _promote(self, association: ServerAssociation) -> None:
        """A handshake has become a session."""
        del self._handshakes[association.address]
        self._sessions[association] = None
        self._take_address(association)
        if len(self._sessions) > self._options.max_sessions:
            self._give_up(next(iter(self._sessions)), "too many sessions, and this one was silent the longest")

    def _move(self, association: ServerAssociation, address: Hashable) -> None:
        """The client has a new address (RFC 9146 section 6)."""
        if self._by_address.get(association.address) is association:
            del self._by_address[association.address]
        self._events.append(ServerEvent(address, association, Moved(association.address)))
        association.address = address
        self._take_address(association)

    def _take_address(self, association: ServerAssociation) -> None:
        previous = self._by_address.get(association.address)
        self._by_address[association.address] = association
        # With a connection id another client's session outlives the loss of its address.
        if previous is not None and (not previous.connection_id or previous.identity == association.identity):
            self._give_up(previous, "replaced by a new handshake")

    def _give_up(self, association: ServerAssociation, reason: str) -> None:
        self._collect(association, association.give_up(reason))

    def _forget(self, association: ServerAssociation) -> None:
        self._sessions.pop(association, None)
        self._timed.discard(association)
        if self._handshakes.get(association.address) is association:
            del self._handshakes[association.address]
        if self._by_address.get(association.address) is association:
            del self._by_address[association.address]
        if self._by_connection_id.get(association.connection_id) is association:
            del self._by_connection_id[association.connection_id]

    # -- events

    def _of(self, association: ServerAssociation, events: list[Event]) -> list[ServerEvent]:
        self._collect(association, events)
        return self._take_events()

    def _take_events(self) -> list[ServerEvent]:
        events, self._events = self._events, []
        return events

    def _drop(self, address: Hashable, reason: str) -> None:
        self._events.append(ServerEvent(address, None, Dropped(reason)))

    def _plain_alert(self, address: Hashable, description: AlertDescription) -> None:
        body = bytes([AlertLevel.FATAL, description])
        datagram = Record(ContentType.ALERT, DTLS_1_2, 0, 0, body).encode()
        self._events += [ServerEvent(address, None, Send(datagram)),
                         ServerEvent(address, None, AlertSent(AlertLevel.FATAL, description))]


def _outbox_of(options: ServerOptions) -> Outbox[Hashable]:
    """The faults of the one flight that no association sends."""
    return Outbox([each for each in options.faults.datagrams if each.flight == 2])
