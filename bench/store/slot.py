"""Where a record waits for the few milliseconds that storing it takes: a file that is there already, written over in
place. That costs the disk one flush of what is written, where a new file would cost its name, too.

A process has a slot of its own, locked as long as it lives. What is left in the slot of one that was killed, others
find.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from concurrent.futures import Executor, Future
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from bench.store.files import sync_folder

_HEAD = 80
_ROUND = 1 << 15
"""A slot grows by so many octets, so that it seldom does."""


class Slot:
    """An open and locked slot of ``folder``. ``left``: what who had it before has left in it; empty where nothing."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._written: Future[None] | None = None
        self.left = _content(file)

    @classmethod
    def free(cls, folder: Path) -> Slot:
        """One that nobody has. Raises ``OSError``."""
        for path in sorted(folder.glob("*.slot")):
            if (slot := cls.locked(path)) is not None:
                return slot
        number = 0
        while True:
            path = folder / f"{number}.slot"
            try:
                file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "r+b", buffering=0)
            except FileExistsError:
                number += 1
                continue
            if _lock(file):    # else another process has found it meanwhile
                sync_folder(folder)
                return cls(file)

    @classmethod
    def locked(cls, path: Path) -> Slot | None:
        """None: a living process has it."""
        file = path.open("r+b", buffering=0)
        if _lock(file):
            return cls(file)
        file.close()
        return None

    def begin(self, text: str, disk: Executor) -> None:
        """Put ``text`` (ASCII) in; it is on the disk after ``wait``. Raises ``OSError``."""
        octets = text.encode("ascii")
        head = f"{hashlib.sha256(octets).hexdigest()} {len(octets):014}\n".encode("ascii")
        self._file.seek(0)
        whole = head + octets + bytes(-(len(head) + len(octets)) % _ROUND)
        if self._file.write(whole) != len(whole):
            raise OSError(28, os.strerror(28))    # a disk that is full takes a part
        self._written = disk.submit(os.fdatasync, self._file.fileno())

    def wait(self) -> None:
        """Raises ``OSError``."""
        if self._written is not None:
            self._written.result()

    def clear(self) -> None:
        """What was in it is in the store, or elsewhere in the spool. After a power cut it may be there again."""
        with suppress(OSError):    # of no interest any more, but the disk must be done with it
            self.wait()
        self._written, self.left = None, ""
        self._file.seek(0)
        self._file.write(bytes(_HEAD))

    def close(self) -> None:
        self._file.close()


def _lock(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _content(file: BinaryIO) -> str:
    """Empty: nothing, or what was not wholly written, of which nobody was told."""
    file.seek(0)
    head, _, rest = file.read().partition(b"\n")
    digest, _, length = head.partition(b" ")
    octets = rest[:int(length)] if length.isdigit() else b""
    return octets.decode("ascii") if octets and hashlib.sha256(octets).hexdigest().encode("ascii") == digest else ""
