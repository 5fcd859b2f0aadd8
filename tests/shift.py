"""A shift on the twin: many units over several places, in virtual time, while supervisor, places, their runs and
PostgreSQL are killed at random moments. Then everything is counted, from the store, the page's words and the run
directories, and held against what was put in.

    python tests/shift.py [UNITS] [--places N] [--kills N] [--defects PERCENT] [--seed N] [--store sqlite|postgresql]

``make shift`` runs the long form. Exit code 0: all that is promised was kept. Ended by SIGINT or SIGTERM it counts what
was done until then.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "store"))

from postgres import Server  # type: ignore[import-not-found,unused-ignore]

from bench.store import search
from bench.store.address import StoreAddress
from bench.store.deposit import Depot
from bench.store.store import create
from bench.store.verify import verify

DEFECTS = ("sleep-current-high", "lock-stops-dm", "silent-after-joining", "off-at-20-ua")
FIRST = 0x94193A0402000000
FREE = ("ready", "verdict")
STORED = {"duplicates.passed": "pass", "retest.again": "fail", "retest.spent": "fail"}
"""What a unit is refused for, by the verdict that is stored of it."""

PATIENCE_S = 900.0
"""Real seconds without a unit finished, after which something hangs."""

TOLD = 20
"""Units between two lines about how far it is."""


@dataclass
class Shift:
    folder: Path
    places: int
    store: str
    page: str
    rng: random.Random
    server: Server | None
    killed: Counter[str] = field(default_factory=Counter)
    process: subprocess.Popen[bytes] | None = None

    @property
    def depot(self) -> Depot:
        return Depot(StoreAddress.of(self.store))

    def start(self) -> None:
        log = (self.folder / "station.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.cli", "station", "--twin", str(self.places), "--runs",
             str(self.folder / "runs"), "--store", self.store, "--twin-defects", str(self.folder / "defects.json"),
             "--page", self.page], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            env={**os.environ, "XDG_STATE_HOME": str(self.folder / "state")})

    def ask(self, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Status and answer; 0 where nobody answers."""
        request = urllib.request.Request(f"http://{self.page}/api/{path}", headers={"Content-Type": "application/json"},
                                         data=json.dumps(body).encode() if body is not None else None)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        except (OSError, ValueError):
            return 0, {}

    # -- killing

    def processes(self) -> dict[str, list[int]]:
        """Those of this shift, by what they are."""
        found: dict[str, list[int]] = {"supervisor": [self.process.pid] if self.process else [], "place": [], "run": []}
        for folder in Path("/proc").iterdir():
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
                if b"bench.commands.station.place" in words and str(self.folder / "runs").encode() in b"".join(words):
                    found["place"].append(int(folder.name))
            except (OSError, ValueError):
                continue
        for folder in Path("/proc").iterdir():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if parent in found["place"] and b"bench.commands.child" in (folder / "cmdline").read_bytes():
                    found["run"].append(int(folder.name))
            except (OSError, ValueError, IndexError):
                continue
        return found

    def kill_one(self) -> None:
        """Kill something that is there: where nobody runs of what was drawn, something else is drawn."""
        kinds = ["supervisor", "place", "place", "run", *(["database"] if self.server else [])]
        kind = self.rng.choice(kinds)
        while not (self.kill_database() if kind == "database" else self.kill_process(kind)):
            kind = self.rng.choice(kinds)
        self.killed[kind] += 1

    def kill_database(self) -> bool:
        assert self.server is not None
        self.server.kill()
        try:
            time.sleep(self.rng.uniform(0, 6))    # an outage of some seconds, drawn like all else
        finally:
            self.server.start()
        return True

    def kill_process(self, kind: str) -> bool:
        """False: there was none."""
        pids = self.processes()[kind]
        if not pids:
            return False
        try:
            os.kill(self.rng.choice(pids), signal.SIGKILL)
        except ProcessLookupError:
            return False
        if kind == "supervisor" and self.process is not None:
            self.process.wait()
            time.sleep(self.rng.uniform(0, 2))
            self.start()
        return True


def work(shift: Shift, units: list[str], kills: int, verdicts: dict[str, str]) -> tuple[int, list[str]]:
    """Scan all ``units`` until each has one of ``verdicts``; how often a lead had to unlock a place, and problems."""
    waiting, unlocked, problems, told_of = list(units), 0, list[str](), 0
    at: dict[int, str] = {}
    refused = ""
    last, kill_at = time.monotonic(), sorted(shift.rng.uniform(0, 0.97) for _ in range(kills))
    while len(verdicts) < len(units):
        if len(verdicts) >= told_of + TOLD:
            told_of = len(verdicts)
            print(f"{told_of} units, {shift.killed.total()} kills", flush=True)
        if time.monotonic() - last > PATIENCE_S:
            problems.append(f"no unit has ended for {PATIENCE_S:g} s; at the places: {at}; refused last: {refused}")
            break
        if kill_at and kill_at[0] <= len(verdicts) / len(units):
            time.sleep(shift.rng.uniform(0, 3))
            kill_at.pop(0)
            shift.kill_one()
        status, told = shift.ask("state")
        if status != 200:
            time.sleep(0.3)
            continue
        for row in told["station"]["stored"]:
            if row["verdict"] in ("pass", "fail") and row["unit"] not in verdicts:
                verdicts[row["unit"]], last = row["verdict"], time.monotonic()
        kept = {row["unit"] for row in told["station"]["waiting"]}
        for place in told["places"]:
            number, unit = place["number"], place["unit"]
            if place["state"] == "locked":
                unlocked += shift.ask("unlock", {"place": number, "reason": "nothing found"})[0] == 200
            if place["state"] in ("verdict", "locked", "sealing") and unit and unit not in verdicts and (
                    place["verdict"] in ("pass", "fail")):
                verdicts[unit], last = place["verdict"], time.monotonic()
                at.pop(number, None)
            elif place["state"] in FREE and at.get(number) == unit and place["verdict"] in ("error", "incomplete", ""):
                at.pop(number, None)
        for place in told["places"]:
            busy = set(at.values()) | {one["unit"] for one in told["places"] if one["state"] not in FREE}
            unit = next((one for one in waiting if one not in verdicts and one not in busy and one not in kept), None)
            if unit is None or place["state"] not in FREE:
                continue
            status, said = shift.ask("scan", {"text": unit, "place": place["number"]})
            if status == 200:
                at = {number: one for number, one in at.items() if one != unit} | {place["number"]: unit}
            elif said.get("code") in STORED:    # its place was killed between the store and the page
                verdicts[unit], last = STORED[said["code"]], time.monotonic()
            else:
                refused = said.get("text", "nobody answered")
        at = {number: one for number, one in at.items() if one not in verdicts}
        states = {place["number"]: place["state"] for place in told["places"]}
        at = {number: one for number, one in at.items() if states.get(number) not in ("off", "starting")}
        time.sleep(0.2)
    return unlocked, problems


def judge(shift: Shift, units: list[str], broken: dict[str, list[str]], verdicts: dict[str, str]) -> list[str]:
    """Hold what the store has against what was put in. Sentences of what is wrong."""
    wrong: list[str] = []
    depot = shift.depot
    done = depot.flush()
    wrong += [f"refused {run}: {why}" for run, why in done.refused.items()]
    if depot.spool.waiting() or list(depot.spool.refused.glob("*")):
        wrong.append("the spool is not empty")
    anchor = depot.anchor.read()
    with depot.open().reading() as connection:
        report = verify(connection, [anchor] if anchor else [])
        rows = search.find(connection, search.Wanted(partial=True), 1_000_000)
        passes = [search.show(connection, row["run_id"])["record"] for row in rows if row["verdict"] == "pass"]
    wrong += report.findings
    if not report.vouched:
        wrong.append("nothing vouches for the end of the chain")
    runs = Counter(row["run_id"][-6:] for row in rows)
    folders = {path.name.rpartition("-")[2] for path in (shift.folder / "runs").glob("place-*/*Z-*") if path.is_dir()}
    wrong += [f"run {name}: {count} records" for name, count in runs.items() if count != 1]
    wrong += [f"run directory {name} has no record in the store" for name in folders - runs.keys()]
    for unit in units:
        judged = sorted((row for row in rows if row["unit_serial"] == unit and row["verdict"] in ("pass", "fail")
                         and row["complete"]), key=lambda row: row["sequence"])
        if [row["attempt"] for row in judged] != list(range(1, len(judged) + 1)):
            wrong.append(f"unit {unit}: attempts {[row['attempt'] for row in judged]}")
        if not judged or judged[-1]["verdict"] != verdicts.get(unit):
            stored = judged[-1]["verdict"] if judged else "nothing"
            wrong.append(f"unit {unit}: the page said {verdicts.get(unit)}, the store says {stored}")
        wanted = "fail" if unit in broken else "pass"
        if any(row["verdict"] != wanted for row in judged):
            wrong.append(f"unit {unit} {' '.join(broken.get(unit, []))}: {[row['verdict'] for row in judged]}")
    judges = max((len(record["tests"]) for record in passes), default=0)
    for record in passes:
        passed = sum(test["verdict"] == "pass" for test in record["tests"])
        if passed != judges or len(record["stages"]) != 14 or record["not_delivered"] or record["manifest"]["left_out"]:
            wrong.append(f"unit {record['unit']}: a pass that is not complete")
    if any(path.exists() for path in (shift.folder / "runs").glob("place-*/opened.json")):
        wrong.append("a run was left open")
    counts = Counter(row["verdict"] for row in rows)
    print(f"{len(rows)} records of {len(folders)} runs: " + ", ".join(f"{n} {verdict}" for verdict, n in
                                                                     sorted(counts.items())))
    print(f"chain of {report.entries} entries, head {report.head}")
    return wrong


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("units", type=int, nargs="?", default=400)
    parser.add_argument("--places", type=int, default=8)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--defects", type=float, default=5.0, help="percent of the units")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="postgresql")
    asked = parser.parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    rng = random.Random(asked.seed)
    units = [f"{FIRST + asked.seed * 100_000 + number:016X}" for number in range(asked.units)]
    count = max(1, round(asked.units * asked.defects / 100))
    broken = {unit: [rng.choice(DEFECTS)] for unit in rng.sample(units, count)}
    server = Server() if asked.store == "postgresql" else None
    with tempfile.TemporaryDirectory(prefix="mcm-shift-") as name, socket.socket() as free:
        free.bind(("127.80.0.1", 0))
        page = f"127.80.0.1:{free.getsockname()[1]}"
        free.close()
        folder = Path(name)
        (folder / "defects.json").write_text(json.dumps(broken))
        shift = Shift(folder, asked.places, server.database() if server else str(folder / "records.db"), page, rng,
                      server)
        os.environ["XDG_STATE_HOME"] = str(folder / "state")    # spool and anchor of the store
        began = time.monotonic()
        try:
            shift.depot.accept(create(shift.depot.address, simulated=True))
            shift.start()
            verdicts: dict[str, str] = {}
            unlocked, wrong = 0, list[str]()
            try:
                unlocked, wrong = work(shift, units, asked.kills, verdicts)
            except KeyboardInterrupt:
                wrong = [f"ended by hand: {len(verdicts)} of {len(units)} units"]
                units = [unit for unit in units if unit in verdicts]
            assert shift.process is not None
            shift.process.terminate()
            shift.process.wait(PATIENCE_S)
            wrong += judge(shift, units, broken, verdicts)
        finally:
            if shift.process is not None and shift.process.poll() is None:
                shift.process.kill()
            if server is not None:
                server.remove()
        print(f"seed {asked.seed}: {len(units)} units over {asked.places} places in {time.monotonic() - began:.0f} s, "
              f"{len(broken)} of them broken; killed: "
              + (", ".join(f"{n} x {kind}" for kind, n in sorted(shift.killed.items())) or "nothing")
              + f"; {unlocked} places unlocked")
        for sentence in wrong:
            print(f"WRONG: {sentence}")
        print("all that is promised was kept" if not wrong else f"{len(wrong)} things are wrong")
        if wrong:
            print((folder / "station.log").read_text()[-3000:])
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
