"""What engineers look at: yield today, what fails, capability of a measurement, takt, instruments, a unit's history.
All of it from the store, at most some thousands of rows at a time."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, func, select

from bench.errors import BenchError
from bench.measure import Verdict
from bench.store.deposit import Depot
from bench.store.rows import searchable
from bench.store.tables import INSTRUMENT, MEASUREMENT, RUN

Row = dict[str, Any]

MOST, DRAWN = 2000, 200
"""Values of which a capability is computed, the newest; values that the page draws."""

LEAST = 30
"""With fewer values a capability says nothing."""

DUE_SOON = timedelta(days=14)


class Figures:
    """Of the store of ``depot``."""

    def __init__(self, depot: Depot) -> None:
        self._depot = depot

    def all(self, measurement: str = "", unit: str = "") -> Row:
        """Raises ``BenchError`` where the store is away."""
        today = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
        since = today.astimezone(UTC).isoformat(timespec="seconds")
        try:
            with self._depot.open().reading() as connection:
                return {"today": _today(connection, since), "takt": _takt(connection, since),
                        "instruments": _instruments(connection), "measurements": _names(connection),
                        "capability": _capability(connection, measurement) if measurement else None,
                        "history": _history(connection, unit) if unit else []}
        except ValueError as error:
            raise BenchError("figures", expected="a store that can be read", seen=str(error)[:80],
                             do="mcm-bench records verify") from error


def _today(connection: Connection, since: str) -> Row:
    """First-pass yield: units whose first attempt passed, of those that had one; the bench's faults are apart."""
    runs = connection.execute(select(RUN.c.verdict, RUN.c.attempt, RUN.c.unit_serial, RUN.c.first_fail).where(
        RUN.c.started_at >= since, RUN.c.process == "line").order_by(RUN.c.sequence)).all()
    judged = [run for run in runs if run.verdict in (Verdict.PASS, Verdict.FAIL)]
    first = [run for run in judged if run.attempt == 1]
    newest = {run.unit_serial: run.verdict for run in judged}
    pareto = Counter(run.first_fail for run in first if run.verdict == Verdict.FAIL)
    return {"units": len(newest), "first_passed": sum(run.verdict == Verdict.PASS for run in first),
            "first": len(first), "passed": sum(one == Verdict.PASS for one in newest.values()),
            "errors": sum(run.verdict == Verdict.ERROR for run in runs), "runs": len(runs),
            "pareto": [{"name": name.rpartition("::")[2], "units": count} for name, count in pareto.most_common(10)]}


def _takt(connection: Connection, since: str) -> list[Row]:
    """Of each place: how long its units take, and how long from one to the next."""
    runs = connection.execute(select(RUN.c.slot, RUN.c.started_at, RUN.c.duration_s).where(
        RUN.c.started_at >= since, RUN.c.slot != "").order_by(RUN.c.sequence.desc()).limit(MOST)).all()
    rows = []
    for slot in sorted({run.slot for run in runs}, key=lambda text: (len(text), text)):
        mine = [run for run in runs if run.slot == slot]
        began = sorted(datetime.fromisoformat(run.started_at) for run in mine)
        gaps = [(after - before).total_seconds() for before, after in pairwise(began)]
        rows.append({"place": slot, "runs": len(mine), "run_s": statistics.median(run.duration_s for run in mine),
                     "takt_s": statistics.median(gaps) if gaps else None})
    return rows


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


def _names(connection: Connection) -> list[str]:
    newest = select(func.max(RUN.c.sequence)).where(RUN.c.process == "line", RUN.c.complete == 1,
                                                    RUN.c.verdict == Verdict.PASS)
    return sorted({row.name for row in connection.execute(select(MEASUREMENT.c.name).where(
        MEASUREMENT.c.sequence.in_(newest)))})


def _capability(connection: Connection, name: str) -> Row:
    """Cpk of first attempts, passed and failed; the spread is that from one unit to the next (mean moving range /
    1.128)."""
    columns = (MEASUREMENT.c.value, MEASUREMENT.c.unit, MEASUREMENT.c.low, MEASUREMENT.c.high)
    rows = connection.execute(select(*columns).join(
        RUN, RUN.c.sequence == MEASUREMENT.c.sequence).where(
        MEASUREMENT.c.name == searchable(name), RUN.c.attempt == 1, RUN.c.complete == 1, RUN.c.process == "line",
        RUN.c.verdict.in_((Verdict.PASS, Verdict.FAIL)), MEASUREMENT.c.value.is_not(None)).order_by(
        RUN.c.sequence.desc()).limit(MOST)).all()[::-1]
    values = [row.value for row in rows]
    found: Row = {"name": searchable(name), "n": len(values), "values": values[-DRAWN:], "cpk": None, "mean": None,
                  "unit": rows[-1].unit if rows else "", "low": rows[-1].low if rows else None,
                  "high": rows[-1].high if rows else None}
    if len(values) < LEAST:
        return found | {"reason": f"{len(values)} of {LEAST} values"}
    mean = statistics.fmean(values)
    spread = statistics.fmean(abs(after - before) for before, after in pairwise(values)) / 1.128
    nearer = min(found["high"] - mean if found["high"] is not None else math.inf,
                 mean - found["low"] if found["low"] is not None else math.inf)
    cpk = nearer / (3 * spread) if spread > 0 and math.isfinite(nearer) else None
    return found | {"mean": mean, "cpk": cpk}


def _history(connection: Connection, unit: str) -> list[Row]:
    rows = connection.execute(select(
        RUN.c.run_id, RUN.c.started_at, RUN.c.verdict, RUN.c.attempt, RUN.c.slot, RUN.c.operator, RUN.c.work_order,
        RUN.c.retest_reason, RUN.c.first_fail, RUN.c.message, RUN.c.run_dir, RUN.c.process, RUN.c.complete).where(
        RUN.c.unit_serial == searchable(unit.strip().upper())).order_by(RUN.c.sequence.desc()).limit(50)).mappings()
    return [dict(row) for row in rows]
