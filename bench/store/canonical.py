"""One spelling for each JSON value, and the hashes that make the ledger a chain."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def canonical(value: Any) -> str:
    """``value`` as JSON with sorted keys, no blanks and nothing but ASCII: whatever a device or a scanner has sent (a
    NUL, half a surrogate pair) any database takes it, and gives it back as it was. Raises ``ValueError`` for what JSON
    has no word for, such as NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def canonical_with(body: Mapping[str, Any], **done: str) -> str:
    """``canonical(body)``, of which the values in ``done`` are spelt already: a record is large."""
    return "{" + ",".join(f"{canonical(key)}:{done[key] if key in done else canonical(body[key])}"
                          for key in sorted(body)) + "}"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def link(sequence: int, kind: str, stored_at: str, body: str, prev_hash: str) -> str:
    """The hash of an entry of the ledger: of all that is in it, and through ``prev_hash`` of all before it. Octets that
    no entry can have, in a store that was altered, count like any others."""
    text = f"{sequence}\n{kind}\n{stored_at}\n{prev_hash}\n{body}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
