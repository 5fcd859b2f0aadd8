"""Where documents go. Packages from outside offer other exporters under ``mcm_bench.exporters``."""

from __future__ import annotations

from typing import Any

from bench.errors import unknown
from bench.installed import load, offered
from reports.exports.exporter import Exporter
from reports.exports.targets.folder import FolderExporter
from reports.exports.targets.http import HttpExporter

GROUP = "mcm_bench.exporters"


def exporter_named(name: str) -> type[Exporter]:
    """Raises ``BenchError`` for a name that nobody offers."""
    own: dict[str, type[Exporter]] = {"folder": FolderExporter, "http": HttpExporter}
    if name in own:
        return own[name]
    if name not in offered(GROUP):
        raise unknown("exporter", name, {*own, *offered(GROUP)}, "install the package that offers it")
    return load(GROUP, name, _as_exporter)


def _as_exporter(found: Any) -> type[Exporter]:
    if not callable(getattr(found, "send", None)):
        raise TypeError(f"{found!r} has no send")
    exporter: type[Exporter] = found
    return exporter
