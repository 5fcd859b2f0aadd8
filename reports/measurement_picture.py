"""A measurement against its limits, as a small bullet chart in hand-written SVG (no library, works in any page).

The band is what the limits allow, the mark is the value: a disc inside, a cross outside. The scale is logarithmic when
value and limits lie more than ``DECADES`` apart, and says so. Colours are CSS variables of the page with fallbacks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from reports.run import Measurement
from reports.text import limits, number, quantity

DECADES = 1.7
"""From this many decades between the extremes on, the scale is logarithmic."""

_FARTHEST = 3.0
"""A value farther out than this many widths of the limits is drawn at the edge, with an arrow."""


@dataclass(frozen=True, slots=True)
class Distance:
    """How far a value is from the nearer limit: positive inside, negative outside.

    ``percent`` is of the width between the limits, or of the only limit's size; None when that is zero.
    ``absolute`` is in the unit of the measurement.
    """

    limit: str
    absolute: float
    percent: float | None

    def text(self, unit: str) -> str:
        """Words for a table: ``35 % below high``, ``9 % above high``, ``exact``."""
        if self.limit == "exact":
            return "exact" if self.absolute == 0 else f"off by {quantity(-self.absolute, unit)}"
        inside = self.absolute >= 0
        side = "below" if (self.limit == "high") == inside else "above"
        if self.absolute == 0:
            return f"on {self.limit} limit"
        size = quantity(abs(self.absolute), unit)
        if self.percent is not None:
            size = f"{number(round(abs(self.percent), 0 if abs(self.percent) >= 10 else 1))} %"
        return f"{size} {side} {self.limit}"


def distance(row: Measurement) -> Distance | None:
    """The distance to the nearer limit; None without a value or without limits."""
    if row.value is None or not math.isfinite(row.value) or (row.low is None and row.high is None):
        return None
    if row.low is not None and row.high is not None:
        if row.low == row.high:
            return Distance("exact", -abs(row.value - row.low), None)
        limit, absolute = min((("low", row.value - row.low), ("high", row.high - row.value)), key=lambda pair: pair[1])
        return Distance(limit, absolute, 100 * absolute / (row.high - row.low))
    limit, edge = ("low", row.low) if row.low is not None else ("high", row.high)
    assert edge is not None
    absolute = row.value - edge if limit == "low" else edge - row.value
    return Distance(limit, absolute, 100 * absolute / abs(edge) if edge else None)


def measurement_picture(row: Measurement, *, large: bool = False) -> str:
    """The bullet chart as an SVG element: 240 x 26 for a table, or large with the numbers written in."""
    width, height = (640.0, 96.0) if large else (240.0, 26.0)
    middle, half = (46.0, 11.0) if large else (13.0, 6.0)
    scale = _Scale.of(row, width)
    parts = [f'<line x1="0" y1="{middle:.1f}" x2="{width:.0f}" y2="{middle:.1f}" stroke="{_GRID}" stroke-width="2"/>']
    if scale is not None and (row.low is not None or row.high is not None):
        parts += _band(row, scale, width, middle, half, large)
    if scale is not None and scale.logarithmic:
        parts += [f'<line x1="{x:.1f}" y1="{middle + half + 1:.1f}" x2="{x:.1f}" y2="{middle + half + 5:.1f}" '
                  f'stroke="{_MUTED}"/>' for x in scale.decades()]
        parts.append(_says_log(row, scale, width, middle + half + 22) if large else
                     _text(width, height - 2, "log", _MUTED, "end", 8))
    if scale is not None and row.value is not None and math.isfinite(row.value):
        parts += _mark(row, scale, middle, half, large, width)
    else:
        parts.append(_text(width / 2, middle + 4, "no value", _MUTED, "middle", 11))
    words = f"{quantity(row.value, row.unit)}, limits {limits(row.low, row.high, row.unit)}, {row.verdict}"
    if scale is not None and scale.logarithmic:
        words += ", on a log scale"
    return (f'<svg class="bullet{" large" if large else ""}" role="img" aria-label="{escape(words)}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}">'
            f"<title>{escape(words)}</title>{''.join(parts)}</svg>")


_INK, _MUTED, _GRID = "var(--ink,#1b1f24)", "var(--muted,#69717a)", "var(--line,#d3d8de)"
_GOOD, _BAD = "var(--pass,#00795a)", "var(--fail,#b3261e)"


@dataclass(frozen=True, slots=True)
class _Scale:
    """Maps values to pixels, linear or logarithmic; values outside land on the edge."""

    start: float
    end: float
    width: float
    logarithmic: bool

    @classmethod
    def of(cls, row: Measurement, width: float) -> _Scale | None:
        numbers = [value for value in (row.value, row.low, row.high) if value is not None and math.isfinite(value)]
        if not numbers:
            return None
        least, greatest = min(numbers), max(numbers)
        if least > 0 and math.log10(greatest / least) > DECADES:
            return cls(math.log10(least) - 0.4, math.log10(greatest) + 0.4, width, True)
        edges = [edge for edge in (row.low, row.high) if edge is not None and math.isfinite(edge)]
        span = (max(edges) - min(edges)) if edges else 0.0
        if span == 0.0:
            # one limit, or an exact one: the scale begins at zero where that is near
            span = abs(edges[0]) * 0.5 if edges and edges[0] else max(abs(greatest), abs(least)) or 1.0
        low, high = (min(edges), max(edges)) if edges else (least, greatest)
        start, end = low - 0.5 * span, high + 0.5 * span
        if row.low is None and row.high is not None and row.high > 0 and least >= 0:
            start = 0.0
        start = min(start, max(least - 0.15 * span, low - _FARTHEST * span))
        end = max(end, min(greatest + 0.15 * span, high + _FARTHEST * span))
        if not end - start > 1e-300:
            start, end = low - 1.0, high + 1.0
        return cls(start, end, width, False)

    def place(self, value: float) -> float:
        if self.logarithmic:
            value = math.log10(value) if value > 0 else self.start
        share = (value - self.start) / (self.end - self.start)
        return 6 + (self.width - 12) * min(1.0, max(0.0, share))

    def covers(self, value: float) -> bool:
        return self.logarithmic or self.start <= value <= self.end

    def decades(self) -> list[float]:
        powers = range(math.ceil(self.start), math.floor(self.end) + 1)
        return [self.place(10.0**power) for power in powers] if len(powers) <= 15 else []


def _band(row: Measurement, scale: _Scale, width: float, middle: float, half: float, large: bool) -> list[str]:
    left = scale.place(row.low) if row.low is not None else 0.0
    right = scale.place(row.high) if row.high is not None else width
    exact = row.low is not None and row.low == row.high
    wide = max(right - left, 3.0)
    parts = [f'<rect x="{left - (1.5 if exact else 0):.1f}" y="{middle - half:.1f}" width="{wide:.1f}" '
             f'height="{2 * half:.1f}" fill="{_GOOD}" fill-opacity="0.22"/>']
    edges = ((left, row.low, "end"), (right, row.high, "start"))
    for x, limit, anchor in edges:
        if limit is not None:
            parts.append(f'<line x1="{x:.1f}" y1="{middle - half - 2:.1f}" x2="{x:.1f}" y2="{middle + half + 2:.1f}" '
                         f'stroke="{_GOOD}" stroke-width="2"/>')
            if large and not (exact and anchor == "start"):
                parts.append(_text(x, middle + half + 22, quantity(limit, row.unit), _MUTED, "middle", 13))
    return parts


def _says_log(row: Measurement, scale: _Scale, width: float, y: float) -> str:
    """Where most room is between the numbers of the limits."""
    places = [0.0, *(scale.place(edge) for edge in (row.low, row.high) if edge is not None), width]
    left, right = max(pairwise(places), key=lambda pair: pair[1] - pair[0])
    return _text((left + right) / 2, y, "log scale", _MUTED, "middle", 13)


def _mark(row: Measurement, scale: _Scale, middle: float, half: float, large: bool, width: float) -> list[str]:
    assert row.value is not None
    x, radius = scale.place(row.value), 7.0 if large else 4.5
    colour = _GOOD if row.verdict == "pass" else _BAD
    if not scale.covers(row.value):
        way = 1 if row.value > scale.end else -1
        tip, back = x + way * 4, x - way * radius * 1.3
        parts = [f'<path d="M{tip:.1f} {middle:.1f}L{back:.1f} {middle - radius:.1f}V{middle + radius:.1f}Z" '
                 f'fill="{colour}"/>']
    elif row.verdict == "pass":
        parts = [f'<circle cx="{x:.1f}" cy="{middle:.1f}" r="{radius}" fill="{_GOOD}" stroke="var(--paper,#fff)" '
                 'stroke-width="1.5"/>']
    else:
        r = radius
        parts = [f'<path d="M{x - r:.1f} {middle - r:.1f}l{2 * r} {2 * r}m0 {-2 * r}l{-2 * r} {2 * r}" fill="none" '
                 f'stroke="var(--paper,#fff)" stroke-width="6"/>',
                 f'<path d="M{x - r:.1f} {middle - r:.1f}l{2 * r} {2 * r}m0 {-2 * r}l{-2 * r} {2 * r}" fill="none" '
                 f'stroke="{_BAD}" stroke-width="3"/>']
    if large:
        words = quantity(row.value, row.unit)
        room = len(words) * 6.0
        parts.append(_text(min(max(x, room), width - room), middle - half - 12, words, colour, "middle", 18, "700"))
    return parts


def _text(x: float, y: float, text: str, colour: str, anchor: str, size: int, weight: str = "400") -> str:
    return (f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}" font-size="{size}" '
            f'font-weight="{weight}">{escape(text)}</text>')



