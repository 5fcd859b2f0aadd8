"""The JSON of ``mcm-bench decode --json`` is an interface; the table shows raw bytes beside values."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from rich.console import Console

from bench.payload.decode import decode
from bench.payload.optical import OpticalReadout, parse_optical
from bench.payload.readout import Telegram
from bench.payload.table import exit_code, render, to_json

DATA = Path(__file__).parents[2] / "data"
SENML = bytes.fromhex((DATA / "elvaco/senml_example_as_83.hex").read_text())


def printed(found: Telegram | OpticalReadout) -> str:
    output = StringIO()
    Console(file=output, width=140).print(render(found))
    return output.getvalue()


def test_json_of_the_manuals_senml_example() -> None:
    telegram = decode(SENML)
    assert to_json(telegram) == {
        "encoding": "senml-cbor",
        "readouts": [
            {
                "time": "2019-11-28T20:00:00Z",
                "meter_id": "12345678",
                "energy": {"value": "12345678", "unit": "kWh"},
                "volume": {"value": "3456.7", "unit": "m3"},
                "power": {"value": "5012", "unit": "W"},
                "flow": {"value": "0.212", "unit": "m3/h"},
                "forward_temperature": {"value": "80.3", "unit": "C"},
                "return_temperature": {"value": "53.8", "unit": "C"},
                "error_flags": "0x4012",
                "tariffs": [None, None, None],
                "missing_time": None,
            },
            {
                "time": "2019-11-28T19:00:00Z",
                "meter_id": "12345678",
                "energy": {"value": "12341234", "unit": "kWh"},
                "volume": None,
                "power": None,
                "flow": None,
                "forward_temperature": None,
                "return_temperature": None,
                "error_flags": None,
                "tariffs": [None, None, None],
                "missing_time": None,
            },
        ],
        "findings": [
            {
                "code": "undefined-error-flag",
                "severity": "warning",
                "text": "record 1: error flags 0x4012 set bit 14, which Table 3 does not define",
                "clause": "Table 3",
            }
        ],
    }
    assert exit_code(telegram) == 0


def test_json_of_an_optical_readout() -> None:
    optical = parse_optical((DATA / "optical/uh50_fw5.16_gj_2022-05-19.txt").read_bytes())
    shown = to_json(optical)
    assert shown["encoding"] == "optical"
    assert shown["readouts"][0]["time"] == "2022-05-19T19:41:17"
    assert shown["readouts"][0]["energy"] == {"value": "328.871", "unit": "GJ"}
    assert shown["readouts"][0]["error_flags"] == "0x0000"
    assert shown["findings"] == []


def test_values_are_never_written_with_an_exponent() -> None:
    telegram = decode(bytes.fromhex("041739300000") + bytes.fromhex("0413000000000C7800000000"), "mbus")
    assert to_json(telegram)["readouts"][0]["volume"] == {"value": "123450", "unit": "m3"}


def test_exit_code_is_1_with_a_finding_of_severity_error() -> None:
    assert exit_code(decode(bytes.fromhex("04064E61BC00"), "mbus")) == 1


def test_table_shows_values_units_and_raw_bytes() -> None:
    shown = printed(decode(SENML))
    assert "senml-cbor, 73 bytes, 2 readouts" in shown
    line = next(line for line in shown.splitlines() if "volume" in line)
    assert [cell.strip() for cell in line.split("│")] == ["volume", "3456.7", "m3", "04  15", "07 87 00 00"]
    assert "undefined-error-flag" in shown
    assert "0x4012" in shown


def test_table_names_function_tariff_and_storage() -> None:
    shown = printed(decode(bytes.fromhex("841006010000003C220500000044060200000004861B00000000"), "mbus"))
    assert "energy, tariff 1" in shown
    assert "on time, during error state" in shown
    assert "energy, storage 1" in shown
    assert "unknown-vif" in shown


def test_what_a_unit_sends_reaches_the_terminal_neither_as_markup_nor_as_control_characters() -> None:
    telegram = decode(b'{"ID":1,"E":1,"U":"[bold]\\u001b","TS":"[red]x[/red]\\u001b[2J"}', "json")
    shown = printed(telegram)
    assert "\x1b" not in shown
    assert "[red]x[/red]" in shown
