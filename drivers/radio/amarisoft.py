"""Amarisoft Callbox with NB-IoT, through the remote API of its eNB and its MME (JSON over WebSocket).

Sources: the maker's documents lteenb and ltemme of 2026-09-11, chapters "Remote API", and public tools that use it; see
``docs/instruments/amarisoft-callbox.md``, which also says what is from memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from bench.clock import Clock
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers import Timeout
from drivers.assumption import Assumption
from drivers.radio import (
    EARFCNS,
    STANDARD_LEVEL_DBM,
    Band,
    CellDriver,
    CellState,
    Level,
    NetworkEvent,
    NetworkTime,
    RadioEvent,
    nas_pdu,
)
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
_MOST_LOGS = 1000
"""In one answer."""
_REMEMBERED = 8192
"""As much as both logs can hold to be read again."""
_LONGEST_PDU = 2048
"""More than a message with the longest packet, 1358 octets in public networks: one that breaks off can't be read."""
_ENB_NUMBER = ("enb_ue_id", "ran_ue_id")
"""The number of a unit at the eNB; newer software has the second name."""
_LONGEST_WAIT_S = 1
"""For logs, when there are none: as public clients do."""

_ABILITIES = frozenset({"cell.outage", "cell.state", "cell.detach", "cell.release", "cell.level", "cell.bands",
                        "cell.bands.several", "cell.nas", "cell.assistance"})
_OF_ONE_UNIT = frozenset({"cell.state", "cell.detach", "cell.release", "cell.nas", "cell.assistance"})


Imsi = Annotated[str, Field(pattern=r"^[0-9]{14,16}$")]


class AmarisoftCell(CellDriver):
    """The NB-IoT cells of a Callbox: one for each band, all configured, of which those in use have gain.

    ::

        [cell]
        driver = "amarisoft"
        address = "ws://192.0.2.20:9001"
        core_address = "ws://192.0.2.20:9000"
        band = 20
        imsi = "001010123456789"
        shared = true

    With gain 0, and the receiver's gain with which the box starts, the cells must reach the unit with
    ``STANDARD_LEVEL_DBM``: set up attenuators and ``tx_gain`` so. A lower level weakens both ways alike, the downlink
    by the gain of the cells, the uplink by that of the receiver. The box sees no difference between a unit in power
    saving mode and an idle one: both are ``CellState.IDLE``. PSM and eDRX must be allowed in its mme.cfg, where it also
    says which timers are granted. A box that asks for a password is not supported. ``channel_simulator``: it has one,
    and so can send noise.

    ``imsi`` is that of the unit's SIM; without it there must be no other unit. With ``shared`` the box has units of
    other slots, too: only what concerns one unit is done then, and somebody else has switched the cells on.
    """

    kind = "cell"
    abilities = _ABILITIES
    assumptions = (
        Assumption("clock", "each answer tells the box's clock (utc)", r'.*"message": .*', r'.*"utc": ?[0-9.]+.*'),
        Assumption("ids", "ue_id in the logs is the number that ue_get tells, and mme_ue_id is there while connected"),
        Assumption("noise", "a box without channel simulator refuses noise_level, and does not ignore it"))

    def __init__(self, address: str, core_address: str, *, clock: Clock, timeline: Timeline, band: Band = 20,
                 level_dbm: Level = STANDARD_LEVEL_DBM, imsi: Imsi | None = None, shared: bool = False,
                 channel_simulator: bool = False, timeout_s: Timeout = 5.0) -> None:
        super().__init__(clock, timeline)
        self.abilities = self.abilities_with({"channel_simulator": channel_simulator, "shared": shared})
        self._imsi, self._shared = imsi, shared
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
        self._read_already: dict[tuple[str, int, int], None] = {}
        self._rx_gains_db: list[float] = []
        self._ids: set[tuple[str, int]] = set()
        self._of_nobody: list[tuple[tuple[str, int], RadioEvent]] = []
        try:
            if shared and imsi is None:
                raise BenchError(self.subject, expected="the IMSI of the unit in a cell that slots share",
                                 seen="none", do="add cell.imsi to the station file")
            self._cells = self._find_cells()
            self._check_bands(self._bands, self._cells, 1)
            self._rx_gains_db = self._receiver_gains()
            self._log(self._enb, "RRC", level="debug")
            self._log(self._mme, "NAS", level="debug", max_size=_LONGEST_PDU)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def abilities_with(options: Mapping[str, Any]) -> frozenset[str]:
        """What a box can do, by its options."""
        if options["shared"]:
            return _OF_ONE_UNIT
        return _ABILITIES | {"cell.noise"} if options["channel_simulator"] else _ABILITIES

    def on(self) -> None:
        """The cells of the chosen bands get their gain; the others stay silent."""
        if self._shared:
            self._need_a_cell_on()
        else:
            weaker_db = STANDARD_LEVEL_DBM - self._level_dbm
            self._enb.ask("rf", rx_gain=[max(gain_db - weaker_db, 0.0) for gain_db in self._rx_gains_db])
            for band, number in self._cells.items():
                gain_db = -weaker_db if band in self._bands else LOWEST_GAIN_DB
                self._enb.ask("cell_gain", cell_id=number, gain=max(gain_db, LOWEST_GAIN_DB))
        self.state()

    def off(self) -> None:
        self._need_the_box("cell.outage")
        for number in self._cells.values():
            self._enb.ask("cell_gain", cell_id=number, gain=LOWEST_GAIN_DB)
        self.state()

    def state(self) -> CellState:
        self._read_logs()
        own = self._of_own(self._mme)
        if not any(gain > SILENT_BELOW_DB for gain in self._gains().values()):
            return self._note(CellState.OFF)
        if not any(one.get("registered") for one in own):
            return self._note(CellState.ON)
        return self._note(CellState.CONNECTED if self._of_own(self._enb) else CellState.IDLE)

    def detach(self) -> None:
        """Type 1 is "re-attach required". Without a cause: the MME's default one would lock the unit's SIM."""
        self._mme.ask("ue_detach", imsi=self._the_unit(self._mme, "imsi"), type=1, cause=-1)
        self.state()

    def release_rrc(self) -> None:
        self._enb.ask("rrc_cnx_release", ran_ue_id=self._the_unit(self._enb, *_ENB_NUMBER))
        self.state()

    def set_level(self, level_dbm: float) -> None:
        self._need_the_box("cell.level")
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
        if "cell.noise" not in self.abilities:
            raise self._cannot("cell.noise")
        self._snr_db = snr_db
        level_db = -200.0 if snr_db is None else self._level_dbm - STANDARD_LEVEL_DBM - snr_db
        self._enb.ask("noise_level", noise_level=max(level_db, -200.0))

    def use_bands(self, *bands: int) -> None:
        self._need_the_box("cell.bands")
        self._check_bands(bands, self._cells, len(self._cells))
        self.off()
        self._bands = bands
        self.on()

    def events(self, since: float) -> list[RadioEvent]:
        self._read_logs()
        return [RadioEvent(seen.time, NetworkEvent(seen.data["event"]),
                           **{name: seen.data[name] for name in _DETAILS if name in seen.data})
                for seen in self._timeline.select("cell", "event", after=since)]

    def network_time(self) -> NetworkTime | None:
        """The box's clock; its zone it does not tell, and older software nothing."""
        told = self._mme.ask("ue_get").get("utc")
        return NetworkTime(datetime.fromtimestamp(told, UTC)) if isinstance(told, int | float) else None

    def restore(self) -> None:
        if self._snr_db is not None:
            self.set_noise(None)
        if (self._level_dbm, self._bands) != (self._first_level_dbm, self._first_bands):
            self._level_dbm, self._bands = self._first_level_dbm, self._first_bands
            self.on()

    def close(self) -> None:
        """The receiver gets back the gain that it had. What the logs still hold belongs to the timeline."""
        if self._enb.is_open and self._mme.is_open:
            with suppress(BenchError):
                if self._rx_gains_db and self._level_dbm != STANDARD_LEVEL_DBM and not self._shared:
                    self._enb.ask("rf", rx_gain=self._rx_gains_db)
                self._read_logs()
        self._enb.close()
        self._mme.close()

    # -- inside -----------------------------------------------------------------------------------------------------

    def _need_the_box(self, ability: str) -> None:
        """Raises ``BenchError`` where others would feel it."""
        if self._shared:
            raise BenchError(self.subject, expected=f"a cell of one's own for {ability}",
                             seen="units of other slots in it", do="run this on a station whose cell is not shared")

    def _need_a_cell_on(self) -> None:
        silent = [band for band in self._bands if self._gains()[band] <= SILENT_BELOW_DB]
        if silent:
            raise BenchError(self.subject, expected=f"the shared cell of band {silent[0]} to be on", seen="no gain",
                             do="switch it on once for all slots, with cell_gain 0")

    def _log(self, api: RemoteApi, layer: str, **wanted: object) -> None:
        """Make sure that the component logs messages of ``layer``."""
        if api.ask("config_set", logs={"layers": {layer: wanted}}).get("logs") != "locked":
            return
        layers = api.ask("config_get").get("logs")
        found = layers.get("layers", {}).get(layer) if isinstance(layers, dict) else None
        if not isinstance(found, dict) or any(found.get(name) != value for name, value in wanted.items()):
            raise BenchError(api.subject, expected=f"a log of layer {layer} with {wanted}", seen=f"{found}, and locked",
                             do="take com_log_lock out of the component's configuration, or set the levels there")

    def _receiver_gains(self) -> list[float]:
        """In dB, of each channel, as the box has started."""
        answer = self._enb.ask("rf")
        try:
            return [float(gain_db) for gain_db in answer["rx_gain"]]
        except (KeyError, TypeError, ValueError) as error:
            raise self._enb.garbage("an rx_gain of each channel", answer) from error

    def _find_cells(self) -> dict[int, int]:
        """The number of the NB-IoT cell in each band."""
        cells = self._configured()
        if not cells:
            raise BenchError(self.subject, expected=f"NB-IoT cells (nb_cells) in bands {sorted(EARFCNS)}", seen="none",
                             do="start the box with an NB-IoT configuration of its eNB")
        return {band: number for number, band, _ in cells}

    def _configured(self) -> list[tuple[int, int, float]]:
        """(number, band, gain in dB) of each cell in a band of the module. Where a cell has no ``band``, its EARFCN
        tells it."""
        cells = self._enb.ask("config_get").get("nb_cells")
        try:
            found = [(int(number), int(cell["band"]) if "band" in cell else _band_of(int(cell["dl_earfcn"])),
                      float(cell["gain"])) for number, cell in (cells or {}).items()]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._enb.garbage("nb_cells with dl_earfcn and gain", cells) from error
        return [(number, band, gain) for number, band, gain in found if band is not None]

    def _gains(self) -> dict[int, float]:
        return {band: gain for _, band, gain in self._configured()}

    def _ue_list(self, api: RemoteApi, **filters: object) -> list[dict[str, Any]]:
        found = api.ask("ue_get", **filters).get("ue_list")
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise api.garbage("a ue_list", found)
        return found

    def _of_own(self, api: RemoteApi) -> list[dict[str, Any]]:
        """The entries of the unit: without ``imsi`` all. The eNB knows it by a number that the MME tells, another one
        with each connection."""
        if self._imsi is None:
            return self._ue_list(api)
        own = self._ue_list(self._mme, imsi=self._imsi)
        if api is self._mme:
            return own
        numbers = {_first(one, *_ENB_NUMBER) for one in own} - {None}
        return [one for one in self._ue_list(self._enb) if _first(one, *_ENB_NUMBER) in numbers]

    def _the_unit(self, api: RemoteApi, *names: str) -> str | int:
        """What the component calls the unit: the first of ``names`` that it tells."""
        found = self._of_own(api)
        if len(found) != 1:
            raise BenchError(api.subject, expected="one unit", seen=f"{len(found)}",
                             do="wait until the unit is there; take other units off the network, or give cell.imsi")
        called = _first(found[0], *names)
        if called is None:
            raise api.garbage(f"a unit with {' or '.join(names)}", found[0])
        return called

    def _read_logs(self) -> None:
        """Take what is new in both logs and note it on the timeline."""
        fresh = [*self._of_nobody, *self._logs(self._enb, "RRC"), *self._logs(self._mme, "NAS")]
        if self._shared:
            for one in self._of_own(self._mme):
                self._ids |= {(layer, int(number)) for layer, names in (("RRC", _ENB_NUMBER), ("NAS", ("mme_ue_id",)))
                              if (number := _first(one, *names)) is not None}
            # What came before the MME knew whose it is waits; others' messages are in the end forgotten.
            self._of_nobody = [one for one in fresh if one[0] not in self._ids][-_REMEMBERED:]
            fresh = [one for one in fresh if one[0] in self._ids]
        for event in sorted((event for _, event in fresh), key=lambda one: one.time):
            details = {name: getattr(event, name) for name in _DETAILS if getattr(event, name) is not None}
            self._timeline.append("cell", "event", {"event": str(event.event), **details}, at=event.time)
            if event.event in _STATES:
                self._note(_STATES[event.event], at=event.time)

    def _logs(self, api: RemoteApi, layer: str) -> Iterator[tuple[tuple[str, int], RadioEvent]]:
        """Each event with the layer and the number of its unit there (0: none told), until an answer is not full."""
        is_full = True
        while is_full:
            answer = api.ask("log_get", min=1, max=_MOST_LOGS, timeout=_LONGEST_WAIT_S, allow_empty=True,
                             layers={layer: "debug"})
            try:
                yield from self._new_of(answer, layer)
                is_full = len(answer["logs"]) >= _MOST_LOGS
            except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
                raise api.garbage("a log with idx, timestamp, layer and data", answer) from error

    def _new_of(self, answer: dict[str, Any], layer: str) -> Iterator[tuple[tuple[str, int], RadioEvent]]:
        """What has not been read before, over this connection or another."""
        # The box's clock is not the bench's; how long ago something was is the same on both. Where the answer doesn't
        # say what time it is there, the clocks are taken to agree.
        begun = self._clock.time() - float(answer.get("utc", self._clock.utc().timestamp()))
        for one in answer["logs"]:
            at_s = one["timestamp_us"] / 1e6 if "timestamp_us" in one else one["timestamp"] / 1e3
            mark = (layer, int(one["idx"]), round(at_s * 1e6))
            if one["layer"] == layer and mark not in self._read_already:
                event = _event(begun + at_s, layer, one["data"], from_unit=one.get("dir") != "DL")
                if event is not None:
                    yield (layer, int(one.get("ue_id", 0))), event
            self._read_already[mark] = None
        for mark in list(self._read_already)[:-_REMEMBERED]:
            del self._read_already[mark]


def _first(unit: dict[str, Any], *names: str) -> str | int | None:
    """What ``unit`` has by the first of ``names`` that it has."""
    return next((unit[name] for name in names if isinstance(unit.get(name), str | int)), None)


def _band_of(earfcn: int) -> int | None:
    return next((band for band, channels in EARFCNS.items() if earfcn in channels), None)


_STATES = {NetworkEvent.RRC_REQUEST: CellState.CONNECTED, NetworkEvent.RRC_RELEASE: CellState.IDLE}
_DETAILS = ("t3324_s", "t3412_s", "edrx", "cause", "release_assistance", "destination")


def _event(time: float, layer: str, data: list[str], *, from_unit: bool) -> RadioEvent | None:
    """One entry of a log; None for a message that says nothing to the bench. Raises ``ValueError`` for a broken one."""
    if layer == "RRC":
        name = data[0].partition(":")[2].strip().lower().removesuffix("-nb")
        return RadioEvent(time, _RRC_EVENTS[name]) if name in _RRC_EVENTS else None
    rows = [row for row in map(_HEX_ROW.match, data[1:]) if row is not None]
    if not rows:
        return None
    pdu = nas_pdu.decode(bytes.fromhex("".join(row[1] for row in rows)))
    if pdu is None or (pdu.kind == nas_pdu.ESM_DATA_TRANSPORT and not from_unit):
        return None
    return RadioEvent(time, _NAS_EVENTS[pdu.kind], pdu.t3324_s, pdu.t3412_s, pdu.edrx, pdu.cause,
                      pdu.release_assistance, pdu.destination)
