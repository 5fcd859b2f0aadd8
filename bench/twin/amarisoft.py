"""An Amarisoft Callbox: the remote API of its base station (eNB) and its core network (MME), before the twin's radio.

Both speak JSON over WebSocket: a greeting, then one answer to each message, which repeats its ``message_id`` and tells
the box's clock. Sources: the maker's remote API descriptions, and public tools that were used with a real box. What the
logs hold of NAS messages is their octets, as with ``max_size`` above 0; other lines of a real log are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.clock import Clock
from bench.twin.cell import THERMAL_NOISE_DBM, Cell
from bench.twin.nas import Signal, octets
from bench.twin.websocket_server import Json

EARFCNS = {20: 6300, 8: 3500, 3: 1575}
"""The box has a cell in each of these bands, numbered from 1 in this order, each at the reference level."""

REFERENCE_LEVEL_DBM = -85.0
"""NRSRP at the unit with gain 0."""
LOWEST_GAIN_DB = -200
SILENT_BELOW_DB = -100
"""A cell of less gain sends nothing that could be received."""

IMSI = "001010123456789"
ENB_UE_ID, MME_UE_ID = 1, 100

Handler = Callable[[Json, dict[str, Any]], Json]


class ApiError(Exception):
    """What the box answers as ``error``."""


class Component:
    """What both have in common. ``password``: the client must log in, which the twin never lets it."""

    kind: str

    def __init__(self, clock: Clock, cell: Cell) -> None:
        self._clock = clock
        self._cell = cell
        self.password = False
        self.log_levels: dict[str, str] = {}
        self._handlers: dict[str, Handler] = {
            "help": self._help, "config_get": self._config_get, "config_set": self._config_set,
            "log_get": self._log_get, "ue_get": self._ue_get}

    def greeting(self) -> Json:
        about = {"type": self.kind, "name": f"TWIN-{self.kind}", "version": "2026-09-11"}
        return {"message": "authenticate", "challenge": "0" * 32, **about} if self.password else \
            {"message": "ready", **about}

    def answer(self, message: Json, memory: dict[str, Any]) -> Json:
        """The answer to one message; a request that is not in order is answered with ``error``."""
        name = message.get("message")
        answer: Json = {"message": name, "time": self._clock.time(), "utc": self._clock.utc().timestamp()}
        if "message_id" in message:
            answer["message_id"] = message["message_id"]
        handler = self._handlers.get(name) if isinstance(name, str) else None
        try:
            if self.password:
                raise ApiError("Authentication required")
            if handler is None:
                raise ApiError(f"Unknown message: {name}")
            answer |= handler(message, memory)
        except ApiError as error:
            answer["error"] = str(error)
        return answer

    def _help(self, message: Json, memory: dict[str, Any]) -> Json:
        return {"messages": sorted(self._handlers), "events": []}

    def _config_get(self, message: Json, memory: dict[str, Any]) -> Json:
        layers = {layer: {"level": level} for layer, level in self.log_levels.items()}
        return {"type": self.kind, "name": f"TWIN-{self.kind}", "logs": {"layers": layers}}

    def _config_set(self, message: Json, memory: dict[str, Any]) -> Json:
        for layer, wanted in _table(_table(message, "logs"), "layers").items():
            if layer not in self.log_levels or not isinstance(wanted, dict):
                raise ApiError(f"Unknown log layer: {layer}")
            self.log_levels[layer] = str(wanted.get("level", self.log_levels[layer]))
        return {}

    def _ue_get(self, message: Json, memory: dict[str, Any]) -> Json:
        raise NotImplementedError

    def _log_get(self, message: Json, memory: dict[str, Any]) -> Json:
        """What this connection has not had yet. The twin answers at once, whatever ``min`` and ``timeout`` ask for."""
        log, logged = self._cell.log, self._cell.logged
        first = max(memory.get("log_read", 0), logged - len(log))
        fresh = list(log)[len(log) - (logged - first):] if logged > first else []
        memory["log_read"] = logged
        asked = _table(message, "layers")
        return {"logs": [self._entry(signal, number) for number, signal in enumerate(fresh, first)
                         if self.log_levels.get(signal.layer) == "debug" and (not asked or signal.layer in asked)]}

    def _entry(self, signal: Signal, number: int) -> Json:
        at = self._clock.epoch.timestamp() + signal.time_s
        return {"src": self.kind, "idx": number, "level": 4, "timestamp": round(at * 1000), "layer": signal.layer,
                "dir": "UL" if signal.uplink else "DL", "ue_id": ENB_UE_ID, "data": _lines(signal)}

    @property
    def _attached(self) -> bool:
        return self._cell.state not in ("off", "on")


class Enb(Component):
    """The base station: three NB-IoT cells, whose gain is what the box lets one turn while it runs."""

    kind = "ENB"

    def __init__(self, clock: Clock, cell: Cell) -> None:
        super().__init__(clock, cell)
        self.log_levels = {"RRC": "warn", "PHY": "warn", "MAC": "warn"}
        self.gains_db = dict.fromkeys(EARFCNS, float(LOWEST_GAIN_DB))
        self._handlers |= {"cell_gain": self._cell_gain, "noise_level": self._noise_level,
                           "rlc_drop_rate": self._rlc_drop_rate, "rrc_cnx_release": self._rrc_cnx_release}

    def _config_get(self, message: Json, memory: dict[str, Any]) -> Json:
        cells = {str(number): {"n_id_ncell": number, "band": band, "dl_earfcn": EARFCNS[band], "gain": gain_db,
                               "ecgi": {"plmn": f"{self._cell.mcc:03d}{self._cell.mnc:02d}", "eci": self._cell.cell_id}}
                 for number, (band, gain_db) in enumerate(self.gains_db.items(), 1)}
        return {**super()._config_get(message, memory), "nb_cells": cells, "cells": {}}

    def _config_set(self, message: Json, memory: dict[str, Any]) -> Json:
        for wanted in _table(message, "cells").values():
            if isinstance(wanted, dict) and "inactivity_timer" in wanted:
                self._cell.inactivity_s = _number(wanted, "inactivity_timer", 0, 1e9) / 1000
        return super()._config_set(message, memory)

    def _ue_get(self, message: Json, memory: dict[str, Any]) -> Json:
        if not self._cell.rrc_connected:
            return {"ue_list": []}
        number = list(EARFCNS).index(self._cell.band) + 1
        return {"ue_list": [{"enb_ue_id": ENB_UE_ID, "mme_ue_id": MME_UE_ID, "rnti": 0x46,
                             "cells": [{"cell_id": number}]}]}

    def _cell_gain(self, message: Json, memory: dict[str, Any]) -> Json:
        number = round(_number(message, "cell_id", 1, len(EARFCNS)))
        self.gains_db[list(EARFCNS)[number - 1]] = _number(message, "gain", LOWEST_GAIN_DB, 0)
        cell = self._cell
        sending = {band: REFERENCE_LEVEL_DBM + gain for band, gain in self.gains_db.items() if gain > SILENT_BELOW_DB}
        if sending:
            cell.carriers = sending
            cell.psm_allowed = cell.edrx_allowed = True    # as its mme.cfg has it
            cell.edrx_grant = cell.t3324_grant_s = cell.t3412_grant_s = None
        cell.power = bool(sending)
        cell.levels_changed()
        return {}

    def _noise_level(self, message: Json, memory: dict[str, Any]) -> Json:
        """Of the box's channel simulator: noise (dB) over a cell of gain 0, for all cells."""
        wanted_dbm = REFERENCE_LEVEL_DBM + _number(message, "noise_level", -200, 0)
        self._cell.noise_dbm = max(wanted_dbm, THERMAL_NOISE_DBM)
        return {}

    def _rlc_drop_rate(self, message: Json, memory: dict[str, Any]) -> Json:
        self._cell.drop_percent = round(_number(message, "percentage", 0, 100))
        return {}

    def _rrc_cnx_release(self, message: Json, memory: dict[str, Any]) -> Json:
        if message.get("ran_ue_id", message.get("enb_ue_id")) != ENB_UE_ID or not self._cell.rrc_connected:
            raise ApiError(f"Unknown UE id: {message.get('ran_ue_id')}")
        self._cell.release()
        return {}


class Mme(Component):
    """The core network. It grants the timers that the unit asks for."""

    kind = "MME"

    def __init__(self, clock: Clock, cell: Cell) -> None:
        super().__init__(clock, cell)
        self.log_levels = {"NAS": "warn", "S1AP": "warn"}
        self._handlers |= {"ue_detach": self._ue_detach}

    def _ue_get(self, message: Json, memory: dict[str, Any]) -> Json:
        if message.get("imsi", IMSI) != IMSI or not self._attached:
            return {"ue_list": []}
        plmn = f"{self._cell.mcc:03d}{self._cell.mnc:02d}"
        connected = {"enb_ue_id": ENB_UE_ID, "mme_ue_id": MME_UE_ID} if self._cell.rrc_connected else {}
        return {"ue_list": [{
            "rat_type": "NB-IoT", "imsi": IMSI, "registered": True, "tac": 1, "tac_plmn": plmn, **connected,
            "ecgi": {"plmn": plmn, "cell_id": self._cell.cell_id},
            "bearers": [{"erab_id": 5, "ip": "192.168.2.2", "apn": self._cell.apn}]}]}

    def _ue_detach(self, message: Json, memory: dict[str, Any]) -> Json:
        if message.get("imsi") != IMSI or not self._attached:
            raise ApiError("UE not found")
        self._cell.detach()
        return {}


def _table(message: Json, name: str) -> Json:
    value = message.get(name, {})
    if not isinstance(value, dict):
        raise ApiError(f"{name}: not an object")
    return value


def _number(message: Json, name: str, low: float, high: float) -> float:
    value = message.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ApiError(f"Missing field: {name}")
    if not low <= value <= high:
        raise ApiError(f"{name}: range is [{low:g}:{high:g}]")
    return value


def _lines(signal: Signal) -> list[str]:
    """The first line names the message, those below show its octets in rows of 16."""
    if signal.layer == "RRC":
        return [f"CCCH-NB: {signal.message}" if signal.uplink else f"DCCH-NB: {signal.message}"]
    content = octets(signal)
    rows = [f"{at:04x}:  {content[at:at + 16].hex(' ')}" for at in range(0, len(content), 16)]
    return [f"{'ESM' if signal.message.startswith('ESM') else 'EMM'}: {signal.message}", *rows]
