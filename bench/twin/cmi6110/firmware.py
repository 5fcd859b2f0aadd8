"""Object 5: the unit's own firmware. The package is pulled by CoAP, checked, and put in at a restart.

State and result are those of OMA's Firmware Update object, version 1.0. What the manual leaves open (G15) is read so: a
download survives an outage of the network and goes on where it stopped; it does not survive a restart. An update that
a power cut interrupts is done again at the next start-up. Settings and readouts are not touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import IntEnum

from bench.twin.cmi6110.download import Download, DownloadFailed, Failure
from bench.twin.cmi6110.identity import Identity
from bench.twin.cmi6110.jobs import Do
from bench.twin.cmi6110.modem import Modem
from bench.twin.cmi6110.package import DamagedPackage, NoPackage, Package
from bench.twin.cmi6110.resource import NotAllowed
from bench.twin.cmi6110.settings import Settings


class State(IntEnum):
    """5/0/3."""

    IDLE = 0
    DOWNLOADING = 1
    DOWNLOADED = 2
    UPDATING = 3


class Result(IntEnum):
    """5/0/5, as far as the twin gets; 3 (out of RAM) it never is."""

    INITIAL = 0
    SUCCESS = 1
    NO_FLASH = 2
    CONNECTION_LOST = 4
    DAMAGED = 5
    WRONG_PACKAGE = 6
    INVALID_URI = 7
    UPDATE_FAILED = 8
    UNSUPPORTED_PROTOCOL = 9


_RESULTS = {Failure.BAD_URI: Result.INVALID_URI, Failure.BAD_SCHEME: Result.UNSUPPORTED_PROTOCOL,
            Failure.NO_ANSWER: Result.CONNECTION_LOST, Failure.TOO_BIG: Result.NO_FLASH,
            Failure.CHANGED: Result.DAMAGED}


class FirmwareUpdate:
    """One update at a time. ``restart`` reboots the unit, once the answer to the server is out."""

    flash_size = 256 * 1024
    install_s = 20.0

    def __init__(self, identity: Identity, modem: Modem, settings: Settings, do: Do,
                 restart: Callable[[], None]) -> None:
        self.identity = identity
        self.restart = restart
        self._modem = modem
        self.settings = settings
        self._do = do
        self._task: asyncio.Task[None] | None = None
        self._download: Download | None = None
        self._package: Package | None = None
        self.state = State.IDLE
        self.result = Result.INITIAL
        self.run: Callable[[bytes], None] = lambda payload: None
        """Let the unit be what the payload of a package makes of it."""

    # -- what the server does

    def write_uri(self, uri: str) -> None:
        """5/0/1: start a download; an empty URI puts all back to the beginning. Raises NotAllowed while updating."""
        if self.state is State.UPDATING:
            raise NotAllowed("updating")
        self._give_up(Result.INITIAL)
        if not uri:
            return
        try:
            self._download = Download(uri, self.flash_size)
        except DownloadFailed as failed:
            self._give_up(_RESULTS[failed.failure])
            return
        self.state = State.DOWNLOADING
        self.go_on()

    def update(self) -> None:
        """5/0/2: restart into the new firmware. Raises NotAllowed when none has been downloaded."""
        if self.state is not State.DOWNLOADED:
            raise NotAllowed("nothing downloaded")
        self.state = State.UPDATING
        self.restart()

    # -- what the unit does

    def go_on(self) -> None:
        """There is a network (again)."""
        if self._download is not None:
            self._do(self.fetch(self._download))

    async def start_up(self) -> None:
        """At each start of the unit: put in a new firmware, if that is due. A download does not survive a restart."""
        if self.state is State.DOWNLOADING:
            self._give_up(Result.CONNECTION_LOST)
        if self.state is not State.UPDATING:
            return
        await asyncio.sleep(self.install_s)
        package, self._package = self._package, None
        self.state = State.IDLE
        self.result = self.install(package)

    def install(self, package: Package | None) -> Result:
        """Take over ``package``, or keep the old firmware when it isn't made for this hardware."""
        if package is None or package.hardware != self.identity.hardware:
            return Result.UPDATE_FAILED
        self.identity.firmware = package.version
        self.run(package.payload)
        return Result.SUCCESS

    async def fetch(self, download: Download) -> None:
        try:
            content = await download.run(self._modem, self.settings)
        except DownloadFailed as failed:
            if download is self._download:
                self._give_up(_RESULTS[failed.failure])
            return
        if download is not self._download:
            return
        self._download = None
        try:
            self._package = self.check(content)
        except DamagedPackage:
            self._give_up(Result.DAMAGED)
        except NoPackage:
            self._give_up(Result.WRONG_PACKAGE)
        else:
            self.state = State.DOWNLOADED

    def check(self, content: bytes) -> Package:
        """Raises NoPackage or DamagedPackage."""
        package = Package.decode(content)
        if package.product != self.identity.model:
            raise NoPackage
        return package

    def _give_up(self, result: Result) -> None:
        self._download = self._package = None
        self.state = State.IDLE
        self.result = result
