"""The DTLS port of a server: whose sessions run on it, and what is written down of them."""

from __future__ import annotations

from collections.abc import Callable

from bench.backend.psk import Psks
from bench.backend.tap import Direction, Tap
from bench.protocols.dtls import (
    AlertReceived,
    AlertSent,
    Closed,
    Dropped,
    DtlsServer,
    Established,
    Moved,
    ServerAssociation,
    ServerEvent,
    ServerOptions,
    describe,
)
from bench.protocols.dtls.pipe import DtlsServerPipe
from bench.protocols.pcapng import Secrets
from bench.protocols.udp import Address, UdpEndpoint

Random = Callable[[int], bytes]
"""Gives so many random octets."""

USUAL_OPTIONS = ServerOptions(connection_id_length=8)
"""Connection ids for who asks for them: behind an address translation, which NB-IoT has as a rule, a session ends
without them whenever the unit has been silent for some minutes."""

NO_SECRETS = "the session keys are not kept, for keys of the unit pass in this session"


class DtlsPort:
    """Speaks DTLS 1.2 with the keys ``psks`` on a UDP socket of its own.

    Sessions are observations ``dtls``: ``event`` established (peer, identity, form: characters or octets, suite,
    version, connection_id: whether it goes on when the client's address changes), moved (it has changed), closed, alert
    sent, alert received or dropped, with ``text``: unknown identities, wrong keys, replays and malformed records among
    them. Assign ``server.options`` for faults, other reactions, other suites.

    Senders are numbers here, whose addresses ``address_of`` knows: what depends on an address, as a cookie does, is
    then the same in each run. ``on_session(session, sender)`` hears of a new one before anything else comes of it,
    ``on_data(session, data)`` of what passes in it, ``on_closed(session, reason)`` of its end. ``bend`` makes something
    else of each datagram that goes out. ``keeps_secrets`` False:
    the capture has no session keys at all.
    """

    def __init__(self, tap: Tap, psks: Psks, random: Random, address_of: Callable[[int], Address | None], *,
                 keeps_secrets: bool) -> None:
        self.psks = psks
        self.server = DtlsServer(USUAL_OPTIONS, psks.key_of, random, self._made_keys)
        self.on_session: Callable[[ServerAssociation, int], None] = lambda session, sender: None
        self.on_data: Callable[[ServerAssociation, bytes], None] = lambda session, data: None
        self.on_closed: Callable[[ServerAssociation, str], None] = lambda session, reason: None
        self.bend: Callable[[bytes], bytes] | None = None
        self._tap = tap
        self._address_of = address_of
        self._keeps_secrets = keeps_secrets
        self._endpoint: UdpEndpoint | None = None
        self._pipe: DtlsServerPipe | None = None
        self._key_log = ""
        self._secrets: dict[str, Secrets] = {}
        self._sent: list[tuple[int, bytes]] | None = None
        self._captured_as: dict[int, int] = {}
        """Under which number the datagrams of a session that has moved go into the capture: that of its first sender,
        for a reader of captures finds the session by its addresses."""

    async def open(self, host: str, port: int, on_datagram: Callable[[Address, bytes], None],
                   loses: Callable[[], bool]) -> None:
        """Bind; ``on_datagram`` decides what is handed to ``take``, ``loses`` what is lost. Raises BenchError when it's
        impossible."""
        self._endpoint = await UdpEndpoint.open(host, port, on_datagram, loses=loses)
        self._pipe = DtlsServerPipe(self, self.server, on_event=self._seen,
                                    on_datagram=lambda session, data: self.on_data(session, data))

    @property
    def port(self) -> int:
        """The port it is bound to; 0 before ``open``."""
        return self._endpoint.port if self._endpoint is not None else 0

    def take(self, sender: int, datagram: bytes) -> None:
        """A datagram has come. The capture gets its keys first, then the datagram, then what it has led to."""
        self._sent = []
        try:
            if self._pipe is not None:
                self._pipe.datagram_received(sender, datagram)
        finally:
            sent, self._sent = self._sent, None
            comment = self._keep_secrets()
            self._capture("in", sender, datagram, comment)
            for receiver, answer in sent:
                self._capture("out", receiver, answer)

    def write(self, session: ServerAssociation, data: bytes) -> None:
        """Send ``data`` in a session. Raises ConnectionError when it is over."""
        if self._pipe is not None:
            self._pipe.send(session, data)

    def ask_to_renegotiate(self, session: ServerAssociation) -> None:
        """Ask for a new handshake inside of a session. Raises ConnectionError when it is over."""
        if self._pipe is not None:
            self._pipe.ask_to_renegotiate(session)

    def forget_secrets(self, session: ServerAssociation) -> None:
        """A key of the unit passes in this session: its session keys go from the capture."""
        if self._key_log:    # they have not been written yet
            self._key_log = ""
        secrets = self._secrets.pop(session.client_random.hex(), None)
        if secrets is not None:
            self._tap.forget_secrets(secrets)

    def forget_sessions(self) -> None:
        """Lose all sessions without a word, as after a restart."""
        if self._pipe is not None:
            self._pipe.forget_sessions()

    def close(self) -> None:
        """Say close_notify to everybody and free the port. Doing it twice does no harm."""
        if self._pipe is not None:
            self._pipe.close()
        if self._endpoint is not None:
            self._endpoint.close()
        self._pipe = self._endpoint = None

    # -- the pipe below, and what it tells

    def send(self, number: int, datagram: bytes) -> None:
        """For the pipe: a datagram for that sender."""
        datagram = datagram if self.bend is None else self.bend(datagram)
        self._tap.saw_record("out", number, datagram, describe(datagram))
        if self._sent is not None:
            self._sent.append((number, datagram))
        else:
            self._capture("out", number, datagram)
        address = self._address_of(number)
        if self._endpoint is not None and address is not None:
            self._endpoint.send(address, datagram)

    def _seen(self, seen: ServerEvent) -> None:
        session, sender = seen.association, seen.address
        assert isinstance(sender, int)
        match seen.event:
            case Established(identity, suite, _, connection_id):
                assert session is not None
                self.on_session(session, sender)
                characters = identity.isascii() and identity.decode("ascii").isprintable()
                self._note(sender, "established", identity=identity.decode("ascii") if characters else identity.hex(),
                           form="characters" if characters else "octets", suite=suite.name, version="DTLS 1.2",
                           connection_id=connection_id)
            case Closed(reason):
                self._note(sender, "closed", text=reason)
                if session is not None:
                    self._secrets.pop(session.client_random.hex(), None)
                    self.on_closed(session, reason)
            case AlertSent() | AlertReceived() as alert:
                event = "alert sent" if isinstance(alert, AlertSent) else "alert received"
                self._note(sender, event, text=str(alert))
            case Moved(previous):
                assert isinstance(previous, int)
                self._captured_as[sender] = self._captured_as.pop(previous, previous)
                self._note(sender, "moved", text=f"from peer {previous}")
            case Dropped(reason):
                self._note(sender, "dropped", text=reason)

    def _capture(self, direction: Direction, sender: int, datagram: bytes, comment: str | None = None) -> None:
        first = self._captured_as.get(sender, sender)
        if first != sender and direction == "in" and comment is None:
            comment = f"from peer {sender}, another address than at first"
        self._tap.capture(direction, first, datagram, secure=True, comment=comment)

    def _note(self, sender: int, event: str, **data: str | bool) -> None:
        self._tap.note("dtls", peer=sender, event=event, **data)

    def _made_keys(self, line: str) -> None:
        self._key_log += line

    def _keep_secrets(self) -> str | None:
        """Write the session keys that the datagram has led to; what to remark on it."""
        lines, self._key_log = self._key_log, ""
        if not lines:
            return None
        if not self._keeps_secrets:
            return NO_SECRETS
        secrets = self._tap.keep_secrets(lines)
        if secrets is not None:
            self._secrets[lines.split()[1]] = secrets
        return None
