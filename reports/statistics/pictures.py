"""The pictures of the page of statistics (SVG, in the page's colours)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from reports.statistics.capability import Capability
from reports.statistics.control_chart import Chart
from reports.statistics.takt import Takt
from reports.text import number, quantity

_WIDTH, _HEIGHT = 420, 120
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 8, 8, 18
_ROOM = 0.08


def chart_picture(chart: Chart) -> str:
    """Points in their order with centre and control limits; what broke a rule is red, and a square, too."""
    scale = _Scale(chart.points, [chart.low, chart.centre, chart.high])
    marked = {*chart.beyond, *chart.shifted}
    lines = [_level(scale, chart.centre, "var(--muted)", ""), *(
        _level(scale, level, "var(--error)", "4 3") for level in (chart.low, chart.high))]
    dots = [f'<rect x="{scale.x(at) - 2.6:.1f}" y="{scale.y(chart.points[at]) - 2.6:.1f}" width="5.2" height="5.2" '
            f'fill="var(--fail)"/>' for at in sorted(marked)]
    said = f"{chart.name}, each point {'a unit' if chart.of == 'unit' else 'the mean of a day'}"
    return _svg(said, [*lines, scale.polyline(chart.points, "var(--link)"), *dots, *_ends(chart.labels)])


def takt_drift_picture(takt: Takt) -> str:
    """What a unit took, over time."""
    points = [took for _, took in takt.points]
    levels = [takt.median_s, *([takt.physics_s] if takt.physics_s else [])]
    scale = _Scale(points, levels)
    lines = [_level(scale, takt.median_s, "var(--muted)", "")]
    if takt.physics_s:
        lines.append(_level(scale, takt.physics_s, "var(--pass)", "4 3"))
    return _svg(f"takt at {takt.place}", [*lines, scale.polyline(points, "var(--link)"),
                                          *_ends([label for label, _ in takt.points])])


def spread_picture(one: Capability) -> str:
    """Where the values are between their limits: least to most as a line, three standard deviations as a bar."""
    if one.mean is None or one.least is None or one.most is None:
        return ""
    spread = 3 * (one.spread_overall or 0.0)
    ends = [end for end in (one.low, one.high) if end is not None]
    least, most = min([one.least, one.mean - spread, *ends]), max([one.most, one.mean + spread, *ends])
    room = (most - least) * _ROOM or 1.0
    width, height = 230, 26

    def x(value: float) -> float:
        return (value - least + room) / (most - least + 2 * room) * width

    bar, line = (one.mean - spread, one.mean + spread), (one.least, one.most)
    colour = {True: "var(--pass)", False: "var(--fail)", None: "var(--idle)"}[one.is_capable]
    parts = [f'<rect x="{x(bar[0]):.1f}" y="8" width="{max(x(bar[1]) - x(bar[0]), 1):.1f}" height="10" rx="2" '
             f'fill="{colour}" opacity="0.45"/>',
             f'<path d="M{x(line[0]):.1f} 13H{x(line[1]):.1f}" stroke="var(--ink)"/>',
             f'<circle cx="{x(one.mean):.1f}" cy="13" r="3" fill="var(--ink)"/>',
             *(f'<path d="M{x(end):.1f} 2V24" stroke="var(--fail)" stroke-width="2"/>' for end in ends)]
    label = f"{one.name}: mean {quantity(one.mean, one.unit)}, least {quantity(one.least, one.unit)}, most " \
            f"{quantity(one.most, one.unit)}"
    return (f'<svg class="spread" viewBox="0 0 {width} {height}" width="{width}" role="img" '
            f'aria-label="{escape(label)}">{"".join(parts)}</svg>')


class _Scale:
    """From positions and values to the picture."""

    def __init__(self, points: Sequence[float], levels: Iterable[float]) -> None:
        every = [*points, *levels]
        self._least, most = min(every), max(every)
        room = (most - self._least) * _ROOM or abs(most) * _ROOM or 1.0
        self._least -= room
        self._height = most + room - self._least
        self._count = max(len(points) - 1, 1)

    def x(self, position: int) -> float:
        return _LEFT + position / self._count * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _TOP + (1 - (value - self._least) / self._height) * (_HEIGHT - _TOP - _BOTTOM)

    def polyline(self, points: Sequence[float], colour: str) -> str:
        path = " ".join(f"{self.x(position):.1f},{self.y(value):.1f}" for position, value in enumerate(points))
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.2"/>'


def _level(scale: _Scale, value: float, colour: str, dashes: str) -> str:
    y = scale.y(value)
    return (f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="{colour}"'
            f'{f""" stroke-dasharray="{dashes}" """ if dashes else ""}/>'
            f'<text x="{_LEFT - 5}" y="{y + 3.5:.1f}" text-anchor="end" fill="var(--muted)">{number(value)}</text>')


def _ends(labels: Sequence[str]) -> list[str]:
    y = _HEIGHT - 4
    return [f'<text x="{_LEFT}" y="{y}" fill="var(--muted)">{escape(labels[0])}</text>',
            f'<text x="{_WIDTH - _RIGHT}" y="{y}" text-anchor="end" fill="var(--muted)">{escape(labels[-1])}</text>']


def _svg(label: str, parts: Iterable[str]) -> str:
    return (f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label)}" '
            f'font-size="10">{"".join(parts)}</svg>')
