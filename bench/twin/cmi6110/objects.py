"""The unit's LwM2M objects: Tables 1 and 2 of the manual as the twin's own resources.

Values are plain Python values of the resource's type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bench.protocols.lwm2m import Path, Type
from bench.twin.cell import Coverage
from bench.twin.cmi6110.resource import BadValue, NotAllowed, Resource
from bench.twin.cmi6110.settings import Refused
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
    52: ("power_source", Type.INTEGER), 53: ("radio_bands", Type.STRING),
    54: ("meter_identification", Type.INTEGER),
}
"""Resources of 33906 that are settings, and by what name."""

OBSOLETE = (26, 27, 28, 29)


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
        Path(1, 1, 0): _integer(lambda: unit.dm_account.short_server_id),
        Path(1, 1, 1): _integer(lambda: unit.dm_account.lifetime_s),
        Path(1, 1, 8): Resource(None, execute=lambda _: unit.update_registration()),
        Path(1, 1, 9): Resource(None, execute=lambda _: unit.bootstrap_again()),
    }


def _device(unit: CMi6110) -> dict[Path, Resource]:
    return {
        Path(3, 0, 0): _text(lambda: "Elvaco"),
        Path(3, 0, 1): _text(lambda: unit.model),
        Path(3, 0, 2): _text(lambda: unit.deveui),
        Path(3, 0, 3): _text(lambda: unit.firmware),
        Path(3, 0, 4): Resource(None, execute=lambda _: unit.later(unit.reboot)),
        Path(3, 0, 6): Resource(Type.INTEGER, lambda: 6 if unit.settings.number("power_source") else 1, multiple=True),
        Path(3, 0, 7): Resource(Type.INTEGER, lambda: round(unit.supply.value * 1000), multiple=True),
        Path(3, 0, 9): _integer(lambda: 100),
        Path(3, 0, 11): Resource(Type.INTEGER, lambda: 0, multiple=True),
        Path(3, 0, 13): Resource(Type.TIME, unit.utc_now, unit.set_utc),
        Path(3, 0, 14): Resource(Type.STRING, lambda: _offset_text(unit.settings.number("utc_offset")),
                             lambda text: _store(unit, "utc_offset", _offset_minutes(text))),
        Path(3, 0, 18): _text(lambda: unit.hardware),
    }


def _connectivity(unit: CMi6110) -> dict[Path, Resource]:
    cell = unit.cell
    return {
        Path(4, 0, 0): _integer(lambda: 7),
        Path(4, 0, 1): Resource(Type.INTEGER, lambda: 7, multiple=True),
        Path(4, 0, 2): _integer(lambda: cell.conditions.nrsrp_dbm),
        Path(4, 0, 7): Resource(Type.STRING, lambda: unit.modem.apn, multiple=True),
        Path(4, 0, 8): _integer(lambda: cell.cell_id),
        Path(4, 0, 9): _integer(lambda: cell.mnc),
        Path(4, 0, 10): _integer(lambda: cell.mcc),
    }


def _firmware(unit: CMi6110) -> dict[Path, Resource]:
    return {
        Path(5, 0, 1): Resource(Type.STRING, write=lambda uri: None),
        Path(5, 0, 2): Resource(None, execute=_not_downloaded),
        Path(5, 0, 3): _integer(lambda: 0),
        Path(5, 0, 5): _integer(lambda: 0),
        Path(5, 0, 8): Resource(Type.INTEGER, lambda: 0, multiple=True),
        Path(5, 0, 9): _integer(lambda: 0),
    }


def _not_downloaded(_: str) -> None:
    raise NotAllowed("nothing downloaded")


def _cellular(unit: CMi6110) -> dict[Path, Resource]:
    settings = unit.settings
    tree: dict[Path, Resource] = {
        Path(10, 0, 4): _integer(lambda: settings.number("t3412")),
        Path(10, 0, 5): _integer(lambda: settings.number("t3324")),
        Path(10, 0, 9): Resource(Type.OPAQUE, lambda: bytes([settings.number("edrx_value")])),
    }
    for instance in (0, 1):
        tree |= {
            Path(11, instance, 0): _text(lambda instance=instance: f"profile{instance}"),  # type: ignore[misc]
            Path(11, instance, 1): Resource(
                Type.STRING, lambda: settings.text("apn"),
                (lambda text: _store(unit, "apn", text)) if instance else None),
            Path(11, instance, 2): Resource(
                Type.BOOLEAN, lambda: settings.number("apn_mode") == 1,
                (lambda auto: _store(unit, "apn_mode", int(auto))) if instance else None),
            Path(11, instance, 4): _integer(lambda: 3),
        }
    return tree


def _config(unit: CMi6110) -> dict[Path, Resource]:
    settings = unit.settings
    tree = {Path(33906, 0, number): _setting(unit, name, kind) for number, (name, kind) in CONFIG_SETTINGS.items()}
    for number in OBSOLETE:
        tree[Path(33906, 0, number)] = Resource(Type.INTEGER, lambda: 0, lambda value: None)
    return tree | {
        Path(33906, 0, 5): Resource(Type.BOOLEAN, lambda: settings["configuration_lock"] == 1),
        Path(33906, 0, 6): Resource(Type.INTEGER, write=lambda seconds: unit.adjust_time(seconds)),
        Path(33906, 0, 10): Resource(None, execute=lambda _: unit.trigger_readout()),
        Path(33906, 0, 13): Resource(None, execute=lambda _: unit.resend_history()),
        Path(33906, 0, 14): _integer(lambda: unit.storage.queued_history()),
        Path(33906, 0, 15): Resource(None, execute=lambda _: unit.later(unit.reboot)),
        Path(33906, 0, 16): Resource(Type.BOOLEAN, lambda: unit.config_stored),
    }


def _setting(unit: CMi6110, name: str, kind: Type) -> Resource:
    if kind is Type.BOOLEAN:
        return Resource(kind, lambda: bool(unit.settings[name]), lambda value: _store(unit, name, int(value)))
    return Resource(kind, lambda: unit.settings[name], lambda value: _store(unit, name, value))


def _mdm_server(unit: CMi6110) -> dict[Path, Resource]:
    settings = unit.settings
    return {
        Path(33905, 0, 0): Resource(Type.STRING, lambda: unit.mdm_uri, unit.set_mdm_uri),
        Path(33905, 0, 1): Resource(Type.INTEGER, lambda: 0, _only_zero),
        Path(33905, 0, 2): Resource(Type.INTEGER, lambda: unit.mdm_security, unit.set_mdm_security),
        Path(33905, 0, 5): Resource(Type.OPAQUE, write=lambda key: None),
        Path(33905, 0, 10): Resource(Type.INTEGER, lambda: settings["mqttsn_connection"],
                                 lambda value: _store(unit, "mqttsn_connection", value)),
        Path(33905, 0, 11): Resource(Type.STRING, lambda: settings["mqttsn_topic"],
                                 lambda value: _store(unit, "mqttsn_topic", value)),
    }


def _only_zero(value: int) -> None:
    if value != 0:
        raise BadValue(f"protocol {value}")


def _status(unit: CMi6110) -> dict[Path, Resource]:
    def conditions() -> Coverage:
        return unit.cell.conditions

    return {
        Path(33907, 0, 0): _integer(unit.uptime_s),
        Path(33907, 0, 1): _integer(unit.average_current_ua),
        Path(33907, 0, 2): _integer(lambda: conditions().level),
        Path(33907, 0, 3): _integer(lambda: conditions().level),
        Path(33907, 0, 4): _integer(lambda: (conditions().nrsrp_dbm + 10) * 10),
        Path(33907, 0, 5): _integer(lambda: conditions().snr_tenth_db),
        Path(33907, 0, 10): _integer(lambda: unit.mdm.status),
        Path(33907, 0, 11): _integer(lambda: unit.cell.band),
    }


def _meter_info(unit: CMi6110) -> dict[Path, Resource]:
    return {
        Path(33908, 0, 0): _text(lambda: unit.meter.model),
        Path(33908, 0, 1): _integer(lambda: int(unit.meter_id())),
        Path(33908, 0, 2): _integer(lambda: 0 if unit.meter.connected else 1),
        Path(33908, 0, 3): Resource(Type.OPAQUE, lambda: unit.meter.error_flags.to_bytes(2, "big")),
    }


def _network_info(unit: CMi6110) -> dict[Path, Resource]:
    modem = unit.modem
    return {
        Path(33909, 0, 0): _integer(lambda: int(unit.imsi)),
        Path(33909, 0, 1): _text(lambda: unit.iccid),
        Path(33909, 0, 2): _integer(lambda: modem.registrations),
        Path(33909, 0, 3): _integer(lambda: round(modem.last_registration_s)),
        Path(33909, 0, 4): _text(lambda: "NB2-TWIN"),
        Path(33909, 0, 5): _text(lambda: "TWIN01A01"),
        Path(33909, 0, 6): _integer(lambda: round(unit.clock.time() - modem.attached_at)),
        Path(33909, 0, 7): Resource(None, execute=_not_downloaded),
        Path(33909, 0, 8): _integer(lambda: 0),
    }


def _statistics(unit: CMi6110) -> dict[Path, Resource]:
    mdm = unit.mdm
    return {
        Path(33910, 0, 0): Resource(None, execute=lambda _: unit.reset_statistics()),
        Path(33910, 0, 1): _integer(lambda: mdm.transactions),
        Path(33910, 0, 2): _integer(lambda: mdm.retransmissions),
        Path(33910, 0, 3): _integer(lambda: mdm.lost_transactions),
        Path(33910, 0, 4): _integer(lambda: 0),
        Path(33910, 0, 5): _integer(lambda: 0),
        Path(33910, 0, 6): _integer(lambda: 0),
    }


def _meter_data(unit: CMi6110) -> dict[Path, Resource]:
    settings = unit.settings
    return {
        Path(33911, 0, 0): _integer(lambda: settings.number("message_format")),
        Path(33911, 0, 1): _integer(lambda: settings.number("message_encoding")),
        Path(33911, 0, 2): Resource(Type.OPAQUE, unit.latest_telegram),
    }


def _store(unit: CMi6110, name: str, value: Any) -> None:
    """Write a setting over DM; the outcome shows in 33906/0/16."""
    try:
        unit.settings.write({name: value})
    except Refused as refused:
        unit.config_stored = False
        raise BadValue(str(refused)) from refused
    unit.config_stored = True


def _offset_text(minutes: int) -> str:
    """3/0/14: "+hh:mm" (ISO 8601)."""
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _offset_minutes(text: str) -> int:
    body = text.removeprefix("UTC")
    try:
        hours, _, minutes = body[1:].partition(":")
        total = int(hours) * 60 + int(minutes or 0)
    except ValueError as error:
        raise BadValue(f"UTC offset {text!r}") from error
    if body[:1] not in ("+", "-"):
        raise BadValue(f"UTC offset {text!r}")
    return -total if body[0] == "-" else total

