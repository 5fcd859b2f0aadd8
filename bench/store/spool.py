"""What is to be stored, on this machine's disk until it is: a file for each run, in the order in which they came."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.store.canonical import canonical
from bench.store.files import write_durably
from bench.store.slot import Slot


class Spool:
    """The folder. What a store refuses for good is in ``refused`` in it, each with the reason beside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.refused = folder / "refused"
        self._slot: Slot | None = None

    def put(self, body: Mapping[str, Any]) -> Path:
        """Keep ``body``; it is on the disk when this returns. Raises ``BenchError`` where there is no room."""
        try:
            return self.put_text(canonical(body))
        except ValueError as error:
            raise BenchError("record", expected="JSON", seen=str(error), do="look at its record.json") from error

    def put_text(self, text: str) -> Path:
        """The same of what is spelt already."""
        with self._room():
            return self._named(text)

    def begin(self, text: str) -> Slot:
        """Keep ``text`` for as long as it takes to store it: nobody may be told so before ``Slot.wait``, and after it
        is stored, or put, the slot is cleared. Raises ``BenchError``."""
        with self._room():
            self._slot = self._slot or Slot.free(self.folder)
            self._adopt(self._slot)
            self._slot.begin(text, self._disk)
            return self._slot

    @contextmanager
    def _room(self) -> Iterator[None]:
        try:
            self.refused.mkdir(parents=True, exist_ok=True, mode=0o700)
            yield
        except OSError as error:
            raise BenchError(f"spool {self.folder}", expected="to keep the record there until it is stored",
                             seen=(error.strerror or str(error)).lower(),
                             do="make room, then mcm-bench records add RUN_DIR") from error

    @cached_property
    def _disk(self) -> Executor:
        return ThreadPoolExecutor(1, "spool")

    def _adopt(self, slot: Slot) -> None:
        """What a killed process has left waits like any other."""
        if slot.left:
            self._named(slot.left)
            slot.clear()

    def adopt(self) -> None:
        """Let what killed processes have left wait. Raises ``OSError``."""
        for path in self.folder.glob("*.slot"):
            slot = Slot.locked(path)
            if slot is not None:
                try:
                    self._adopt(slot)
                finally:
                    slot.close()

    def _named(self, text: str) -> Path:
        """A file with ``text``, behind the others."""
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # By number, not by time: the clock may have been set back.
            number = max((int(path.name[:_DIGITS]) for path in self.waiting()), default=0) + 1
            path = self.folder / f"{number:0{_DIGITS}}.json"
            write_durably(path, text)
        finally:
            os.close(lock)
        return path

    def waiting(self) -> list[Path]:
        """What is to be stored, oldest first."""
        return sorted(path for path in self.folder.glob("*.json") if path.stem.isdecimal())

    def read(self, path: Path) -> dict[str, Any] | None:
        """None: another process has stored it meanwhile."""
        try:
            return dict(json.loads(path.read_text("ascii")))
        except FileNotFoundError:
            return None

    def refuse(self, path: Path, reason: str) -> None:
        """Put it aside for a person to look at."""
        name = f"{path.stem}-{os.urandom(4).hex()}"
        write_durably(self.refused / f"{name}.reason", ascii(reason)[1:-1] + "\n")
        with suppress(FileNotFoundError):    # another process has
            path.rename(self.refused / f"{name}.json")


_DIGITS = 12
