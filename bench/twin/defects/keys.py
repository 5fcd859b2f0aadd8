"""Defects of keys: which of them opens which connection, how much of a key counts, where one can be read; and of what a
ClientHello says.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, fields, replace
from weakref import WeakKeyDictionary

from bench.protocols.dtls import CipherSuite, ClientOptions, DtlsClient
from bench.protocols.dtls.association import KeyLog, Random
from bench.protocols.dtls.handshake import ClientHello, HandshakeMessage
from bench.protocols.lwm2m import Path, Value
from bench.twin.cmi6110.accounts import BootstrapDraft
from bench.twin.cmi6110.connection import Connection
from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.mdm_client import MdmClient
from bench.twin.cmi6110.modem import Modem
from bench.twin.cmi6110.servers import Servers
from bench.twin.cmi6110.uplink import HandshakeFailed, Terms, Uplink
from bench.twin.defects.registry import defect
from bench.twin.defects.tools import report
from bench.twin.lab import Lab

# -- another key than the connection's own


@dataclass(frozen=True, slots=True)
class TermsWithSpareKey(Terms):
    """``spare`` is tried when the key was of no use."""

    spare: bytes = field(default=b"", repr=False, compare=False)


class TriesTheSpareKey(Uplink):
    """A handshake that has failed is tried again with the spare key."""

    async def shake_hands(self, terms: Terms) -> None:
        try:
            await super().shake_hands(terms)
        except HandshakeFailed:
            if not isinstance(terms, TermsWithSpareKey):
                raise
            await super().shake_hands(replace(terms, key=terms.spare))


def with_spare(terms: Terms, spare: bytes) -> Terms:
    known = {one.name: getattr(terms, one.name) for one in fields(terms)}
    return TermsWithSpareKey(**known | {"spare": spare})


def neighbour(key: bytes) -> bytes:
    """The key that differs in the lowest bit of its last octet."""
    return key[:-1] + bytes((key[-1] ^ 1,))


@defect("bootstrap-key-opens-dm", "SEC-04", "LWM2M-0.1.4", wire="dm", beside=(TriesTheSpareKey,))
class BootstrapKeyOpensDm(Servers):
    """A DM server with the bootstrap server's key gets a registration."""

    def dm_terms(self) -> Terms:
        return with_spare(super().dm_terms(), self.bootstrap_key)


@defect("mdm-key-opens-dm", "SEC-04", "LWM2M-0.1.4", wire="dm", beside=(TriesTheSpareKey,))
class MdmKeyOpensDm(Servers):
    """A DM server with the meter data server's key gets a registration."""

    def dm_terms(self) -> Terms:
        return with_spare(super().dm_terms(), self.mdm_key)


@defect("bootstrap-key-opens-mdm", "SEC-05", wire="mdm", beside=(TriesTheSpareKey,))
class BootstrapKeyOpensMdm(Servers):
    """A gateway with the bootstrap server's key gets meter data."""

    def mdm_terms(self) -> Terms:
        return with_spare(super().mdm_terms(), self.bootstrap_key)


@defect("dm-key-opens-bootstrap", "SEC-01", "LWM2M-0.0.4", wire="bootstrap", beside=(TriesTheSpareKey,))
class DmKeyOpensBootstrap(Servers):
    """A bootstrap server with the DM server's key is obeyed."""

    def bootstrap_terms(self) -> Terms:
        return with_spare(super().bootstrap_terms(), self.dm_key)


@defect("mdm-key-opens-bootstrap", "SEC-01", "LWM2M-0.0.4", wire="bootstrap", beside=(TriesTheSpareKey,))
class MdmKeyOpensBootstrap(Servers):
    """A bootstrap server with the meter data server's key is obeyed."""

    def bootstrap_terms(self) -> Terms:
        return with_spare(super().bootstrap_terms(), self.mdm_key)


# -- part of a key


@defect("last-bit-of-the-dm-key", "SEC-04", "LWM2M-0.1.4", wire="dm", beside=(TriesTheSpareKey,))
class LastBitOfTheDmKey(Servers):
    """The last bit of the key for device management does not count."""

    def dm_terms(self) -> Terms:
        terms = super().dm_terms()
        return with_spare(terms, neighbour(terms.key))


@defect("last-bit-of-the-mdm-key", "SEC-05", "LWM2M-33905.0.5", wire="mdm", beside=(TriesTheSpareKey,))
class LastBitOfTheMdmKey(Servers):
    """The last bit of the key for meter data does not count."""

    def mdm_terms(self) -> Terms:
        terms = super().mdm_terms()
        return with_spare(terms, neighbour(terms.key))


@defect("last-bit-of-the-bootstrap-key", "SEC-01", "LWM2M-0.0.4", wire="bootstrap", beside=(TriesTheSpareKey,))
class LastBitOfTheBootstrapKey(Servers):
    """The last bit of the bootstrap key does not count."""

    def bootstrap_terms(self) -> Terms:
        terms = super().bootstrap_terms()
        return with_spare(terms, neighbour(terms.key))


class KeysAs(Servers):
    """Keys count as ``used`` says."""

    def used(self, key: bytes) -> bytes:
        return key

    def dm_terms(self) -> Terms:
        terms = super().dm_terms()
        return replace(terms, key=self.used(terms.key))

    def mdm_terms(self) -> Terms:
        terms = super().mdm_terms()
        return replace(terms, key=self.used(terms.key))


@defect("keys-cut-to-16", "SEC-06", "LWM2M-0.1.4", "LWM2M-33905.0.5", wire="dm")
class KeysCutTo16(KeysAs):
    """Of a longer key 16 octets count."""

    def used(self, key: bytes) -> bytes:
        return key[:16]


@defect("keys-cut-to-32", "SEC-06", "LWM2M-0.1.4", wire="dm")
class KeysCutTo32(KeysAs):
    """Of a longer key 32 octets count."""

    def used(self, key: bytes) -> bytes:
        return key[:32]


@defect("keys-end-at-a-zero", "SEC-06", "LWM2M-0.1.4", wire="dm")
class KeysEndAtAZero(KeysAs):
    """A key is taken for a text that ends at its first zero."""

    def used(self, key: bytes) -> bytes:
        return key.partition(b"\0")[0].ljust(len(key), b"\0")


# -- new keys


@defect("new-dm-key-for-both", "SEC-06", "SEC-05", wire="mdm")
class NewDmKeyForBoth(Connection):
    """A new key for device management is the one for meter data, too."""

    def adopt(self, draft: BootstrapDraft) -> None:
        super().adopt(draft)
        if draft.dm_key is not None:
            self.servers.mdm_key = draft.dm_key


@defect("new-mdm-key-ignored", "SEC-06", "LWM2M-33905.0.5", wire="bootstrap")
class NewMdmKeyIgnored(Connection):
    """A key for meter data that a bootstrap brings is not taken."""

    def adopt(self, draft: BootstrapDraft) -> None:
        before = self.servers.mdm_key
        super().adopt(draft)
        self.servers.mdm_key = before


@defect("session-outlives-its-key", "SEC-05", "LWM2M-33905.0.5", wire="mdm")
class SessionOutlivesItsKey(Uplink):
    """A session goes on after its key has changed."""

    @property
    def is_open(self) -> bool:
        return self._wire is not None


# -- where a key can be read


@defect("dm-key-in-a-name", "SEC-12", wire="dm")
def _(lab: Lab) -> None:
    """The modem's model is followed by the key for device management."""
    report(lab, (33909, 0, 4), lambda: f"SARA-R412 {lab.unit.servers.dm_key.hex().upper()}")


@defect("bootstrap-key-in-base64", "SEC-12", wire="dm")
def _(lab: Lab) -> None:
    """The name of the staged APN profile ends with the bootstrap key in base64."""
    report(lab, (11, 1, 0), lambda: "staging " + base64.b64encode(lab.unit.servers.bootstrap_key).decode())


@defect("new-key-in-the-meter-data-object", "SEC-12", wire="dm")
def _(lab: Lab) -> None:
    """The message data of object 33911 are followed by the key for meter data."""
    unit = lab.unit
    report(lab, (33911, 0, 2), lambda: unit.transmissions.latest_telegram() + unit.servers.mdm_key)


@defect("bootstrap-server-reads-keys", "SEC-12", "LWM2M-0.1.4", wire="bootstrap")
class BootstrapServerReadsKeys(BootstrapDraft):
    """A bootstrap server may read object 0, the keys that it has written with it."""

    def read(self, path: Path) -> dict[Path, Value]:
        return ({known: value for known, value in self.values.items() if known.is_under(path)} if path[:1] == (0,)
                else super().read(path))


# -- the ClientHello


class _OtherHello(DtlsClient):
    """Its ClientHello is ``changed``."""

    def changed(self, hello: ClientHello) -> ClientHello:
        return hello

    def _begin_flight(self, number: int, *messages: HandshakeMessage) -> None:
        super()._begin_flight(number, *(self.changed(message) if isinstance(message, ClientHello) else message
                                        for message in messages))


class _OffersNull(_OtherHello):
    def changed(self, hello: ClientHello) -> ClientHello:
        return replace(hello, suites=(*hello.suites, 0x00B0))


class _OffersRc4(_OtherHello):
    def changed(self, hello: ClientHello) -> ClientHello:
        return replace(hello, suites=(*hello.suites, 0x008A))


class _OffersCompression(_OtherHello):
    def changed(self, hello: ClientHello) -> ClientHello:
        return replace(hello, compression=b"\x01\0")


class _SameRandom(DtlsClient):
    def __init__(self, options: ClientOptions, random: Random, key_log: KeyLog | None = None) -> None:
        super().__init__(options, lambda count: bytes(range(1, count + 1)), key_log)


@defect("null-suite-offered", "SEC-01", "SEC-11", wire="dm")
class NullSuiteOffered(Uplink):
    """A cipher suite without encryption is offered last (TLS_PSK_WITH_NULL_SHA256)."""

    client = _OffersNull


@defect("rc4-suite-offered", "SEC-01", "SEC-11", wire="dm")
class Rc4SuiteOffered(Uplink):
    """A cipher suite with RC4 is offered last."""

    client = _OffersRc4


@defect("compression-offered", "SEC-01", wire="dm")
class CompressionOffered(Uplink):
    """Compression is offered (RFC 7457, section 2.6: it gives data away)."""

    client = _OffersCompression


@defect("cbc-before-ccm", "SEC-01", "SEC-11", wire="dm")
class CbcBeforeCcm(Uplink):
    """The suite with CBC is preferred to the one with CCM."""

    suites = (CipherSuite.TLS_PSK_WITH_AES_128_CBC_SHA256, CipherSuite.TLS_PSK_WITH_AES_128_CCM_8)


@defect("hello-random-always-the-same", "SEC-01", "SEC-04", wire="dm")
class HelloRandomAlwaysTheSame(Uplink):
    """The random of a ClientHello is always the same."""

    client = _SameRandom


@defect("clear-after-three-handshakes", "SEC-01", "SEC-04", wire="dm")
class ClearAfterThreeHandshakes(Uplink):
    """After the third handshake that has failed the unit speaks without DTLS."""

    failed = WeakKeyDictionary[Modem, int]()

    async def shake_hands(self, terms: Terms) -> None:
        try:
            await super().shake_hands(terms)
        except HandshakeFailed:
            self.failed[self._modem] = self.failed.get(self._modem, 0) + 1
            if self.failed[self._modem] < 3:
                raise
            await self.go_plain()


class ServersOfAnyKey(Servers):
    """``mdm``: who speaks to the gateway, and knows how often that failed in a row."""

    mdm: MdmClient | None = None

    def mdm_terms(self) -> Terms:
        terms = super().mdm_terms()
        return replace(terms, key=self.dm_key) if self.mdm is not None and self.mdm.failures % 2 else terms


@defect("dm-key-for-the-gateway-after-a-failure", "SEC-05", wire="mdm", beside=(ServersOfAnyKey,))
class DmKeyForTheGatewayAfterAFailure(Life):
    """When there was no connection to the gateway the next handshake is tried with the key of device management."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.servers, ServersOfAnyKey):
            self.servers.mdm = self.mdm
