"""When each readout was made and when it arrived: one dot a readout, a transmission in a column.

Drawn from the observation ``test`` / ``arrivals`` that fixtures/history.py puts on the timeline. On time means on the
diagonal; what an outage held back lies below it, and the columns after the outage show in which order it is sent. Long
outages are folded on the axis of arrival, where nothing is to be seen in them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from bench.timeline import Observation
from reports.run import Run
from reports.sheet import BLUE, FOLDED, GREEN, GRID, INK, MUTED, ORANGE, RED, SKY, Picture, Sheet

WIDTH, HEIGHT = 1180.0, 520.0
LEFT, RIGHT, TOP, BOTTOM = 104.0, 1070.0, 46.0, 440.0
FOLD = 46.0
"""Width of a folded outage."""
DOT = 2.1
STEPS_MIN = (5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7200, 14400)
PICTURES = 12
"""At most this many in one report."""
MOST_WINDOWS = 400
"""More are no longer told apart; none is drawn then."""

Pair = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Axis:
    """Minutes to pixels, in stretches; ``folds`` are those that are not to scale."""

    points: tuple[Pair, ...]
    folds: tuple[Pair, ...] = ()

    @classmethod
    def linear(cls, begin: float, end: float, low: float, high: float) -> _Axis:
        return cls(((begin, low), (max(end, begin + 1.0), high)))

    @classmethod
    def folding(cls, begin: float, end: float, outages: Sequence[Pair], low: float, high: float) -> _Axis:
        """Outages that take more than a tenth of the time get a fixed width."""
        folds = [(max(since, begin), min(until, end)) for since, until in outages
                 if min(until, end) - max(since, begin) > (end - begin) / 10]
        open_min = max(end - begin - sum(until - since for since, until in folds), 1.0)
        scale = (high - low - FOLD * len(folds)) / open_min
        points, at, pixel = [(begin, low)], begin, low
        for since, until in folds:
            pixel += (since - at) * scale
            points.append((since, pixel))
            pixel += FOLD
            points.append((until, pixel))
            at = until
        points.append((max(end, at), pixel + (end - at) * scale))
        return cls(tuple(points), tuple(folds))

    def place(self, minute: float) -> float:
        for (begin, low), (end, high) in pairwise(self.points):
            if minute <= end:
                return low + (max(minute, begin) - begin) / max(end - begin, 1e-9) * (high - low)
        return self.points[-1][1]

    def ticks(self, fewest_pixels: float) -> list[float]:
        """Round minutes that are that far apart, none in a fold."""
        begin, end = self.points[0][0], self.points[-1][0]
        open_min = end - begin - sum(until - since for since, until in self.folds)
        pixels = abs(self.points[-1][1] - self.points[0][1]) - FOLD * len(self.folds)
        step = next((step for step in STEPS_MIN if step / max(open_min, 1.0) * pixels >= fewest_pixels), STEPS_MIN[-1])
        minutes = [number * step for number in range(math.ceil(begin / step), math.floor(end / step) + 1)]
        return [float(minute) for minute in minutes
                if not any(since < minute < until for since, until in self.folds)]


def arrivals_of(observations: Sequence[Observation]) -> Mapping[str, Any] | None:
    """The last history of a test that a picture can be drawn of; None where there is none."""
    for seen in reversed(observations):
        if (seen.source, seen.kind) == ("test", "arrivals") and seen.data.get("telegrams"):
            return seen.data
    return None


def arrivals_pictures(run: Run) -> dict[str, Picture]:
    """Pictures of at most ``PICTURES`` tests by their ids: those that did not pass first, then those with outages."""
    seen = [(test, arrivals_of(run.timeline.select(test.id, "test", "arrivals"))) for test in run.tests]
    found = [(test, data) for test, data in seen if data]
    found.sort(key=lambda pair: (pair[0].verdict == "pass", not pair[1].get("outages")))
    pictures: dict[str, Picture] = {}
    for test, data in found[:PICTURES]:
        with suppress(ValueError, TypeError, KeyError):    # what is on a timeline may come from anywhere
            pictures[test.id] = arrivals_picture(data)
    return pictures


def arrivals_picture(data: Mapping[str, Any]) -> Picture:
    """The picture of one history. ``ValueError`` or ``TypeError`` for data that are none."""
    begin, end = _finite(data["begin"]), _finite(data["end"])
    midnight = datetime.fromisoformat(str(data["midnight"]))
    telegrams = [(_finite(arrived), [_finite(stamp) for stamp in stamps]) for arrived, stamps in data["telegrams"]]
    outages = _pairs(data["outages"])
    never = [_finite(stamp) for stamp in data["never_sent"]]
    stamps = [stamp for _, each in telegrams for stamp in each] + never
    across = _Axis.folding(begin, max(end, *(arrived for arrived, _ in telegrams)), outages, LEFT, RIGHT)
    up = _Axis.linear(min([begin, *stamps]), max([end, *stamps]), BOTTOM, TOP)

    sheet = Sheet(WIDTH, HEIGHT)
    _ground(sheet, across, up, outages, _pairs(data["windows"]))
    _scales(sheet, across, up, midnight)
    _limits(sheet, across, up, _finite(data["age_limit"]))
    _telegrams(sheet, across, up, telegrams)
    _never_sent(sheet, up, never)
    _words(sheet, data, telegrams, outages)
    return sheet.finish(f"Readout time against arrival time: {sum(len(each) for _, each in telegrams)} readouts in "
                        f"{len(telegrams)} telegrams, {len(outages)} outages")


def _ground(sheet: Sheet, across: _Axis, up: _Axis, outages: Sequence[Pair], windows: Sequence[Pair]) -> None:
    for since, until in outages:
        x0, x1, y0, y1 = across.place(since), across.place(until), up.place(until), up.place(since)
        hatch = "///" if (since, until) in across.folds else None
        sheet.boxes([(x0, TOP, max(x1, x0 + 1), BOTTOM)], FOLDED, hatch=hatch, order=1)
        sheet.boxes([(LEFT, y0, RIGHT, max(y1, y0 + 1))], FOLDED, alpha=0.75, order=1)
    if len(windows) <= MOST_WINDOWS:
        shown = [(across.place(opens), across.place(closes)) for opens, closes in windows
                 if not any(since <= opens and closes <= until for since, until in across.folds)]
        sheet.boxes([(x0, TOP, max(x1, x0 + 0.8), BOTTOM) for x0, x1 in shown if x1 > x0 >= LEFT], SKY, alpha=0.22,
                    order=2)


def _scales(sheet: Sheet, across: _Axis, up: _Axis, midnight: datetime) -> None:
    sheet.lines([(LEFT, BOTTOM, RIGHT, BOTTOM), (LEFT, TOP, LEFT, BOTTOM)], INK, width=0.8)
    day = ""
    for minute in across.ticks(58):
        x, moment = across.place(minute), midnight + timedelta(minutes=minute)
        sheet.lines([(x, TOP, x, BOTTOM)], GRID, width=0.5, order=2)
        sheet.text(x, BOTTOM + 14, f"{moment:%H:%M}", INK, 8, align="center")
        if (today := f"{moment:%d %b}") != day:
            sheet.text(x, BOTTOM + 26, today, MUTED, 8, align="center")
            day = today
    for minute in up.ticks(26):
        y, moment = up.place(minute), midnight + timedelta(minutes=minute)
        sheet.lines([(LEFT, y, RIGHT, y)], GRID, width=0.5, order=2)
        sheet.text(LEFT - 6, y + 3, f"{moment:%d %b %H:%M}", INK, 8, align="right")
    for since, until in across.folds:
        x = (across.place(since) + across.place(until)) / 2
        sheet.text(x, TOP + 14, _length(until - since), MUTED, 8, align="center")
        sheet.text(x, TOP + 25, "no network", MUTED, 7.5, align="center")
    sheet.text(LEFT, TOP - 8, "readout made", MUTED, 8.5, align="right")
    sheet.text(RIGHT, BOTTOM + 40, "telegram arrived (the meter's time)", MUTED, 8.5, align="right")


def _limits(sheet: Sheet, across: _Axis, up: _Axis, age_limit: float) -> None:
    """On the diagonal a readout arrives as it is made; below the lower line it is too old to be sent."""
    lowest = up.points[0][0]
    for lag, colour, style, name in ((0.0, GREEN, "-", "at once"), (age_limit, RED, "--", "age limit")):
        pieces = []
        for (begin, _), (end, _) in pairwise(across.points):
            if (begin, end) in across.folds or end - lag <= lowest:
                continue
            begin = max(begin, lowest + lag)
            pieces.append((across.place(begin), up.place(begin - lag), across.place(end), up.place(end - lag)))
        sheet.lines(pieces, colour, width=1.0, style=style, order=3)
        if pieces and pieces[-1][3] < BOTTOM - 2:
            sheet.text(RIGHT + 5, pieces[-1][3] + 3, name, colour, 8.5)


def _telegrams(sheet: Sheet, across: _Axis, up: _Axis, telegrams: Sequence[tuple[float, list[float]]]) -> None:
    made = sorted({stamp for _, stamps in telegrams for stamp in stamps})
    closest = min((abs(up.place(earlier) - up.place(later)) for earlier, later in pairwise(made)), default=9.0)
    half = min(max(closest * 0.36, 0.6), DOT)    # dots that are neighbours stay apart
    dots, packs = [], []
    for arrived, stamps in telegrams:
        x, heights = across.place(arrived), [up.place(stamp) for stamp in stamps]
        dots += [(x - DOT, y - half, x + DOT, y + half) for y in heights]
        if len(heights) > 1:
            packs.append((x - 2 * DOT, min(heights) - half, x + 2 * DOT, max(heights) + half))
    sheet.boxes(packs, ORANGE, alpha=0.6, order=4)
    sheet.boxes(dots, BLUE, order=5)


def _never_sent(sheet: Sheet, up: _Axis, never: Sequence[float]) -> None:
    """In the margin, beside when they were made."""
    if never:
        sheet.lines([(RIGHT + 3, up.place(stamp), RIGHT + 9, up.place(stamp)) for stamp in never], RED, width=0.9)
        middle = (up.place(min(never)) + up.place(max(never))) / 2
        sheet.text(RIGHT + 13, middle, f"{len(never)} grew too", RED, 8.5)
        sheet.text(RIGHT + 13, middle + 12, "old, never sent", RED, 8.5)


def _words(sheet: Sheet, data: Mapping[str, Any], telegrams: Sequence[tuple[float, list[float]]],
           outages: Sequence[Pair]) -> None:
    readouts = sum(len(stamps) for _, stamps in telegrams)
    said = f"{readouts} readouts in {len(telegrams)} telegrams, {data['order']}, age limit " \
           f"{_length(_finite(data['age_limit']))}"
    if outages:
        caught_up = _catch_up(data["transmissions"], outages[-1][1])
        said += f". {caught_up}" if caught_up else ". Readouts still wait at the end"
    sheet.text(LEFT + 8, TOP - 26, said + ".", INK, 10.5, weight="bold")
    sheet.text(LEFT, HEIGHT - 22, "Dot: a readout. Orange: the readouts of one telegram. Blue column: a transmission "
                                  "window. Grey: without a network, across when nothing can arrive (hatched: folded, "
                                  "not to scale),", MUTED, 7.5)
    sheet.text(LEFT, HEIGHT - 10, "and along what was read then. Green: a readout arrives at once. Red dashes: older "
                                  "ones are not sent by themselves.", MUTED, 7.5)
    for number, fault in enumerate(data["faults"][:2]):
        sheet.text(LEFT + 8, TOP - 12 + 12 * number, f"✕ {str(fault)[:150]}", RED, 8.5, order=8)


def _catch_up(transmissions: Sequence[Sequence[float]], back: float) -> str:
    """What it took after the last outage until nothing waited, without a full stop; "" when it has not ended."""
    after = [(int(count), int(readouts), int(left))
             for arrived, count, readouts, left in transmissions if arrived > back]
    last = next((number for number, (_, _, left) in enumerate(after) if left == 0), None)
    if last is None:
        return ""
    telegrams, readouts = (sum(one[column] for one in after[:last + 1]) for column in (0, 1))
    transmitted = f"{last + 1} transmission" + ("s" if last else "")
    return f"Caught up in {transmitted}: {readouts} readouts in {telegrams} telegrams"


def _pairs(values: Sequence[Sequence[object]]) -> list[Pair]:
    return [(_finite(first), _finite(second)) for first, second in values]


def _finite(value: object) -> float:
    number = float(value)  # type: ignore[arg-type]
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no time")
    return number


def _length(minutes: float) -> str:
    whole = round(minutes)
    days, hours, rest = whole // 1440, whole % 1440 // 60, whole % 60
    return " ".join(f"{count} {unit}" for count, unit in ((days, "d"), (hours, "h"), (rest, "min")) if count) or "0 min"
