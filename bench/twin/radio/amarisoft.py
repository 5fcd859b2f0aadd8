"""An Amarisoft Callbox: the remote API of its base station (eNB) and its core network (MME), before the twin's radio.

Both speak JSON over WebSocket: a greeting, then one answer to each message, which repeats its ``message_id`` and tells
the box's clock. Sources: the maker's documents lteenb and ltemme of 2026-09-11, chapters "Remote API" (common messages
10.5 and 6.5, LTE messages 10.6 and 6.6), as a public catalogue restates them, and what its authors saw on a box of
2026-06-12. The JSON schema in ``tests/data/amarisoft`` has the source of each message. From memory: texts of errors,
what a cell in ``nb_cells`` has besides its EARFCN and gain, and the ids in the logs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.clock import Clock
from bench.twin.radio.cell import ILLEGAL_UE, THERMAL_NOISE_DBM, Cell
from bench.twin.radio.nas import AirMessage, octets
from bench.twin.wires.websocket import Json

EARFCNS = {20: 6300, 8: 3500, 3: 1575}
"""The box has a cell in each of these bands, numbered from 1 in this order, each at the reference level."""

REFERENCE_LEVEL_DBM = -85.0
"""NRSRP at the unit with gain 0."""
LOWEST_GAIN_DB = -200
SILENT_BELOW_DB = -100
"""A cell of less gain sends nothing that could be received."""
TX_GAIN_DB, RX_GAIN_DB = 70.0, 60.0
"""Of the radio front end, as the box starts."""

IMSI = "001010123456789"
ENB_UE_ID, MME_UE_ID = 1, 100

_MOST_LOGS = 4096
"""In one answer (lteenb 10.5, ``max``)."""
HELD = None
"""The answer to a message that the box keeps for later; the twin gives none."""

Handler = Callable[[Json, dict[str, Any]], Json | None]


class ApiError(Exception):
    """What the box answers as ``error``."""


class Component:
    """What both have in common. ``password``: the client must log in, which the twin never lets it. ``log_lock``:
    com_log_lock is set, so that nobody changes the log's levels. ``microseconds``: newer software, whose logs have
    ``timestamp_us``. ``foreign_units`` are in each ``ue_list`` besides the twin's own.
    """

    kind: str

    def __init__(self, clock: Clock, cell: Cell) -> None:
        self._clock = clock
        self._cell = cell
        self.password = self.log_lock = self.microseconds = False
        self.log_levels: dict[str, str] = {}
        self.log_sizes: dict[str, int] = {}
        self.foreign_units: list[Json] = []
        self._handlers: dict[str, Handler] = {
            "help": self._help, "config_get": self._config_get, "config_set": self._config_set,
            "log_get": self._log_get, "ue_get": self._ue_get}

    def greeting(self) -> Json:
        about = {"type": self.kind, "name": f"TWIN-{self.kind}", "version": "2026-09-11", **self._now()}
        return {"message": "authenticate", "challenge": "0" * 32, **about} if self.password else \
            {"message": "ready", **about}

    def _now(self) -> Json:
        return {"time": self._clock.time(), "utc": self._cell.utc().timestamp()}

    def answer(self, message: Json, memory: dict[str, Any]) -> Json | None:
        """The answer to one message, or ``HELD``; a request that is not in order is answered with ``error``."""
        name = message.get("message")
        answer: Json = {"message": name, **self._now()}
        if "message_id" in message:
            answer["message_id"] = message["message_id"]
        handler = self._handlers.get(name) if isinstance(name, str) else None
        try:
            if self.password:
                raise ApiError("Authentication required")
            if handler is None:
                raise ApiError(f"Unknown message: {name}")
            told = handler(message, memory)
            if told is HELD:
                return HELD
            answer |= told
        except ApiError as error:
            answer["error"] = str(error)
        return answer

    def _help(self, message: Json, memory: dict[str, Any]) -> Json:
        return {"messages": sorted(self._handlers), "events": []}

    def _config_get(self, message: Json, memory: dict[str, Any]) -> Json:
        layers = {layer: {"level": level, "max_size": self.log_sizes.get(layer, 0)}
                  for layer, level in self.log_levels.items()}
        return {"type": self.kind, "name": f"TWIN-{self.kind}", "logs": {"layers": layers}}

    def _config_set(self, message: Json, memory: dict[str, Any]) -> Json:
        if self.log_lock and "logs" in message:
            return {"logs": "locked"}
        for layer, wanted in _table(_table(message, "logs"), "layers").items():
            if layer not in self.log_levels or not isinstance(wanted, dict):
                raise ApiError(f"Unknown log layer: {layer}")
            self.log_levels[layer] = str(wanted.get("level", self.log_levels[layer]))
            self.log_sizes[layer] = int(wanted.get("max_size", self.log_sizes.get(layer, 0)))
        return {}

    def _ue_get(self, message: Json, memory: dict[str, Any]) -> Json:
        raise NotImplementedError

    def _log_get(self, message: Json, memory: dict[str, Any]) -> Json | None:
        """What this connection has not had yet. Without ``allow_empty`` a box that has nothing to tell holds its answer
        until it has. With it the twin answers at once: ``timeout`` is over as soon as it begins.
        """
        log, logged = self._cell.log, self._cell.logged
        first = max(memory.get("log_read", 0), logged - len(log))
        most = int(_number(message, "max", 1, _MOST_LOGS)) if "max" in message else _MOST_LOGS
        asked = _table(message, "layers")
        logs: list[Json] = []
        while first < logged and len(logs) < most:
            signal = log[first - logged]
            if self.log_levels.get(signal.layer) == "debug" and (not asked or signal.layer in asked):
                logs.append(self._entry(signal, first))
            first += 1
        memory["log_read"] = first
        return {"logs": logs} if logs or message.get("allow_empty") is True else HELD

    def _entry(self, signal: AirMessage, number: int) -> Json:
        at = self._clock.epoch.timestamp() + signal.time_s
        when = {"timestamp_us": round(at * 1e6)} if self.microseconds else {"timestamp": round(at * 1000)}
        return {"src": self.kind, "idx": number, "level": 4, **when, "layer": signal.layer,
                "dir": "UL" if signal.uplink else "DL", "ue_id": MME_UE_ID if self.kind == "MME" else ENB_UE_ID,
                "data": _lines(signal, self.log_sizes.get(signal.layer, 0))}

    @property
    def _attached(self) -> bool:
        return self._cell.state not in ("off", "on")


class Enb(Component):
    """The base station: three NB-IoT cells, whose gain is what the box lets one turn while it runs, and the gains of
    the radio front end. ``channel_simulator``: it is licensed and configured. ``tells_bands``: its cells have ``band``.
    """

    kind = "ENB"

    def __init__(self, clock: Clock, cell: Cell) -> None:
        super().__init__(clock, cell)
        self.log_levels = {"RRC": "warn", "PHY": "warn", "MAC": "warn"}
        self.gains_db = dict.fromkeys(EARFCNS, float(LOWEST_GAIN_DB))
        self.channel_simulator = self.tells_bands = False
        self.tx_gains_db, self.rx_gains_db = [TX_GAIN_DB], [RX_GAIN_DB]
        self._handlers |= {"cell_gain": self._cell_gain, "noise_level": self._noise_level, "rf": self._rf,
                           "rlc_drop_rate": self._rlc_drop_rate, "rrc_cnx_release": self._rrc_cnx_release}

    def _config_get(self, message: Json, memory: dict[str, Any]) -> Json:
        cells = {str(number): {"n_id_ncell": number, **({"band": band} if self.tells_bands else {}),
                               "dl_earfcn": EARFCNS[band], "gain": gain_db,
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
            return {"ue_list": self.foreign_units}
        number = list(EARFCNS).index(self._cell.band) + 1
        return {"ue_list": [*self.foreign_units, {"enb_ue_id": ENB_UE_ID, "mme_ue_id": MME_UE_ID, "rnti": 0x46,
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
        if not self.channel_simulator:
            raise ApiError("Channel simulator is not enabled")
        wanted_dbm = REFERENCE_LEVEL_DBM + _number(message, "noise_level", -200, 0)
        self._cell.noise_dbm = max(wanted_dbm, THERMAL_NOISE_DBM)
        return {}

    def _rf(self, message: Json, memory: dict[str, Any]) -> Json:
        """Gains of the radio front end, all channels or one, told and set. What receives less hears a weaker uplink."""
        for name, gains_db in (("tx_gain", self.tx_gains_db), ("rx_gain", self.rx_gains_db)):
            if name in message:
                wanted = message[name]
                gains_db[:] = [_number({name: one}, name, -200, 200)
                               for one in (wanted if isinstance(wanted, list) else [wanted])]
        self._cell.uplink_attenuation_db = RX_GAIN_DB - self.rx_gains_db[0]
        return {"tx_gain": self.tx_gains_db, "rx_gain": self.rx_gains_db, "rf_info": "TWIN"}

    def _rlc_drop_rate(self, message: Json, memory: dict[str, Any]) -> Json:
        """Of one unit's bearer, uplink. The radio link control sends again what is dropped, so no datagram is lost."""
        _number(message, "percentage", 0, 100)
        _number(message, "rb_id", 0, 32)
        if not isinstance(message.get("srb"), bool):
            raise ApiError("Missing field: srb")
        return self._of_connected_unit(message)

    def _rrc_cnx_release(self, message: Json, memory: dict[str, Any]) -> Json:
        self._of_connected_unit(message)
        self._cell.release()
        return {}

    def _of_connected_unit(self, message: Json) -> Json:
        """Nothing to tell, but the unit must be there."""
        number = message.get("ran_ue_id", message.get("enb_ue_id"))
        if number is None:
            raise ApiError("Missing field: ran_ue_id")
        if number != ENB_UE_ID or not self._cell.rrc_connected:
            raise ApiError(f"Unknown UE id: {number}")
        return {}


class Mme(Component):
    """The core network. It grants the timers that the unit asks for."""

    kind = "MME"

    def __init__(self, clock: Clock, cell: Cell) -> None:
        super().__init__(clock, cell)
        self.log_levels = {"NAS": "warn", "S1AP": "warn"}
        self._handlers |= {"ue_detach": self._ue_detach}

    def _ue_get(self, message: Json, memory: dict[str, Any]) -> Json:
        others = [one for one in self.foreign_units if message.get("imsi", one["imsi"]) == one["imsi"]]
        if message.get("imsi", IMSI) != IMSI or not self._attached:
            return {"ue_list": others}
        plmn = f"{self._cell.mcc:03d}{self._cell.mnc:02d}"
        connected = {"enb_ue_id": ENB_UE_ID, "mme_ue_id": MME_UE_ID} if self._cell.rrc_connected else {}
        return {"ue_list": [*others, {
            "rat_type": "NB-IoT", "imsi": IMSI, "registered": True, "tac": 1, "tac_plmn": plmn, **connected,
            "ecgi": {"plmn": plmn, "cell_id": self._cell.cell_id},
            "bearers": [{"erab_id": 5, "ip": "192.168.2.2", "apn": self._cell.apn}]}]}

    def _ue_detach(self, message: Json, memory: dict[str, Any]) -> Json:
        if message.get("imsi") != IMSI or not self._attached:
            raise ApiError("UE not found")
        if message.get("type", 2) != 1 or message.get("cause", ILLEGAL_UE) != -1:
            raise ApiError("the twin's unit attaches again only after type 1 without a cause")
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


def _lines(signal: AirMessage, max_size: int) -> list[str]:
    """The first line names the message, those below show up to ``max_size`` of its octets in rows of 16."""
    if signal.layer == "RRC":
        return [f"CCCH-NB: {signal.message}" if signal.uplink else f"DCCH-NB: {signal.message}"]
    content = octets(signal)[:max_size]
    rows = [f"{at:04x}:  {content[at:at + 16].hex(' ')}" for at in range(0, len(content), 16)]
    return [f"{'ESM' if signal.message.startswith('ESM') else 'EMM'}: {signal.message}", *rows]
