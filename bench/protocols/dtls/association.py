"""What client and server have in common: records in and out, flights, the key schedule, the end."""

from __future__ import annotations

import hashlib
import hmac
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import ClassVar

from bench.protocols.dtls import keys
from bench.protocols.dtls.alerts import AlertDescription, AlertLevel
from bench.protocols.dtls.ciphers import BadRecord, RecordCipher, protect, unprotect
from bench.protocols.dtls.events import (
    AlertReceived,
    AlertSent,
    Closed,
    Data,
    Dropped,
    Established,
    Event,
    Send,
)
from bench.protocols.dtls.faults import Outbox
from bench.protocols.dtls.handshake import (
    ChangeCipherSpec,
    Finished,
    Fragment,
    HandshakeError,
    HandshakeMessage,
    HandshakeType,
    NewSessionTicket,
    decode,
    split_fragments,
)
from bench.protocols.dtls.options import Options
from bench.protocols.dtls.reassembly import Reassembly
from bench.protocols.dtls.records import DTLS_1_2, MAX_PLAINTEXT, ContentType, Record, split
from bench.protocols.dtls.replay import ReplayWindow
from bench.protocols.dtls.suites import CipherSuite

Random = Callable[[int], bytes]
"""Gives so many random octets. ``os.urandom`` with hardware, ``random.Random(seed).randbytes`` in virtual time."""

KeyLog = Callable[[str], None]

_DATAGRAM = 1200
_EARLY_RECORDS = 8
_RECENT_RECORDS = 32


HELLO_REQUEST = Fragment(HandshakeType.HELLO_REQUEST, 0, 0, 0, b"").encode()
"""As a handshake message; a new handshake begins to count at 0 (RFC 6347, section 4.2.2)."""


class NotEstablished(Exception):  # noqa: N818 - neutral: whose fault it is, the caller knows
    """Application data can't be sent: the handshake isn't finished, or the association is closed."""


class ProtocolFault(Exception):  # noqa: N818 - the peer's, not an error of this program
    """The peer broke the protocol: the association ends with this alert."""

    def __init__(self, alert: AlertDescription, reason: str) -> None:
        super().__init__(reason)
        self.alert = alert


class Association(ABC):
    """One DTLS association, without I/O and without a clock.

    Every method takes the time ``now`` (seconds on any axis that doesn't go back) and gives the events that follow,
    in order. When ``next_timeout`` has come, ``timeout`` wants to be called. Whatever a peer sends, ``receive``
    doesn't raise.
    """

    _role: ClassVar[bytes]
    _peer_role: ClassVar[bytes]

    def __init__(self, options: Options, random: Random, key_log: KeyLog | None,
                 timeouts_s: tuple[float, float] | None) -> None:
        self.identity: bytes | None = None
        self.suite: CipherSuite | None = None
        self.established = False
        self.closed = False
        self._random = random
        self._key_log = key_log
        self._options = options
        self._events: list[Event] = []

        self._own_connection_id = b""
        """In what the peer writes; empty for none."""
        self._peer_connection_id = b""
        """In what this end writes."""
        self._sequence = [0, 0]
        """The next record's number, by epoch."""
        self._write_epoch = 0
        self._write_cipher: RecordCipher | None = None
        self._read_cipher: RecordCipher | None = None
        self._window = ReplayWindow()
        self._recent: deque[int] = deque(maxlen=_RECENT_RECORDS)
        self._change_cipher_spec_seen = False
        self._early: list[Record] = []

        self._reassembly = Reassembly()
        self._transcript = hashlib.sha256()
        self._client_random = b""
        self._server_random = b""
        self._extended_master_secret = False
        self._master = b""

        self._message_sequence = 0
        self._flight_number = 0
        self._flight: list[tuple[int, ContentType, bytes]] = []
        """Epoch, record type and content of each part of the last flight, for its retransmission."""
        self._resent_at: float | None = None
        self._timeouts_s = timeouts_s
        """The shortest and the longest wait for an answer; None: flights are sent again only when the peer's are."""
        self._wait_s = 0.0
        self._retry_at: float | None = None
        self._transmissions = 0
        self._outbox: Outbox[None] = Outbox(options.faults.datagrams)

    def __repr__(self) -> str:
        state = "closed" if self.closed else "established" if self.established else "in handshake"
        return f"<DTLS {self._role.decode()}, identity {self.identity!r}, {state}>"

    # -- what the owner calls

    @property
    def next_timeout(self) -> float | None:
        """When ``timeout`` is to be called, or None."""
        times = [time for time in (self._retry_at, self._outbox.next_timeout) if time is not None]
        return min(times) if times else None

    def receive(self, datagram: bytes, now: float) -> list[Event]:
        """Take a datagram that came from the peer."""
        records, rest = split(datagram, len(self._own_connection_id))
        for record in records:
            refused = self.take_record(record, now)
            if refused is not None:
                self._events.append(Dropped(refused))
        if rest is not None:
            self._events.append(Dropped(rest))
        return self.take_events()

    def send(self, data: bytes, now: float) -> list[Event]:
        """Send application data in one record.

        Raises NotEstablished, and ValueError for more than 16384 octets.
        """
        if len(data) > MAX_PLAINTEXT:
            raise ValueError(f"{len(data)} octets don't fit a record of {MAX_PLAINTEXT}")
        if not self.established or self.closed:
            raise NotEstablished
        self._events.append(Send(self._record(1, ContentType.APPLICATION_DATA, data)))
        return self.take_events()

    def timeout(self, now: float) -> list[Event]:
        """Do what is due. Calling it early does no harm."""
        if self._retry_at is not None and self._timeouts_s is not None and now >= self._retry_at:
            _, longest = self._timeouts_s
            if self._wait_s >= longest:
                self._end(f"no answer to flight {self._flight_number}, sent {self._transmissions} times")
            else:
                self._wait_s = min(2 * self._wait_s, longest)
                self._retry_at = now + self._wait_s
                self._transmissions += 1
                self._transmit(now)
        self._events += [Send(datagram) for _, datagram in self._outbox.due(now)]
        return self.take_events()

    def alert(self, level: AlertLevel, description: AlertDescription, now: float) -> list[Event]:
        """Send an alert and change nothing else, which is wrong on purpose for most of them."""
        self._send_alert(level, description)
        return self.take_events()

    def ask_to_renegotiate(self, now: float) -> list[Event]:
        """Send a HelloRequest: a server's wish for a new handshake inside of the association. Raises NotEstablished."""
        if not self.established or self.closed:
            raise NotEstablished
        self._events.append(Send(self._record(1, ContentType.HANDSHAKE, HELLO_REQUEST)))
        return self.take_events()

    def close(self, now: float) -> list[Event]:
        """Say close_notify and end. Doing it twice does no harm."""
        if not self.closed:
            if self.established:
                self._send_alert(AlertLevel.WARNING, AlertDescription.CLOSE_NOTIFY)
            self._end("closed by this end")
        return self.take_events()

    # -- for whoever keeps several associations (DtlsServer)

    def take_record(self, record: Record, now: float) -> str | None:
        """Take one record. Gives None if it was of use, else why it was not; events wait for ``take_events``."""
        if self.closed:
            return "the association is closed"
        try:
            if record.epoch == 0:
                return self._take_plain(record, now)
            return self._take_encrypted(record, now)
        except ProtocolFault as fault:
            self._fail(fault.alert, str(fault))
        except HandshakeError as malformed:
            self._fail(AlertDescription.DECODE_ERROR, str(malformed))
        return None

    def give_up(self, reason: str) -> list[Event]:
        """End without a word to the peer."""
        if not self.closed:
            self._end(reason)
        return self.take_events()

    def take_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def is_newest(self, record: Record) -> bool:
        """Whether all encrypted records taken so far are older."""
        return self._window.is_newest(record.sequence)

    # -- what a role adds

    @abstractmethod
    def _message(self, message: HandshakeMessage, now: float) -> None:
        """Act on the next handshake message, which is already in the transcript unless it is a Finished.

        May raise ProtocolFault.
        """

    @abstractmethod
    def _is_flight_again(self, message_type: int) -> bool:
        """Whether an old message of this type means that the peer hasn't got the last flight."""

    def _bad_record(self) -> None:
        """The first encrypted record of the peer doesn't authenticate. May raise ProtocolFault."""
        return

    # -- records in

    def _take_plain(self, record: Record, now: float) -> str | None:
        if record.sequence in self._recent:
            return "replayed record"
        if record.content_type == ContentType.ALERT:
            if self.established:
                return "plaintext alert to an established association"
            self._recent.append(record.sequence)
            return self._take_alert(record.body)
        if record.content_type == ContentType.CHANGE_CIPHER_SPEC:
            self._recent.append(record.sequence)
            if record.body != b"\1":
                return "malformed ChangeCipherSpec"
            self._change_cipher_spec_seen = True
            self._take_early(now)
            return None
        if record.content_type != ContentType.HANDSHAKE:
            return f"plaintext record of type {record.content_type}"
        self._recent.append(record.sequence)
        return self._take_fragments(record.body, 0, now)

    def _take_encrypted(self, record: Record, now: float) -> str | None:
        if record.epoch != 1 or record.version != DTLS_1_2:
            return f"record of epoch {record.epoch}, version 0x{record.version:04x}"
        if record.connection_id != self._own_connection_id:
            return "record without the connection id" if self._own_connection_id else "connection id not in use"
        if self._read_cipher is None or not self._change_cipher_spec_seen:
            if len(self._early) >= _EARLY_RECORDS:
                return "encrypted record before the keys"
            self._early.append(record)
            return None
        if not self._window.is_new(record.sequence):
            return "replayed record"
        try:
            content_type, content = unprotect(self._read_cipher, record)
        except BadRecord:
            if not self.established:
                self._bad_record()
            return "record doesn't authenticate" if self.established else "record doesn't authenticate, wrong key?"
        if content_type == ContentType.APPLICATION_DATA and not self.established:
            # It has overtaken the Finished.
            if len(self._early) >= _EARLY_RECORDS:
                return "application data before the end of the handshake"
            self._early.append(record)
            return None
        self._window.mark(record.sequence)
        if content_type == ContentType.HANDSHAKE:
            return self._take_fragments(content, 1, now)
        if content_type == ContentType.ALERT:
            return self._take_alert(content)
        if content_type != ContentType.APPLICATION_DATA:
            return f"encrypted record of type {content_type}"
        self._events.append(Data(content))
        return None

    def _take_early(self, now: float) -> None:
        """Records may overtake the messages that they depend on: try again those that did."""
        if self._read_cipher is None or not self._change_cipher_spec_seen:
            return
        early, self._early = self._early, []
        for record in early:
            if not self.closed:
                refused = self._take_encrypted(record, now)
                if refused is not None:
                    self._events.append(Dropped(refused))

    def _take_fragments(self, body: bytes, epoch: int, now: float) -> str | None:
        try:
            fragments = split_fragments(body)
        except HandshakeError as malformed:
            return str(malformed)
        refused: str | None = None
        for fragment in fragments:
            refused = self._take_fragment(fragment, epoch, now) or refused
            if self.closed:
                break
        return refused

    def _take_fragment(self, fragment: Fragment, epoch: int, now: float) -> str | None:
        if self.established and epoch == 1 and fragment.message_type in (HandshakeType.HELLO_REQUEST,
                                                                         HandshakeType.CLIENT_HELLO):
            self._send_alert(AlertLevel.WARNING, AlertDescription.NO_RENEGOTIATION)
            return "renegotiation refused"
        if (fragment.message_type == HandshakeType.FINISHED) != (epoch == 1):
            return f"handshake message of type {fragment.message_type} in epoch {epoch}"
        if fragment.sequence < self._reassembly.expected:
            if fragment.is_last and self._is_flight_again(fragment.message_type):
                self.resend(now)
                return None
            return "repeated handshake message"
        if self.established:
            return "handshake message after the handshake"
        if not self._reassembly.add(fragment):
            return f"handshake message {fragment.sequence} of {fragment.length} octets out of bounds"
        while not self.closed and (whole := self._reassembly.next()) is not None:
            message = decode(whole.message_type, whole.data)
            if not isinstance(message, Finished):
                self._transcript.update(whole.encode())
            if not isinstance(message, NewSessionTicket):
                self._message(message, now)
        return None

    def _take_alert(self, content: bytes) -> str | None:
        if len(content) != 2:
            return f"alert of {len(content)} octets"
        level, description = content
        self._events.append(AlertReceived(level, description))
        if description == AlertDescription.CLOSE_NOTIFY:
            if self.established:
                self._send_alert(AlertLevel.WARNING, AlertDescription.CLOSE_NOTIFY)
            self._end("closed by the peer")
        elif level == AlertLevel.FATAL:
            self._end(str(self._events[-1]))
        return None

    # -- records and flights out

    def _record(self, epoch: int, content_type: ContentType, content: bytes) -> bytes:
        sequence = self._sequence[epoch]
        self._sequence[epoch] += 1
        if epoch == 0:
            return Record(content_type, DTLS_1_2, 0, sequence, content).encode()
        assert self._write_cipher is not None
        return protect(self._write_cipher, content_type, 1, sequence, content, self._peer_connection_id)

    def _begin_flight(self, number: int, *messages: HandshakeMessage) -> None:
        """Put together a new flight, which ``_transmit`` or ``_finish_flight`` sends."""
        self._flight_number = number
        self._flight = []
        for message in messages:
            self._add_to_flight(message)

    def _finish_flight(self, now: float) -> None:
        """Add ChangeCipherSpec and Finished to the flight and send it."""
        self._add_to_flight(ChangeCipherSpec())
        self._add_to_flight(Finished(keys.verify_data(self._master, self._role + b" finished",
                                                      self._transcript.digest())))
        self._transmit(now)
        self._write_epoch = 1

    def _add_to_flight(self, message: HandshakeMessage | ChangeCipherSpec) -> None:
        bend = self._options.faults.bend
        bent = message if bend is None else bend(message)
        if bent is None:
            return
        if isinstance(bent, ChangeCipherSpec):
            self._flight.append((0, ContentType.CHANGE_CIPHER_SPEC, bytes([bent.value])))
            return
        body = bent.encode()
        whole = Fragment(bent.TYPE, len(body), self._message_sequence, 0, body).encode()
        self._message_sequence += 1
        self._transcript.update(whole)
        self._flight.append((1 if isinstance(bent, Finished) else 0, ContentType.HANDSHAKE, whole))

    def _expect_answer(self, now: float) -> None:
        """Start the timer of the flight just sent."""
        if self._timeouts_s is not None:
            self._wait_s, _ = self._timeouts_s
            self._retry_at = now + self._wait_s
            self._transmissions = 1

    def resend(self, now: float) -> None:
        """Send the last flight again, at most once at a time: a flood shall not be answered by another."""
        if self._resent_at != now:
            self._resent_at = now
            self._transmit(now)

    def _transmit(self, now: float) -> None:
        datagrams: list[bytes] = []
        for epoch, content_type, content in self._flight:
            parts = self._fragments(content) if content_type == ContentType.HANDSHAKE else [content]
            for part in parts:
                record = self._record(epoch, content_type, part)
                if self._options.pack_flights and datagrams and len(datagrams[-1]) + len(record) <= _DATAGRAM:
                    datagrams[-1] += record
                else:
                    datagrams.append(record)
        self._events += [Send(each) for each in self._outbox.put(None, self._flight_number, datagrams, now)]

    def _fragments(self, whole: bytes) -> list[bytes]:
        size = self._options.fragment_size
        if len(whole) - 12 <= size:
            return [whole]
        message, = split_fragments(whole)
        return [Fragment(message.message_type, message.length, message.sequence, at,
                         message.data[at:at + size]).encode() for at in range(0, message.length, size)]

    # -- keys

    def _derive(self, psk: bytes) -> None:
        """Make the keys. The transcript must end with the ClientKeyExchange."""
        assert self.suite is not None
        premaster = keys.premaster_secret(psk)
        if self._extended_master_secret:
            self._master = keys.extended_master_secret(premaster, self._transcript.digest())
        else:
            self._master = keys.master_secret(premaster, self._client_random, self._server_random)
        client, server = keys.record_ciphers(self.suite, self._master, self._client_random, self._server_random,
                                             self._random)
        self._write_cipher, self._read_cipher = (client, server) if self._role == b"client" else (server, client)
        if self._key_log is not None:
            self._key_log(keys.key_log_line(self._client_random, self._master))

    def _check_finished(self, message: Finished) -> None:
        """Raises ProtocolFault. The peer's Finished enters the transcript here, for the other one covers it."""
        expected = keys.verify_data(self._master, self._peer_role + b" finished", self._transcript.digest())
        if not hmac.compare_digest(message.verify_data, expected):
            raise ProtocolFault(AlertDescription.DECRYPT_ERROR, "wrong verify data in the peer's Finished")
        body = message.encode()
        self._transcript.update(Fragment(HandshakeType.FINISHED, len(body), self._reassembly.expected - 1, 0,
                                         body).encode())

    def _establish(self, now: float) -> None:
        assert self.identity is not None
        assert self.suite is not None
        self.established = True
        self._retry_at = None
        self._master = b""
        self._events.append(Established(self.identity, self.suite, self._extended_master_secret,
                                        bool(self._own_connection_id or self._peer_connection_id)))
        self._take_early(now)

    # -- the end

    def _send_alert(self, level: AlertLevel, description: AlertDescription) -> None:
        self._events += [Send(self._record(self._write_epoch, ContentType.ALERT, bytes([level, description]))),
                         AlertSent(level, description)]

    def _fail(self, alert: AlertDescription, reason: str) -> None:
        self._send_alert(AlertLevel.FATAL, alert)
        self._end(reason)

    def _end(self, reason: str) -> None:
        self.closed = True
        self._retry_at = None
        self._early.clear()
        self._events.append(Closed(reason))
