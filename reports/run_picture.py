"""The timeline as a picture: every lane of the lab on one time axis.

``run_picture`` shows a whole run, test after test; ``test_picture`` shows one test larger, with its steps, and marks
the moment at which a measurement failed. Long silences are folded (reports/time_axis.py) and carry their true duration.

Nothing is told by colour alone: the LEDs
differ by lane and hatch, directions by up and down, states by height.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.timeline import Observation
from reports.run import Run
from reports.sheet import BLUE, FOLDED, GREEN, GRID, INK, MUTED, ORANGE, PURPLE, RED, SKY, Box, Picture, Sheet
from reports.text import duration, limits, quantity, roughly
from reports.time_axis import Fold, Silences, TimeAxis

WIDTH = 1180.0
GUTTER = 104.0
LETTER = 0.78
"""Mean width of a letter in pixels for a font of one point; used to know whether a label has room."""

MOST_TESTS = 120
"""More of them in one picture nobody would look at."""

LOG = "unit's log"
"""A lane of those runs only whose unit tells what it does."""
LANES = ("supply", "button", "green LED", "red LED", "cell", "bootstrap", "DM", "gateway", "NFC", "meter", LOG)
_HEIGHTS = {"supply": 58, "bootstrap": 44, "DM": 44, "gateway": 56, "NFC": 44, "meter": 44, LOG: 44}
_LANE_OF_SOURCE = {"bootstrap": "bootstrap", "dm": "DM", "mdm": "gateway", "gateway": "gateway",
                   "nfc": "NFC", "meter": "meter", "cell": "cell", "supply": "supply", "unit": LOG}
_CELL_HEIGHT = {"off": 0.08, "psm": 0.22, "on": 0.3, "idle": 0.45, "attached": 0.7, "connected": 1.0}
_CURRENT_DECADES = (-6.0, 0.0)
_VERDICT_MARK = {"pass": ("✓", GREEN), "fail": ("✕", RED), "error": ("!", ORANGE), "skipped": ("–", MUTED)}

def run_picture(run: Run) -> Picture:
    """The tests of a run that observed anything, side by side in rows, named by their number in the record. Of more
    than ``MOST_TESTS`` those that did not pass, and the first others."""
    observed = sorted((test for test in run.tests if test.id in run.timeline), key=lambda test: test.verdict == "pass")
    chosen = sorted(observed[:MOST_TESTS], key=lambda test: test.number)
    parts = [(test, Silences.find(_moments(run.timeline[test.id]))) for test in chosen]
    rows = _rows([_weight(silences) for _, silences in parts])
    has_log = any(seen.source == "unit" for test in chosen for seen in run.timeline[test.id])
    lanes = _Lanes.stack((name, 30 if name == "supply" else 17) for name in LANES if has_log or name != LOG)
    row_height = 40 + lanes.height + 24
    sheet = Sheet(WIDTH, max(1, len(rows)) * row_height + 32)
    for index, row in enumerate(rows):
        top = index * row_height + 40
        _lane_names(sheet, lanes, top, 9)
        for position, (left, right) in row:
            test, silences = parts[position]
            axis = TimeAxis(silences, left + 5, right - 5)
            _test_border(sheet, left, right, top, lanes, test.number, test.verdict, silences.duration_s)
            _draw(sheet, run.timeline[test.id], axis, lanes, top, 7.5)
            _fold_labels(sheet, axis, top + lanes.height + 9, 7)
    if not rows:
        sheet.text(GUTTER, 24, "no observations", MUTED, 11)
    _legend(sheet, sheet.height - 18)
    return sheet.finish(f"Timeline of {len(parts)} tests on {len(lanes.spans)} lanes")


def test_picture(observations: Sequence[Observation]) -> Picture:
    """One test, large: steps above the lanes, times below, and a line where a measurement failed."""
    if not observations:
        sheet = Sheet(WIDTH, 40)
        sheet.text(GUTTER, 24, "no observations", MUTED, 11)
        return sheet.finish("no observations")
    seen_lanes = {_lane(seen) for seen in observations}
    names = [name for name in LANES if name in seen_lanes or name in ("green LED", "red LED")]
    lanes = _Lanes.stack((name, _HEIGHTS.get(name, 25)) for name in names)
    top = 66.0
    silences = Silences.find(_moments(observations))
    sheet = Sheet(WIDTH, top + lanes.height + (78 if silences.folded.any() else 60))
    axis = TimeAxis(silences, GUTTER + 6, WIDTH - 8)
    _lane_names(sheet, lanes, top, 10.5)
    _draw(sheet, observations, axis, lanes, top, 8.5)
    if "supply" in lanes.spans:
        _current_scale(sheet, lanes, top)
    _steps(sheet, observations, axis, lanes, top)
    _failures(sheet, observations, axis, lanes, top)
    bottom = top + lanes.height
    _ticks(sheet, axis, bottom)
    _fold_labels(sheet, axis, bottom + 26, 8.5)
    _legend(sheet, sheet.height - 18)
    return sheet.finish(f"Timeline of one test, {duration(silences.duration_s)}")


test_picture.__test__ = False  # type: ignore[attr-defined]  # not for pytest to collect


def _wide(text: str, font: float) -> float:
    """About how many pixels a text takes."""
    return len(text) * font * LETTER


@dataclass(frozen=True, slots=True)
class _Lanes:
    spans: dict[str, tuple[float, float]]
    height: float

    @classmethod
    def stack(cls, heights: Iterable[tuple[str, float]]) -> _Lanes:
        spans, top = {}, 0.0
        for name, height in heights:
            spans[name] = (top, top + height)
            top += height
        return cls(spans, top)


# What to draw

def _lane(seen: Observation) -> str | None:
    if seen.source == "panel":
        return "button" if seen.kind == "button" else f"{seen.data.get('channel')} LED"
    return _LANE_OF_SOURCE.get(seen.source)


def _length(seen: Observation) -> float:
    """Seconds that an observation lasts: only a current reading does, from its time on."""
    if seen.kind != "current":
        return 0.0
    length = _float(seen.data.get("duration_s"))
    return max(0.0, length) if math.isfinite(length) else 0.0


def _float(value: object) -> float:
    """A number, or NaN for what is none: observations come from hostile lines."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan


def _moments(observations: Sequence[Observation]) -> np.ndarray[Any, np.dtype[np.float64]]:
    starts = [seen.time for seen in observations]
    ends = [seen.time + _length(seen) for seen in observations if seen.kind == "current"]
    return np.array(starts + ends, dtype=np.float64)


def _weight(silences: Silences) -> float:
    """The width that a test deserves: grows slowly with what there is to see."""
    return 70 + 44 * math.log10(1 + silences.to_scale_s) + 8 * min(int(silences.folded.sum()), 12)


def _rows(weights: Sequence[float]) -> list[list[tuple[int, tuple[float, float]]]]:
    """Break the tests into rows of about equal fill; each entry is (position, (left, right))."""
    available = WIDTH - GUTTER
    wanted = max(1, math.ceil(sum(weights) / available))
    fill = sum(weights) / wanted
    rows: list[list[int]] = [[]]
    used = 0.0
    for position, weight in enumerate(weights):
        if rows[-1] and used + weight / 2 > fill * len(rows):
            rows.append([])
        rows[-1].append(position)
        used += weight
    placed = []
    for row in filter(None, rows):
        scale = available / sum(weights[position] for position in row)
        left, entries = GUTTER, []
        for position in row:
            right = left + weights[position] * scale
            entries.append((position, (left, right)))
            left = right
        placed.append(entries)
    return placed


def _draw(sheet: Sheet, observations: Sequence[Observation], axis: TimeAxis, lanes: _Lanes, top: float,
          font: float) -> None:
    by_lane: dict[str, list[Observation]] = {}
    for seen in sorted(observations, key=lambda seen: seen.time):
        name = _lane(seen)
        if name in lanes.spans:
            by_lane.setdefault(name, []).append(seen)
    _folds(sheet, axis, top, lanes.height)
    for name, (y0, y1) in lanes.spans.items():
        mine = by_lane.get(name, [])
        box = (top + y0 + 3, top + y1 - 3)
        sheet.lines([(axis.left, top + y1, axis.right, top + y1)], GRID, width=0.5, order=2)
        if name == "supply":
            _supply(sheet, mine, axis, box)
        elif name in ("button", "green LED", "red LED"):
            colour, hatch, key = {"button": (INK, None, "pressed"), "green LED": (GREEN, None, "on"),
                                  "red LED": (RED, "//////", "on")}[name]
            _intervals(sheet, mine, key, axis, box, colour, hatch)
        elif name == "cell":
            _cell(sheet, mine, axis, box, font)
        else:
            _traffic(sheet, mine, axis, box, font, {"bootstrap": PURPLE, "DM": BLUE, "gateway": BLUE}.get(name, INK))


def _supply(sheet: Sheet, seen: Sequence[Observation], axis: TimeAxis, box: tuple[float, float]) -> None:
    top, bottom = box
    floor = bottom - 4
    outputs = [one for one in seen if one.kind == "output"]
    _intervals(sheet, outputs, "on", axis, (floor + 1, bottom), SKY, None)
    rows = [(one.time, one.time + _length(one), *(_float(one.data.get(key)) for key in ("mean_a", "min_a", "max_a")))
            for one in seen if one.kind == "current"]
    if not rows:
        return
    start, end, mean, low, high = np.array(rows, dtype=float).T
    low, high = np.where(np.isnan(low), mean, low), np.where(np.isnan(high), mean, high)
    keep = ~np.isnan(mean)
    x0, x1 = axis.place(start), axis.place(end)

    def height(current: Any) -> Any:
        decades = np.clip(np.log10(np.maximum(current, 1e-12)), *_CURRENT_DECADES)
        return floor - (floor - top) * (decades - _CURRENT_DECADES[0]) / (_CURRENT_DECADES[1] - _CURRENT_DECADES[0])

    x0, x1, low, mean, high = (part[keep] for part in (x0, np.maximum(x1, x0 + 0.8), low, mean, high))
    x0, x1, low, mean, high = _decimated(x0, x1, low, mean, high)
    sheet.boxes(zip(x0, height(high), x1, np.maximum(height(low), height(high) + 0.6), strict=True), ORANGE, alpha=0.45)
    sheet.lines(zip(x0, height(mean), x1, height(mean), strict=True), INK, width=0.9)


def _decimated(x0: Any, x1: Any, low: Any, mean: Any, high: Any) -> tuple[Any, ...]:
    """Join the readings of one pixel column: their least minimum, greatest maximum and the middle of their means."""
    column = np.floor(x0).astype(int)
    order = np.argsort(column, kind="stable")
    x0, x1, low, mean, high, column = (part[order] for part in (x0, x1, low, mean, high, column))
    first = np.flatnonzero(np.diff(column, prepend=-1))
    if not first.size:
        return x0, x1, low, mean, high
    counts = np.diff(np.append(first, len(column)))
    return (x0[first], np.maximum.reduceat(x1, first), np.minimum.reduceat(low, first),
            np.add.reduceat(mean, first) / counts, np.maximum.reduceat(high, first))


def _spans(seen: Sequence[Observation], key: str, end: float) -> list[tuple[float, float]]:
    spans: list[tuple[float, float]] = []
    since: float | None = None
    for one in seen:
        on = bool(one.data.get(key))
        if on and since is None:
            since = one.time
        elif not on and since is not None:
            spans.append((since, one.time))
            since = None
    return [*spans, (since, end)] if since is not None else spans


def _intervals(sheet: Sheet, seen: Sequence[Observation], key: str, axis: TimeAxis, box: tuple[float, float],
               colour: str, hatch: str | None) -> None:
    """Bars while something is on. Blinks that are closer than a pixel join into a paler bar."""
    spans = _spans(seen, key, math.inf)
    if not spans:
        return
    top, bottom = box
    places = axis.place(np.array(spans, dtype=float))
    solid: list[Box] = []
    pale: list[Box] = []
    left, right, lit = float(places[0, 0]), float(places[0, 1]), float(places[0, 1] - places[0, 0])
    for begin, end in [*((float(a), float(b)) for a, b in places[1:]), (math.inf, math.inf)]:
        if begin - right < 0.7:
            right, lit = max(right, end), lit + end - begin
            continue
        whole = max(right - left, 0.8)
        (solid if lit >= 0.97 * (right - left) else pale).append((left, top, left + whole, bottom))
        left, right, lit = begin, end, end - begin
    sheet.boxes(solid, colour, hatch=hatch)
    sheet.boxes(pale, colour, hatch=hatch, alpha=0.6)


def _cell(sheet: Sheet, seen: Sequence[Observation], axis: TimeAxis, box: tuple[float, float], font: float) -> None:
    states = [one for one in seen if one.kind == "state"]
    top, bottom = box
    if not states:
        return
    starts = axis.place(np.array([one.time for one in states], dtype=float))
    ends = np.append(starts[1:], axis.right)
    boxes, labels, previous = [], [], -math.inf
    for one, left, right in zip(states, starts, ends, strict=True):
        if right - previous < 0.5:
            continue
        previous = right
        state = str(one.data.get("state"))
        boxes.append((left, bottom - (bottom - top) * _CELL_HEIGHT.get(state, 0.5), max(right, left + 0.6), bottom))
        if right - left > _wide(state, font) + 5:
            labels.append((left + 3, state))
    sheet.boxes(boxes, SKY, alpha=0.75)
    for x, state in labels:
        low = _CELL_HEIGHT.get(state, 0.5) < 0.5
        above = bottom - 1.5 - (bottom - top) * _CELL_HEIGHT.get(state, 0.5)
        sheet.text(x, max(above, top + font * 0.9) if low else bottom - 2.5, state, MUTED if low else INK, font)


def _traffic(sheet: Sheet, seen: Sequence[Observation], axis: TimeAxis, box: tuple[float, float], font: float,
             colour: str) -> None:
    """Ticks: up from the unit, down to the unit, whole height for transactions. A high lane has rows of names."""
    top, bottom = box
    rows = max(0, int((bottom - top - 12) / (font * 1.39)))
    bottom -= rows * font * 1.39
    middle = (top + bottom) / 2
    ticks: dict[str, list[float]] = {"in": [], "out": [], "": []}
    texts: list[tuple[float, str]] = []
    for one in seen:
        if one.kind in ("message", "log"):
            texts.append((one.time, str(one.data.get("text", ""))))
        if one.kind != "message":
            direction = one.data.get("direction")
            ticks[direction if one.kind == "datagram" and direction in ("in", "out") else ""].append(one.time)
            if one.kind in ("read", "write", "mute", "optical", "mbus"):
                texts.append((one.time, one.kind))
    for direction, (y0, y1) in {"in": (top, middle), "out": (middle, bottom), "": (top, bottom)}.items():
        places = np.unique(np.round(axis.place(np.array(ticks[direction], dtype=float)) * 2) / 2)
        sheet.lines(((x, y0, x, y1) for x in places), colour, width=1.2)
    if ticks["in"] or ticks["out"]:
        sheet.lines([(axis.left, middle, axis.right, middle)], GRID, width=0.4, order=2)
    if rows and texts:
        _names(sheet, texts, axis, bottom, rows, font)


def _names(sheet: Sheet, texts: Sequence[tuple[float, str]], axis: TimeAxis, top: float, rows: int,
           font: float) -> None:
    """Names of messages below their ticks, in the first row that has room; repeated ones and others are left out."""
    taken = [-math.inf] * rows
    last = ""
    for x, (_, text) in zip(axis.place(np.array([time for time, _ in texts], dtype=float)), texts, strict=True):
        if text in ("", last) or x < min(taken):
            continue
        short = text if len(text) <= 34 else text[:33] + "…"
        left = min(float(x), axis.right - _wide(short, font))
        row = next((row for row in range(rows) if left >= taken[row] + 5), None)
        if row is not None:
            sheet.text(left, top + font * (1.25 * row + 1.2), short, INK, font)
            taken[row] = left + _wide(short, font)
            last = text


# Furniture

def _lane_names(sheet: Sheet, lanes: _Lanes, top: float, font: float) -> None:
    for name, (y0, y1) in lanes.spans.items():
        scale = 30 if name == "supply" and y1 - y0 > 50 else 0  # room for the scale of the current
        sheet.text(GUTTER - 10 - scale, top + (y0 + y1) / 2 + font * 0.45, name, INK, font, align="right")


def _test_border(sheet: Sheet, left: float, right: float, top: float, lanes: _Lanes, number: int, verdict: str,
                 length_s: float) -> None:
    mark, colour = _VERDICT_MARK.get(verdict, ("?", MUTED))
    sheet.lines([(left, top - 26, left, top + lanes.height), (right, top - 26, right, top + lanes.height)],
                MUTED, width=0.8, order=5)
    sheet.boxes([(left, top - 4, right, top - 1)], colour, order=5)
    if verdict in ("fail", "error"):
        sheet.boxes([(left, top - 1, right, top + lanes.height)], colour, alpha=0.07, order=1)
    sheet.text(left + 5, top - 10, f"{mark} {number}", INK, 9.5, weight="bold")
    text = duration(length_s)
    if _wide(text, 8) + 50 < right - left:
        sheet.text(right - 5, top - 10, text, MUTED, 8, align="right")


def _folds(sheet: Sheet, axis: TimeAxis, top: float, height: float) -> None:
    sheet.boxes(((fold.left + 0.5, top, fold.right - 0.5, top + height) for fold in axis.folds
                 if fold.right - fold.left > 1.5), FOLDED, order=1)
    slashes = []
    for fold in axis.folds:
        middle = (fold.left + fold.right) / 2
        if fold.right - fold.left > 7:
            slashes += [(middle + dx - 2, top + height + 5, middle + dx + 2, top + height - 5) for dx in (-2, 2)]
    sheet.lines(slashes, MUTED, width=1.0, order=6)


def _fold_labels(sheet: Sheet, axis: TimeAxis, y: float, font: float) -> None:
    """True durations below the folds, the longest first; neighbours of about the same length share one label."""
    groups: list[list[Fold]] = []
    for fold in axis.folds:
        if groups and 0.8 < fold.duration / groups[-1][0].duration < 1.25:
            groups[-1].append(fold)
        else:
            groups.append([fold])
    taken: list[tuple[float, float]] = []
    for group in sorted(groups, key=lambda group: -sum(fold.duration for fold in group)):
        total = sum(fold.duration for fold in group)
        middle = (group[0].left + group[-1].right) / 2
        length = roughly(total / len(group))
        texts = [f"{len(group)} × silent for ≈ {length}", f"{len(group)} × ≈ {length}"]
        for text in texts if len(group) > 1 else [duration(total), f"≈ {length}"]:
            half = _wide(text, font) / 2
            centre = min(max(middle, axis.left - 4 + half), axis.right + 4 - half)
            left, right = centre - half, centre + half
            if left >= axis.left - 5 and all(right + 3 < a or left - 3 > b for a, b in taken):
                sheet.text(centre, y + 6, text, MUTED, font, align="center")
                taken.append((left, right))
                break


def _ticks(sheet: Sheet, axis: TimeAxis, bottom: float) -> None:
    steps = (1e-6, 1e-5, 1e-4, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300,
             600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800)
    step = next((step for step in steps if step * axis.scale >= 66), 604800.0)
    taken = -math.inf
    marks = []
    for start, end in axis.stretches():
        inside = np.arange(math.ceil(start / step - 1e-9), math.floor(end / step + 1e-9) + 1, dtype=np.float64) * step
        times = inside[:200] if inside.size else np.array([start])
        for time, x in zip(times, axis.place(times), strict=True):
            text = duration(float(time))
            half = _wide(text, 8.5) / 2
            if x - half > taken + 6 and x + half < WIDTH:
                marks.append((x, bottom, x, bottom + 5))
                sheet.text(float(x), bottom + 17, text, INK, 8.5, align="center")
                taken = x + half
    sheet.lines(marks, INK, width=0.8)


def _current_scale(sheet: Sheet, lanes: _Lanes, top: float) -> None:
    y0, y1 = lanes.spans["supply"]
    high, floor = top + y0 + 3, top + y1 - 7
    for exponent, text in ((-6, "1 µA"), (-3, "1 mA"), (0, "1 A")):
        y = floor - (floor - high) * (exponent + 6) / 6
        sheet.lines([(GUTTER + 2, y, WIDTH - 8, y)], GRID, width=0.5, style=":", order=2)
        sheet.text(GUTTER - 10, y + (7 if exponent == 0 else 3), text, MUTED, 7, align="right")


def _steps(sheet: Sheet, observations: Sequence[Observation], axis: TimeAxis, lanes: _Lanes, top: float) -> None:
    steps = [seen for seen in observations if seen.source == "test" and seen.kind in ("step", "note")]
    if not steps:
        return
    taken = [-math.inf, -math.inf]
    for x, seen in zip(axis.place(np.array([seen.time for seen in steps], dtype=float)), steps, strict=True):
        text = str(seen.data.get("text", ""))
        text = text if len(text) <= 60 else text[:59] + "…"
        wide = _wide(text, 8.5)
        align = "left" if x + wide < WIDTH else "right"
        left = float(x) if align == "left" else float(x) - wide
        row = next((row for row in (0, 1) if left > taken[row] + 8), None)
        base = top - 24 - 14 * (row or 0)
        sheet.lines([(x, base + 2 if row is not None else top, x, top + lanes.height)], MUTED, width=0.7, style=":",
                    order=5)
        if row is not None:
            sheet.text(float(x) + (3 if align == "left" else -3), base, text, INK, 8.5, align=align)
            taken[row] = left + wide


def _failures(sheet: Sheet, observations: Sequence[Observation], axis: TimeAxis, lanes: _Lanes, top: float) -> None:
    """A line where a measurement failed; if none did, where the test ended badly."""
    failed = [seen for seen in observations if seen.source == "test" and seen.data.get("verdict") in ("fail", "error")]
    measured = [seen for seen in failed if seen.kind == "measurement"]
    for seen in (measured or [seen for seen in failed if seen.kind == "end"])[:1]:
        data = seen.data
        x = float(axis.place(np.array([seen.time]))[0])
        text = "✕ the unit fails here" if data["verdict"] == "fail" else "! the bench fails here"
        if measured:
            value, low, high = (_float(data[key]) if data.get(key) is not None else None
                                for key in ("value", "low", "high"))
            unit = str(data.get("unit", ""))
            text = f"✕ {data.get('name')} = {quantity(value, unit)}, limits {limits(low, high, unit)}"
        wide = _wide(text, 9.5) * 1.1
        before = x - GUTTER > wide
        sheet.lines([(x, top - 18, x, top + lanes.height + 4)], RED, width=1.8, order=7)
        sheet.text(x - 6 if before else x + 6, top - 8, text, RED, 9.5, weight="bold",
                   align="right" if before else "left", order=8)


def _legend(sheet: Sheet, y: float) -> None:
    sheet.text(GUTTER, y, "Grey with //: silence, folded, its true length below. Ticks up: from the unit; down: to the "
                          "unit. Pale LED bar: blinks too close to draw one by one.", MUTED, 7.5)
    sheet.text(GUTTER, y + 12, "Supply: current on a log scale from 1 µA to 1 A (line: mean, band: min to max), "
                               "blue foot: output on. Cell: the higher, the more active.", MUTED, 7.5)
