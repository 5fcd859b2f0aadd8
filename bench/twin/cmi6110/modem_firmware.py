"""33909/0/5, /7 and /8: the firmware of the modem. The package is pulled by CoAP (G20), the modem restarts with it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from enum import IntEnum

from bench.twin.cmi6110.download import Download, DownloadFailed
from bench.twin.cmi6110.jobs import Do
from bench.twin.cmi6110.modem import Modem
from bench.twin.cmi6110.package import DamagedPackage, NoPackage, Package
from bench.twin.cmi6110.resource import BadValue
from bench.twin.cmi6110.settings import Settings

MODEL = "NB2-TWIN"

_ARGUMENT = re.compile(r"0='([^']+)'")


class Result(IntEnum):
    """33909/0/8."""

    INITIAL = 0
    SUCCESS = 1
    DOWNLOAD_ERROR = 2
    UPDATE_ERROR = 3


class ModemUpdate:
    """``restart`` makes the modem leave the network; the unit joins again, and on the way there ``start_up`` is called.
    """

    flash_size = 256 * 1024
    install_s = 45.0
    first_version = "TWIN01A01"

    def __init__(self, modem: Modem, settings: Settings, do: Do, restart: Callable[[], None]) -> None:
        self._modem = modem
        self._settings = settings
        self._do = do
        self._restart = restart
        self._content: bytes | None = None
        self._asked = 0
        self.version = self.first_version
        self.result = Result.INITIAL

    def update(self, argument: str) -> None:
        """33909/0/7 with 0='<url>'. Raises BadValue for another argument."""
        found = _ARGUMENT.fullmatch(argument)
        if found is None:
            raise BadValue("expected 0='<url>'")
        self.result = Result.INITIAL
        self._asked += 1
        self._do(self._fetch(found[1], self._asked))

    async def _fetch(self, uri: str, asked: int) -> None:
        try:
            content = await Download(uri, self.flash_size).run(self._modem, self._settings)
        except DownloadFailed:
            if asked == self._asked:
                self.result = Result.DOWNLOAD_ERROR
            return
        if asked == self._asked:
            self._content = content
            self._restart()

    def outage(self) -> None:
        """The network is lost: a download is over."""
        if self._asked and self._content is None and self.result is Result.INITIAL:
            self._asked += 1
            self.result = Result.DOWNLOAD_ERROR

    async def start_up(self) -> None:
        """At each start of the modem: put in a new firmware, if that is due."""
        if self._content is None:
            return
        await asyncio.sleep(self.install_s)
        content, self._content = self._content, None
        self.result = self.install(content)

    def install(self, content: bytes) -> Result:
        try:
            package = Package.decode(content)
        except (NoPackage, DamagedPackage):
            return Result.UPDATE_ERROR
        if package.product != MODEL:
            return Result.UPDATE_ERROR
        self.version = package.version
        return Result.SUCCESS
