"""Defects of DTLS: keys, identities, versions, timers, and what becomes of a handshake that fails."""

from __future__ import annotations

from dataclasses import replace

from bench.protocols.dtls import DtlsClient, Event
from bench.protocols.dtls.handshake import ServerHello
from bench.protocols.dtls.records import DTLS_1_2
from bench.twin.cmi6110.accounts import BootstrapDraft
from bench.twin.cmi6110.connection import Connection
from bench.twin.cmi6110.mdm_client import MdmStatus
from bench.twin.cmi6110.servers import Servers
from bench.twin.cmi6110.uplink import NO_SECURITY, PSK, HandshakeFailed, Terms, Uplink
from bench.twin.defects.registry import defect
from bench.twin.defects.tools import change, report
from bench.twin.lab import Lab

# -- whether there is DTLS


@defect("dtls-not-used-for-dm", "SEC-01", wire="dm")
class NotUsedForDm(Servers):
    """The unit registers in clear, though the bootstrap server asks for DTLS."""

    def dm_terms(self) -> Terms:
        return replace(super().dm_terms(), mode=NO_SECURITY)


@defect("dtls-not-used-for-meter-data", "SEC-13", wire="mdm")
class NotUsedForMeterData(Servers):
    """Meter data go in clear, though the bootstrap server asks for DTLS."""

    def mdm_terms(self) -> Terms:
        return replace(super().mdm_terms(), mode=NO_SECURITY)


@defect("dtls-always", "SEC-02", wire="bootstrap")
class AlwaysSecure(Servers):
    """The bootstrap server is never called without DTLS."""

    def bootstrap_terms(self) -> Terms:
        return replace(super().bootstrap_terms(), mode=PSK)


@defect("dtls-falls-back-to-clear", "SEC-01", wire="dm")
class FallsBackToClear(Uplink):
    """After a handshake that has failed the unit speaks without DTLS."""

    async def shake_hands(self, terms: Terms) -> None:
        try:
            await super().shake_hands(terms)
        except HandshakeFailed:
            await self.go_plain()


# -- keys and identities


@defect("default-key", "SEC-04", wire="dm")
class DefaultKey(Uplink):
    """When its own key is refused, the unit tries a key of zeros."""

    async def shake_hands(self, terms: Terms) -> None:
        try:
            await super().shake_hands(terms)
        except HandshakeFailed:
            await super().shake_hands(replace(terms, key=bytes(16)))


@defect("one-key-for-all", "SEC-05", wire="mdm")
class OneKeyForAll(Servers):
    """The key for device management opens the meter data, too."""

    def mdm_terms(self) -> Terms:
        return replace(super().mdm_terms(), key=self.dm_key)


@defect("identity-wrong", "LWM2M-0.0.3", wire="bootstrap")
class IdentityWrong(Servers):
    """The unit shows itself by its model in DTLS, not by its DevEUI."""

    def shown_as(self) -> bytes:
        return self.identity.model.encode()


@defect("new-keys-ignored", "SEC-06", wire="bootstrap")
class NewKeysIgnored(Connection):
    """Keys that a bootstrap brings are not taken."""

    def adopt(self, draft: BootstrapDraft) -> None:
        before = self.servers.dm_key, self.servers.mdm_key
        super().adopt(draft)
        self.servers.dm_key, self.servers.mdm_key = before


@defect("written-mdm-key-ignored", "LWM2M-33905.0.5", wire="dm")
def _(lab: Lab) -> None:
    """33905/0/5 takes a key and does nothing with it."""
    change(lab, (33905, 0, 5), write=lambda key: None)


# -- the handshake


class _OldVersionClient(DtlsClient):
    def _negotiate(self, hello: ServerHello) -> None:
        super()._negotiate(replace(hello, version=DTLS_1_2))


@defect("dtls-1-0-accepted", "SEC-11", wire="dm")
class OldVersionsAccepted(Uplink):
    """A server that speaks DTLS 1.0 is taken."""

    client = _OldVersionClient


@defect("dtls-timers-of-a-lan", "NET-33", wire="mdm")
class TimersOfALan(Servers):
    """A flight is repeated after 1 s, whatever the settings say."""

    def dm_terms(self) -> Terms:
        return replace(super().dm_terms(), min_timeout_s=1.0)

    def mdm_terms(self) -> Terms:
        return replace(super().mdm_terms(), min_timeout_s=1.0)


@defect("dtls-timers-swapped", "LWM2M-33906.0.22", wire="mdm")
class TimersSwapped(Servers):
    """Meter data take the DTLS timers of LwM2M."""

    def mdm_terms(self) -> Terms:
        return replace(super().mdm_terms(), min_timeout_s=self.settings.number("lwm2m_dtls_min_timeout"),
                       max_timeout_s=self.settings.number("lwm2m_dtls_max_timeout"))


@defect("dtls-session-for-ever", "SEC-05", wire="mdm")
class SessionForEver(Uplink):
    """A server that has lost the session is never asked for a new one."""

    def drop(self) -> None:
        """Wait for the server to come back."""


class _ForgetsTheId(DtlsClient):
    """What the server wants in its records is not kept over a minute of silence."""

    sent_s = float("inf")

    def send(self, data: bytes, now: float) -> list[Event]:
        if now - self.sent_s > 60.0:
            self._peer_connection_id = b""
        self.sent_s = now
        return super().send(data, now)


@defect("dtls-connection-id-forgotten", "SEC-04", "SEC-05", wire="mdm")
class ConnectionIdForgotten(Uplink):
    """The unit takes part in connection ids, and leaves them out after it has slept."""

    client = _ForgetsTheId

    def connection_id(self) -> bytes:
        return b""


@defect("dtls-failure-not-told", "LWM2M-33907.0.10", wire="dm")
def _(lab: Lab) -> None:
    """A failed handshake reads as a failed communication."""
    mdm = lab.unit.mdm
    report(lab, (33907, 0, 10), lambda: int(
        MdmStatus.COMMUNICATION_FAILED if mdm.status is MdmStatus.DTLS_FAILED else mdm.status))


# -- from DTLS to none


@defect("once-secured-always-secured", "SEC-02", "LWM2M-33905.0.2", wire="mdm")
class OnceSecuredAlwaysSecured(Uplink):
    """On a way that had DTLS once it stays, until the address or the power changes: no security is not taken up."""

    terms_before: Terms | None = None

    async def shake_hands(self, terms: Terms) -> None:
        await super().shake_hands(terms)
        self.terms_before = terms

    async def go_plain(self) -> None:
        if self.terms_before is None:
            await super().go_plain()
        else:
            await super().shake_hands(self.terms_before)


@defect("once-in-clear-always-in-clear", "LWM2M-33905.0.2", "SEC-01", wire="mdm")
class OnceInClearAlwaysInClear(Uplink):
    """On a way without DTLS there is none until the address or the power changes: a mode of PSK is not taken up."""

    @property
    def is_open(self) -> bool:
        return super().is_open or (self._agreed is not None and self._agreed.mode == NO_SECURITY)
