"""The unit's settings as the OTC service on its NFC tag sees them: by number."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bench.twin.cmi6110.connection import Connection
from bench.twin.cmi6110.identity import Identity
from bench.twin.cmi6110.meter_time import MeterTime
from bench.twin.cmi6110.otc import FACTORY_RESET, SYNCHRONIZE_METER_TIME, RawValue, Status
from bench.twin.cmi6110.readouts import Readouts
from bench.twin.cmi6110.settings import BY_OTC_ID, RULES, Settings

METER_ID = 801


class OtcSettings:
    """Implements ``SettingsStore`` for the OTC service."""

    def __init__(self, identity: Identity, settings: Settings, readouts: Readouts, meter_time: MeterTime,
                 connection: Connection) -> None:
        self.settings = settings
        self._identity = identity
        self._readouts = readouts
        self._meter_time = meter_time
        self._connection = connection

    @property
    def locked(self) -> bool:
        return self.settings.number("configuration_lock") == 1

    @property
    def deveui(self) -> bytes:
        return bytes.fromhex(self._identity.deveui)

    @property
    def firmware(self) -> str:
        return self._identity.firmware

    def read_all(self) -> Mapping[int, RawValue]:
        shown = {number: self.settings[name] for number, name in BY_OTC_ID.items()}
        return {METER_ID: self._readouts.meter_id()} | shown

    def check(self, changes: Mapping[int, RawValue]) -> Mapping[int, Status]:
        wrong: dict[int, Status] = {}
        named: dict[str, RawValue] = {}
        for number, value in changes.items():
            if number in (SYNCHRONIZE_METER_TIME, FACTORY_RESET):
                continue
            if number == METER_ID:
                wrong[number] = Status.READ_ONLY
            elif number not in BY_OTC_ID:
                wrong[number] = Status.UNKNOWN_SETTING
            elif type(value) is not type(RULES[BY_OTC_ID[number]].default):
                wrong[number] = Status.TYPE
            else:
                named[BY_OTC_ID[number]] = value
        for name, reason in self.settings.check(named).items():
            wrong[RULES[name].otc_id] = Status.RANGE if reason == "range" else Status.RULE_CONFLICT
        return wrong

    def apply(self, changes: Mapping[int, RawValue]) -> None:
        named = {BY_OTC_ID[number]: value for number, value in changes.items()}
        # Over DM the same settings are seen through 11/1 and, as a list, through 33906/0/53.
        for name in named.keys() & {"apn", "apn_mode"}:
            named[f"staged_{name}"] = named[name]
        if "radio_band" in named:
            named["radio_bands"] = str(named["radio_band"])
        self.settings.write(named)

    def is_asleep(self) -> bool:
        """Whether the modem is in power saving mode."""
        return self._connection.modem.state == "psm"

    def synchronize_time(self, local: datetime) -> None:
        self._meter_time.set_clock(local)

    def factory_reset(self) -> None:
        self._connection.forget_accounts()
        self.settings.reset()
