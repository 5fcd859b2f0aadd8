"""The catalogue of settings against Tables 8 to 12 of the manual, written out from the printed pages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bench.errors import BenchError
from bench.manual import requirements, settings
from bench.manual.settings import find, load

# Title, configurable values and default as printed; row by row.
PRINTED = {
    "8.1": ("Meter ID", "N/A", None),
    "8.2": ("Power mode", "Passive, Active", "Passive"),
    "8.3": ("Configuration Lock", "Open, Locked", "Open"),
    "8.4": ("Synchronize meter time", "Used via App", None),
    "8.5": ("UTC offset", "-720 - 720", 0),
    "8.6": ("Max meter retries", "0-255", 255),
    "8.7": ("Factory reset", "N/A", None),
    "9.1": ("Bootstrap IP", "N/A", "84.19.147.226"),
    "9.2": ("Bootstrap port", "N/A", 5694),
    "9.3": ("Bootstrap security", "DTLS / no security", "DTLS"),
    "9.4": ("CoAP ack timeout", "See LWM2M specification for more info", 60),
    "9.5": ("CoAP max retransmit", "See LWM2M specification for more info", 1),
    "9.6": ("DTLS min timeout", "", 60),
    "9.7": ("DTLS max timeout", "", 90),
    "9.8": ("Communication retry count", "0..", 1),
    "9.9": ("Communication retry delay", "1..", 3600),
    "9.10": ("Sequence retry count", "1..", 2),
    "9.11": ("Sequence retry delay", "1..", 86400),
    "9.12": ("Sequence backoff", "N/A", "0-5,60-120,1300-1600,1300-1600,1300-1600,1300-1600"),
    "10.1": ("APN mode", "Auto, Manual", "Auto"),
    "10.2": ("APN", "Name of APN", None),
    "10.3": ("Radio frequency band", "0,3,8,20", 0),
    "10.4": ("Power saving mode", "Disabled, eDRX, PSM, eDRX+PSM", "eDRX+PSM"),
    "10.5": ("T3324 timer", "0-…", 120),
    "10.6": ("T3412 timer", "0-…", 252000),
    "10.7": ("eDRX mode", "Automatic / Manual", "Manual"),
    "10.8": ("eDRX value", "0-…", 19),
    "10.9": ("Time sync source", "Network/Manual", "Network"),
    "10.10": ("Brown out delay", "0-…", 21600),
    "10.11": ("Search period", "0…", 21600),
    "11.1": ("Message format", "Standard, Extended", "Standard"),
    "11.2": ("Message encoding", "M-Bus, JSON, SenML/CBOR", "SenML/CBOR"),
    "11.3": ("Readout interval", "5-1440", 60),
    "11.4": ("Report interval", "5-1440", 60),
    "11.5": ("Transmit interval", "5-1440", 1440),
    "11.6": ("Transmit offset", "1..", 30),
    "11.7": ("Transmit delay", "1..", 240),
    "11.8": ("Max uploads per transmission", "1..", 4),
    "11.9": ("MQTT/SN Connection", "Optimized / Compliant", "Optimized"),
    "11.10": ("MQTT/SN Topic", "N/A", ""),
    "11.11": ("Auto-upload max. age", "1..", 10080),
    "11.12": ("Auto-upload order", "Oldest first/ Latest first (FiFo/LiFo)", "Latest first"),
    "11.13": ("Restart backoff", "N/A", "0-5,5-15,15-60,60-360,360-1440,1300-1600"),
    "12.1": ("Communication timeout", "1..", 92),
    "12.2": ("Communication attempts", "1..", 2),
    "12.3": ("DTLS min timeout", "1..", 60),
    "12.4": ("DTLS max timeout", "1..", 90),
    "12.5": ("Reconnect backoff", "N/A", "0-5,5-15,15-60,60-360,360-1440,1300-1600"),
}


def test_there_are_the_48_rows_of_the_five_tables_in_their_order() -> None:
    assert [setting.id for setting in load().values()] == list(PRINTED)
    assert [sum(setting.table == table for setting in load().values()) for table in (8, 9, 10, 11, 12)] == [
        7, 12, 11, 13, 5]


@pytest.mark.parametrize("setting", load().values(), ids=lambda setting: setting.key)
def test_title_values_and_default_are_as_printed(setting: settings.Setting) -> None:
    assert (setting.title, setting.printed, setting.default) == PRINTED[setting.id]


@pytest.mark.parametrize("setting", load().values(), ids=lambda setting: setting.key)
def test_each_setting_names_its_statement_in_the_requirements(setting: settings.Setting) -> None:
    requirement = requirements.load()[setting.requirement]
    assert requirement.clause.startswith(f"Table {setting.table} ({setting.title}")


@pytest.mark.parametrize("setting", [each for each in load().values() if each.default is not None],
                         ids=lambda setting: setting.key)
def test_each_default_is_allowed_and_survives_the_wire(setting: settings.Setting) -> None:
    setting.check(setting.default)
    assert setting.decode(setting.encode(setting.default)) == setting.default


def test_46_settings_can_be_read_and_two_are_commands() -> None:
    assert {key for key, setting in load().items() if not setting.readable} == {
        "synchronize_meter_time", "factory_reset"}
    assert {key for key, setting in load().items() if not setting.writeable} == {"meter_id"}
    assert {key for key, setting in load().items() if setting.access_without_pak != "R"} == {
        "synchronize_meter_time", "factory_reset"}


def test_numbers_and_lwm2m_paths() -> None:
    assert find("transmit_interval").number == 1105
    assert find("meter_id").number == 801
    assert find("sequence_backoff").number == 912
    assert find("message_encoding").lwm2m == ("33906/0/1",)
    assert dict(find("message_encoding").values) == {"M-Bus": 2, "JSON": 1, "SenML/CBOR": 0}
    assert dict(find("message_format").values) == {"Standard": 42, "Extended": 43}
    assert dict(find("bootstrap_security").values) == {"DTLS": 0, "no security": 3}
    assert len({setting.number for setting in load().values()}) == 48


def test_the_transmit_offset_is_in_minutes_and_may_be_0() -> None:
    assert find("transmit_offset").unit == "min"
    find("transmit_offset").check(0)


@pytest.mark.parametrize(("key", "value"), [
    ("readout_interval", 5), ("readout_interval", 1440), ("utc_offset", -720), ("utc_offset", 720),
    ("max_meter_retries", 0), ("max_meter_retries", 255), ("communication_retry_delay", 10 ** 9),
    ("radio_frequency_band", 20), ("message_encoding", "JSON"), ("apn", ""), ("apn", "a" * 100),
    ("restart_backoff", "0-0"), ("sequence_backoff", "0-5,60-120"), ("factory_reset", None),
    ("synchronize_meter_time", datetime(2026, 3, 2, 10, 30)),  # noqa: DTZ001
])
def test_allowed_values_are_allowed(key: str, value: settings.Value) -> None:
    find(key).check(value)


@pytest.mark.parametrize(("key", "value", "expected"), [
    ("readout_interval", 4, "an integer 5..1440 min"), ("readout_interval", 1441, "an integer 5..1440 min"),
    ("readout_interval", "60", "an integer"), ("readout_interval", True, "an integer"),
    ("readout_interval", None, "an integer"), ("utc_offset", -721, "an integer -720..720 min"),
    ("communication_retry_count", -1, "an integer 0.."), ("bootstrap_port", 65536, "an integer 1..65535"),
    ("radio_frequency_band", 1, "one of 0, 3, 8, 20"), ("message_encoding", "XML", "one of M-Bus, JSON, SenML/CBOR"),
    ("message_encoding", 1, "one of"), ("apn", "a" * 101, "at most 100 characters"), ("apn", 3, "a text"),
    ("restart_backoff", "5-0", "ranges of minutes"), ("restart_backoff", "0-5,", "ranges of minutes"),
    ("restart_backoff", "", "ranges of minutes"), ("factory_reset", 2, "no value"),
    ("synchronize_meter_time", datetime(2026, 3, 2, tzinfo=UTC), "local time without a zone"),
])
def test_other_values_are_refused_with_what_would_be_right(key: str, value: settings.Value, expected: str) -> None:
    with pytest.raises(BenchError, match=f"setting {key}: expected {expected}"):
        find(key).check(value)


def test_bad_values_pass_the_encoding_because_tests_send_them() -> None:
    assert find("message_encoding").encode("XML") == "XML"
    assert find("message_encoding").encode(7) == 7
    assert find("message_encoding").decode(7) == 7
    assert find("readout_interval").encode("sixty") == "sixty"


def test_commands_and_times_on_the_wire() -> None:
    assert find("factory_reset").encode(None) == 1
    assert find("synchronize_meter_time").encode(datetime(2026, 3, 2, 10, 30)) == "2026-03-02T10:30:00"  # noqa: DTZ001


def test_a_wrong_key_names_similar_ones() -> None:
    with pytest.raises(BenchError, match=r"saw 'dtls_timeout'; use .*lwm2m_dtls_min_timeout.*mdm_dtls_max_timeout"):
        find("dtls_timeout")


@pytest.mark.parametrize(("key", "inside", "outside"), [
    ("utc_offset", (-720, 720, 60), (-721, 721)),
    ("max_meter_retries", (0, 255, 7), (-1, 256)),
    ("power_saving_mode", ("Disabled", "eDRX", "PSM", "eDRX+PSM"), (4,)),
    ("bootstrap_security", ("DTLS", "no security"), (4,)),
    ("message_format", ("Standard", "Extended"), (44,)),
    ("radio_frequency_band", (0, 3, 8, 20), (1, 21)),
    ("communication_retry_count", (0, 3), (-1,)),
    ("coap_ack_timeout", (30,), ()),                         # nothing is printed, so nothing can be refused
    ("restart_backoff", ("0-1,1-2,5-10",), ()),
    ("apn", ("bench.example",), ())])
def test_what_a_row_allows_and_what_is_just_beyond_it(key: str, inside: tuple[object, ...],
                                                       outside: tuple[object, ...]) -> None:
    assert (find(key).inside, find(key).outside) == (inside, outside)


def test_every_writeable_setting_has_a_legal_value_other_than_its_default() -> None:
    for setting in load().values():
        if setting.access == "RW":
            setting.check(setting.other)
            assert setting.other != setting.default
            for value in setting.inside:
                setting.check(value)
            for value in setting.outside:
                with pytest.raises(BenchError):
                    setting.check(value)
