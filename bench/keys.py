"""The secrets of one unit, from a key file that only its owner can read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from bench.backend.psk import KEY_OCTETS, Psk
from bench.errors import BenchError
from bench.secret_file import read_secrets
from drivers.nfc import Pak

Server = Literal["bootstrap", "dm", "mdm"]
SERVERS: tuple[Server, ...] = ("bootstrap", "dm", "mdm")


class Keys:
    """The secrets of one unit: its PAK, and the keys that it shares with its servers. Never printed."""

    def __init__(self, pak: Pak | None, psks: Mapping[Server, Psk] | None = None, deveui: str = "") -> None:
        self.pak = pak
        self.deveui = deveui
        self.psks: Mapping[Server, Psk] = dict(psks or {})

    def __repr__(self) -> str:
        return "Keys(redacted)"

    @property
    def secrets(self) -> list[bytes]:
        """The octets of all of them, for who must know what not to write down."""
        return [*([self.pak.octets] if self.pak is not None else []), *(psk.octets for psk in self.psks.values())]

    def psk(self, server: Server) -> Psk:
        """The pre-shared key for that server. Raises ``BenchError`` when the key file has none."""
        if server not in self.psks:
            raise BenchError(f"keys of unit {self.deveui}", expected=f"{server}_psk", seen="none",
                             do="add it to the unit's table in the key file")
        return self.psks[server]

    @classmethod
    def load(cls, path: Path, deveui: str) -> Keys:
        """The keys of ``deveui`` from a key file: a table per DevEUI with ``pak``, ``bootstrap_psk``, ``dm_psk`` and
        ``mdm_psk`` in hexadecimal digits, each of which may be missing. PSKs have 16 to 64 octets.

        Raises ``BenchError`` when others can read the file (before it is read), when it is no file, or the unit is not
        in it. Never names a key.
        """
        subject = f"key file {path}"
        keys = read_secrets(path, subject, "correct unit.keys in the station file").get(deveui)
        if not isinstance(keys, dict):
            raise BenchError(subject, expected=f"a table [{deveui}]", seen="none", do="add the unit's keys")
        return cls._of_table(subject, deveui, keys)

    @classmethod
    def load_all(cls, path: Path) -> dict[str, Keys]:
        """The keys of all units in a key file, by their names; raises as ``load``."""
        subject = f"key file {path}"
        tables = read_secrets(path, subject, "give the path of a key file")
        if not all(isinstance(keys, dict) for keys in tables.values()):
            raise BenchError(subject, expected="a table for each endpoint", seen="a key outside of them",
                             do="put it below the name of the endpoint in brackets")
        return {name: cls._of_table(subject, name, keys) for name, keys in tables.items()}

    @classmethod
    def _of_table(cls, subject: str, deveui: str, keys: Mapping[str, Any]) -> Keys:
        unknown = sorted(keys.keys() - {"pak", *(f"{server}_psk" for server in SERVERS)})
        if unknown:
            name = unknown[0] if len(unknown[0]) < 2 * Pak.SIZE else "..."    # key and name may have changed places
            raise BenchError(f"{subject}, key {deveui}.{name}", expected="a key that key files have",
                             seen="an unknown one", do="correct the spelling or remove it")
        pak = keys.get("pak")
        psks = {server: _psk(f"{subject}, key {deveui}.{server}_psk", keys[f"{server}_psk"])
                for server in SERVERS if f"{server}_psk" in keys}
        return cls(Pak.from_hex(str(pak)) if pak is not None else None, psks, deveui)


def _psk(subject: str, digits: object) -> Psk:
    """Raises ``BenchError`` that doesn't show what the file has."""
    try:
        key = bytes.fromhex(digits) if isinstance(digits, str) else b""
    except ValueError:
        key = b""
    if len(key) not in KEY_OCTETS:
        raise BenchError(subject, expected=f"{2 * KEY_OCTETS[0]} to {2 * KEY_OCTETS[-1]} hexadecimal digits",
                         seen="something else", do="correct it")
    return Psk(key)
