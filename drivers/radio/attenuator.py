"""Mini-Circuits programmable attenuators (RCDAT, RUDAT, RC4DAT) between the unit's antenna and a live network, by HTTP.

Sources: Mini-Circuits' HTTP example (``:MN?``, ``:SN?``, ``:SETATT=``, ``:CHAN:n:SETATT:``, ``:ATT?``) and programming
manual (answers 0, 1, 2), and public drivers; see ``docs/instruments/mini-circuits-attenuator.md``.
"""

from __future__ import annotations

import http.client
import re
import socket
import time
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field

from bench.clock import Clock
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers import Timeout
from drivers.assumption import Assumption
from drivers.radio import STANDARD_LEVEL_DBM, Band, CellDriver, Level
from drivers.recorder import came, sent

STEP_DB = 0.25
OUT_OF_REACH_DBM = -140.0
"""No unit hears so weak a cell: the manual's sensitivity is -135 dBm."""

_MODEL = re.compile(r"R[CU](\d?)DAT-\d+G?-(\d{2,3})")
_LONGEST_ANSWER = 200
_ADDRESS = "check address and cabling of the attenuator, and that it asks for no password"


Channel = Annotated[int, Field(ge=1, le=8)]


class AttenuatorCell(CellDriver):
    """A live network that reaches the unit through an attenuator, in a shielded box.

    ::

        [cell]
        driver = "attenuator"
        address = "http://192.0.2.30"
        level_dbm = -85.0
        channel = 2
        shared = true

    ``level_dbm`` is the NRSRP at the unit with 0 dB, as measured. Of the network nothing is known: all it can do is
    make the signal weaker, by as much as the model's name says. Where that brings the unit below ``OUT_OF_REACH_DBM``
    there is an outage, if the box is tight. ``channel`` is that of an attenuator with several, which slots may share:
    they are independent of each other.
    """

    kind = "cell"
    abilities = frozenset({"cell.outage", "cell.level"})
    assumptions = (
        Assumption("requests", "the box takes requests one after the other, each on a connection of its own"),)

    def __init__(self, address: str, *, clock: Clock, timeline: Timeline, band: Band = 20,
                 level_dbm: Level = STANDARD_LEVEL_DBM, channel: Channel | None = None, shared: bool = False,
                 timeout_s: Timeout = 5.0) -> None:
        super().__init__(clock, timeline)
        self.subject = f"attenuator at {address}"
        self._address = address
        try:
            parts = urlsplit(address)
            host, port = parts.hostname, parts.port or 80
            usable = parts.scheme == "http" and host is not None and parts.path in ("", "/")
        except ValueError:
            host, port, usable = None, 0, False
        if host is None or not usable:
            raise BenchError(self.subject, expected="an address like http://192.0.2.30", seen=repr(address),
                             do="correct it in the station file")
        self._host, self._port, self._timeout_s = host, port, timeout_s
        self._unattenuated_dbm = self._level_dbm = level_dbm
        model = self._ask(":MN?").removeprefix("MN=")
        match = _MODEL.match(model)
        if match is None:
            raise BenchError(self.subject, expected="a Mini-Circuits RCDAT, RUDAT or RC4DAT", seen=repr(model[:80]),
                             do="correct driver or address in the station file")
        self._channels, self._most_db = int(match[1] or 1), float(match[2])
        self._channel = self._usable_channel(channel, shared)
        self.identity = f"Mini-Circuits {model} {self._ask(':SN?').removeprefix('SN=')}"

    def on(self) -> None:
        self._set(self._unattenuated_dbm - self._level_dbm)

    def off(self) -> None:
        weakest_dbm = self._unattenuated_dbm - self._most_db
        if weakest_dbm > OUT_OF_REACH_DBM:
            raise BenchError(self.subject, expected=f"a network that can be weakened to {OUT_OF_REACH_DBM:g} dBm",
                             seen=f"{weakest_dbm:g} dBm with the {self._most_db:g} dB of this model",
                             do="use a model with more, or put a fixed attenuator before it and correct "
                             "cell.level_dbm")
        self._set(self._most_db)

    def set_level(self, level_dbm: float) -> None:
        if not 0.0 <= self._unattenuated_dbm - level_dbm <= self._most_db:
            raise BenchError(self.subject, expected=f"a level from {self._unattenuated_dbm - self._most_db:g} to "
                             f"{self._unattenuated_dbm:g} dBm", seen=f"{level_dbm:g} dBm",
                             do="correct the test, or cell.level_dbm in the station file")
        self._level_dbm = level_dbm
        self.on()

    def restore(self) -> None:
        if self._level_dbm != self._unattenuated_dbm:
            self.set_level(self._unattenuated_dbm)

    def close(self) -> None:
        """There is no connection to close."""

    # -- inside -----------------------------------------------------------------------------------------------------

    def _usable_channel(self, channel: int | None, shared: bool) -> int | None:
        """The channel in use; None: there is only one. Raises ``BenchError`` for one that there is not, and where slots
        would get into each other's way."""
        if self._channels == 1:
            if shared or channel not in (None, 1):
                raise BenchError(self.subject, expected="an attenuator with several channels, as cell.shared and "
                                 "cell.channel say", seen="one channel", do="give each slot an attenuator, or use an "
                                 "RC4DAT")
            return None
        if channel is None or not 1 <= channel <= self._channels:
            raise BenchError(self.subject, expected=f"cell.channel from 1 to {self._channels}", seen=str(channel),
                             do="say in the station file which channel is before this unit")
        return channel

    def _set(self, attenuation_db: float) -> None:
        wanted_db = round(attenuation_db / STEP_DB) * STEP_DB
        done = self._ask(f":SETATT={wanted_db:g}" if self._channel is None
                         else f":CHAN:{self._channel}:SETATT:{wanted_db:g}")
        seen = self._ask(":ATT?")
        if done != "1" or not self._is(wanted_db, seen):
            raise BenchError(self.subject, expected=f"{wanted_db:g} dB", seen=f"answer {done[:20]!r}, {seen[:40]!r} dB",
                             do="check that the model has as much, in steps of 0.25 dB")
        self._timeline.append("cell", "attenuation", {"attenuation_db": wanted_db})

    def _is(self, wanted_db: float, told: str) -> bool:
        """Whether ``told``, an attenuation for each channel, has ``wanted_db`` for the channel in use."""
        try:
            attenuations_db = [float(one) for one in told.split()]
        except ValueError:
            return False
        return len(attenuations_db) == self._channels and \
            abs(attenuations_db[(self._channel or 1) - 1] - wanted_db) < STEP_DB / 2

    def _ask(self, command: str) -> str:
        """The answer to ``command``, all of which must be there when ``timeout_s`` have passed."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        try:
            connection.sock = _Socket.connected(self._host, self._port, self._timeout_s)
            sent(self._address, command.encode())
            connection.request("GET", f"/{command}")
            response = connection.getresponse()
            if (response.length or 0) > _LONGEST_ANSWER:
                raise http.client.HTTPException(f"{response.length} octets")
            # With a number read() would take an answer that breaks off for a whole one.
            data = response.read(_LONGEST_ANSWER) if response.length is None else response.read()
            came(self._address, data)
            text = data.decode("latin-1").strip(" \t\r\n\0")
        except (OSError, http.client.HTTPException) as error:
            seen = f"none within {self._timeout_s:g} s" if isinstance(error, TimeoutError) else \
                (error.strerror or "nothing") if isinstance(error, OSError) else str(error) or type(error).__name__
            raise BenchError(self.subject, expected=f"an answer to {command}", seen=seen.lower(),
                             do=_ADDRESS) from error
        finally:
            connection.close()
        if response.status != http.client.OK or not text:
            seen = "an empty one" if response.status == http.client.OK else f"HTTP status {response.status}"
            raise BenchError(self.subject, expected=f"an answer to {command}", seen=seen, do=_ADDRESS)
        return text


class _Socket(socket.socket):
    """Receives until one moment, however many pieces come until then."""

    _until = 0.0

    @classmethod
    def connected(cls, host: str, port: int, timeout_s: float) -> _Socket:
        until = time.monotonic() + timeout_s
        plain = socket.create_connection((host, port), timeout=timeout_s)
        own = cls(fileno=plain.detach())
        own._until = until
        own.settimeout(timeout_s)
        return own

    def recv_into(self, *arguments, **options):    # type: ignore[no-untyped-def]
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self.settimeout(left_s)
        return super().recv_into(*arguments, **options)
