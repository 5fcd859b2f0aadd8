"""Removing evidence of units that passed, so that the disk lasts.

The floor: nothing of a unit that did not pass, nothing of the last ``FLOOR_DAYS``, and of no unit the record with its
measurements and hashes, nor its page.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from sqlalchemy import select

from bench.errors import BenchError
from bench.manifest import operator
from bench.store.canonical import canonical, digest
from bench.store.search import thinned
from bench.store.store import Store, head_of
from bench.store.tables import LEDGER, RUN
from bench.verdict import Verdict

FLOOR_DAYS = 7
_KEPT = ("record.json", "report.html")


@dataclass(frozen=True)
class Policy:
    """Evidence of passed units goes after ``days``, but of every ``keep_one_in``-th it stays."""

    days: int
    keep_one_in: int = 20

    def __post_init__(self) -> None:
        if self.days < FLOOR_DAYS or self.keep_one_in < 2:
            raise BenchError("policy of thinning", expected=f"at least {FLOOR_DAYS} days, and one kept of 2 or more",
                             seen=f"{self.days} days, one in {self.keep_one_in}", do="correct it")


@dataclass
class Thinned:
    """``runs``: the files that went, or would go, by run; ``odd``: what was left alone, and why."""

    runs: dict[str, list[str]] = field(default_factory=dict)
    octets: int = 0
    odd: list[str] = field(default_factory=list)


def thin(store: Store, policy: Policy, *, dry_run: bool = False) -> Thinned:
    """Remove what ``policy`` lets go of, of the runs that have their directory on this machine. What goes is in the
    ledger before it does."""
    done = Thinned()
    paths: dict[str, list[Path]] = {}
    with store.reading() as connection:
        before = thinned(connection)
    for body in _old_passes(store, policy):
        run_id = str(body["run_id"])
        files = list(_files(body, done))
        if files:
            paths[run_id] = files
            done.octets += sum(path.stat().st_size for path in files)
            done.runs[run_id] = [path.relative_to(body["run_dir"]).as_posix() for path in files]
    if dry_run or not done.runs:
        return done
    if done.runs.keys() - before.keys():
        store.add_event("thinned", {"by": operator(), "policy": asdict(policy), "runs": done.runs})
    for path in (one for files in paths.values() for one in files):
        path.unlink(missing_ok=True)
    return done


def _old_passes(store: Store, policy: Policy) -> Iterator[Mapping[str, Any]]:
    with store.reading() as connection:
        # A clock that stands ahead must not make all evidence old: what was stored last is not from the future.
        newest = datetime.fromisoformat(head_of(connection)[1])
        oldest_kept = min(newest, datetime.now(UTC)) - timedelta(days=policy.days)
        sequences = connection.execute(select(RUN.c.sequence).join(LEDGER).where(
            RUN.c.verdict == Verdict.PASS, RUN.c.complete == 1, RUN.c.sequence % policy.keep_one_in != 0,
            LEDGER.c.stored_at < oldest_kept.isoformat(timespec="milliseconds"))).scalars().all()
        for sequence in sequences:
            body = json.loads(connection.execute(select(LEDGER.c.body).where(
                LEDGER.c.sequence == sequence)).scalar_one())
            if body.get("host") == platform.node():
                yield body


def _files(body: Mapping[str, Any], done: Thinned) -> Iterator[Path]:
    """The evidence of a run that is still there, as its record names it, and in the run's directory."""
    folder = Path(body["run_dir"])
    try:
        record = json.loads((folder / "record.json").read_text("utf-8"))
        if digest(canonical(record)) != digest(canonical(body["record"])):
            done.odd.append(f"{folder}: its record is not the one that was stored")
            return
    except FileNotFoundError:    # moved, or removed
        return
    except (OSError, ValueError) as error:
        done.odd.append(f"{folder}: {error}")
        return
    for artifact in body["record"]["artifacts"]:
        name = PurePosixPath(artifact["path"])
        path = folder / name
        if name.is_absolute() or ".." in name.parts or name.name in _KEPT or not path.is_file():
            continue
        if path.resolve() != folder.resolve() / name:
            done.odd.append(f"{path}: leads elsewhere")
            continue
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found == artifact["sha256"]:
            yield path
        else:
            done.odd.append(f"{path}: is not what its record names")
