"""What a bootstrap server writes to a unit.

The instances and resources are those of the user's manual, section 6.3, tables 1 and 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from bench.backend.bootstrap_steps import Delete, Discover, Finish, Read, Step, Write
from bench.protocols.lwm2m import ContentFormat, Link, Lwm2mError, Path, Value

SECURITY = 0
SERVER = 1
MDM_SERVER = Path(33905, 0)

PSK_MODE = 0
NO_SECURITY = 3
"""Security modes of 0/x/2 and 33905/x/2 (manual, tables 1 and 2)."""

OMA_KEY_RESOURCE = 5
"""Where 0/x has the Secret Key. The manual prints it at 4, which is OMA's public key of the server."""


@dataclass(frozen=True, slots=True)
class BootstrapContents:
    """What a bootstrap writes. An empty URI stands for the backend's own.

    Security modes as in the manual: 0 PSK, 3 none. With PSK the identity is the endpoint's name; a key that is None
    isn't written, so the unit keeps the one it was provisioned with. ``dm_lifetime_s`` in seconds; ``dm_binding`` "U"
    or "UQ" (with queue mode); ``dm_stores_notifications`` is 1/x/6, which OMA makes mandatory: strict clients refuse an
    account without it; ``mdm_connection_config`` 0 optimized, 1 compliant; None leaves a resource out.

    ``dm_instance`` is the instance of objects 0 and 1 that gets the DM account. With ``discover`` the unit is asked
    first, and another one is taken if its bootstrap account sits there. ``mdm``: whether there is a meter data server,
    which is the CMi6110's own object 33905. ``read_servers`` reads object 1 (LwM2M 1.1).
    ``content_format`` None: the one that the unit prefers (pct), else TLV.
    """

    dm_uri: str = ""
    dm_security_mode: int = NO_SECURITY
    dm_key: bytes | None = field(default=None, repr=False)
    dm_key_resource: int = OMA_KEY_RESOURCE
    dm_short_server_id: int = 2
    dm_lifetime_s: int = 86400
    dm_stores_notifications: bool | None = True
    dm_binding: str = "UQ"
    dm_instance: int = 1
    mdm: bool = True
    mdm_uri: str = ""
    mdm_security_mode: int = NO_SECURITY
    mdm_key: bytes | None = field(default=None, repr=False)
    mdm_connection_config: int | None = None
    mdm_topic: str | None = None
    discover: bool = False
    read_servers: bool = False
    content_format: ContentFormat | None = None

    def writes(self, endpoint: str, dm_instance: int | None = None) -> list[tuple[Path, dict[Path, Value]]]:
        """The object instances for ``endpoint``, in the order in which they are written.

        ``dm_instance`` replaces that of the contents.
        """
        instance = self.dm_instance if dm_instance is None else dm_instance
        account, server_account = Path(SECURITY, instance), Path(SERVER, instance)
        security: dict[Path, Value] = {
            account / 0: self.dm_uri, account / 1: False, account / 2: self.dm_security_mode,
            account / 10: self.dm_short_server_id}
        if self.dm_security_mode == PSK_MODE:
            security[account / 3] = endpoint.encode()
        if self.dm_key is not None:
            security[account / self.dm_key_resource] = self.dm_key
        server: dict[Path, Value] = {
            server_account / 0: self.dm_short_server_id, server_account / 1: self.dm_lifetime_s,
            server_account / 7: self.dm_binding}
        if self.dm_stores_notifications is not None:
            server[server_account / 6] = self.dm_stores_notifications
        if not self.mdm:
            return [(account, security), (server_account, server)]
        mdm: dict[Path, Value] = {
            MDM_SERVER / 0: self.mdm_uri, MDM_SERVER / 1: 0, MDM_SERVER / 2: self.mdm_security_mode}
        if self.mdm_key is not None:
            mdm[MDM_SERVER / 5] = self.mdm_key
        if self.mdm_connection_config is not None:
            mdm[MDM_SERVER / 10] = self.mdm_connection_config
        if self.mdm_topic is not None:
            mdm[MDM_SERVER / 11] = self.mdm_topic
        return [(account, security), (server_account, server), (MDM_SERVER, mdm)]

    def inquiry(self) -> list[Step]:
        """What the unit is asked before anything is changed."""
        steps: list[Step] = [Discover()] if self.discover else []
        return [*steps, Read(Path(SERVER))] if self.read_servers else steps

    def changes(self, endpoint: str, discovered: Iterable[Link]) -> list[Step]:
        """Delete everything, write, finish; ``discovered`` are the links that the unit gave, if it was asked."""
        writes: list[Step] = [Write(path, values, self.content_format)
                              for path, values in self.writes(endpoint, self._free_instance(discovered))]
        return [Delete(), *writes, Finish()]

    def _free_instance(self, discovered: Iterable[Link]) -> int:
        """``dm_instance``, or the first one that is not the bootstrap account (whose link has no ssid)."""
        taken = set()
        for link in discovered:
            try:
                path = link.path
            except Lwm2mError:
                continue
            if len(path) == 2 and path[0] == SECURITY and "ssid" not in link.attributes:
                taken.add(path[1])
        if self.dm_instance not in taken:
            return self.dm_instance
        return next(number for number in range(len(taken) + 1) if number not in taken)
