"""What a bootstrap server gives the unit: the accounts of the servers that it is to call.

Nothing that it writes counts before its Finish, and then only when it fits together: a bootstrap that breaks off, or
whose contents are short or wrong, leaves the unit with what it had.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.protocols.lwm2m import Path, Type, Value
from bench.twin.cmi6110 import uri as uris
from bench.twin.cmi6110.resource import BadValue, NotAllowed, NotFound

SECURITY, SERVER, MDM = 0, 1, 33905
BOOTSTRAP_ACCOUNT = Path(SECURITY, 0)

_TYPES = {
    (SECURITY, 0): Type.STRING, (SECURITY, 1): Type.BOOLEAN, (SECURITY, 2): Type.INTEGER, (SECURITY, 3): Type.OPAQUE,
    (SECURITY, 4): Type.OPAQUE, (SECURITY, 5): Type.OPAQUE, (SECURITY, 10): Type.INTEGER, (SECURITY, 11): Type.INTEGER,
    (SERVER, 0): Type.INTEGER, (SERVER, 1): Type.INTEGER, (SERVER, 6): Type.BOOLEAN, (SERVER, 7): Type.STRING,
    (MDM, 0): Type.STRING, (MDM, 1): Type.INTEGER, (MDM, 2): Type.INTEGER, (MDM, 5): Type.OPAQUE,
    (MDM, 10): Type.INTEGER, (MDM, 11): Type.STRING,
}


def type_of(path: Path) -> Type:
    return _TYPES.get((path[0], path[2]), Type.OPAQUE)


@dataclass(slots=True)
class DmAccount:
    """The device management server."""

    uri: str = ""
    security: int = 3
    short_server_id: int = 0
    lifetime_s: int = 86400
    binding: str = "U"


@dataclass(frozen=True, slots=True)
class MdmAccount:
    """The meter data server; None leaves what the unit has."""

    uri: str
    security: int
    key: bytes | None
    connection: int | None
    topic: str | None


class BootstrapDraft:
    """What the unit's objects 0, 1 and 33905 will be. ``dm`` is the account that it has now."""

    def __init__(self, dm: DmAccount, mdm_uri: str, mdm_security: int) -> None:
        self.values: dict[Path, Value] = {}
        self._mdm_before = (mdm_uri, mdm_security)
        if dm.uri:
            account, server = Path(SECURITY, 1), Path(SERVER, 1)
            self.values = {
                account / 0: dm.uri, account / 1: False, account / 2: dm.security, account / 10: dm.short_server_id,
                server / 0: dm.short_server_id, server / 1: dm.lifetime_s, server / 7: dm.binding}

    # -- what the server does

    def write(self, path: Path, values: Mapping[Path, Value]) -> None:
        """Raises NotFound, NotAllowed or BadValue, and then takes nothing of it."""
        if path[:1] not in ((SECURITY,), (SERVER,), (MDM,)):
            raise NotFound("not for a bootstrap server")
        for target in values:
            if target[:2] == BOOTSTRAP_ACCOUNT:
                raise NotAllowed("the bootstrap account stays")
            if (target[0], target[2]) not in _TYPES:
                raise NotFound("no such resource")
        for target, value in values.items():
            if target[0] != MDM and (target[0], target[2]) in ((SECURITY, 10), (SERVER, 0)) and not (
                    isinstance(value, int) and 1 <= value <= 65534):
                raise BadValue("short server id")
        if len(path) == 2:
            self.delete(path)
        self.values.update(values)

    def delete(self, path: Path) -> None:
        """All below ``path``; from the root all but the bootstrap account and the meter data server."""
        if path[:2] == BOOTSTRAP_ACCOUNT or path[:1] not in ((), (SECURITY,), (SERVER,), (MDM,)):
            raise NotAllowed("it stays")
        self.values = {known: value for known, value in self.values.items()
                       if not known.is_under(path) or (not path and known[0] == MDM)}

    def read(self, path: Path) -> dict[Path, Value]:
        """LwM2M 1.1 lets a bootstrap server read object 1."""
        if path[:1] != (SERVER,):
            raise NotAllowed("not for a bootstrap server to read")
        return {known: value for known, value in self.values.items() if known.is_under(path)}

    def links(self, path: Path) -> bytes:
        """The answer to a Discover: instances with short server id and URI."""
        instances = sorted({BOOTSTRAP_ACCOUNT, *(Path(*known[:2]) for known in self.values)})
        parts = ['</>;lwm2m="1.1"'] if not path else []
        for instance in instances:
            if not instance.is_under(path):
                continue
            server_id = self.values.get(instance / (10 if instance[0] == SECURITY else 0))
            text = f"<{instance}>"
            if instance[0] in (SECURITY, SERVER) and isinstance(server_id, int):
                text += f";ssid={server_id:d}"
            if instance[0] == SECURITY and instance / 0 in self.values:
                text += f';uri="{self.values[instance / 0]!s}"'
            parts.append(text)
        return ",".join(parts).encode()

    # -- what the unit makes of it at Finish

    def problem(self) -> str:
        """Why it doesn't fit together; empty when it does."""
        account = self._account()
        if account is None:
            return "no account of a device management server"
        uri = str(self.values.get(account / 0, ""))
        if uris.address_of(uri) is None or not uri.startswith(("coap:", "coaps:")):
            return "no URI of a device management server"
        if self.values.get(account / 2, 3) not in (0, 3):
            return "a security mode that the unit has not got"
        server = self._server(account)
        if server is None:
            return "no server with the short server id of the account"
        lifetime = self.values.get(server / 1)
        if not (isinstance(lifetime, int) and lifetime > 0):
            return "no lifetime"
        if uris.address_of(self.mdm.uri) is None:
            return "no URI of a meter data server"
        return ""

    @property
    def dm(self) -> DmAccount:
        """Asked for when there is no problem."""
        account = self._account()
        server = self._server(account) if account is not None else None
        if account is None or server is None:
            return DmAccount()
        security, lifetime = self.values.get(account / 2, 3), self.values[server / 1]
        short_server_id = self.values[server / 0]
        assert isinstance(security, int)
        assert isinstance(lifetime, int)
        assert isinstance(short_server_id, int)
        return DmAccount(str(self.values[account / 0]), security, short_server_id, lifetime,
                         str(self.values.get(server / 7, "U")))

    @property
    def dm_key(self) -> bytes | None:
        """The Secret Key of the account, if one was written: OMA's resource 5, or 4 as the manual prints it."""
        account = self._account()
        keys = [self.values.get(account / number) for number in (5, 4)] if account is not None else []
        return next((key for key in keys if isinstance(key, bytes)), None)

    @property
    def mdm(self) -> MdmAccount:
        uri, security = (self.values.get(Path(MDM, 0, number), before)
                         for number, before in zip((0, 2), self._mdm_before, strict=True))
        key, connection, topic = (self.values.get(Path(MDM, 0, number)) for number in (5, 10, 11))
        return MdmAccount(str(uri), security if isinstance(security, int) else 3,
                          key if isinstance(key, bytes) else None, connection if isinstance(connection, int) else None,
                          None if topic is None else str(topic))

    def _account(self) -> Path | None:
        return min((Path(*known[:2]) for known in self.values
                    if known[0] == SECURITY and self.values.get(Path(*known[:2]) / 1) is False), default=None)

    def _server(self, account: Path) -> Path | None:
        wanted = self.values.get(account / 10)
        return min((Path(*known[:2]) for known, value in self.values.items()
                    if known[0] == SERVER and known[2] == 0 and value == wanted), default=None)
