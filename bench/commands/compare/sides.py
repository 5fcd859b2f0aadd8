"""The runs on the two sides of a comparison, from their directories or from a store, and how far they can be compared.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.errors import BenchError, unknown
from reports.run import Run
from reports.shown import Shown, shown


@dataclass(frozen=True, slots=True)
class Side:
    """The runs of one firmware. ``shown`` has the facts of each."""

    name: str
    runs: tuple[Run, ...]
    shown: tuple[Shown, ...]

    @classmethod
    def of(cls, name: str, directories: Sequence[Path], runs: Sequence[Run] = ()) -> Side:
        """Runs by their directories (or folders that hold some), and such as were read already. Raises ``BenchError``
        for what is none, and for the same run twice."""
        found = [*(Run.load(one) for one in _directories(directories)), *runs]
        if not found:
            raise BenchError(f"the {name} side", expected="one run at least", seen="none", do="name a run's directory")
        places = [run.directory.resolve() for run in found]
        twice = next((one for one in places if places.count(one) > 1), None)
        if twice is not None:
            raise BenchError(f"the {name} side", expected="each run once", seen=f"{twice} twice", do="take one out")
        return cls(name, tuple(found), tuple(shown(run, _labs(run)) for run in found))

    @property
    def unit(self) -> str:
        return ", ".join(sorted({run.unit or "unknown" for run in self.runs}))

    @property
    def firmware(self) -> str:
        """As the units said it; empty where nobody asked."""
        return ", ".join(dict.fromkeys(version for run in self.runs if run.manifest is not None
                                       for version in run.manifest.unit_firmware))

    def verdicts(self, test: str) -> list[str]:
        """The verdicts of a test in the runs that have it, skipped ones excepted."""
        return [one.verdict for run in self.runs for one in run.tests if one.id == test and one.verdict != "skipped"]


def _directories(given: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for one in given:
        if one.is_dir() and not (one / "record.json").exists():
            inside = sorted(path.parent for path in one.glob("*/record.json"))
            if not inside:
                seen = "results.ndjson of a run that was killed or goes on" if (one / "results.ndjson").exists() \
                    else "no record.json"
                raise BenchError(f"run {one}", expected="a record, or a folder of runs", seen=seen,
                                 do="name the directory of a run that has ended")
            found += inside
        else:
            found.append(one)
    return found


def _labs(run: Run) -> int:
    """How many lives the unit had: older records don't say."""
    try:
        return int(json.loads((run.directory / "record.json").read_text("utf-8")).get("labs") or 1)
    except (OSError, ValueError, TypeError):
        return 1


# -- from a store


_COLUMNS = ("unit", "verdict", "profile", "station", "work_order", "instrument", "since", "until", "partial")
_LIMIT = 1000


def from_store(store: str | None, station: Path | None, where: str, stack: ExitStack) -> list[Run]:
    """The runs of a store that a query like ``firmware=2.3.1,profile=regression`` names, newest first. Their evidence
    counts where it is still at its place on this machine; a record without it is taken alone. Raises ``BenchError``."""
    from bench.commands.records import depot
    from bench.store import search

    asked = _query(where)
    firmware, run_id, limit = asked.pop("firmware", ""), asked.pop("run", ""), int(asked.pop("limit", _LIMIT))
    wanted = search.Wanted(**{name: _column(name, value) for name, value in asked.items()})
    runs: list[Run] = []
    with depot(store, station).open().reading() as connection:
        ids = [run_id] if run_id else [row["run_id"] for row in search.find(connection, wanted, _LIMIT)]
        for one in ids:
            kept = search.show(connection, one)
            if not firmware or firmware in kept["record"].get("manifest", {}).get("unit_firmware", ()):
                runs.append(_kept(kept, stack))
            if len(runs) == limit:
                break
    if not runs:
        raise BenchError(f"--where {where}", expected="runs in the store", seen="none that is so",
                         do="look with mcm-bench records find; what was narrowed is found with partial=yes")
    return runs


def _query(where: str) -> dict[str, str]:
    asked = dict(part.strip().partition("=")[::2] for part in where.split(",") if part.strip())
    for name, value in asked.items():
        if name not in (*_COLUMNS, "firmware", "run", "limit"):
            raise unknown(f"--where {name}", name, (*_COLUMNS, "firmware", "run", "limit"),
                          "write it like firmware=2.3.1,profile=regression")
        if not value or (name == "limit" and not value.isdigit()):
            raise BenchError(f"--where {name}", expected="a value", seen=value or "none",
                             do="write it like firmware=2.3.1,limit=5")
    return asked


def _column(name: str, value: str) -> Any:
    if name == "partial":
        return value in ("yes", "true", "1")
    if name in ("since", "until"):
        try:
            return datetime.fromisoformat(value).astimezone()
        except ValueError as error:
            raise BenchError(f"--where {name}", expected="a date such as 2027-01-31", seen=value,
                             do="correct it") from error
    return value


def _kept(kept: Mapping[str, Any], stack: ExitStack) -> Run:
    directory, record = Path(str(kept.get("run_dir") or "")), kept["record"]
    try:
        if json.loads((directory / "record.json").read_text("utf-8")) == record:
            return Run.load(directory)
    except (OSError, ValueError):
        pass
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / str(kept.get("run_id") or "run")
    folder.mkdir()
    (folder / "record.json").write_text(json.dumps(record), encoding="utf-8")
    return Run.load(folder)


# -- how far they can be compared


@dataclass(frozen=True, slots=True)
class Caution:
    """In what the sides differ beside the firmware, and what therefore is not compared: ``verdicts`` of tests, or
    ``numbers``."""

    text: str
    verdicts: bool = False
    numbers: bool = False


def cautions(old: Side, new: Side) -> list[Caution]:
    """All of it; empty for two sides that differ in the unit's firmware only."""
    found = []

    def differ(what: str, of: Callable[[Run], str], so: str, *, verdicts: bool = False, numbers: bool = False) -> None:
        one, other = (sorted({of(run) for run in side.runs} - {""}) for side in (old, new))
        if one != other and one and other:
            short = [", ".join(text[:40] for text in texts) for texts in (one, other)]
            found.append(Caution(f"{what}: {short[0]} against {short[1]}; {so}", verdicts, numbers))

    differ("profiles", lambda run: run.profile, "only the tests of both are compared")
    differ("units", lambda run: run.unit or "", "what one unit is by its nature looks like a change of firmware")
    differ("simulated and real runs", lambda run: "simulated" if run.simulated else "real",
           "times and energies are those of two worlds, and are not compared", numbers=True)
    differ("benches", _bench, "what the bench itself does may have changed with it")
    differ("stations", lambda run: _instruments(run), "numbers hold to within what the instruments differ by")
    differ("suites", lambda run: _input(run, "suites"), "a test may ask for something else; a changed verdict is "
           "named, and is not laid to the firmware", verdicts=True)
    differ("limits", lambda run: _input(run, "limits"), "a changed verdict of what is measured may be the limit's; "
           "it is not laid to the firmware", verdicts=True)
    differ("lists of requirements", lambda run: _input(run, "requirements"), "their table shows this bench's")
    missing = [text for side in (old, new) for one in side.shown for text in one.missing]
    found += [Caution(f"evidence: {text}") for text in dict.fromkeys(missing)]
    for side in (old, new):
        wrong = [run for run in side.runs if run.verdict == "error" or run.message]
        if wrong:
            found.append(Caution(f"the {side.name} side has {len(wrong)} runs with a fault of the bench; tests that "
                                 "ended in one say nothing of the unit"))
    if min(len(old.runs), len(new.runs)) == 1:
        found.append(Caution("one run on a side: what differs from run to run of one firmware isn't known there, and "
                             "is taken for as small as within a run"))
    return found


def _bench(run: Run) -> str:
    if run.manifest is None:
        return "of an older record"
    software = run.manifest.software
    return f"{software.version} {software.commit[:12]}{' with changes' if software.modified else ''}".strip()


def _instruments(run: Run) -> str:
    found = run.manifest.instruments if run.manifest is not None else []
    return "; ".join(f"{one.name} {one.identity}" for one in found)


def _input(run: Run, name: str) -> str:
    return run.manifest.inputs.get(name, "")[:12] if run.manifest is not None else ""
