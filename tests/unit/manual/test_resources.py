"""The catalogue of LwM2M resources against Tables 1 and 2 of the manual, written out from the printed pages."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path as File

import pytest

from bench.manual import requirements, resources, settings
from bench.manual.resources import Resource, executable, find, load, readable, type_of, writable
from bench.protocols.lwm2m_values import ObjLink, Path, Type, Value

MANUAL = File(__file__).parents[4] / "shared" / "manual" / "CMi6110-users-manual-v1.4.txt"

# Printed path: object, name, operations, type, bounds, what the numbers mean, unit.
PRINTED: dict[str, tuple[str, str, str, Type | None, tuple[int | None, int | None], dict[int, str], str]] = {
    "0/0/4": ("LwM2M Security", "Secret Key", "-", Type.OPAQUE, (None, None), {}, ""),
    "0/1/2": ("LwM2M Security", "Security Mode", "R(W)", Type.INTEGER, (0, 4), {0: "PSK mode", 3: "No security"}, ""),
    "0/1/4": ("LwM2M Security", "Secret Key", "(W)", Type.OPAQUE, (None, None), {}, ""),
    "1/0/9": ("LwM2M Server", "Bootstrap-Request Trigger", "E", None, (None, None), {}, ""),
    "1/1/0": ("LwM2M Server", "Short Server ID", "R", Type.INTEGER, (1, 65534), {}, ""),
    "3/0/0": ("Device", "Manufacturer", "R", Type.STRING, (None, None), {}, ""),
    "3/0/6/0": ("Device", "Available Power Sources", "R", Type.INTEGER, (0, 7),
                {1: "Internal battery", 2: "External battery", 6: "AC (Mains) power"}, ""),
    "3/0/7/0": ("Device", "Power Source Voltage", "R", Type.INTEGER, (None, None), {}, "mV"),
    "3/0/13": ("Device", "Current Time", "RW", Type.TIME, (None, None), {}, ""),
    "4/0/0": ("Connectivity Monitoring", "Network Bearer", "R", Type.INTEGER, (0, 50), {7: "NB-IoT"}, ""),
    "5/0/3": ("Firmware Update", "State", "R", Type.INTEGER, (0, 3),
              {0: "Idle", 1: "Downloading", 2: "Downloaded", 3: "Updating"}, ""),
    "10/0/11": ("LwM2M Cellular Connectivity", "Activated Profile names", "R", Type.OBJLNK, (None, None), {}, ""),
    "11/[0,1]/2": ("LwM2M APN Connection Profile", "Auto select APN by device", "RW", Type.BOOLEAN, (None, None),
                   {}, ""),
    "33906/./1": ("Elvaco MCM Config", "Report data encoding", "RW", Type.INTEGER, (None, None),
                  {0: "SenML/CBOR", 1: "JSON", 2: "MBus"}, ""),
    "33906/./2": ("Elvaco MCM Config", "Report frame type", "RW", Type.INTEGER, (None, None),
                  {42: "CMi6110_Standard", 43: "CMi6110_Extended"}, ""),
    "33906/./6": ("Elvaco MCM Config", "Adjust time", "W", Type.INTEGER, (None, None), {}, "s"),
    "33906/./49": ("Elvaco MCM Config", "Use PSM", "RW", Type.INTEGER, (0, 3),
                   {0: "Disabled", 1: "eDRX", 2: "PSM", 3: "PSM + eDRX"}, ""),
    "33905/./5": ("Elvaco MDM Server", "Transport Secret Key", "W", Type.OPAQUE, (None, None), {}, ""),
    "33909/./7": ("Elvaco NB-IoT info", "Modem firmware update", "E", None, (None, None), {}, ""),
    "33907/./10": ("Elvaco NB-IoT status", "MDM connection status", "R", Type.INTEGER, (0, 7),
                   {0: "OK", 1: "Connecting", 2: "No credentials", 3: "DTLS failed", 4: "Communication failed",
                    6: "Socket failed", 7: "Idle"}, ""),
    "33907/./11": ("Elvaco NB-IoT status", "Current radio band", "R", Type.INTEGER, (0, 85), {}, ""),
    "33910/./6": ("Elvaco Transaction statistics", "Maximum response time", "R", Type.INTEGER, (None, None), {}, ""),
}

# How the manual writes a type otherwise than the catalogue; "" where it prints none.
PRINTED_TYPES = {"0/0/1": "Bool", "0/1/1": "Bool", "0/1/2": "Int", "3/0/9": "", "3/0/11/0": "", "5/0/1": "",
                 "10/0/11": "ObjLink"}


def by_printed_path() -> dict[str, Resource]:
    """One resource per printed row; of 11/[0,1] the instance 1."""
    return {resource.printed_path: resource for resource in load().values()}


def test_table_1_has_51_rows_and_table_2_has_87() -> None:
    assert Counter(resource.clause for resource in by_printed_path().values()) == {"Table 1": 51, "Table 2": 87}


def test_the_138_rows_are_142_paths() -> None:
    assert len(load()) == 142
    assert [str(path) for path, resource in load().items() if "[0,1]" in resource.printed_path] == [
        "/11/0/0", "/11/1/0", "/11/0/1", "/11/1/1", "/11/0/2", "/11/1/2", "/11/0/4", "/11/1/4"]


def test_the_objects_have_as_many_rows_as_printed() -> None:
    assert Counter(path.split("/")[0] for path in by_printed_path()) == {
        "0": 12, "1": 6, "3": 12, "4": 7, "5": 6, "10": 4, "11": 4,
        "33905": 6, "33906": 50, "33907": 8, "33908": 4, "33909": 9, "33910": 7, "33911": 3}


def test_each_lwm2m_statement_is_about_exactly_one_row() -> None:
    stated = [identifier for identifier in requirements.load() if identifier.startswith("LWM2M-")]
    assert Counter(resource.requirement for resource in by_printed_path().values()) == Counter(stated)


@pytest.mark.parametrize("resource", load().values(), ids=lambda resource: str(resource.path))
def test_each_row_names_the_statement_of_its_own_path_and_name(resource: Resource) -> None:
    statement = requirements.load()[resource.requirement]
    printed = statement.clause.split("(")[1].removesuffix(")")
    assert statement.clause.startswith(f"{resource.clause} (")
    assert printed.replace("[0,1]", "x").replace("33910/x", "33910/.").split("/")[::2] == (
        resource.printed_path.split("/")[::2])
    assert f"/ {resource.name}".casefold() in statement.statement.casefold()


@pytest.mark.parametrize("printed_path", PRINTED)
def test_the_row_is_as_printed(printed_path: str) -> None:
    row = by_printed_path()[printed_path]
    assert (row.object_name, row.name, row.operations, row.type, (row.minimum, row.maximum),
            {number: name for name, number in row.values.items()}, row.unit) == PRINTED[printed_path]


@pytest.mark.parametrize("printed_path", by_printed_path())
def test_the_row_stands_in_the_text_of_the_manual(printed_path: str) -> None:
    if not MANUAL.exists():
        pytest.skip("NOT CHECKED: the manual's text may not be shipped and is not in ../shared/manual")
    words = " ".join(MANUAL.read_text(encoding="utf-8").split())
    text = re.sub(r"(\w)- ", r"\1-", words)  # names that a narrow column breaks after a hyphen
    row = by_printed_path()[printed_path]
    kind = PRINTED_TYPES.get(printed_path, row.type.value if row.type else "")
    if row.clause == "Table 1":
        printed = f"{row.operations} {row.object_name} {row.name} {printed_path} {kind}"
    else:
        printed = f"{printed_path} {row.name} {row.operations} {kind}"
    assert printed.strip() in text


def test_paths_with_four_numbers_are_the_multiple_resources() -> None:
    assert {str(path) for path, resource in load().items() if resource.multiple} == {
        "/3/0/6", "/3/0/7", "/3/0/11", "/4/0/1", "/4/0/7", "/5/0/8"}
    assert all(resource.multiple == (resource.printed_path.count("/") == 3) for resource in load().values())


def test_obsolete_are_33906_26_to_29() -> None:
    assert [str(path) for path, resource in load().items() if resource.obsolete] == [
        "/33906/0/26", "/33906/0/27", "/33906/0/28", "/33906/0/29"]


def test_only_instance_1_of_an_apn_profile_takes_apn_and_mode_and_none_takes_the_authentication_type() -> None:
    assert [str(resource.path) for resource in writable() if resource.path.object_id == 11] == [
        "/11/0/0", "/11/1/0", "/11/1/1", "/11/1/2"]


def test_what_the_bootstrap_server_alone_writes() -> None:
    assert [str(path) for path, resource in load().items() if resource.bootstrap_writable] == [
        "/0/1/0", "/0/1/2", "/0/1/4"]
    assert not any(resource.path.object_id == 0 for resource in writable())


def test_executable_are_these_nine_and_they_alone_have_no_type() -> None:
    nine = ["/1/0/9", "/1/1/8", "/3/0/4", "/5/0/2", "/33906/0/10", "/33906/0/13", "/33906/0/15", "/33909/0/7",
            "/33910/0/0"]
    assert [str(resource.path) for resource in executable()] == nine
    assert [str(path) for path in sorted(load()) if load()[path].type is None] == nine


def test_not_readable_are_triggers_keys_and_what_is_only_written() -> None:
    readable_paths = {resource.path for resource in readable()}
    others = [str(path) for path in sorted(load()) if path not in readable_paths and not load()[path].executable]
    assert others == ["/0/0/4", "/0/1/4", "/5/0/1", "/33905/0/5", "/33906/0/6"]


def test_each_lwm2m_path_of_a_setting_is_a_resource_that_names_the_setting() -> None:
    pairs = {(key, path) for key, setting in settings.load().items() for path in setting.lwm2m}
    assert {(key, str(path)[1:]) for path, resource in load().items() for key in resource.settings} == pairs


def test_enumerations_of_a_resource_and_its_setting_have_the_same_numbers() -> None:
    compared = 0
    for resource in load().values():
        for key in resource.settings:
            setting = settings.find(key)
            if setting.type == "enum" and resource.type is Type.INTEGER:
                assert set(resource.values.values()) == set(setting.values.values()), key
                compared += 1
    assert compared == 8


def test_bounds_come_from_the_setting_where_the_tables_of_resources_print_none() -> None:
    assert (load()[Path(33906, 0, 0)].minimum, load()[Path(33906, 0, 0)].maximum) == (5, 1440)
    assert (load()[Path(33906, 0, 43)].minimum, load()[Path(33906, 0, 43)].maximum) == (0, 255)
    assert (load()[Path(33906, 0, 35)].minimum, load()[Path(33906, 0, 35)].maximum) == (1, None)


def test_a_resource_instance_is_found_as_its_resource() -> None:
    assert find(Path(3, 0, 6, 0)) is load()[Path(3, 0, 6)]
    assert find(Path(3, 0, 6)) is load()[Path(3, 0, 6)]


def test_any_instance_is_found_where_the_manual_prints_a_dot() -> None:
    second = find(Path(33910, 1, 2))
    assert second is not None
    assert (second.name, second.path) == ("Retransmissions", Path(33910, 1, 2))
    assert Path(33910, 1, 2) not in load()


@pytest.mark.parametrize("path", ["/", "/3", "/3/0", "/3/1/0", "/3/0/16", "/10/1/1", "/33906/0/7", "/1/1/9", "/9/9/9"])
def test_what_the_manual_does_not_list_is_not_found(path: str) -> None:
    assert find(Path.parse(path)) is None


@pytest.mark.parametrize(("path", "expected"), [
    ("/3/0/0", Type.STRING), ("/3/0/6/0", Type.INTEGER), ("/3/0/9", Type.INTEGER), ("/3/0/13", Type.TIME),
    ("/5/0/1", Type.STRING), ("/10/0/11", Type.OBJLNK), ("/33906/0/3", Type.BOOLEAN), ("/33911/0/2", Type.OPAQUE),
    ("/1/5/1", Type.INTEGER), ("/33910/3/1", Type.INTEGER), ("/0/7/0", Type.STRING),
    ("/1/1/6", Type.BOOLEAN), ("/1/1/7", Type.STRING), ("/3/0/16", Type.STRING), ("/4/0/4/0", Type.STRING),
    ("/3/0/4", None), ("/3/0/99", None), ("/9/9/9", None), ("/3/0", None),
])
def test_type_to_decode_with(path: str, expected: Type | None) -> None:
    assert type_of(Path.parse(path)) is expected


@pytest.mark.parametrize(("path", "value"), [
    ("/3/0/0", "Elvaco"), ("/3/0/9", 0), ("/3/0/9", 100), ("/3/0/13", datetime(2026, 3, 2, 10, 30, tzinfo=UTC)),
    ("/10/0/9", b"\x13"), ("/10/0/11", ObjLink(11, 1)), ("/11/1/2", False), ("/33906/0/2", 43), ("/33906/0/0", 1440),
    ("/33907/0/10", 5), ("/33905/0/1", 9), ("/33907/0/4", -1050), ("/33909/0/0", 240019876543210), ("/5/0/5", 9),
])
def test_a_good_value_passes(path: str, value: Value) -> None:
    assert load()[Path.parse(path)].check(value) == ""


@pytest.mark.parametrize(("path", "value", "objection"), [
    ("/3/0/0", 1, "expected String, seen Integer"),
    ("/3/0/9", True, "expected Integer, seen Boolean"),
    ("/3/0/9", 50.0, "expected Integer, seen Float"),
    ("/3/0/9", -1, "expected 0..100, seen -1"),
    ("/3/0/9", 101, "expected 0..100, seen 101"),
    ("/3/0/13", 1772447400, "expected Time, seen Integer"),
    ("/10/0/9", b"\x00\x13", "expected 1 octet(s), seen 2"),
    ("/10/0/11", "11:0", "expected Objlnk, seen String"),
    ("/11/1/2", 1, "expected Boolean, seen Integer"),
    ("/33906/0/2", 44, "expected one of 42 (CMi6110_Standard), 43 (CMi6110_Extended), seen 44"),
    ("/33906/0/0", 4, "expected 5..1440, seen 4"),
    ("/33906/0/20", 0, "expected 1.., seen 0"),
    ("/33906/0/10", "", "an executable resource holds no value"),
])
def test_a_bad_value_is_told_with_what_would_be_right(path: str, value: Value, objection: str) -> None:
    assert load()[Path.parse(path)].check(value) == objection


def test_no_objection_repeats_a_key() -> None:
    assert load()[Path(33905, 0, 5)].check("0123456789abcdef") == "expected Opaque, seen String"


def test_what_oma_defines_otherwise_is_written_at_the_row() -> None:
    assert "RW" in load()[Path(10, 0, 4)].oma
    assert "Secret Key is 5" in load()[Path(0, 1, 4)].oma
    assert load()[Path(3, 0, 9)].oma.startswith("Integer")
    assert not any(resource.oma for resource in load().values() if resource.clause == "Table 2")


def test_the_catalogue_is_read_once_and_cannot_be_changed() -> None:
    assert resources.load() is resources.load()
    with pytest.raises(TypeError):
        load()[Path(3, 0, 0)] = load()[Path(3, 0, 1)]  # type: ignore[index]
