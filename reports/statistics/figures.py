"""All figures of a lot together, as the page and ``mcm-bench stats --json`` have them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

from reports.statistics.capability import Capability, capabilities
from reports.statistics.control_chart import Chart, charts
from reports.statistics.lot import Lot
from reports.statistics.pareto import Cause, pareto
from reports.statistics.study import Study
from reports.statistics.takt import Takt, takt
from reports.statistics.yields import Share, Yield, rolled_throughput, yields


@dataclass(frozen=True)
class Figures:
    """``store``: where the runs are; ``began`` and ``ended``: when the first and the last of them began (UTC), empty
    where there is none. ``studied``: the process that is a gauge study, if one was named."""

    store: str
    simulated: bool
    asked: Mapping[str, str]
    runs: int
    began: str
    ended: str
    yields: Sequence[Yield]
    rolled_throughput: float | None
    pareto: Sequence[Cause]
    capability: Sequence[Capability]
    charts: Sequence[Chart]
    takt: Sequence[Takt]
    studied: str = ""
    gauge: Sequence[Study] = ()

    @classmethod
    def of(cls, lot: Lot, store: str, studied: str = "", gauge: Sequence[Study] = ()) -> Figures:
        found, times = yields(lot), lot.runs["started_at"].drop_nulls()
        asked = {name: value if isinstance(value, str) else value.isoformat()
                 for name, value in asdict(lot.question).items() if value}
        return cls(store, lot.simulated, asked, len(lot.runs), str(times.min() or ""), str(times.max() or ""), found,
                   rolled_throughput(found), pareto(lot), capabilities(lot), charts(lot), takt(lot), studied, gauge)

    def to_json(self) -> dict[str, Any]:
        return {name: _plain(value) for name, value in vars(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Share):
        low, high = value.interval or (None, None)
        return {"count": value.count, "of": value.of, "share": value.share, "low": low, "high": high}
    if is_dataclass(value):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(one) for one in value]
    return value if not isinstance(value, float) or math.isfinite(value) else None
