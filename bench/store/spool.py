"""What is to be stored, on this machine's disk until it is: a file for each run, in the order in which they came."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.store.canonical import canonical
from bench.store.files import sync_file, sync_folder, write_durably


class Kept:
    """What was put into the spool: at ``path``, and after ``wait`` on the disk. File and folder go there at once, which
    costs a disk one flush, not two; who puts something in has other things to do meanwhile."""

    def __init__(self, path: Path, disk: Executor) -> None:
        self.path = path
        self._ways = [disk.submit(sync_file, path), disk.submit(sync_folder, path.parent)]

    def wait(self) -> None:
        """Raises ``BenchError``: it may not be there after a power cut."""
        try:
            for way in self._ways:
                way.result()
        except OSError as error:
            self.path.unlink(missing_ok=True)
            raise _no_room(self.path.parent, error) from error


class Spool:
    """The folder. What a store refuses for good is in ``refused`` in it, each with the reason beside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.refused = folder / "refused"

    def put(self, body: Mapping[str, Any]) -> Path:
        """Keep ``body``; it is on the disk when this returns. Raises ``BenchError`` where there is no room."""
        try:
            kept = self.begin(canonical(body))
        except ValueError as error:
            raise BenchError("record", expected="JSON", seen=str(error), do="look at its record.json") from error
        kept.wait()
        return kept.path

    def begin(self, text: str) -> Kept:
        """Keep what is spelt already; nobody may be told so before ``Kept.wait``. Raises ``BenchError``."""
        try:
            self.refused.mkdir(parents=True, exist_ok=True, mode=0o700)
            return Kept(self._named(text), self._disk)
        except OSError as error:
            raise _no_room(self.folder, error) from error

    @cached_property
    def _disk(self) -> Executor:
        return ThreadPoolExecutor(2, "spool")

    def _named(self, text: str) -> Path:
        """A file with ``text``, behind the others."""
        draft = self.folder / f"{os.getpid()}-{threading.get_ident()}.part"
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            draft.write_text(text, "ascii")
            fcntl.flock(lock, fcntl.LOCK_EX)
            # By number, not by time: the clock may have been set back.
            number = max((int(path.name[:_DIGITS]) for path in self.waiting()), default=0) + 1
            path = self.folder / f"{number:0{_DIGITS}}.json"
            draft.replace(path)
        finally:
            os.close(lock)
            draft.unlink(missing_ok=True)
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


def _no_room(folder: Path, error: OSError) -> BenchError:
    return BenchError(f"spool {folder}", expected="to keep the record there until it is stored",
                      seen=(error.strerror or str(error)).lower(), do="make room, then mcm-bench records add RUN_DIR")


_DIGITS = 12
