"""The certificate of a unit that passed: one page (PDF), the same octets for the same record."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from bench.errors import BenchError
from bench.manual.requirements import load as requirements
from bench.store.canonical import canonical, digest
from bench.store.rows import is_complete
from reports.datamatrix import QUIET, deveui_of, modules
from reports.exports.document import StoredRun, clean
from reports.text import limits, quantity

_LEFT, _RIGHT, _TOP, _END = 16 * mm, A4[0] - 16 * mm, A4[1] - 16 * mm, 24 * mm
_INK, _MUTED, _LINE = HexColor("#1b1f24"), HexColor("#5b6570"), HexColor("#c9d0d7")
_ROW, _SMALL = 3.35 * mm, 6.4
_NORMAL, _BOLD = "DejaVuSans", "DejaVuSans-Bold"

MEASUREMENTS = 76
"""As many as a page has room for, in two columns; of more, those nearest to their limits."""

_INSTRUMENTS, _REASONS = 12, 5


def certificate(run: StoredRun) -> bytes:
    """Raises ``BenchError`` for a run that is no pass of a whole profile, and for a unit without a DevEUI."""
    record, subject = run.record, f"certificate of run {run.run_id}"
    if record["verdict"] != "pass" or not is_complete(record):
        raise BenchError(subject, expected="a pass of a complete run", seen=str(record["verdict"]),
                         do="certify the run in which the unit passed, if there is one")
    return _Page(run, deveui_of(record["unit"], subject)).drawn()


class _Page:
    """Drawn from the top to the bottom; ``y`` is where the next thing goes."""

    def __init__(self, run: StoredRun, deveui: str) -> None:
        for name in (_NORMAL, _BOLD):
            pdfmetrics.registerFont(TTFont(name, str(Path(mpl.get_data_path()) / f"fonts/ttf/{name}.ttf")))
        self._run, self._deveui, self._y = run, deveui, _TOP
        self._file = io.BytesIO()
        self._canvas = Canvas(self._file, A4, invariant=1, pageCompression=1)

    def drawn(self) -> bytes:
        kind = "Test certificate (simulated)" if self._run.record["simulated"] else "Test certificate"
        self._canvas.setTitle(f"{kind} {self._deveui}")
        self._canvas.setSubject(f"run {self._run.run_id}")
        self._canvas.setAuthor("mcm-bench")
        if self._run.record["simulated"]:
            self._stamp()
        self._code()
        self._head(kind)
        self._facts()
        self._instruments()
        self._not_covered()
        self._measurements()
        self._foot()
        self._canvas.showPage()
        self._canvas.save()
        return self._file.getvalue()

    def _stamp(self) -> None:
        self._canvas.saveState()
        self._canvas.translate(A4[0] / 2, A4[1] / 2)
        self._canvas.rotate(52)
        self._canvas.setFillColor(HexColor("#f5bf13"), alpha=0.35)
        self._canvas.setFont(_BOLD, 92)
        self._canvas.drawCentredString(0, -30, "SIMULATED")
        self._canvas.restoreState()

    def _code(self) -> None:
        code, side = modules(self._deveui), 1.1 * mm
        left, top = _RIGHT - (len(code) + QUIET) * side, _TOP
        self._canvas.setFillColor(HexColor("#ffffff"))
        size = (len(code) + 2 * QUIET) * side
        self._canvas.rect(left - QUIET * side, top - size + QUIET * side, size, size, stroke=0, fill=1)
        self._canvas.setFillColor(HexColor("#000000"))
        for number, row in enumerate(code):
            for position, dark in enumerate(row):
                if dark:    # a hair larger than its place: no white line between neighbours
                    self._canvas.rect(left + position * side, top - (number + 1) * side, side + 0.05, side + 0.05,
                                      stroke=0, fill=1)

    def _head(self, kind: str) -> None:
        record = self._run.record
        self._text(_LEFT, _TOP - 7 * mm, kind, 20, _BOLD)
        self._text(_LEFT, _TOP - 14 * mm, f"Unit {self._deveui}", 13, _BOLD)
        said = "No hardware was tested: the unit is a twin in software." if record["simulated"] else (
            f"passed all {sum(test['verdict'] == 'pass' for test in self._run.tests)} tests of "
            f"{clean(self._run.process)} on {_utc(self._run.started)}")
        self._text(_LEFT, _TOP - 19.5 * mm, self._cut(said, 130 * mm, _NORMAL, 9), 9)
        self._y = _TOP - 26 * mm

    def _facts(self) -> None:
        run, record, manifest = self._run, self._run.record, self._run.manifest
        software, inputs, job = manifest.get("software") or {}, manifest.get("inputs") or {}, run.job
        commit = f"{software.get('version', '')} {software.get('commit', '')[:12]}"
        facts = [
            ("Part number", job.get("part_number")), ("Hardware revision", job.get("hw_rev")),
            ("Firmware", run.firmware), ("Work order", job.get("work_order")), ("Batch", job.get("batch")),
            ("Attempt", str(run.attempt)), ("Process", run.process),
            ("Station", " ".join(filter(None, [record["station"], job.get("slot")]))), ("Operator", run.operator),
            ("Began", _utc(run.started)), ("Ended", _utc(run.ended)),
            ("Bench", commit + (", files modified" if software.get("modified") else ""))]
        self._pairs([(name, value or "not stated") for name, value in facts], 3, 24 * mm)
        self._y -= 1 * mm
        hashes = [("Run", run.run_id), ("Limits SHA-256", inputs.get("limits")),
                  ("Suites SHA-256", inputs.get("suites")), ("Record SHA-256", digest(canonical(record))),
                  ("Entry of the store", f"{run.sequence}:{run.hash}" if run.hash else "not stored")]
        self._pairs([(name, value or "not stated") for name, value in hashes], 1, 30 * mm)

    def _pairs(self, pairs: Sequence[tuple[str, str]], columns: int, indent: float) -> None:
        width = (_RIGHT - _LEFT) / columns
        for number, (name, value) in enumerate(pairs):
            x, y = _LEFT + number % columns * width, self._y - number // columns * 4 * mm
            self._text(x, y, name, _SMALL, colour=_MUTED)
            self._text(x + indent, y, self._cut(value, width - indent - 2 * mm, _NORMAL, 7), 7)
        self._y -= -(-len(pairs) // columns) * 4 * mm

    def _instruments(self) -> None:
        found = self._run.manifest.get("instruments") or ()
        self._title("Instruments", f"{len(found)}")
        rows = [[one["name"], one["identity"], one["serial"] or "not stated",
                 one["calibrated"] or "not stated", one["calibration_due"] or "not stated"]
                for one in found[:_INSTRUMENTS]]
        self._table(("Name", "Identity", "Serial number", "Calibrated", "Due"), (0, 26, 104, 134, 156), rows,
                    _LEFT, _RIGHT)
        if len(found) > _INSTRUMENTS:
            self._line(f"and {len(found) - _INSTRUMENTS} more, in the record")

    def _not_covered(self) -> None:
        """What a reader must not take for tested."""
        tested = {one for test in self._run.tests if test["verdict"] == "pass" for one in test["requirements"]}
        every = requirements()
        self._title("Not covered", f"{len(every) - len(every.keys() & tested)} of the {len(every)} statements of the "
                                   "user's manual were not tested in this run")
        areas: dict[str, list[bool]] = {}
        for name, row in every.items():
            areas.setdefault(row.area, []).append(name not in tested)
        self._paragraph("; ".join(f"{area} {sum(missing)} of {len(missing)}" for area, missing in areas.items()
                                  if any(missing)))
        reasons: dict[str, int] = {}
        for one in self._run.manifest.get("left_out") or ():
            reasons[one["reason"]] = reasons.get(one["reason"], 0) + 1
        for reason, count in sorted(reasons.items(), key=lambda pair: -pair[1])[:_REASONS]:
            self._line(f"left out: {count} × {reason}")
        if len(reasons) > _REASONS:
            self._line(f"and for {len(reasons) - _REASONS} more reasons, in the record")

    def _measurements(self) -> None:
        rows = sorted(self._run.record["measurements"], key=_distance)
        room = 2 * int((self._y - 9 * mm - _END) / _ROW)
        most = min(MEASUREMENTS, max(room, 2))
        note = f"{len(rows)}"
        if len(rows) > most:
            note = f"the {most} of {len(rows)} nearest to a limit; all are in the record"
        self._title("Measurements", f"{note}; U: uncertainty (k = 2), where it has come off the limits")
        shown = sorted(rows[:most], key=lambda row: str(row["name"]))
        half, top = -(-len(shown) // 2), self._y
        middle = (_LEFT + _RIGHT) / 2
        for left, right, part in ((_LEFT, middle - 2 * mm, shown[:half]), (middle + 2 * mm, _RIGHT, shown[half:])):
            self._y = top
            if part:
                self._table(("Name", "Value", "Limits", "U"), (0, 36, 50, 75), [_measured(row) for row in part], left,
                            right)

    def _foot(self) -> None:
        self._canvas.setStrokeColor(_LINE)
        self._canvas.line(_LEFT, 19 * mm, _RIGHT, 19 * mm)
        self._text(_LEFT, 15.5 * mm, "This page says what was measured on one unit on one day. It is no declaration of "
                   "conformity and no calibration certificate.", _SMALL, colour=_MUTED)
        self._text(_LEFT, 12 * mm, "It is made from the record; mcm-bench records verify tells whether that is as it "
                   "was stored.", _SMALL, colour=_MUTED)

    def _title(self, title: str, note: str) -> None:
        self._y -= 4.5 * mm
        self._text(_LEFT, self._y, title, 10, _BOLD)
        indent = pdfmetrics.stringWidth(title, _BOLD, 10) + 2.5 * mm
        self._text(_LEFT + indent, self._y, self._cut(note, _RIGHT - _LEFT - indent, _NORMAL, 7), 7, colour=_MUTED)
        self._y -= 4.5 * mm

    def _table(self, names: Sequence[str], columns_mm: Sequence[float], rows: Iterable[Sequence[str]], left: float,
               right: float) -> None:
        starts = [left + column * mm for column in columns_mm]
        ends = [*starts[1:], right]
        for x, name in zip(starts, names, strict=True):
            self._text(x, self._y, name, 5.6, colour=_MUTED)
        self._y -= _ROW
        for row in rows:
            for x, end, value in zip(starts, ends, row, strict=True):
                self._text(x, self._y, self._cut(value, end - x - 1.2 * mm, _NORMAL, _SMALL), _SMALL)
            self._y -= _ROW

    def _paragraph(self, text: str) -> None:
        line = ""
        for word in clean(text).split(" "):
            longer = f"{line} {word}".strip()
            if pdfmetrics.stringWidth(longer, _NORMAL, _SMALL) > _RIGHT - _LEFT:
                self._line(line)
                line = word
            else:
                line = longer
        self._line(line)

    def _line(self, text: str) -> None:
        self._text(_LEFT, self._y, self._cut(text, _RIGHT - _LEFT, _NORMAL, _SMALL), _SMALL)
        self._y -= _ROW

    def _text(self, x: float, y: float, text: str, size: float, font: str = _NORMAL, colour: Any = _INK) -> None:
        self._canvas.setFillColor(colour)
        self._canvas.setFont(font, size)
        self._canvas.drawString(x, y, text)

    def _cut(self, text: object, width: float, font: str, size: float) -> str:
        """``text`` on one line, as much of it as fits; what is left out of its middle is marked."""
        line = " ".join(clean(text)[:400].split())
        if pdfmetrics.stringWidth(line, font, size) <= width:
            return line
        for kept in range(len(line) - 1, 1, -1):
            short = f"{line[:kept - kept // 2]}…{line[len(line) - kept // 2:]}"
            if pdfmetrics.stringWidth(short, font, size) <= width:
                return short
        return "…"


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _measured(row: Mapping[str, Any]) -> list[str]:
    guard, unit = row.get("guard") or 0.0, str(row["unit"])
    return [str(row["name"]), quantity(row["value"], unit), limits(row["low"], row["high"], unit),
            quantity(float(f"{guard:.2g}"), unit) if guard else ""]


def _distance(row: Mapping[str, Any]) -> tuple[float, str]:
    """How near a value is to its nearer limit, in parts of the tolerance, or of the limit where there is one."""
    value, low, high = row["value"], row["low"], row["high"]
    if value is None or (low is None and high is None):
        return float("inf"), str(row["name"])
    width = high - low if low is not None and high is not None else abs(high if low is None else low)
    away = min([*([] if low is None else [value - low]), *([] if high is None else [high - value])])
    return away / width if width else 0.0, str(row["name"])
