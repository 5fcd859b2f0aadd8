"""The keys of a SIM, which a test network must know to let its unit in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import BenchError
from bench.secret_file import read_secrets


@dataclass(frozen=True, slots=True)
class SimKeys:
    """K and OPc, 32 hexadecimal digits each. Without ``opc`` the SIM has the test algorithm of 3GPP TS 34.108, as the
    testers' own SIMs do; with it Milenage (TS 35.206)."""

    key: str = field(repr=False)
    opc: str | None = field(default=None, repr=False)

    @classmethod
    def load(cls, path: Path) -> SimKeys:
        """From a file that only its owner can read: ``key`` (K) and, with Milenage, ``opc``, 32 hexadecimal digits
        each. Raises ``BenchError``, which never shows what the file has.
        """
        subject = f"SIM file {path}"
        content = read_secrets(path, subject, "correct cell.sim in the station file")
        key, opc = content.get("key"), content.get("opc")
        if content.keys() - {"key", "opc"} or not _is_key(key) or not (opc is None or _is_key(opc)):
            raise BenchError(subject, expected="key, and opc for Milenage, of 32 hexadecimal digits each",
                             seen="something else", do="correct it")
        return cls(str(key).upper(), None if opc is None else str(opc).upper())

    def hide(self, text: str) -> str:
        """``text`` without the keys."""
        for secret in (self.key, self.opc):
            if secret is not None:
                text = text.replace(secret, "...").replace(secret.lower(), "...")
        return text


def _is_key(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9A-Fa-f]{32}", value) is not None
