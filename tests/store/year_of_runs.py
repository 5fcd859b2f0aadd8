"""A store with a year of a line in it, for speeds: the rows are those of runs, of each the ledger has its stages only."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert

from bench.store.address import StoreAddress
from bench.store.canonical import canonical, link
from bench.store.store import Store, add_rows, create, head_of
from bench.store.tables import LEDGER, SEARCHED

BEGAN = datetime(2026, 1, 1, 6, 0, tzinfo=UTC)
NAMES = [f"{kind}.{number}" for kind in ("led", "power", "network", "telegram") for number in range(7)]
STAGES = ("power-up", "delivery", "settings", "activation", "join", "device management", "telegrams", "sleep")


def fill(address: StoreAddress, units: int, a_day: int = 500, seed: int = 1) -> Store:
    """A real store with ``units`` units, of which 3 in 100 fail at first; half of those pass when tested again,
    and the takt of slot 3 grows."""
    store = create(address, simulated=False)
    chance = random.Random(seed)
    sequence = 2
    while units > 0:
        block: list[dict[str, list[dict[str, Any]]]] = []
        for _ in range(min(units, 1000)):
            for attempt, verdict in enumerate(_attempts(chance), start=1):
                block.append(_run(chance, sequence, units, attempt, verdict, a_day))
                sequence += 1
            units -= 1
        _put(store, block)
    return store


def _attempts(chance: random.Random) -> Sequence[str]:
    return ["pass"] if chance.random() > 0.03 else ["fail", chance.choice(["pass", "fail"])]


def _run(chance: random.Random, sequence: int, unit: int, attempt: int, verdict: str, a_day: int) -> (
        dict[str, list[dict[str, Any]]]):
    day, slot = divmod(sequence, a_day)[0], sequence % 4
    began = BEGAN + timedelta(days=day, seconds=(sequence % a_day) * 57)
    run = {column.name: "" for column in SEARCHED[0].columns} | {
        "sequence": sequence, "run_id": f"run-{sequence}", "simulated": 0, "complete": 1, "schema_version": 3,
        "kind": "line", "process": "line", "unit_serial": f"94193A04{unit:08X}", "fw_version": f"2.{day // 120}.0",
        "station": "place 1", "slot": str(slot), "duration_s": 100.0, "attempt": attempt, "verdict": verdict,
        "bin": 1 if verdict == "pass" else 10, "first_fail": chance.choice(NAMES[:4]) if verdict == "fail" else "",
        "started_at": began.isoformat(timespec="seconds")}
    measured = [{"sequence": sequence, "number": number, "phase": 1, "name": name,
                 "value": chance.gauss(5 + number / 50, 0.3), "unit": "s", "low": 3.5, "high": 7.0, "guard_band": 0.0,
                 "verdict": "pass"} for number, name in enumerate(NAMES, start=1)]
    return {"run": [run], "phase": [], "measurement": measured, "artifact": [], "instrument": [],
            "stages": [{"name": name, "took_s": chance.gauss(12.5 + (0.004 * day if slot == 3 else 0), 0.2)}
                       for name in STAGES]}


def _put(store: Store, block: list[dict[str, Any]]) -> None:
    with store.writing() as connection:
        entries, last = [], head_of(connection)[0].hash
        for rows in block:
            at, stages = 0.0, []
            for stage in rows.pop("stages"):
                stages.append({"began_s": at, "busy_s": 0.1, "ended_s": at + stage["took_s"], "name": stage["name"],
                               "physics_s": 12.0, "verdict": "pass"})
                at += stage["took_s"]
            (run,), body = rows["run"], canonical({"stages": stages})
            entries.append({"sequence": run["sequence"], "kind": "run", "stored_at": run["started_at"], "body": body,
                            "prev_hash": last})
            last = entries[-1]["hash"] = link(run["sequence"], "run", run["started_at"], body, last)
        connection.execute(insert(LEDGER), entries)
        add_rows(connection, block)
