"""What is to be stored, on this machine's disk until it is: a file for each run, in the order in which they came."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.store.canonical import canonical
from bench.store.files import write_durably


class Spool:
    """The folder. What a store refuses for good is in ``refused`` in it, each with the reason beside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.refused = folder / "refused"

    def put(self, body: Mapping[str, Any]) -> Path:
        """Keep ``body``; it is on the disk when this returns. Raises ``BenchError`` where there is no room."""
        try:
            text = canonical(body)
            self.refused.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                # By number, not by time: the clock may have been set back.
                number = max((int(path.name[:_DIGITS]) for path in self.waiting()), default=0) + 1
                path = self.folder / f"{number:0{_DIGITS}}.json"
                write_durably(path, text)
            finally:
                os.close(lock)
        except OSError as error:
            raise BenchError(f"spool {self.folder}", expected="to keep the record there until it is stored",
                             seen=(error.strerror or str(error)).lower(),
                             do="make room, then mcm-bench records add RUN_DIR") from error
        except ValueError as error:
            raise BenchError("record", expected="JSON", seen=str(error), do="look at its record.json") from error
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
