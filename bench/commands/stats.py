"""``mcm-bench stats``: the figures of a line, out of its store."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from bench.commands.extras import need
from bench.commands.records import Json, Station, StoreUrl, depot
from bench.commands.terminal import plain
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.store.store import Store
    from reports.statistics.figures import Figures

_SHOWN = 5


def stats(
    store: StoreUrl = None,
    station: Station = None,
    since: Annotated[datetime | None, typer.Option(
        help="Units whose first attempt began then or later, local time.")] = None,
    until: Annotated[datetime | None, typer.Option(help="And before; later attempts at them count, too.")] = None,
    process: Annotated[str, typer.Option(help="Only this step of production; else each by itself.")] = "",
    at: Annotated[str, typer.Option(help="Name of a station.")] = "",
    work_order: str = "",
    firmware: Annotated[str, typer.Option(help="Only units with this firmware.")] = "",
    gauge: Annotated[str, typer.Option(
        metavar="PROCESS",
        help="The runs of this process are a gauge study: each unit several times at each place.")] = "",
    simulated: Annotated[bool, typer.Option(
        "--simulated", help="The store is one of runs on the twin, and that is meant.")] = False,
    page: Annotated[Path | None, typer.Option(help="Write the page there.")] = None,
    as_json: Json = False,
) -> None:
    """Yield, what units failed of, capability, control charts, gauge studies, drift of the takt."""
    need("polars", "scipy")
    from reports.statistics.extract import lot_of
    from reports.statistics.figures import Figures
    from reports.statistics.lot import Question
    from reports.statistics.page import write_page
    from reports.statistics.study import study

    opened = depot(store, station).open()
    _refuse_other_kind(opened, simulated)
    begin, end = (None if moment is None else moment.astimezone() for moment in (since, until))
    error = plain(stderr=True)
    lot = lot_of(opened, Question(begin, end, process, at, work_order, firmware),
                 lambda sentence: error.print(Text(sentence), soft_wrap=True))
    studies = []
    if gauge:
        with opened.reading() as connection:
            studies = study(connection, gauge)
    figures = Figures.of(lot, str(opened.address), gauge, studies)
    if page is not None:
        write_page(figures, page)
    if as_json:
        print(json.dumps(figures.to_json(), indent=1, allow_nan=False))
    else:
        for sentence in _sentences(figures):
            plain().print(Text(sentence), soft_wrap=True)


def _refuse_other_kind(store: Store, simulated: bool) -> None:
    """Figures of the twin look like those of a line: who wants them says so."""
    if store.simulated and not simulated:
        raise BenchError(f"store {store.address}", expected="real runs", seen="simulated ones",
                         do="say --simulated if figures of the twin are meant")
    if simulated and not store.simulated:
        raise BenchError(f"store {store.address}", expected="simulated runs", seen="real ones",
                         do="leave out --simulated, or name the store of simulated runs")


def _sentences(figures: Figures) -> list[str]:
    """The main figures, for a terminal."""
    said = ["SIMULATED: runs on the twin"] if figures.simulated else []
    if not figures.runs:
        return [*said, "no run was made that this was asked of: there are no figures"]
    for one in figures.yields:
        first, final = one.first_pass, one.final
        said.append(f"{one.process}: no unit was judged" if first.share is None or final.share is None else
                    f"{one.process}: first-pass yield {100 * first.share:.2f} % ({first.count} of {first.of}), final "
                    f"{100 * final.share:.2f} % ({final.count} of {final.of})")
        said.append(f"  {one.faults.count} of {one.faults.of} runs spoilt by the bench, {one.incomplete} incomplete")
    for cause in figures.pareto[:_SHOWN]:
        said.append(f"  {cause.units} unit{'s' if cause.units > 1 else ''} failed first of {cause.name} "
                    f"({cause.process})")
    for low in sorted((one for one in figures.capability if one.is_capable is False),
                      key=lambda one: one.cpk.value if one.cpk else 0.0)[:_SHOWN]:
        if low.cpk is not None:
            said.append(f"  {low.name}: Cpk {low.cpk.value:.2f} ({low.cpk.low:.2f} ... {low.cpk.high:.2f})")
    restless = sorted({one.name for one in figures.charts if not one.is_calm})
    if restless:
        said.append(f"  not in control: {', '.join(restless[:_SHOWN])}"
                    f"{f' and {len(restless) - _SHOWN} more' if len(restless) > _SHOWN else ''}")
    for takt in figures.takt:
        if takt.grows and not takt.stage and takt.drift_s is not None:
            said.append(f"  takt at {takt.place} grows by {takt.drift_s[0]:.2f} s in 30 days")
    for found in figures.gauge:
        said.append(f"  gauge {found.name}: " + (found.why_not or (
            f"{found.gauge.share:.2f} % GRR, ndc {found.gauge.categories}" if found.gauge else "")))
    return said
