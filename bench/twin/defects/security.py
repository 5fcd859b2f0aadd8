"""Defects of DTLS: keys, identities, versions, timers, and what becomes of a handshake that fails."""

from __future__ import annotations

from dataclasses import replace

from bench.protocols.dtls import DtlsClient
from bench.protocols.dtls.handshake import ServerHello
from bench.protocols.dtls.records import DTLS_1_2
from bench.twin.cmi6110.accounts import BootstrapDraft
from bench.twin.cmi6110.mdm_client import MdmStatus
from bench.twin.cmi6110.uplink import NO_SECURITY, PSK, HandshakeFailed, Terms, Uplink
from bench.twin.defects.registry import defect
from bench.twin.defects.tools import report, resource
from bench.twin.lab import Lab

# -- whether there is DTLS


@defect("dtls-not-used-for-dm", "SEC-01", wire="dm")
def _(lab: Lab) -> None:
    """The unit registers in clear, though the bootstrap server asks for DTLS."""
    connection = lab.unit.connection
    terms = connection.dm_terms
    connection.dm_terms = lambda: replace(terms(), mode=NO_SECURITY)  # type: ignore[method-assign]


@defect("dtls-not-used-for-meter-data", "SEC-13", wire="mdm")
def _(lab: Lab) -> None:
    """Meter data go in clear, though the bootstrap server asks for DTLS."""
    connection = lab.unit.connection
    terms = connection.mdm_terms
    connection.mdm_terms = lambda: replace(terms(), mode=NO_SECURITY)  # type: ignore[method-assign]


@defect("dtls-always", "SEC-02", wire="bootstrap")
def _(lab: Lab) -> None:
    """The bootstrap server is never called without DTLS."""
    connection = lab.unit.connection
    terms = connection.bootstrap_terms
    connection.bootstrap_terms = lambda: replace(terms(), mode=PSK)  # type: ignore[method-assign]


class _FallsBack(Uplink):
    """In clear where a handshake fails."""

    async def _shake_hands(self, terms: Terms) -> None:
        try:
            await super()._shake_hands(terms)
        except HandshakeFailed:
            await self._go_plain()


@defect("dtls-falls-back-to-clear", "SEC-01", wire="dm")
def _(lab: Lab) -> None:
    """After a handshake that has failed the unit speaks without DTLS."""
    lab.unit.uplink = _FallsBack


# -- keys and identities


class _TriesZeros(Uplink):
    async def _shake_hands(self, terms: Terms) -> None:
        try:
            await super()._shake_hands(terms)
        except HandshakeFailed:
            await super()._shake_hands(replace(terms, key=bytes(16)))


@defect("default-key", "SEC-03", wire="dm")
def _(lab: Lab) -> None:
    """When its own key is refused, the unit tries a key of zeros."""
    lab.unit.uplink = _TriesZeros


@defect("one-key-for-all", "SEC-05", wire="mdm")
def _(lab: Lab) -> None:
    """The key for device management opens the meter data, too."""
    connection = lab.unit.connection
    terms = connection.mdm_terms
    connection.mdm_terms = lambda: replace(terms(), key=lab.unit.dm_key)  # type: ignore[method-assign]


@defect("identity-wrong", "LWM2M-0.0.3", wire="bootstrap")
def _(lab: Lab) -> None:
    """The unit shows itself by its model in DTLS, not by its DevEUI."""
    connection = lab.unit.connection
    for name in ("bootstrap_terms", "dm_terms", "mdm_terms"):
        terms = getattr(connection, name)
        setattr(connection, name, lambda terms=terms: replace(terms(), identity=lab.unit.model.encode()))


@defect("new-keys-ignored", "SEC-06", wire="bootstrap")
def _(lab: Lab) -> None:
    """Keys that a bootstrap brings are not taken."""
    unit = lab.unit
    adopt = unit.connection.adopt

    def adopt_without_keys(draft: BootstrapDraft) -> None:
        before = unit.dm_key, unit.mdm_key
        adopt(draft)
        unit.dm_key, unit.mdm_key = before
    unit.connection.adopt = adopt_without_keys  # type: ignore[method-assign]


@defect("written-mdm-key-ignored", "LWM2M-33905.0.5", wire="dm")
def _(lab: Lab) -> None:
    """33905/0/5 takes a key and does nothing with it."""
    resource(lab, (33905, 0, 5)).write = lambda key: None


# -- the handshake


class _OldVersionClient(DtlsClient):
    def _negotiate(self, hello: ServerHello) -> None:
        super()._negotiate(replace(hello, version=DTLS_1_2))


class _TakesOldVersions(Uplink):
    client = _OldVersionClient


@defect("dtls-1-0-accepted", "SEC-11", wire="dm")
def _(lab: Lab) -> None:
    """A server that speaks DTLS 1.0 is taken."""
    lab.unit.uplink = _TakesOldVersions


@defect("dtls-timers-of-a-lan", "NET-33", wire="mdm")
def _(lab: Lab) -> None:
    """A flight is repeated after 1 s, whatever the settings say."""
    connection = lab.unit.connection
    for name in ("dm_terms", "mdm_terms"):
        terms = getattr(connection, name)
        setattr(connection, name, lambda terms=terms: replace(terms(), min_timeout_s=1.0))


@defect("dtls-timers-swapped", "LWM2M-33906.0.22", wire="mdm")
def _(lab: Lab) -> None:
    """Meter data take the DTLS timers of LwM2M."""
    settings, connection = lab.unit.settings, lab.unit.connection
    terms = connection.mdm_terms
    connection.mdm_terms = lambda: replace(  # type: ignore[method-assign]
        terms(), min_timeout_s=settings.number("lwm2m_dtls_min_timeout"),
        max_timeout_s=settings.number("lwm2m_dtls_max_timeout"))


class _NeverShakesHandsAgain(Uplink):
    def drop(self) -> None:
        """Wait for the server to come back."""


@defect("dtls-session-for-ever", "SEC-05", wire="mdm")
def _(lab: Lab) -> None:
    """A server that has lost the session is never asked for a new one."""
    lab.unit.uplink = _NeverShakesHandsAgain


@defect("dtls-failure-not-told", "LWM2M-33907.0.10", wire="dm")
def _(lab: Lab) -> None:
    """A failed handshake reads as a failed communication."""
    mdm = lab.unit.mdm
    report(lab, (33907, 0, 10), lambda: int(
        MdmStatus.COMMUNICATION_FAILED if mdm.status is MdmStatus.DTLS_FAILED else mdm.status))
