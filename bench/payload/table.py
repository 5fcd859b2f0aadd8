"""A telegram as a table for a person, and as JSON for a program (docs: the command ``mcm-bench decode``)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from bench.payload.optical import OpticalReadout
from bench.payload.readout import Finding, Quantity, Readout, Record, Telegram, quoted

_QUANTITIES = ("energy", "volume", "power", "flow", "forward_temperature", "return_temperature")
_MAX_ROWS = 300
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
    count = len(telegram.readouts)
    tables = [_readout_table(r, n, count) for n, r in enumerate(telegram.readouts[:_MAX_ROWS], 1)]
    head = Text(f"{telegram.encoding}, {len(telegram.raw)} bytes, {_count(count, 'readout')}")
    return Group(head, *tables, _findings_table(telegram.findings))


def _readout_table(readout: Readout, number: int, count: int) -> Table:
    title = f"readout {number} of {count}" if count > 1 else "readout"
    table = _table(title, "field", "value", "unit", "DIF VIF", "data")
    in_records = {r.quantity for r in readout.records}
    if "time" not in in_records:
        shown = "-" if readout.time is None else f"{readout.time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        _add(table, "time", shown, "Z" if readout.time else "")
    if not in_records & {"fabrication number", "customer number"}:
        _add(table, "meter id", readout.meter_id or "-")
    if readout.records:
        for record in readout.records[:_MAX_ROWS]:
            _add(table, *_record_row(record))
        return _note_rest(table, len(readout.records))
    for name in _QUANTITIES:
        _add(table, name.replace("_", " "), *_cells(getattr(readout, name)))
    _add(table, "error flags", "-" if readout.error_flags is None else f"0x{readout.error_flags:04X}")
    if any(readout.tariffs) or readout.missing_time:
        for n, tariff in enumerate(readout.tariffs, 1):
            _add(table, f"tariff {n}", *_cells(tariff))
        _add(table, "missing time", *_cells(readout.missing_time))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", show_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column == "value" else "left", no_wrap=column in ("field", "value"))
    return table


def _add(table: Table, *cells: str, style: str = "") -> None:
    # Text, not str: what a unit sends must not be read as markup or reach the terminal as control characters.
    shown = [Text("".join(c if c.isprintable() else "." for c in cell)) for cell in cells]
    table.add_row(*shown, style=style)


def _note_rest(table: Table, count: int) -> Table:
    if count > _MAX_ROWS:
        table.caption = f"and {count - _MAX_ROWS} more"
    return table


def _cells(quantity: Quantity | None) -> tuple[str, str]:
    return ("-", "") if quantity is None else (f"{quantity.value:f}", quantity.unit)


def _record_row(record: Record) -> tuple[str, ...]:
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
    return name, shown, record.unit, f"{_hex(record.dif)}  {_hex(record.vif)}", _hex(record.data)


def _hex(data: bytes) -> str:
    return data.hex(" ").upper()


def _optical_table(readout: OpticalReadout) -> Table:
    table = _table(f"optical readout of {quoted(readout.ident or 'a meter')}", "register", "values")
    for code, items in list(readout.registers.items())[:_MAX_ROWS]:
        _add(table, code, "  ".join(f"{value} {unit or ''}".strip() for value, unit in items) or "-")
    return _note_rest(table, len(readout.registers))


def _findings_table(findings: tuple[Finding, ...]) -> Table | Text:
    if not findings:
        return Text("no findings")
    table = _table(_count(len(findings), "finding"), "severity", "code", "what", "clause")
    for f in findings[:_MAX_ROWS]:
        _add(table, f.severity, f.code, f.text, f.clause, style=_STYLES[f.severity])
    return _note_rest(table, len(findings))


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
