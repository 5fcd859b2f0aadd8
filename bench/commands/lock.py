"""One bench at a time: a lock per station file and per address in it, for as long as a process uses the station.

The locks are files in a directory of the user's own, held with ``flock``: the kernel lets go of them when the last
process that holds them ends, however it ends. Other users of the machine are not seen; serial ports are opened
exclusively besides (``drivers/serial_port.py``).
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import json
import os
import stat
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from bench.errors import BenchError

if TYPE_CHECKING:    # who comes second shall know at once, without all that a station file needs
    from bench.station_file import StationFile


class StationLock:
    """Holds the station file at ``path`` from construction to ``close``, and with ``hold`` the instruments in it.
    ``what`` is said to whoever comes second ("run acceptance").

    Raises ``BenchError``, at once, when another process has it. ``descriptors`` hold the locks: a child that inherits
    them holds the station, too.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.descriptors: list[int] = []
        self._folder = _folder()
        self._holder = json.dumps({"pid": os.getpid(), "who": _user(), "what": what,
                                   "since": datetime.now(UTC).isoformat(timespec="seconds")})
        self._take(f"station file {path}", str(path.resolve()))

    def hold(self, file: StationFile) -> None:
        """Hold each address in ``file``, too: another file may have it as well."""
        for claim in claims(file):
            self._take(claim.name, claim.address, shared=claim.part is not None)
            if claim.part is not None:
                self._take(f"{claim.part} of {claim.name}", f"{claim.address} {claim.part}")

    def _take(self, name: str, address: str, *, shared: bool = False) -> None:
        folder = self._folder
        path = folder / f"{hashlib.sha256(address.encode()).hexdigest()[:24]}.lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            self.descriptors.append(descriptor)
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, self._holder.encode(), 0)
        except BlockingIOError:
            said = _said(os.pread(descriptor, 4096, 0))
            self.close()
            raise BenchError(name, expected="a station that nobody uses", seen=said,
                             do="wait until that has ended") from None
        except OSError as error:
            self.close()
            raise BenchError(f"lock of {name} in {folder}", expected="to take it",
                             seen=(error.strerror or str(error)).lower(),
                             do="make room there, or set XDG_RUNTIME_DIR to another directory") from error

    def close(self) -> None:
        """Let go. Idempotent."""
        descriptors, self.descriptors = self.descriptors, []
        for descriptor in descriptors:
            os.close(descriptor)

    def __enter__(self) -> StationLock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()


@dataclass(frozen=True)
class Claim:
    """What a station file has at one ``address`` (in one spelling): all of it, or a ``part`` of what slots share.
    ``slots``: how many share it, where that is said."""

    name: str
    address: str
    part: str | None = None
    slots: int | None = None


def claims(file: StationFile) -> list[Claim]:
    """Each address in ``file`` once."""
    tables = {"supply": file.supply, "ammeter": file.ammeter, "panel": file.panel, "NFC reader": file.nfc,
              "cell": file.cell}
    second_sensor = file.panel.second_sensor if file.panel is not None else None
    whole = [(name, address) for name, address in (
        ("second sensor", second_sensor), ("optical head", file.meter.optical), ("M-Bus", file.meter.mbus),
        ("meter simulator", file.meter.simulator), ("unit's log", file.unit.log),
        ("lid contact", file.lid.port if file.lid is not None else None)) if address is not None]
    whole += [(f"server, {name}", f"udp {file.backend.listen}:{port}") for name, port in file.backend
              if name.endswith("_port") and port]
    found = [Claim(f"{name} at {address}", _spelling(address), table.part, (table.model_extra or {}).get("slots"))
             for name, table in tables.items() if table is not None for address in table.addresses]
    found += [Claim(f"{name} at {address}", _spelling(address)) for name, address in whole]
    return list({claim.address: claim for claim in found}.values())


def _spelling(address: str) -> str:
    if address.startswith("/"):
        return str(Path(address).resolve())    # /dev/serial/by-id/... is a link
    text = address.lower()
    return "tcpip0" + text.removeprefix("tcpip") if text.startswith("tcpip::") else text


def _said(holder: bytes) -> str:
    """The sentence about the process that has the lock."""
    try:
        told = json.loads(holder)
        return f"'{told['what']}' of {told['who']}, process {told['pid']}, since {told['since']}"
    except (ValueError, KeyError, TypeError):    # it has only just come
        return "another process"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _folder() -> Path:
    """A directory that only this user can write to. Raises ``BenchError`` when somebody else has made it."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(base) / "mcm-bench" if base else Path(tempfile.gettempdir()) / f"mcm-bench-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise BenchError(f"directory of locks {folder}", expected="to make it",
                         seen=(error.strerror or str(error)).lower(),
                         do="set XDG_RUNTIME_DIR to a directory of yours") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise BenchError(f"directory of locks {folder}", expected="a directory that only you can write to",
                         seen="something else", do="remove it, or set XDG_RUNTIME_DIR to a directory of yours")
    return folder
