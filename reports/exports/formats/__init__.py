"""The formats, by name. Packages from outside offer others under ``mcm_bench.export_formats``."""

from __future__ import annotations

from bench.errors import unknown
from bench.installed import load, offered
from reports.exports.document import Format
from reports.exports.formats.csv_rows import csv_rows
from reports.exports.formats.junit import junit
from reports.exports.formats.openhtf import openhtf
from reports.exports.formats.record import record
from reports.exports.formats.wsjf import OPTIONS, wsjf

FORMATS = {"csv": Format(csv_rows), "json": Format(record), "junit": Format(junit), "openhtf": Format(openhtf),
           "wsjf": Format(wsjf, OPTIONS)}

GROUP = "mcm_bench.export_formats"


def format_named(name: str) -> Format:
    """Raises ``BenchError`` for a name that nobody offers."""
    if name in FORMATS:
        return FORMATS[name]
    if name not in offered(GROUP):
        raise unknown("format", name, {*FORMATS, *offered(GROUP)}, "install the package that offers it")
    return load(GROUP, name, _as_format)


def _as_format(found: object) -> Format:
    if not isinstance(found, Format):
        raise TypeError(f"{found!r} is no Format")
    return found
