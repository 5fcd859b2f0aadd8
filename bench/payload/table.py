"""A telegram as a table for a person, and as JSON for a program (docs: the command ``mcm-bench decode``)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from bench.payload.optical import OpticalReadout
from bench.payload.readout import Finding, Quantity, Readout, Record, Telegram

_QUANTITIES = ("energy", "volume", "power", "flow", "forward_temperature", "return_temperature")
_STYLES = {"error": "bold red", "warning": "yellow", "info": "dim"}


def to_json(telegram: Telegram | OpticalReadout) -> dict[str, Any]:
    """The JSON of ``mcm-bench decode --json``: values are strings in exact decimals, what was not sent is null.

    An optical readout has the encoding "optical"; its time is the meter's local clock, so it has no Z.
    """
    if isinstance(telegram, OpticalReadout):
        readout = _readout_json(telegram.to_readout())
        clock = telegram.meter_time
        readout["time"] = None if clock is None else clock.isoformat()
        return {"encoding": "optical", "readouts": [readout], "findings": _findings_json(telegram.findings)}
    return {
        "encoding": telegram.encoding,
        "readouts": [_readout_json(r) for r in telegram.readouts],
        "findings": _findings_json(telegram.findings),
    }


def exit_code(telegram: Telegram | OpticalReadout) -> int:
    """The exit code of ``mcm-bench decode``: 1 with findings of severity error, else 0 (2 is for PayloadError)."""
    return 1 if any(f.severity == "error" for f in telegram.findings) else 0


def _findings_json(findings: tuple[Finding, ...]) -> list[dict[str, str]]:
    return [{"code": f.code, "severity": f.severity, "text": f.text, "clause": f.clause} for f in findings]


def _readout_json(readout: Readout) -> dict[str, Any]:
    time = readout.time
    return {
        "time": None if time is None else time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "meter_id": readout.meter_id,
        **{name: _quantity_json(getattr(readout, name)) for name in _QUANTITIES},
        "error_flags": None if readout.error_flags is None else f"0x{readout.error_flags:04X}",
        "tariffs": [_quantity_json(t) for t in readout.tariffs],
        "missing_time": _quantity_json(readout.missing_time),
    }


def _quantity_json(quantity: Quantity | None) -> dict[str, str] | None:
    return None if quantity is None else {"value": f"{quantity.value:f}", "unit": quantity.unit}


def render(telegram: Telegram | OpticalReadout) -> Group:
    """A rich renderable: one table for each readout, then the findings."""
    if isinstance(telegram, OpticalReadout):
        return Group(_optical_table(telegram), _findings_table(telegram.findings))
    tables = [_readout_table(r, n, len(telegram.readouts)) for n, r in enumerate(telegram.readouts, 1)]
    head = Text(f"{telegram.encoding}, {len(telegram.raw)} bytes, {_count(len(telegram.readouts), 'readout')}")
    return Group(head, *tables, _findings_table(telegram.findings))


def _readout_table(readout: Readout, number: int, count: int) -> Table:
    title = f"readout {number} of {count}" if count > 1 else "readout"
    table = Table(title=title, title_justify="left", show_edge=False)
    for column, justify in (
        ("field", "left"),
        ("value", "right"),
        ("unit", "left"),
        ("DIF VIF", "left"),
        ("data", "left"),
    ):
        table.add_column(column, justify="right" if justify == "right" else "left", no_wrap=column != "data")
    in_records = {r.quantity for r in readout.records}
    if "time" not in in_records:
        shown = "-" if readout.time is None else f"{readout.time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        table.add_row("time", shown, "Z" if readout.time else "", "", "")
    if "fabrication number" not in in_records and "customer number" not in in_records:
        table.add_row("meter id", readout.meter_id or "-", "", "", "")
    if readout.records:
        for record in readout.records:
            table.add_row(*_record_row(record))
        return table
    for name in _QUANTITIES:
        table.add_row(name.replace("_", " "), *_cells(getattr(readout, name)), "", "")
    flags = readout.error_flags
    table.add_row("error flags", "-" if flags is None else f"0x{flags:04X}", "", "", "")
    if any(readout.tariffs) or readout.missing_time:
        for n, tariff in enumerate(readout.tariffs, 1):
            table.add_row(f"tariff {n}", *_cells(tariff), "", "")
        table.add_row("missing time", *_cells(readout.missing_time), "", "")
    return table


def _cells(quantity: Quantity | None) -> tuple[str, str]:
    return ("-", "") if quantity is None else (f"{quantity.value:f}", quantity.unit)


def _record_row(record: Record) -> tuple[Text, ...]:
    name = record.quantity
    for word, number in (("tariff", record.tariff), ("storage", record.storage), ("subunit", record.subunit)):
        name += f", {word} {number}" if number else ""
    if record.function != "instantaneous":
        name += {"maximum": ", maximum", "minimum": ", minimum", "error": ", during error state"}[record.function]
    value = record.value
    if value is None:
        shown = "-"
    elif isinstance(value, datetime):
        shown = f"{value:%Y-%m-%d %H:%M:%S}"
    elif isinstance(value, date | str):
        shown = value if isinstance(value, str) else value.isoformat()
    elif record.quantity == "error flags":
        shown = f"0x{int(value):04X}"
    elif record.quantity == "fabrication number":
        shown = f"{value:08f}"
    else:
        shown = f"{value:f}"
    # Text, not str: a plain-text unit could hold what rich reads as markup, or control characters.
    cells = (
        name,
        _printable(shown),
        _printable(record.unit),
        f"{_hex(record.dif)}  {_hex(record.vif)}",
        _hex(record.data),
    )
    return tuple(Text(cell) for cell in cells)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "." for c in text)


def _hex(data: bytes) -> str:
    return data.hex(" ").upper()


def _optical_table(readout: OpticalReadout) -> Table:
    table = Table(title=f"optical readout of {readout.ident or 'a meter'}", title_justify="left", show_edge=False)
    for column in ("register", "values"):
        table.add_column(column)
    for code, items in readout.registers.items():
        table.add_row(
            code, Text("  ".join(_printable(f"{value} {unit or ''}".strip()) for value, unit in items) or "-")
        )
    return table


def _findings_table(findings: tuple[Finding, ...]) -> Table | Text:
    if not findings:
        return Text("no findings")
    table = Table(title=_count(len(findings), "finding"), title_justify="left", show_edge=False)
    for column in ("severity", "code", "what", "clause"):
        table.add_column(column)
    for f in findings:
        table.add_row(Text(f.severity, style=_STYLES[f.severity]), f.code, Text(_printable(f.text)), Text(f.clause))
    return table


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
