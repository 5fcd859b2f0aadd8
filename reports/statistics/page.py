"""The page of statistics: one file that opens from a disk, asks nothing of any network, and has no script."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from bench.errors import BenchError
from reports.statistics.capability import CAPABLE, LEAST, Capability
from reports.statistics.control_chart import Chart
from reports.statistics.figures import Figures
from reports.statistics.pictures import chart_picture, spread_picture, takt_drift_picture
from reports.statistics.takt import Takt
from reports.text import limits, number, quantity

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

PARETO = 20
"""Causes of a process that are drawn; the others are summed up."""


def page(figures: Figures) -> str:
    """The page. Whatever comes from a record is hostile text: the template escapes all of it."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(percent=_percent, quantity=quantity, number=number, index=lambda one: f"{one:.2f}")
    environment.globals.update(limits=limits)
    template = environment.from_string(_source("statistics/page.html.j2"))
    whole = [one for one in figures.takt if not one.stage]
    return template.render(
        figures=figures, css=Markup(_source("page.css") + _source("statistics/page.css")), policy=_POLICY,
        capability=sorted(figures.capability, key=_by_need), capable=CAPABLE, least=LEAST, most_causes=PARETO,
        spread=lambda one: Markup(spread_picture(one)), drawn=lambda one: Markup(chart_picture(one)),
        charts=_charts(figures.charts), takts=whole, stages=_stages(figures.takt),
        takt_drawn=lambda one: Markup(takt_drift_picture(one)) if len(one.points) > 1 else "")


def write_page(figures: Figures, path: Path) -> None:
    """Raises ``BenchError`` where it can't be written."""
    try:
        path.write_bytes(page(figures).encode("utf-8", "replace"))
    except OSError as error:
        raise BenchError(f"page {path}", expected="to write it", seen=(error.strerror or str(error)).lower(),
                         do="choose another place") from error


def _source(name: str) -> str:
    return files("reports").joinpath(name).read_text(encoding="utf-8")


def _percent(share: float | None) -> str:
    """A share that is not whole is never rounded to all or nothing."""
    if share is None:
        return "none"
    text = f"{100 * share:.1f}"
    if text == "100.0" and share < 1:
        return "> 99.9 %"
    return "< 0.1 %" if text == "0.0" and share > 0 else f"{text} %"


def _by_need(one: Capability) -> tuple[str, bool, float, str]:
    """Of each process the least capable first, and at the end what has no index."""
    return one.process, one.cpk is None, one.cpk.value if one.cpk is not None else 0.0, one.name


def _charts(found: Sequence[Chart]) -> list[tuple[tuple[str, str], list[Chart]]]:
    """By process and measurement, those that broke a rule first."""
    groups: dict[tuple[str, str], list[Chart]] = {}
    for one in found:
        groups.setdefault((one.process, one.name), []).append(one)
    return sorted(groups.items(), key=lambda pair: (all(one.is_calm for one in pair[1]), pair[0]))


def _stages(found: Sequence[Takt]) -> list[Takt]:
    """Stages that have a drift, those that grow most first."""
    return sorted((one for one in found if one.stage and one.drift_s is not None),
                  key=lambda one: -(one.drift_s or (0.0,))[0])
