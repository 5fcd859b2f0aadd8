"""Where a store is, and where on this machine is kept what must not be in it: what waits, and what vouches for it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from bench.errors import BenchError
from bench.protocols.udp import refuse_public

_QUERY = {"host", "sslmode", "sslrootcert", "port"}


@dataclass(frozen=True)
class StoreAddress:
    """``path`` of an SQLite file, or ``url`` of a PostgreSQL database. ``outside``: the folder of spool and anchor."""

    outside: Path
    path: Path | None = None
    url: str = ""

    def __str__(self) -> str:
        return self.url or str(self.path)

    @classmethod
    def of(cls, text: str, outside: Path | None = None, *, beside: Path | None = None,
           allow_public: Collection[str] = ()) -> StoreAddress:
        """``text`` is a path, ``sqlite:///path`` or ``postgresql://user@address:port/database``; a path that is
        relative is so to ``beside``. Raises ``BenchError`` for anything else, for a password (it would stand in files
        and process lists) and for a host that is no lab's."""
        if "://" not in text or text.startswith("sqlite:///"):
            name = text.removeprefix("sqlite:///")
            if not name or "\0" in name or "://" in name:
                raise _wrong(text, "the path of a file")
            path = ((beside or Path()) / Path(name).expanduser()).resolve()
            return cls(outside or _outside(str(path)), path=path)
        return cls(outside or _outside(text), url=_postgresql(text, allow_public))


def _postgresql(text: str, allow_public: Collection[str]) -> str:
    try:
        parts = urlsplit(text)
        query, host, _ = parse_qs(parts.query, strict_parsing=bool(parts.query)), parts.hostname, parts.port
    except ValueError as error:
        raise _wrong(text, "a URL") from error
    if parts.scheme not in ("postgresql", "postgresql+psycopg") or len(parts.path) < 2 or parts.fragment:
        raise _wrong(text, "a path, or postgresql://user@address:port/database")
    if parts.password is not None or "password" in query:
        raise BenchError("address of the store", expected="no password in it", seen="one",
                         do="put it into ~/.pgpass (mode 600), where PostgreSQL's client looks for it")
    socket = query.get("host", [""])[0]
    if query.keys() - _QUERY or (socket and (host or not socket.startswith("/"))):
        raise _wrong(text, "no other options than host (a directory), port, sslmode, sslrootcert")
    if host is None and not socket:
        raise _wrong(text, "the address of a machine, or ?host= with the directory of a socket")
    if host is not None:
        refuse_public(host, allow_public)
    return "postgresql+psycopg" + text[len(parts.scheme):]


def _wrong(text: str, expected: str) -> BenchError:
    shown = "one with a user and '@'" if "@" in text else ascii(text[:80])    # a password may be in it
    return BenchError("address of the store", expected=expected, seen=shown, do="correct it")


def _outside(text: str) -> Path:
    """A folder of this user's for the store at ``text``."""
    state = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser()
    return state / "mcm-bench" / "stores" / hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
