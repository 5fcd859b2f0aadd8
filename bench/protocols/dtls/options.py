"""What can be chosen about either role."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from bench.protocols.dtls.faults import Faults
from bench.protocols.dtls.keys import KEY_OCTETS
from bench.protocols.dtls.suites import ALL_SUITES, CipherSuite

MAX_FRAGMENT = 1024


class Reaction(Enum):
    """How a server answers what it can't use."""

    SILENCE = "silence"
    ALERT = "alert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Common to both roles. ``suites`` in order of preference.

    ``fragment_size``: handshake messages are cut into fragments of at most so many octets of body.
    ``pack_flights``: the records of a flight share datagrams of up to 1200 octets; else each has one of its own.
    """

    suites: tuple[CipherSuite, ...] = ALL_SUITES
    extended_master_secret: bool = True
    fragment_size: int = MAX_FRAGMENT
    pack_flights: bool = True
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        if not self.suites:
            raise ValueError("no cipher suite")
        if not 1 <= self.fragment_size <= MAX_FRAGMENT:
            raise ValueError(f"fragments of {self.fragment_size} octets, 1 to {MAX_FRAGMENT} are possible")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions(Options):
    """``identity`` is sent as it is: raw octets, or the ASCII of text. ``key`` has 16 to 64 octets.

    The client sends a flight again after ``min_timeout_s``, then after twice that, and so on; a wait is never longer
    than ``max_timeout_s``, and after a wait of that length it gives up. 60 and 90 s: two transmissions, failure after
    150 s. (Mbed TLS, whose words "min" and "max" the manual's settings 33906/22, 23, 32, 33 use.)

    ``connection_id`` is what the server shall put into its records (RFC 9146); empty: the client takes part but wants
    none itself; None: the extension is not offered.
    """

    identity: bytes
    key: bytes = field(repr=False)
    min_timeout_s: float = 1.0
    max_timeout_s: float = 60.0
    connection_id: bytes | None = None

    def __post_init__(self) -> None:
        # Not super(): dataclasses with slots are made anew, which super() without arguments doesn't see.
        Options.__post_init__(self)
        if len(self.key) not in KEY_OCTETS:
            raise ValueError(f"a key of {len(self.key)} octets, 16 to 64 are possible")
        if not 1 <= len(self.identity) <= 128:
            raise ValueError(f"an identity of {len(self.identity)} octets, 1 to 128 are possible")
        if not 0 < self.min_timeout_s <= self.max_timeout_s:
            raise ValueError(f"time-outs of {self.min_timeout_s} to {self.max_timeout_s} s")
        if self.connection_id is not None and len(self.connection_id) > 255:
            raise ValueError("a connection id of more than 255 octets")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions(Options):
    """``cookies``: a ClientHello must come back with a cookie before the server keeps anything about its sender.

    ``connection_id_length``: octets of the connection ids that it hands out, 4 to 20, or None for no connection ids.
    ``unknown_identity``: alert unknown_psk_identity, or silence. ``wrong_key``: silence, as OpenSSL does, or alert
    bad_record_mac, as Mbed TLS does, when the first encrypted record doesn't authenticate. ``no_session``: what
    follows an encrypted record from somebody without a session, as after a restart of the server.

    ``timeouts_s``: the shortest and the longest wait after which the server sends its flight again by itself, as a
    client does. None: only when the client's flight comes again, which is enough for Mbed TLS and OpenSSL and spares
    NB-IoT. GnuTLS needs it when a part of a flight is lost, for it falls silent once it has the other part.
    """

    cookies: bool = True
    connection_id_length: int | None = None
    identity_hint: bytes | None = None
    unknown_identity: Reaction = Reaction.ALERT
    wrong_key: Reaction = Reaction.SILENCE
    no_session: Reaction = Reaction.SILENCE
    max_handshakes: int = 1000
    max_sessions: int = 10_000
    timeouts_s: tuple[float, float] | None = None
    handshake_lifetime_s: float = 600.0
    """Longer than three flights of a client that gives up after 150 s."""

    def __post_init__(self) -> None:
        Options.__post_init__(self)
        if self.connection_id_length is not None and not 4 <= self.connection_id_length <= 20:
            raise ValueError(f"connection ids of {self.connection_id_length} octets, 4 to 20 are possible")
        if self.identity_hint is not None and len(self.identity_hint) > 128:
            raise ValueError("an identity hint of more than 128 octets")
