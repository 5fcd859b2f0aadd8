"""Amarisoft Callbox with NB-IoT, through the remote API of its eNB and its MME (JSON over WebSocket).

Sources: the maker's remote API descriptions (``cell_gain``, ``ue_get``, ``ue_detach``, ``rrc_cnx_release``,
``rlc_drop_rate``, ``noise_level``, ``log_get``, ``config_get``, ``config_set``) and public tools that use them. What a
message looks like for NB-IoT cells (``nb_cells``) wants checking on a box.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from bench.clock import Clock
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers.radio import STANDARD_LEVEL_DBM, CellDriver, CellState, NetworkEvent, RadioEvent, nas_pdu
from drivers.radio.remote_api import RemoteApi

LOWEST_GAIN_DB = -200
SILENT_BELOW_DB = -100
"""A cell of less gain counts as off."""

_NAS_EVENTS = {
    nas_pdu.ATTACH_REQUEST: NetworkEvent.ATTACH_REQUEST, nas_pdu.ATTACH_ACCEPT: NetworkEvent.ATTACH_ACCEPT,
    nas_pdu.ATTACH_REJECT: NetworkEvent.ATTACH_REJECT, nas_pdu.DETACH_REQUEST: NetworkEvent.DETACH_REQUEST,
    nas_pdu.UPDATE_REQUEST: NetworkEvent.UPDATE_REQUEST, nas_pdu.UPDATE_ACCEPT: NetworkEvent.UPDATE_ACCEPT,
    nas_pdu.ESM_DATA_TRANSPORT: NetworkEvent.DATA_TRANSPORT,
}
_RRC_EVENTS = {"rrc connection request": NetworkEvent.RRC_REQUEST,
               "rrc connection resume request": NetworkEvent.RRC_REQUEST,
               "rrc connection release": NetworkEvent.RRC_RELEASE}
_HEX_ROW = re.compile(r"\s*[0-9a-fA-F]{4}:\s+((?:[0-9a-fA-F]{2}\s{0,2})+)")
_MOST_LOGS = 4096


class AmarisoftCell(CellDriver):
    """The NB-IoT cells of a Callbox: one for each band, all configured, of which those in use have gain.

    ::

        [cell]
        driver = "amarisoft"
        address = "ws://192.0.2.20:9001"
        core_address = "ws://192.0.2.20:9000"
        band = 20

    With gain 0 the cells must reach the unit with ``STANDARD_LEVEL_DBM``: set up attenuators and ``tx_gain`` so. The
    box sees no difference between a unit in power saving mode and an idle one: both are ``CellState.IDLE``. PSM and
    eDRX must be allowed in its mme.cfg, where it also says which timers are granted. A box that asks for a password
    is not supported.
    """

    abilities = frozenset({"cell.outage", "cell.state", "cell.detach", "cell.release", "cell.level", "cell.noise",
                           "cell.bands", "cell.bands.several", "cell.nas", "cell.loss"})

    def __init__(self, address: str, core_address: str, *, clock: Clock, timeline: Timeline, band: int = 20,
                 level_dbm: float = STANDARD_LEVEL_DBM, timeout_s: float = 5.0) -> None:
        super().__init__(clock, timeline)
        self._enb = RemoteApi(address, "ENB", timeout_s=timeout_s)
        self.subject = self._enb.subject
        try:
            self._mme = RemoteApi(core_address, "MME", timeout_s=timeout_s)
        except BenchError:
            self._enb.close()
            raise
        self.identity = f"Amarisoft {self._enb.name} {self._enb.version}"
        self._first_bands: tuple[int, ...] = (band,)
        self._bands: tuple[int, ...] = (band,)
        self._first_level_dbm = self._level_dbm = level_dbm
        self._snr_db: float | None = None
        self._loss = 0
        self._events: list[RadioEvent] = []
        self._read_already: set[tuple[str, int, int]] = set()
        try:
            self._cells = self._find_cells()
            self._check_bands(self._bands, self._cells, 1)
            self._enb.ask("config_set", logs={"layers": {"RRC": {"level": "debug"}}})
            self._mme.ask("config_set", logs={"layers": {"NAS": {"level": "debug", "max_size": 512}}})
        except BenchError:
            self.close()
            raise

    def on(self) -> None:
        """The cells of the chosen bands get their gain; the others stay silent."""
        for band, number in self._cells.items():
            gain_db = self._level_dbm - STANDARD_LEVEL_DBM if band in self._bands else LOWEST_GAIN_DB
            self._enb.ask("cell_gain", cell_id=number, gain=max(gain_db, LOWEST_GAIN_DB))
        self.state()

    def off(self) -> None:
        for number in self._cells.values():
            self._enb.ask("cell_gain", cell_id=number, gain=LOWEST_GAIN_DB)
        self.state()

    def state(self) -> CellState:
        self._read_logs()
        registered = [one for one in self._ue_list(self._mme) if one.get("registered")]
        if not any(gain > SILENT_BELOW_DB for gain in self._gains().values()):
            return self._note(CellState.OFF)
        if not registered:
            return self._note(CellState.ON)
        return self._note(CellState.CONNECTED if self._ue_list(self._enb) else CellState.IDLE)

    def detach(self) -> None:
        self._mme.ask("ue_detach", imsi=self._the_unit(self._mme)["imsi"], type=1, cause=-1)    # and attach again
        self.state()

    def release_rrc(self) -> None:
        self._enb.ask("rrc_cnx_release", ran_ue_id=self._the_unit(self._enb)["enb_ue_id"])
        self.state()

    def set_level(self, level_dbm: float) -> None:
        if not LOWEST_GAIN_DB <= level_dbm - STANDARD_LEVEL_DBM <= 0:
            raise BenchError(self.subject, expected=f"a level of at most {STANDARD_LEVEL_DBM:g} dBm",
                             seen=f"{level_dbm:g} dBm", do="correct the test: a gain above 0 dB is not possible")
        is_on = any(gain > SILENT_BELOW_DB for gain in self._gains().values())
        self._level_dbm = level_dbm
        if is_on:
            self.on()
        if self._snr_db is not None:
            self.set_noise(self._snr_db)

    def set_noise(self, snr_db: float | None) -> None:
        self._snr_db = snr_db
        level_db = -200.0 if snr_db is None else self._level_dbm - STANDARD_LEVEL_DBM - snr_db
        self._enb.ask("noise_level", noise_level=max(level_db, -200.0))

    def use_bands(self, *bands: int) -> None:
        self._check_bands(bands, self._cells, len(self._cells))
        self.off()
        self._bands = bands
        self.on()

    def events(self, since: float) -> list[RadioEvent]:
        self._read_logs()
        return [one for one in self._events if one.time > since]

    def set_loss(self, percent: int) -> None:
        self._enb.ask("rlc_drop_rate", percentage=percent)
        self._loss = percent

    def restore(self) -> None:
        if self._snr_db is not None:
            self.set_noise(None)
        if self._loss:
            self.set_loss(0)
        if (self._level_dbm, self._bands) != (self._first_level_dbm, self._first_bands):
            self._level_dbm, self._bands = self._first_level_dbm, self._first_bands
            self.on()

    def close(self) -> None:
        """What the logs still hold belongs to the timeline."""
        if self._enb.is_open and self._mme.is_open:
            with suppress(BenchError):
                self._read_logs()
        self._enb.close()
        self._mme.close()

    # -- inside -----------------------------------------------------------------------------------------------------

    def _find_cells(self) -> dict[int, int]:
        """The number of the NB-IoT cell in each band."""
        cells = self._configured()
        if not cells:
            raise BenchError(self.subject, expected="NB-IoT cells (nb_cells) in its configuration", seen="none",
                             do="start the box with an NB-IoT configuration of its eNB")
        return {band: number for number, band, _ in cells}

    def _configured(self) -> list[tuple[int, int, float]]:
        """(number, band, gain in dB) of each cell."""
        cells = self._enb.ask("config_get").get("nb_cells")
        try:
            return [(int(number), int(cell["band"]), float(cell["gain"])) for number, cell in (cells or {}).items()]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._enb.garbage("nb_cells with band and gain", cells) from error

    def _gains(self) -> dict[int, float]:
        return {band: gain for _, band, gain in self._configured()}

    def _ue_list(self, api: RemoteApi) -> list[dict[str, Any]]:
        found = api.ask("ue_get").get("ue_list")
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise api.garbage("a ue_list", found)
        return found

    def _the_unit(self, api: RemoteApi) -> dict[str, Any]:
        found = self._ue_list(api)
        if len(found) != 1:
            raise BenchError(api.subject, expected="one unit", seen=f"{len(found)}",
                             do="wait until the unit is there; take other units off the network")
        return found[0]

    def _read_logs(self) -> None:
        """Take what is new in both logs, note it on the timeline, and put it in the order of time."""
        fresh = [*self._logs(self._enb, "RRC"), *self._logs(self._mme, "NAS")]
        for event in sorted(fresh, key=lambda one: one.time):
            self._events.append(event)
            details = {name: getattr(event, name) for name in _DETAILS if getattr(event, name) is not None}
            self._timeline.append("cell", "event", {"event": str(event.event), **details}, at=event.time)
            if event.event in _STATES:
                self._note(_STATES[event.event], at=event.time)
        self._events.sort(key=lambda one: one.time)

    def _logs(self, api: RemoteApi, layer: str) -> list[RadioEvent]:
        answer = api.ask("log_get", min=0, max=_MOST_LOGS, timeout=0, layers={layer: "debug"})
        try:
            # The box's clock is not the bench's; how long ago something was is the same on both.
            begun = self._clock.time() - float(answer["utc"])
            marks = [(layer, int(one["idx"]), int(one["timestamp"])) for one in answer["logs"]]
            events = [_event(begun + one["timestamp"] / 1000, layer, one["data"])
                      for one, mark in zip(answer["logs"], marks, strict=True)
                      if one["layer"] == layer and mark not in self._read_already]
            self._read_already |= set(marks)    # a new connection gets to read everything again
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise api.garbage("a log with utc, idx, timestamp, layer and data", answer) from error
        return [event for event in events if event is not None]


_STATES = {NetworkEvent.RRC_REQUEST: CellState.CONNECTED, NetworkEvent.RRC_RELEASE: CellState.IDLE}
_DETAILS = ("t3324_s", "t3412_s", "edrx", "cause", "release_assistance")


def _event(time: float, layer: str, data: list[str]) -> RadioEvent | None:
    """One entry of a log; None for a message that says nothing to the bench. Raises ``ValueError`` for a broken one."""
    if layer == "RRC":
        name = data[0].partition(":")[2].strip().lower().removesuffix("-nb")
        return RadioEvent(time, _RRC_EVENTS[name]) if name in _RRC_EVENTS else None
    rows = [row for row in map(_HEX_ROW.match, data[1:]) if row is not None]
    if not rows:
        return None
    pdu = nas_pdu.decode(bytes.fromhex("".join(row[1] for row in rows)))
    if pdu is None or (pdu.kind == nas_pdu.ESM_DATA_TRANSPORT and not pdu.release_assistance):
        return None
    return RadioEvent(time, _NAS_EVENTS[pdu.kind], pdu.t3324_s, pdu.t3412_s, pdu.edrx, pdu.cause,
                      pdu.release_assistance)
