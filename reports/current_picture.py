"""The supply current of one capture as a picture: log scale, phases, limits, and what each phase cost.

Averages, minima and maxima are drawn for each column of pixels, so that no spike is lost; the figures below come from
the whole capture, never from what was drawn. Where activity takes little of the time, a second panel shows it larger.
Phases are told by height and by name, not by colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bench.analysis.current_capture import CurrentCapture
from bench.analysis.current_phases import ActiveTimer, Kind, Phase, active_timers, find_phases, sessions, share
from reports.sheet import BLUE, FOLDED, GREEN, GRID, INK, MUTED, ORANGE, PURPLE, RED, SKY, Box, Picture, Sheet
from reports.text import duration, quantity

WIDTH = 1180.0
LEFT, RIGHT = 74.0, 1168.0
LETTER = 0.78
"""Mean width of a letter in pixels for a font of one point."""

_COLUMN = 2.0
_STRIP, _PLOT = 22.0, 210.0
_DECADES = (-7, 0)
_COLOUR = {Kind.SLEEP: FOLDED, Kind.READOUT: GREEN, Kind.WAKE: PURPLE, Kind.SEARCH: SKY, Kind.TRANSMIT: RED,
           Kind.CONNECTED: ORANGE, Kind.IDLE: BLUE}
_HEIGHT = {Kind.SLEEP: 0.15, Kind.IDLE: 0.35, Kind.READOUT: 0.5, Kind.WAKE: 0.6, Kind.SEARCH: 0.75,
           Kind.CONNECTED: 0.85, Kind.TRANSMIT: 1.0}
_MEANING = {Kind.SLEEP: "power saving mode, or passive", Kind.READOUT: "the meter is read",
            Kind.WAKE: "the controller is awake, LEDs", Kind.SEARCH: "receiver on before the first transmission",
            Kind.TRANSMIT: "transmitter on", Kind.CONNECTED: "from transmission to release",
            Kind.IDLE: "released, active timer T3324"}
_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800,
          3600, 7200, 14400, 21600, 43200, 86400)


@dataclass(frozen=True, slots=True)
class Mark:
    """A limit to be drawn: a current (A), and what it is called."""

    current_a: float
    text: str


def current_picture(capture: CurrentCapture, marks: Sequence[Mark] = ()) -> Picture:
    """Draw ``capture``, a million samples in less than a second."""
    phases = find_phases(capture) if capture.gap_free else ()
    zoom = _busiest(capture, phases)
    panels = 1 if zoom is None else 2
    panel = _STRIP + _PLOT + 44
    kinds = [kind for kind in Kind if any(phase.kind is kind for phase in phases)]
    sheet = Sheet(WIDTH, 30 + panels * panel + 22 + 16 * (len(kinds) + 1) + 8)
    sheet.text(LEFT, 18, _title(capture), INK, 10, weight="bold")
    decades = _range(capture, marks)
    _Panel(sheet, capture, phases, marks, decades, 30.0, 0.0, capture.duration_s).draw()
    if zoom is not None:
        lower = _Panel(sheet, capture, phases, marks, decades, 30.0 + panel, *zoom)
        lower.draw()
        _connect(sheet, capture, zoom, 30.0 + panel)
    _table(sheet, phases, kinds, 30 + panels * panel + 14)
    sheet.text(WIDTH - 8, sheet.height - 8, capture.instrument, MUTED, 8, align="right")
    return sheet.finish(_description(capture, phases))


def _title(capture: CurrentCapture) -> str:
    parts = ["Supply current"]
    if not math.isnan(capture.voltage_v):
        parts.append(f"at {capture.voltage_v:.2f} V")
    parts.append(f"for {duration(capture.duration_s)}, each {quantity(capture.period_s, 's')}: line average, band "
                 "minimum to maximum")
    if not capture.gap_free:
        parts.append("– WITH GAPS: no phases, no charge")
    return " ".join(parts)


def _description(capture: CurrentCapture, phases: Sequence[Phase]) -> str:
    parts = ", ".join(f"{kind} {duration(share(phases, kind).duration_s)}" for kind in Kind
                      if share(phases, kind).count)
    return f"Supply current for {duration(capture.duration_s)} on a log scale; {parts or 'no phases'}"


def _range(capture: CurrentCapture, marks: Sequence[Mark]) -> tuple[int, int]:
    """The decades to draw (exponents of 10): sleep and peaks, and the limits."""
    low = min([float(np.percentile(capture.mean_a, 1)), *(mark.current_a for mark in marks)])
    high = max([float(capture.maximum_a.max()), *(mark.current_a for mark in marks)])
    bottom = math.floor(math.log10(max(low / 2, 10.0 ** _DECADES[0])))
    return bottom, max(min(math.ceil(math.log10(max(high, 1e-9) * 1.1)), _DECADES[1] + 1), bottom + 2)


def _busiest(capture: CurrentCapture, phases: Sequence[Phase]) -> tuple[float, float] | None:
    """The session, or else the wake, that took most charge, with some time around it, if it is small in the whole."""
    groups = sessions(phases) or [[phase] for phase in phases if phase.kind in (Kind.WAKE, Kind.READOUT)]
    if not groups:
        return None
    chosen = max(groups, key=lambda group: sum(phase.charge_c for phase in group))
    begin, end = chosen[0].start_s, chosen[-1].end_s
    if end - begin > capture.duration_s / 4:
        return None
    around = max((end - begin) * 0.15, 4 * capture.period_s)
    return max(begin - around, 0.0), min(end + around, capture.duration_s)


class _Panel:
    """A strip of phases and the current below it, from ``begin_s`` to ``end_s`` of the capture."""

    def __init__(self, sheet: Sheet, capture: CurrentCapture, phases: Sequence[Phase], marks: Sequence[Mark],
                 decades: tuple[int, int], top: float, begin_s: float, end_s: float) -> None:
        self._sheet, self._capture, self._phases, self._marks = sheet, capture, phases, marks
        self._low, self._high = decades
        self._begin_s, self._end_s = begin_s, end_s
        self._strip_top, self._top = top, top + _STRIP + 4
        self._bottom = self._top + _PLOT - 4

    def draw(self) -> None:
        self._draw_strip()
        self._draw_scale()
        self._draw_current()
        for mark in self._marks:
            self._draw_mark(mark)
        timers = active_timers(self._phases)
        taken = -math.inf
        for timer in timers:
            taken = self._draw_timer(timer, taken, "released, asleep after " if len(timers) < 4 else "")
        self._draw_times()

    def _x(self, moment: float) -> float:
        inside = min(max(moment, self._begin_s), self._end_s)
        return LEFT + (inside - self._begin_s) / (self._end_s - self._begin_s) * (RIGHT - LEFT)

    def _y(self, current: NDArray[np.float64] | float) -> NDArray[np.float64]:
        decade = np.clip(np.log10(np.maximum(current, 1e-12)), self._low, self._high)
        return self._bottom - (decade - self._low) / (self._high - self._low) * (self._bottom - self._top)

    def _draw_strip(self) -> None:
        bottom = self._strip_top + _STRIP
        taken = -math.inf
        for phase in self._phases:
            if phase.end_s <= self._begin_s or phase.start_s >= self._end_s:
                continue
            left, right = self._x(phase.start_s), self._x(phase.end_s)
            right = max(right, left + 0.8)
            top = bottom - _HEIGHT[phase.kind] * _STRIP
            self._sheet.boxes([(left, top, right, bottom)], _COLOUR[phase.kind], order=4)
            self._sheet.boxes([(left, self._top, right, self._bottom)], _COLOUR[phase.kind], alpha=0.13, order=1)
            text = str(phase.kind)
            wide = len(text) * 8 * LETTER
            if right - left > wide + 6 and left > taken:
                low = _HEIGHT[phase.kind] < 0.5
                self._sheet.text(left + 3, top - 3 if low else bottom - 4, text, INK, 8, order=8)
                taken = left + wide
        self._sheet.lines([(LEFT, bottom, RIGHT, bottom)], GRID, width=0.6)

    def _draw_scale(self) -> None:
        for exponent in range(self._low, self._high + 1):
            y = float(self._y(10.0 ** exponent))
            self._sheet.lines([(LEFT, y, RIGHT, y)], GRID, width=0.7, order=2)
            self._sheet.text(LEFT - 6, y + 3, quantity(10.0 ** exponent, "A"), MUTED, 8, align="right")

    def _draw_current(self) -> None:
        capture = self._capture
        first = max(math.floor(self._begin_s / capture.period_s), 0)
        last = min(math.ceil(self._end_s / capture.period_s), len(capture))
        columns = min(int((RIGHT - LEFT) / _COLUMN), last - first)
        edges = np.unique(np.linspace(first, last, columns + 1).round().astype(np.int64))
        low = np.minimum.reduceat(capture.minimum_a[:last], edges[:-1])
        high = np.maximum.reduceat(capture.maximum_a[:last], edges[:-1])
        mean = np.add.reduceat(capture.mean_a[:last], edges[:-1]) / np.diff(edges)
        x = LEFT + (np.clip(edges * capture.period_s, self._begin_s, self._end_s) - self._begin_s) / (
            self._end_s - self._begin_s) * (RIGHT - LEFT)
        tops, bottoms, line = (np.round(self._y(part) * 2) / 2 for part in (high, low, mean))
        bottoms = np.maximum(bottoms, tops + 0.5)
        self._sheet.boxes(_merged(x, tops, bottoms), INK, alpha=0.28, order=5)
        steps = list(_merged(x, line, line))
        self._sheet.lines(steps, INK, width=1.2, order=6)
        self._sheet.lines([(right, y, right, y_next) for (_, y, right, _), (_, y_next, _, _)
                           in pairwise(steps)], INK, width=0.8, order=6)

    def _draw_mark(self, mark: Mark) -> None:
        y = float(self._y(mark.current_a))
        self._sheet.lines([(LEFT, y, RIGHT, y)], RED, width=1.2, style="--", order=7)
        self._sheet.text(RIGHT - 4, y - 4, f"{mark.text} {quantity(mark.current_a, 'A')}", RED, 8.5, align="right",
                         weight="bold", order=9)

    def _draw_timer(self, timer: ActiveTimer, taken: float, lead: str) -> float:
        """Release and sleep as lines, with the time between, where there is room beyond ``taken``; where it ends."""
        if not self._begin_s < timer.sleep_s < self._end_s:
            return taken
        x0, x1 = self._x(timer.release_s), self._x(timer.sleep_s)
        y = self._top + 0.3 * (self._bottom - self._top)
        self._sheet.lines([(x, self._top, x, self._bottom) for x in (x0, x1)], INK, width=0.8, style=":", order=7)
        self._sheet.lines([(x0, y, x1, y)], INK, width=0.8, order=7)
        for text in (f"{lead}{timer.duration_s:.1f} s", f"{timer.duration_s:.1f} s"):
            wide = len(text) * 8.5 * LETTER
            left = (x0 + x1 - wide) / 2 if wide < x1 - x0 else x1 + 5
            if left > taken and left + wide < RIGHT:
                self._sheet.text(left, y - 4 if left < x1 else y + 3, text, INK, 8.5, order=9)
                return left + wide + 5
        return taken

    def _draw_times(self) -> None:
        span = self._end_s - self._begin_s
        step = next((step for step in _STEPS if span / step <= 14), _STEPS[-1])
        marks = []
        for number in range(math.ceil(self._begin_s / step - 1e-9), math.floor(self._end_s / step + 1e-9) + 1):
            x, text = self._x(number * step), duration(number * step)
            marks.append((x, self._bottom, x, self._bottom + 4))
            centre = min(x, WIDTH - 2 - len(text) * 8.5 * LETTER / 2)
            self._sheet.text(centre, self._bottom + 16, text, INK, 8.5, align="center")
        self._sheet.lines([(LEFT, self._bottom, RIGHT, self._bottom), *marks], INK, width=0.8)


def _merged(x: NDArray[np.float64], tops: NDArray[np.float64], bottoms: NDArray[np.float64]) -> list[Box]:
    """A box for each column; neighbours of one height become one. ``x`` has the edges."""
    starts = np.flatnonzero(np.concatenate(([True], (np.diff(tops) != 0) | (np.diff(bottoms) != 0))))
    ends = np.append(starts[1:], len(tops))
    return list(zip(x[starts].tolist(), tops[starts].tolist(), x[ends].tolist(), bottoms[starts].tolist(),
                    strict=True))


def _connect(sheet: Sheet, capture: CurrentCapture, zoom: tuple[float, float], top: float) -> None:
    """From the whole to the part that is drawn larger."""
    ends = [LEFT + moment / capture.duration_s * (RIGHT - LEFT) for moment in zoom]
    y = top - 44 + 22
    for x, edge in zip(ends, (LEFT, RIGHT), strict=True):
        sheet.lines([(x, y - 22, x, y), (x, y, edge, top - 4)], MUTED, width=0.7, style=":")


def _table(sheet: Sheet, phases: Sequence[Phase], kinds: Sequence[Kind], top: float) -> None:
    """What each kind of phase came to."""
    columns = {"times": 260.0, "duration": 350.0, "mean": 440.0, "peak": 530.0, "charge": 630.0, "of the charge": 730.0}
    for name, x in columns.items():
        sheet.text(x, top, name, MUTED, 8.5, align="right")
    whole = share(phases, *Kind)
    y = top
    for kind in kinds:
        y += 16
        part = share(phases, kind)
        peak_a = max(phase.peak_a for phase in phases if phase.kind is kind)
        sheet.boxes([(LEFT, y - 9, LEFT + 11, y + 1)], _COLOUR[kind])
        sheet.text(LEFT + 18, y, str(kind), INK, 9)
        sheet.text(770, y, _MEANING[kind], MUTED, 8.5)
        _row(sheet, [*columns.values()], y, [str(part.count), duration(part.duration_s), quantity(part.mean_a, "A"),
                                             quantity(peak_a, "A"), quantity(part.charge_c, "C"),
                                             f"{100 * part.charge_c / whole.charge_c:.1f} %" if whole.charge_c else ""])
    if kinds:
        y += 16
        sheet.lines([(LEFT, y - 12, 740, y - 12)], GRID)
        sheet.text(LEFT + 18, y, "all", INK, 9, weight="bold")
        _row(sheet, [*columns.values()], y, ["", duration(whole.duration_s), quantity(whole.mean_a, "A"), "",
                                             quantity(whole.charge_c, "C"), ""])


def _row(sheet: Sheet, places: Sequence[float], y: float, cells: Sequence[str]) -> None:
    for x, text in zip(places, cells, strict=True):
        sheet.text(x, y, text, INK, 9, align="right")
