"""The servers that the unit is to call, its keys for them, and the terms on which it speaks with each (manual 6.2)."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.twin.cmi6110.accounts import DmAccount
from bench.twin.cmi6110.identity import Identity
from bench.twin.cmi6110.settings import Settings
from bench.twin.cmi6110.uplink import NO_SECURITY, Terms
from bench.twin.parts import Part


@dataclass(eq=False, repr=False)
class Servers(Part):
    """``provisioned``: a bootstrap has told the unit where to go. The keys are what production puts in, until then."""

    identity: Identity
    settings: Settings
    provisioned: bool = False
    dm: DmAccount = field(default_factory=DmAccount)
    mdm_uri: str = ""
    mdm_security: int = NO_SECURITY
    bootstrap_key: bytes = b""
    dm_key: bytes = b""
    mdm_key: bytes = b""

    def forget_accounts(self) -> None:
        """All but the keys."""
        self.provisioned, self.dm, self.mdm_uri, self.mdm_security = False, DmAccount(), "", NO_SECURITY

    def bootstrap_terms(self) -> Terms:
        return self._lwm2m_terms(self.settings.number("bootstrap_security"), self.bootstrap_key)

    def dm_terms(self) -> Terms:
        return self._lwm2m_terms(self.dm.security, self.dm_key)

    def mdm_terms(self) -> Terms:
        """33905 has no identity of its own: it is the DevEUI here, too."""
        return Terms(self.mdm_security, self.shown_as(), self.mdm_key, self.settings.number("mdm_dtls_min_timeout"),
                     self.settings.number("mdm_dtls_max_timeout"))

    def shown_as(self) -> bytes:
        """By what it shows itself in DTLS (0/x/3): the characters of the DevEUI."""
        return self.identity.deveui.encode()

    def _lwm2m_terms(self, mode: int, key: bytes) -> Terms:
        return Terms(mode, self.shown_as(), key, self.settings.number("lwm2m_dtls_min_timeout"),
                     self.settings.number("lwm2m_dtls_max_timeout"))
