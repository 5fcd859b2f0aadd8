"""The pre-shared keys that a server knows.

Source: manual, table 1 (0/0/3 and 0/1/3: the identity is the DevEUI, Opaque). Whether that is its characters or its
octets is not printed, so both are taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

KEY_OCTETS = range(16, 65)


@dataclass(frozen=True, slots=True)
class Psk:
    """One pre-shared key: 16 to 64 octets. Never printed."""

    octets: bytes = field(repr=False)


class Psks:
    """Keys by endpoint name. Never printed."""

    def __init__(self, keys: Mapping[str, Psk] | None = None) -> None:
        self._keys: dict[str, Psk] = dict(keys or {})

    def __repr__(self) -> str:
        return f"Psks({', '.join(self._keys)}: redacted)"

    def set(self, endpoint: str, key: Psk) -> None:
        """What counts from the next handshake on."""
        self._keys[endpoint] = key

    def get(self, endpoint: str) -> Psk | None:
        return self._keys.get(endpoint)

    def remove(self, endpoint: str) -> None:
        """The endpoint becomes an unknown identity. Doing it twice does no harm."""
        self._keys.pop(endpoint, None)

    def values(self) -> list[Psk]:
        return list(self._keys.values())

    def key_of(self, identity: bytes) -> bytes | None:
        """The octets of the key of who calls itself so: by the endpoint's characters, or the octets that its hex digits
        say."""
        try:
            key = self._keys.get(identity.decode("ascii"))
        except UnicodeDecodeError:
            key = None
        if key is None:
            key = self._keys.get(identity.hex().upper())
        return key.octets if key is not None else None
