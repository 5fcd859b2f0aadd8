"""Mini-Circuits RCDAT programmable attenuator, between the unit's antenna and a live network, over HTTP.

Source: Mini-Circuits' programming manual of these attenuators (commands ``:SETATT=``, ``:ATT?``, ``:MN?``).
"""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

from bench.clock import Clock
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers.radio import STANDARD_LEVEL_DBM, CellDriver

MOST_DB = 95.0
STEP_DB = 0.25

_ADDRESS = "check address and cabling of the attenuator, and that it asks for no password"


class AttenuatorCell(CellDriver):
    """A live network that reaches the unit through an attenuator, in a shielded box.

    ::

        [cell]
        driver = "attenuator"
        address = "http://192.0.2.30"
        level_dbm = -85.0

    ``level_dbm`` is the NRSRP at the unit with 0 dB, as measured. Of the network nothing is known: all it can do is
    make the signal weaker. With 95 dB there is an outage, if the box is tight.
    """

    abilities = frozenset({"cell.outage", "cell.level"})

    def __init__(self, address: str, *, clock: Clock, timeline: Timeline, level_dbm: float = STANDARD_LEVEL_DBM,
                 timeout_s: float = 5.0) -> None:
        super().__init__(clock, timeline)
        self.subject = f"attenuator at {address}"
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
        model = self._ask(":MN?")
        if "DAT" not in model:
            raise BenchError(self.subject, expected="a Mini-Circuits RCDAT attenuator", seen=repr(model[:80]),
                             do="correct driver or address in the station file")
        self.identity = f"Mini-Circuits {model.removeprefix('MN=')} {self._ask(':SN?').removeprefix('SN=')}"

    def on(self) -> None:
        self._set(self._unattenuated_dbm - self._level_dbm)

    def off(self) -> None:
        self._set(MOST_DB)

    def set_level(self, level_dbm: float) -> None:
        if not 0.0 <= self._unattenuated_dbm - level_dbm <= MOST_DB:
            raise BenchError(self.subject, expected=f"a level from {self._unattenuated_dbm - MOST_DB:g} to "
                             f"{self._unattenuated_dbm:g} dBm", seen=f"{level_dbm:g} dBm",
                             do="correct the test, or cell.level_dbm in the station file")
        self._level_dbm = level_dbm
        self.on()

    def restore(self) -> None:
        if self._level_dbm != self._unattenuated_dbm:
            self.set_level(self._unattenuated_dbm)

    def close(self) -> None:
        """There is no connection to close."""

    def _set(self, attenuation_db: float) -> None:
        wanted_db = round(attenuation_db / STEP_DB) * STEP_DB
        done = self._ask(f":SETATT={wanted_db:g}")
        seen = self._ask(":ATT?")
        if done != "1" or not _is_near(seen, wanted_db):
            raise BenchError(self.subject, expected=f"{wanted_db:g} dB", seen=f"answer {done[:20]!r}, {seen[:20]!r} dB",
                             do="check the model: it needs 95 dB in steps of 0.25 dB")
        self._timeline.append("cell", "attenuation", {"attenuation_db": wanted_db})

    def _ask(self, command: str) -> str:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        try:
            connection.request("GET", f"/{command}")
            response = connection.getresponse()
            text = response.read(200).decode("latin-1").strip()
        except (OSError, http.client.HTTPException) as error:
            seen = (error.strerror or "nothing") if isinstance(error, OSError) else type(error).__name__
            raise BenchError(self.subject, expected=f"an answer to {command}", seen=seen.lower(),
                             do=_ADDRESS) from error
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise BenchError(self.subject, expected=f"an answer to {command}", seen=f"HTTP status {response.status}",
                             do=_ADDRESS)
        return text


def _is_near(text: str, wanted_db: float) -> bool:
    try:
        return abs(float(text) - wanted_db) < STEP_DB / 2
    except ValueError:
        return False
