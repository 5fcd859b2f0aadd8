"""What vouches for a store from outside of it: the newest entry that this machine has put in or seen.

A chain alone does not show that its end was cut off, or that all of it was made again.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.store.canonical import canonical
from bench.store.files import write_durably


@dataclass(frozen=True, slots=True)
class Head:
    """An entry of the ledger, by which all before it are known: ``sequence`` from 1."""

    sequence: int
    hash: str

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"

    @classmethod
    def of(cls, text: str) -> Head:
        """What ``str`` has made. Raises ``BenchError``."""
        sequence, _, found = text.partition(":")
        if not (sequence.isascii() and sequence.isdecimal() and len(found) == 64 and len(sequence) < 19):
            raise BenchError("head of a store", expected="SEQUENCE:HASH, as mcm-bench records verify prints it",
                             seen=ascii(text[:80]), do="correct it")
        return cls(int(sequence), found)


class Anchor:
    """The file at ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Head | None:
        """None: nothing was ever stored from here. Raises ``BenchError`` for a file that says something else."""
        try:
            told = json.loads(self._path.read_text("ascii"))
            return Head(int(told["sequence"]), str(told["hash"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BenchError(f"anchor {self._path}", expected="the newest entry that was stored from here",
                             seen=type(error).__name__, do="look for who has changed it") from error

    def move(self, head: Head, *, back: bool = False) -> None:
        """Vouch for ``head`` from now on; for an older one only if ``back``. Raises ``OSError``."""
        with self._alone():
            now = self.read()
            if back or now is None or head.sequence > now.sequence:
                write_durably(self._path, canonical({"sequence": head.sequence, "hash": head.hash}) + "\n")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Places on one machine share it."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
