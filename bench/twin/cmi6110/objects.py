"""The unit's LwM2M objects: Tables 1 and 2 of the manual as the twin's own resources.

Values are plain Python values of the resource's type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from bench.protocols.lwm2m import ObjLink, Path, Type
from bench.twin.cmi6110 import battery, modem_firmware, radio_report
from bench.twin.cmi6110.resource import BadValue, Resource
from bench.twin.cmi6110.settings import Value
from bench.twin.cmi6110.unit import CMi6110

CONFIG_SETTINGS: Mapping[int, tuple[str, Type]] = {
    0: ("readout_interval", Type.INTEGER), 1: ("message_encoding", Type.INTEGER),
    2: ("message_format", Type.INTEGER), 3: ("eco_mode", Type.BOOLEAN), 4: ("nfc_enabled", Type.BOOLEAN),
    17: ("report_interval", Type.INTEGER), 18: ("transmit_interval", Type.INTEGER),
    19: ("transmit_offset", Type.INTEGER), 20: ("transmit_delay", Type.INTEGER),
    21: ("max_uploads_per_transmission", Type.INTEGER), 22: ("mdm_dtls_min_timeout", Type.INTEGER),
    23: ("mdm_dtls_max_timeout", Type.INTEGER), 24: ("mdm_communication_timeout", Type.INTEGER),
    25: ("mdm_communication_attempts", Type.INTEGER), 30: ("coap_ack_timeout", Type.INTEGER),
    31: ("coap_max_retransmit", Type.INTEGER), 32: ("lwm2m_dtls_min_timeout", Type.INTEGER),
    33: ("lwm2m_dtls_max_timeout", Type.INTEGER), 34: ("communication_retry_count", Type.INTEGER),
    35: ("communication_retry_delay", Type.INTEGER), 36: ("sequence_retry_count", Type.INTEGER),
    37: ("sequence_retry_delay", Type.INTEGER), 38: ("brown_out_delay", Type.INTEGER),
    39: ("search_period", Type.INTEGER), 40: ("restart_backoff", Type.STRING),
    41: ("reconnect_backoff", Type.STRING), 42: ("sequence_backoff", Type.STRING),
    43: ("max_meter_retries", Type.INTEGER), 44: ("auto_upload_max_age", Type.INTEGER),
    45: ("auto_upload_order", Type.INTEGER), 46: ("time_sync_source", Type.INTEGER),
    47: ("mdm_communication_failures", Type.INTEGER), 48: ("upload_protocol", Type.INTEGER),
    49: ("power_saving_mode", Type.INTEGER), 50: ("edrx_mode", Type.INTEGER), 51: ("rai", Type.INTEGER),
    52: ("power_source", Type.INTEGER), 54: ("meter_identification", Type.INTEGER),
}
"""Resources of 33906 that are settings, and by what name."""

OBSOLETE = (26, 27, 28, 29)

BOOTSTRAP_SHORT_SERVER_ID = 1
BOOTSTRAP_LIFETIME_S = 0
"""1/0 as the manual prints it, though OMA has no Server instance for a bootstrap account (U31)."""

_UTC_OFFSET = re.compile(r"(?:UTC)?([+-])(\d{2}):([0-5]\d)", re.ASCII)
_LONGEST_KEY = 64
_YEARS = range(2000, 2100)
"""Those of a meter whose clock has two digits for the year."""


def build_objects(unit: CMi6110) -> dict[Path, Resource]:
    """All resources of ``unit``. Object 0 answers a DM server with 4.01 and so is not here."""
    tree: dict[Path, Resource] = {}
    for part in (_server, _device, _connectivity, _firmware, _cellular, _config, _mdm_server, _status, _meter_info,
                 _network_info, _statistics, _meter_data):
        tree |= part(unit)
    return tree


def _text(read: Callable[[], str]) -> Resource:
    return Resource(Type.STRING, read)


def _integer(read: Callable[[], int]) -> Resource:
    return Resource(Type.INTEGER, read)


def _server(unit: CMi6110) -> dict[Path, Resource]:
    return {
        Path(1, 0, 0): _integer(lambda: BOOTSTRAP_SHORT_SERVER_ID),
        Path(1, 0, 1): _integer(lambda: BOOTSTRAP_LIFETIME_S),
        Path(1, 0, 9): Resource(None, execute=lambda _: unit.life.bootstrap_again()),
        Path(1, 1, 0): _integer(lambda: unit.servers.dm.short_server_id),
        Path(1, 1, 1): _integer(lambda: unit.servers.dm.lifetime_s),
        Path(1, 1, 8): Resource(None, execute=lambda _: unit.life.update_registration()),
    }


def _device(unit: CMi6110) -> dict[Path, Resource]:
    settings = unit.settings

    def of_supply(judge: Callable[[float, int], int]) -> Callable[[], int]:
        return lambda: judge(unit.supply.value, settings.number("power_source"))

    return {
        Path(3, 0, 0): _text(lambda: "Elvaco"),
        Path(3, 0, 1): _text(lambda: unit.identity.model),
        Path(3, 0, 2): _text(lambda: unit.identity.deveui),
        Path(3, 0, 3): _text(lambda: unit.identity.firmware),
        Path(3, 0, 4): Resource(None, execute=lambda _: unit.life.later(unit.life.reboot)),
        Path(3, 0, 6): Resource(Type.INTEGER, of_supply(battery.source), multiple=True),
        Path(3, 0, 7): Resource(Type.INTEGER, lambda: round(unit.supply.value * 1000), multiple=True),
        Path(3, 0, 9): _integer(of_supply(battery.level_percent)),
        Path(3, 0, 11): Resource(Type.INTEGER, of_supply(battery.error_code), multiple=True),
        Path(3, 0, 13): Resource(Type.TIME, unit.meter_time.utc_now, unit.meter_time.set_utc, check=_check_time),
        Path(3, 0, 14): Resource(Type.STRING, lambda: _offset_text(settings.number("utc_offset")),
                                 stage=lambda text: {"utc_offset": _offset_minutes(text)}),
        Path(3, 0, 18): _text(lambda: unit.identity.hardware),
    }


def _connectivity(unit: CMi6110) -> dict[Path, Resource]:
    cell = unit.cell
    return {
        Path(4, 0, 0): _integer(lambda: 7),
        Path(4, 0, 1): Resource(Type.INTEGER, lambda: 7, multiple=True),
        Path(4, 0, 2): _integer(lambda: radio_report.rsrp_dbm(cell)),
        Path(4, 0, 7): Resource(Type.STRING, lambda: unit.modem.apn, multiple=True),
        Path(4, 0, 8): _integer(lambda: cell.cell_id),
        Path(4, 0, 9): _integer(lambda: cell.mnc),
        Path(4, 0, 10): _integer(lambda: cell.mcc),
    }


def _firmware(unit: CMi6110) -> dict[Path, Resource]:
    update = unit.firmware_update
    return {
        Path(5, 0, 1): Resource(Type.STRING, write=update.write_uri),
        Path(5, 0, 2): Resource(None, execute=lambda _: update.update()),
        Path(5, 0, 3): _integer(lambda: int(update.state)),
        Path(5, 0, 5): _integer(lambda: int(update.result)),
        Path(5, 0, 8): Resource(Type.INTEGER, lambda: 0, multiple=True),
        Path(5, 0, 9): _integer(lambda: 0),
    }


def _cellular(unit: CMi6110) -> dict[Path, Resource]:
    """Objects 10 and 11. Instance 0 of 11 is the profile in use, instance 1 the one that 33906/0/15 would apply."""
    settings = unit.settings
    return {
        Path(10, 0, 4): _integer(lambda: settings.number("t3412")),
        Path(10, 0, 5): _integer(lambda: settings.number("t3324")),
        Path(10, 0, 9): Resource(Type.OPAQUE, lambda: bytes([settings.number("edrx_value")])),
        Path(10, 0, 11): Resource(Type.OBJLNK, lambda: ObjLink(11, 0)),
        Path(11, 0, 0): _setting(unit, "profile_name", Type.STRING),
        Path(11, 0, 1): _text(lambda: settings.text("apn")),
        Path(11, 0, 2): Resource(Type.BOOLEAN, lambda: settings.number("apn_mode") == 1),
        Path(11, 0, 4): _integer(lambda: 3),
        Path(11, 1, 0): _setting(unit, "staged_profile_name", Type.STRING),
        Path(11, 1, 1): _setting(unit, "staged_apn", Type.STRING),
        Path(11, 1, 2): _setting(unit, "staged_apn_mode", Type.BOOLEAN),
        Path(11, 1, 4): _integer(lambda: 3),
    }


def _config(unit: CMi6110) -> dict[Path, Resource]:
    settings = unit.settings
    tree = {Path(33906, 0, number): _setting(unit, name, kind) for number, (name, kind) in CONFIG_SETTINGS.items()}
    for number in OBSOLETE:
        tree[Path(33906, 0, number)] = Resource(Type.INTEGER, lambda: 0, lambda value: None)
    return tree | {
        Path(33906, 0, 5): Resource(Type.BOOLEAN, lambda: settings["configuration_lock"] == 1),
        Path(33906, 0, 6): Resource(Type.INTEGER, write=unit.meter_time.adjust,
                                    check=lambda seconds: _check_adjustment(unit, seconds)),
        Path(33906, 0, 10): Resource(None, execute=lambda _: unit.life.trigger_readout()),
        Path(33906, 0, 13): Resource(None, execute=lambda _: unit.life.resend_history()),
        Path(33906, 0, 14): _integer(lambda: len(unit.transmissions.resending)),
        Path(33906, 0, 15): Resource(None, execute=lambda _: unit.life.apply_apn()),
        Path(33906, 0, 16): Resource(Type.BOOLEAN, lambda: settings.last_write_stored),
        Path(33906, 0, 53): Resource(Type.STRING, lambda: settings["radio_bands"], stage=_stage_bands),
    }


def _setting(unit: CMi6110, name: str, kind: Type) -> Resource:
    if kind is Type.BOOLEAN:
        return Resource(kind, lambda: bool(unit.settings[name]), stage=lambda value: {name: int(value)})
    return Resource(kind, lambda: unit.settings[name], stage=lambda value: {name: value})


def _stage_bands(text: str) -> dict[str, Value]:
    """The list of bands; NFC shows one band of those that Table 10 knows, and else 0 for "see the list" (C28)."""
    return {"radio_bands": text, "radio_band": int(text) if text in ("3", "8", "20") else 0}


def _mdm_server(unit: CMi6110) -> dict[Path, Resource]:
    servers, set_uri = unit.servers, unit.connection.set_mdm_uri

    def set_security(mode: int) -> None:
        servers.mdm_security = mode

    def set_key(key: bytes) -> None:
        servers.mdm_key = key

    return {
        Path(33905, 0, 0): Resource(Type.STRING, lambda: servers.mdm_uri, set_uri, check=_check_uri),
        Path(33905, 0, 1): Resource(Type.INTEGER, lambda: 0, lambda value: None, check=_only_zero),
        Path(33905, 0, 2): Resource(Type.INTEGER, lambda: servers.mdm_security, set_security, check=_check_security),
        Path(33905, 0, 5): Resource(Type.OPAQUE, write=set_key, check=_check_key),
        Path(33905, 0, 10): _setting(unit, "mqttsn_connection", Type.INTEGER),
        Path(33905, 0, 11): _setting(unit, "mqttsn_topic", Type.STRING),
    }


def _only_zero(value: int) -> None:
    if value != 0:
        raise BadValue(f"protocol {value}")


def _check_security(mode: int) -> None:
    if not 0 <= mode <= 4:
        raise BadValue(f"security mode {mode}")


def _check_key(key: bytes) -> None:
    if not 1 <= len(key) <= _LONGEST_KEY:
        raise BadValue(f"a key of {len(key)} octets")


def _check_uri(uri: str) -> None:
    try:
        parts = urlsplit(uri)
        usable = bool(parts.hostname and parts.port)
    except ValueError:
        usable = False
    if not usable:
        raise BadValue("no URI with host and port")


def _check_time(moment: datetime) -> None:
    if moment.year not in _YEARS:
        raise BadValue("a year that the meter's calendar does not have")


def _check_adjustment(unit: CMi6110, seconds: int) -> None:
    try:
        _check_time(unit.meter.clock_now() + timedelta(seconds=seconds))
    except OverflowError as error:
        raise BadValue(f"adjust by {seconds} s") from error


def _status(unit: CMi6110) -> dict[Path, Resource]:
    cell = unit.cell
    return {
        Path(33907, 0, 0): _integer(unit.consumption.uptime_s),
        Path(33907, 0, 1): _integer(unit.consumption.average_current_ua),
        Path(33907, 0, 2): _integer(lambda: radio_report.classification(cell)),
        Path(33907, 0, 3): _integer(lambda: cell.conditions.level),
        Path(33907, 0, 4): _integer(lambda: radio_report.rssi_tenth_dbm(cell)),
        Path(33907, 0, 5): _integer(lambda: cell.snr_tenth_db),
        Path(33907, 0, 10): _integer(lambda: unit.mdm.status),
        Path(33907, 0, 11): _integer(lambda: cell.band),
    }


def _meter_info(unit: CMi6110) -> dict[Path, Resource]:
    return {
        Path(33908, 0, 0): _text(lambda: unit.meter.model),
        Path(33908, 0, 1): _integer(lambda: int(unit.readouts.meter_id())),
        Path(33908, 0, 2): _integer(lambda: unit.readouts.status()),
        Path(33908, 0, 3): Resource(Type.OPAQUE, lambda: unit.meter.error_flags.to_bytes(2, "big")),
    }


def _network_info(unit: CMi6110) -> dict[Path, Resource]:
    modem = unit.modem
    return {
        Path(33909, 0, 0): _integer(lambda: int(unit.identity.imsi)),
        Path(33909, 0, 1): _text(lambda: unit.identity.iccid),
        Path(33909, 0, 2): _integer(lambda: modem.registrations),
        Path(33909, 0, 3): _integer(lambda: round(modem.last_registration_s)),
        Path(33909, 0, 4): _text(lambda: modem_firmware.MODEL),
        Path(33909, 0, 5): _text(lambda: unit.modem_update.version),
        Path(33909, 0, 6): _integer(lambda: round(unit.clock.time() - modem.attached_at)),
        Path(33909, 0, 7): Resource(None, execute=unit.modem_update.update),
        Path(33909, 0, 8): _integer(lambda: int(unit.modem_update.result)),
    }


def _statistics(unit: CMi6110) -> dict[Path, Resource]:
    """One instance: the exchanges with the meter data server (G10)."""
    statistics = unit.mdm.statistics
    return {
        Path(33910, 0, 0): Resource(None, execute=lambda _: statistics.reset()),
        Path(33910, 0, 1): _integer(lambda: statistics.transactions),
        Path(33910, 0, 2): _integer(lambda: statistics.retransmissions),
        Path(33910, 0, 3): _integer(lambda: statistics.lost),
        Path(33910, 0, 4): _integer(lambda: statistics.average_ms),
        Path(33910, 0, 5): _integer(lambda: statistics.minimum_ms),
        Path(33910, 0, 6): _integer(lambda: statistics.maximum_ms),
    }


def _meter_data(unit: CMi6110) -> dict[Path, Resource]:
    settings = unit.settings
    return {
        Path(33911, 0, 0): _integer(lambda: settings.number("message_format")),
        Path(33911, 0, 1): _integer(lambda: settings.number("message_encoding")),
        Path(33911, 0, 2): Resource(Type.OPAQUE, unit.transmissions.latest_telegram),
    }


def _offset_text(minutes: int) -> str:
    """3/0/14: "+hh:mm" (ISO 8601)."""
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _offset_minutes(text: str) -> int:
    found = _UTC_OFFSET.fullmatch(text)
    if found is None:
        raise BadValue("no UTC offset such as +01:00")
    sign, hours, minutes = found.groups()
    total = int(hours) * 60 + int(minutes)
    return -total if sign == "-" else total
