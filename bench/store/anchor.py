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
from bench.store.canonical import canonical, digest
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


_LINE = 512
"""Octets of a line, a sector of any disk: one is written over while the other stays as it is."""


class Anchor:
    """The file at ``path``: two lines, of which the newer one that is whole is meant. So moving it costs the disk one
    flush, and a power cut in the middle leaves the one before."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Head | None:
        """None: nothing was ever stored from here. Raises ``BenchError`` for a file that says something else."""
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._strange(error) from error
        heads = [head for head in map(_head_in, lines) if head is not None]
        if not heads or len(lines) > 2:
            raise self._strange(ValueError())
        return max(heads, key=lambda head: head.sequence)

    def move(self, head: Head, *, back: bool = False) -> None:
        """Vouch for ``head`` from now on; for an older one only if ``back``. Raises ``OSError``."""
        with self._alone():
            now = self.read()
            if now is None or back:
                write_durably(self._path, _line(head) * 2)
            elif head.sequence > now.sequence:
                self._write_over_older(head)

    def _write_over_older(self, head: Head) -> None:
        with self._path.open("r+b", buffering=0) as file:
            lines = file.read().splitlines()
            if [len(line) + 1 for line in lines] != [_LINE, _LINE]:    # an older bench has written it
                write_durably(self._path, _line(head) * 2)
                return
            first, second = map(_head_in, lines)
            is_first = first is None or (second is not None and first.sequence < second.sequence)
            file.seek(0 if is_first else _LINE)
            file.write(_line(head).encode("ascii"))
            os.fdatasync(file.fileno())

    def _strange(self, error: Exception) -> BenchError:
        return BenchError(f"anchor {self._path}", expected="the newest entry that was stored from here",
                          seen=type(error).__name__, do="look for who has changed it")

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


def _line(head: Head) -> str:
    text = canonical({"sequence": head.sequence, "hash": head.hash, "sum": digest(str(head))[:16]})
    return text.ljust(_LINE - 1) + "\n"


def _head_in(line: bytes) -> Head | None:
    """None: a line that was not wholly written."""
    try:
        told = json.loads(line)
        head = Head(int(told["sequence"]), str(told["hash"]))
    except (ValueError, KeyError, TypeError):
        return None
    return head if told.get("sum", digest(str(head))[:16]) == digest(str(head))[:16] else None
