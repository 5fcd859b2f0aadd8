"""The file of exports: a table for each target, with what it gets and how::

    [mes]
    exporter = "http"                # or folder, or what an installed package offers
    format = "wsjf"                  # json, csv, junit, openhtf, wsjf, or what an installed package offers
    verdicts = ["pass", "fail"]      # this where nothing is said; "error" are the bench's faults
    since = 2026-12-01               # runs that began then or later; else all that are in the store
    url = "https://10.45.0.8/api/Report/WSJF"
    token_file = "mes-token.toml"    # mode 600: token = "..."
    scheme = "Basic"
    process_code = 100
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from bench.errors import BenchError, unknown
from bench.measure import Verdict
from bench.toml_file import read_toml
from reports.exports.document import Format, StoredRun
from reports.exports.exporter import Exporter, TargetAway
from reports.exports.formats import format_named
from reports.exports.targets import exporter_named

_OWN = ("exporter", "format", "verdicts", "since", "simulated")
_VERDICTS = (Verdict.PASS, Verdict.FAIL, Verdict.ERROR, Verdict.INCOMPLETE)


@dataclass(frozen=True)
class Target:
    """``simulated``: it takes runs on the twin, and no others."""

    name: str
    exporter: Exporter
    format: Format
    options: Mapping[str, Any]
    verdicts: tuple[str, ...] = ("pass", "fail")
    since: datetime | None = None
    simulated: bool = False

    def send(self, run: StoredRun) -> None:
        """Raises as ``Exporter.send`` does, and ``BenchError`` for a run that the format can't tell of."""
        try:
            document = self.format.write(run, self.options)
        except (ValueError, KeyError, TypeError, AttributeError) as error:    # a record of another form
            raise BenchError(f"run {run.run_id}", expected="a record that this format can tell of",
                             seen=f"{type(error).__name__}: {error}", do="look at its record.json") from error
        try:
            self.exporter.send(document)
        except BenchError:
            raise
        except Exception as error:    # a stranger's module may raise anything
            raise TargetAway(f"target {self.name}", expected="to take a document or to say why not",
                             seen=f"{type(error).__name__}: {error}", do="ask who made its exporter") from error


def read_targets(path: Path) -> list[Target]:
    """Raises ``BenchError`` for a file that is not right: nothing is sent by half of it."""
    tables = read_toml(path, f"file of exports {path}", "give the path of one")
    return [_target(path, name, table) for name, table in tables.items()]


def _target(path: Path, name: str, table: Any) -> Target:
    subject = f"file of exports {path}, [{name}]"
    if not isinstance(table, dict) or not re.fullmatch(r"[\w-]+", name):
        raise BenchError(subject, expected="a table with a plain name for each target", seen=type(table).__name__,
                         do="correct the file")
    exporter, written = exporter_named(str(table.get("exporter"))), format_named(str(table.get("format")))
    known = {*_OWN, *exporter.OPTIONS, *written.options}
    for key in table:
        if key not in known:
            raise unknown(subject, key, known, "take it out")
    options = {key: value for key, value in table.items() if key not in _OWN}
    verdicts, since, simulated = table.get("verdicts", ["pass", "fail"]), table.get("since"), table.get("simulated")
    if not isinstance(verdicts, list) or not verdicts or not set(verdicts) <= set(_VERDICTS):
        raise BenchError(subject, expected=f"verdicts out of {', '.join(_VERDICTS)}", seen=repr(verdicts),
                         do="correct the file")
    if since is not None and not isinstance(since, date):
        raise BenchError(subject, expected="since = a date", seen=repr(since), do="correct the file")
    if simulated not in (None, True, False):
        raise BenchError(subject, expected="simulated = true or false", seen=repr(simulated), do="correct the file")
    return Target(name, exporter(options, path.parent), written, options, tuple(verdicts),
                  None if since is None else _moment(since), bool(simulated))


def _moment(since: date) -> datetime:
    """A day begins at midnight here."""
    moment = since if isinstance(since, datetime) else datetime.combine(since, time())
    return moment.astimezone(UTC)
