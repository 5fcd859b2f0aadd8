"""What engineers look at: yield and causes of today, takt, capability of a measurement, instruments, a unit's history.
From the store; the statistics are those of ``mcm-bench stats`` (``reports/statistics``)."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from bench.errors import BenchError
from bench.store.deposit import Depot
from bench.store.rows import searchable
from bench.store.store import head_of
from bench.store.tables import INSTRUMENT, RUN

Row = dict[str, Any]

DRAWN = 200
"""Values of a measurement that the page draws, the newest."""

DUE_SOON = timedelta(days=14)

FRESH_S = 10.0
"""Real seconds for which figures are not computed anew, however many pages ask."""


class Figures:
    """Of the store of ``depot``. ``days``: so far back a capability looks."""

    def __init__(self, depot: Depot, process: str, days: int = 7) -> None:
        self._depot = depot
        self._process = process
        self._days = days
        self._lock = threading.Lock()
        self._known: tuple[float, int, Row, Any] | None = None

    def all(self, measurement: str = "", unit: str = "") -> Row:
        """Raises ``BenchError`` where the store is away."""
        try:
            with self._lock:
                shown, lot = self._of_today()
                with self._depot.open().reading() as connection:
                    return {**shown, "capability": _capability(lot, measurement) if measurement else None,
                            "history": _history(connection, unit) if unit else []}
        except ValueError as error:
            raise BenchError("figures", expected="a store that can be read", seen=str(error)[:80],
                             do="mcm-bench records verify") from error

    def _of_today(self) -> tuple[Row, Any]:
        from reports.statistics.extract import lot_of
        from reports.statistics.lot import Question

        store = self._depot.open()
        with store.reading() as connection:
            head = head_of(connection)[0].sequence
            if self._known is not None and (self._known[1] == head or time.monotonic() - self._known[0] < FRESH_S):
                return self._known[2], self._known[3]
            instruments = _instruments(connection)
        midnight = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
        today = Question(since=midnight, process=self._process)
        lot = lot_of(store, replace(today, since=midnight - timedelta(days=self._days)))
        shown = {**_today(lot_of(store, today)), "instruments": instruments, "days": self._days,
                 "measurements": sorted(lot.series["name"].unique())}
        self._known = (time.monotonic(), head, shown, lot)
        return shown, lot


def _today(lot: Any) -> Row:
    from reports.statistics.pareto import pareto
    from reports.statistics.takt import takt
    from reports.statistics.yields import yields

    found = yields(lot)
    runs = len(lot.runs)
    first, final = (found[0].first_pass, found[0].final) if found else (None, None)
    return {"today": {"units": first.of if first else 0, "first_passed": first.count if first else 0,
                      "passed": final.count if final else 0, "errors": found[0].faults.count if found else 0,
                      "runs": runs},
            "pareto": [{"name": one.name.rpartition("::")[2], "units": one.units} for one in pareto(lot)[:10]],
            "takt": [{"place": one.place, "units": one.units, "median_s": one.median_s, "physics_s": one.physics_s}
                     for one in takt(lot) if not one.stage]}


def _instruments(connection: Connection) -> list[Row]:
    """Those that the newest run of each place had."""
    newest = select(func.max(RUN.c.sequence)).where(RUN.c.slot != "").group_by(RUN.c.slot)
    rows = connection.execute(select(RUN.c.slot, INSTRUMENT).join(RUN, RUN.c.sequence == INSTRUMENT.c.sequence).where(
        RUN.c.sequence.in_(newest)).order_by(RUN.c.slot, INSTRUMENT.c.number)).mappings().all()
    return [{**{name: row[name] for name in ("slot", "name", "identity", "serial", "firmware", "calibration_due")},
             "state": _calibration(row["calibration_due"])} for row in rows]


def _calibration(due: str) -> str:
    try:
        day = date.fromisoformat(due)
    except ValueError:
        return "unknown"
    today = datetime.now().astimezone().date()
    return "over" if day < today else "soon" if day < today + DUE_SOON else "good"


def _capability(lot: Any, name: str) -> Row | None:
    """Of first attempts, passed and failed, and the newest values."""
    from reports.statistics.capability import capabilities

    found = next((one for one in capabilities(lot) if one.name == name), None)
    if found is None:
        return None
    series = lot.series.filter(lot.series["name"] == name)["series"]
    values = lot.measurements.filter(lot.measurements["series"].is_in(series.to_list()))["value"].to_list()[-DRAWN:]
    index = found.cpk
    return {"name": found.name, "n": found.count, "values": values, "mean": found.mean, "unit": found.unit,
            "low": found.low, "high": found.high, "cpk": index.value if index else None,
            "interval": [index.low, index.high] if index else None, "reason": found.why_not}


def _history(connection: Connection, unit: str) -> list[Row]:
    rows = connection.execute(select(
        RUN.c.run_id, RUN.c.started_at, RUN.c.verdict, RUN.c.attempt, RUN.c.slot, RUN.c.operator, RUN.c.work_order,
        RUN.c.retest_reason, RUN.c.first_fail, RUN.c.message, RUN.c.process).where(
        RUN.c.unit_serial == searchable(unit.strip().upper())).order_by(RUN.c.sequence.desc()).limit(50)).mappings()
    return [dict(row) for row in rows]
