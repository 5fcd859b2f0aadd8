"""The unit's settings: Tables 8 to 12 of the manual and those of object 33906 that only LwM2M shows.

This is the twin's own reading of the manual, on purpose not shared with the bench's catalogue: a wrong default here
must show in a test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Value = int | str

_BACKOFF = re.compile(r"\d+-\d+(,\d+-\d+)*", re.ASCII)
_BANDS = re.compile(r"\d+(,\d+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rule:
    """One setting: its number on the OTC wire (table * 100 + row; 0 where OTC doesn't show it), default and range."""

    otc_id: int
    default: Value
    accepts: Callable[[Value], bool]
    writable: bool = True


def _between(low: int, high: int) -> Callable[[Value], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _one_of(*choices: int) -> Callable[[Value], bool]:
    return lambda value: type(value) is int and value in choices


def _text(longest: int) -> Callable[[Value], bool]:
    return lambda value: isinstance(value, str) and len(value.encode()) <= longest


def _ranges(value: Value) -> bool:
    """Back-off ranges in minutes: ``min0-max0,min1-max1,...``."""
    if not isinstance(value, str) or not _BACKOFF.fullmatch(value):
        return False
    return all(int(low) <= int(high) for low, _, high in (part.partition("-") for part in value.split(",")))


def _bands(value: Value) -> bool:
    """NB-IoT bands: ``band0,band1,...``; 0 stands for all."""
    if not isinstance(value, str) or len(value) > 64 or not _BANDS.fullmatch(value):
        return False
    return all(int(band) <= _HIGHEST_BAND for band in value.split(","))


_HIGHEST_BAND = 85
_WEEK_MIN = 7 * 24 * 60
_RESTARTS = "0-5,5-15,15-60,60-360,360-1440,1300-1600"

RULES: Mapping[str, Rule] = {
    # Table 8: device
    "power_mode": Rule(802, 0, _one_of(0, 1)),                          # 0 passive, 1 active
    "configuration_lock": Rule(803, 0, _one_of(0, 1)),                  # 0 open, 1 locked
    "utc_offset": Rule(805, 0, _between(-720, 720)),                    # minutes
    "max_meter_retries": Rule(806, 255, _between(0, 255)),
    # Table 9: LwM2M
    "bootstrap_ip": Rule(901, "84.19.147.226", _text(64)),
    "bootstrap_port": Rule(902, 5694, _between(1, 65535)),
    "bootstrap_security": Rule(903, 0, _one_of(0, 3)),                  # 0 DTLS with PSK, 3 none
    "coap_ack_timeout": Rule(904, 60, _between(1, 3600)),
    "coap_max_retransmit": Rule(905, 1, _between(0, 20)),
    "lwm2m_dtls_min_timeout": Rule(906, 60, _between(1, 3600)),
    "lwm2m_dtls_max_timeout": Rule(907, 90, _between(1, 3600)),
    "communication_retry_count": Rule(908, 1, _between(0, 255)),
    "communication_retry_delay": Rule(909, 3600, _between(1, 604800)),
    "sequence_retry_count": Rule(910, 2, _between(1, 255)),
    "sequence_retry_delay": Rule(911, 86400, _between(1, 2592000)),
    "sequence_backoff": Rule(912, "0-5,60-120,1300-1600,1300-1600,1300-1600,1300-1600", _ranges),
    # Table 10: NB-IoT
    "apn_mode": Rule(1001, 1, _one_of(0, 1)),                           # 1 automatic, 0 manual
    "apn": Rule(1002, "", _text(100)),
    "radio_band": Rule(1003, 0, _one_of(0, 3, 8, 20)),
    "power_saving_mode": Rule(1004, 3, _one_of(0, 1, 2, 3)),            # bit 0 eDRX, bit 1 PSM
    "t3324": Rule(1005, 120, _between(0, 11160)),
    "t3412": Rule(1006, 252000, _between(0, 35712000)),
    "edrx_mode": Rule(1007, 1, _one_of(0, 1)),                          # 0 automatic, 1 manual
    "edrx_value": Rule(1008, 19, _between(0, 255)),
    "time_sync_source": Rule(1009, 1, _one_of(0, 1)),                   # 0 manual, 1 network
    "brown_out_delay": Rule(1010, 21600, _between(0, 604800)),
    "search_period": Rule(1011, 21600, _between(0, 604800)),
    # Table 11: payload
    "message_format": Rule(1101, 42, _one_of(42, 43)),                  # 42 standard, 43 extended
    "message_encoding": Rule(1102, 0, _one_of(0, 1, 2)),                # 0 SenML/CBOR, 1 JSON, 2 M-Bus
    "readout_interval": Rule(1103, 60, _between(5, 1440)),
    "report_interval": Rule(1104, 60, _between(5, 1440)),
    "transmit_interval": Rule(1105, 1440, _between(5, 1440)),
    "transmit_offset": Rule(1106, 30, _between(0, 1440)),               # minutes
    "transmit_delay": Rule(1107, 240, _between(1, 1440)),
    "max_uploads_per_transmission": Rule(1108, 4, _between(1, 255)),
    "mqttsn_connection": Rule(1109, 0, _one_of(0, 1)),                  # 0 optimized, 1 compliant
    "mqttsn_topic": Rule(1110, "", _text(128)),
    "auto_upload_max_age": Rule(1111, _WEEK_MIN, _between(1, 525600)),
    "auto_upload_order": Rule(1112, 1, _one_of(0, 1)),                  # 0 FIFO, 1 LIFO
    "restart_backoff": Rule(1113, _RESTARTS, _ranges),
    # Table 12: MDM
    "mdm_communication_timeout": Rule(1201, 92, _between(1, 3600)),
    "mdm_communication_attempts": Rule(1202, 2, _between(1, 255)),
    "mdm_dtls_min_timeout": Rule(1203, 60, _between(1, 3600)),
    "mdm_dtls_max_timeout": Rule(1204, 90, _between(1, 3600)),
    "reconnect_backoff": Rule(1205, _RESTARTS, _ranges),
    # Only in object 33906
    "eco_mode": Rule(0, 0, _one_of(0, 1)),
    "nfc_enabled": Rule(0, 1, _one_of(0, 1)),
    "mdm_communication_failures": Rule(0, 3, _between(0, 255)),
    "upload_protocol": Rule(0, 0, _one_of(0, 1)),                       # 0 MQTT-SN, 1 LwM2M
    "rai": Rule(0, 0, _one_of(0, 1)),
    "power_source": Rule(0, 0, _one_of(0, 1)),                          # 0 battery, 1 PSU
    "meter_identification": Rule(0, 0, _one_of(0, 1)),                  # 0 fabrication, 1 customer number
    "radio_bands": Rule(0, "0", _bands),                                # 0 all
    # Objects 11/0 (in use) and 11/1 (staged, until 33906/0/15 applies it); "apn" and "apn_mode" are those in use
    "profile_name": Rule(0, "active", _text(64)),
    "staged_profile_name": Rule(0, "staging", _text(64)),
    "staged_apn": Rule(0, "", _text(100)),
    "staged_apn_mode": Rule(0, 1, _one_of(0, 1)),
}

BY_OTC_ID = {rule.otc_id: name for name, rule in RULES.items() if rule.otc_id}


class Refused(Exception):  # noqa: N818 - the outcome of a write, not an error of the program
    """A write that the unit does not accept. ``reason`` is unknown, range or rule."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


class Settings:
    """The settings in the unit's flash. ``on_change(names)`` is called after each accepted write.

    ``last_write_stored`` says what became of the last write (33906/0/16, U21).
    """

    def __init__(self) -> None:
        self.last_write_stored = True
        self.rules = dict(RULES)
        self._values: dict[str, Value] = {name: rule.default for name, rule in self.rules.items()}
        self.on_change: Callable[[frozenset[str]], None] = lambda names: None

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def number(self, name: str) -> int:
        return int(self._values[name])

    def text(self, name: str) -> str:
        return str(self._values[name])

    def backoff(self, name: str) -> list[tuple[int, int]]:
        """A back-off list as pairs of minutes."""
        parts = (part.partition("-") for part in self.text(name).split(","))
        return [(int(low), int(high)) for low, _, high in parts]

    def check(self, changes: Mapping[str, Value]) -> dict[str, str]:
        """What is wrong with ``changes`` (name -> unknown, range or rule); empty when all would be accepted."""
        wrong = {}
        for name, value in changes.items():
            rule = self.rules.get(name)
            if rule is None:
                wrong[name] = "unknown"
            elif not rule.accepts(value):
                wrong[name] = "range"
        return wrong or self.check_window(changes)

    def check_window(self, changes: Mapping[str, Value]) -> dict[str, str]:
        """Offset + delay <= transmit interval (7.3.3); a mere shorter interval is handled by ``write`` instead."""
        touched = changes.keys() & {"transmit_offset", "transmit_delay"}
        if not touched:
            return {}
        after = {**self._values, **changes}
        if int(after["transmit_offset"]) + int(after["transmit_delay"]) <= int(after["transmit_interval"]):
            return {}
        return dict.fromkeys(touched, "rule")

    def write(self, changes: Mapping[str, Value]) -> None:
        """Store all of ``changes`` or, raising ``Refused``, none; what is new counts at once."""
        changed = self.put(changes)
        if changed:
            self.on_change(changed)

    def put(self, changes: Mapping[str, Value]) -> frozenset[str]:
        """Store all of ``changes`` or, raising ``Refused``, none; the names of what is other than before."""
        wrong = self.check(changes)
        self.last_write_stored = not wrong
        if wrong:
            name, reason = next(iter(wrong.items()))
            raise Refused(name, reason)
        stored = {**changes, **self.clamp(changes)}
        before = dict(self._values)
        self._values.update(stored)
        return frozenset(name for name in stored if before[name] != stored[name])

    def clamp(self, changes: Mapping[str, Value]) -> dict[str, Value]:
        """What must change with a transmit interval that has become too short (7.3.3, last condition)."""
        if "transmit_interval" not in changes or changes.keys() & {"transmit_offset", "transmit_delay"}:
            return {}
        interval = int(changes["transmit_interval"])
        if self.number("transmit_offset") + self.number("transmit_delay") <= interval:
            return {}
        return {"transmit_offset": 0, "transmit_delay": interval}

    def reset(self) -> None:
        """Factory reset: all defaults, but power mode Active (Table 8)."""
        self._values = {name: rule.default for name, rule in self.rules.items()} | {"power_mode": 1}
        self.on_change(frozenset(self._values))
