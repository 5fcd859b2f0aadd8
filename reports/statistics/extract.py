"""What a year's figures are made of, kept in columns beside the store, so that nobody waits for it twice.

A store can only grow, and each entry has the hash of all before it: an extract that knows the hash of the entry up to
which it goes is right for as long as the store has that entry, and only what came after it must be read.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import func, select

from bench.errors import BenchError
from bench.store.canonical import canonical
from bench.store.files import write_durably
from bench.store.store import Store, head_of
from bench.store.tables import LEDGER, RUN
from reports.statistics.lot import (
    Lot,
    Question,
    cohort,
    in_series,
    is_wanted,
    read,
    read_measured,
    read_runs,
    read_stages,
)

FORM = 3
"""Of the files. Another one is made anew."""

FEW = 5_000
"""Runs that are read from the store as fast as from an extract."""

SEGMENT = 10_000
"""Entries of the ledger that have a file of their own. The last file is written again when something comes to it."""

TABLES = ("runs", "measurements", "stages")


@dataclass
class _State:
    """``segments``: the last entry of each; ``hash``: that of the last entry of all."""

    store: str
    form: int = FORM
    hash: str = ""
    segments: list[int] = field(default_factory=list)

    @property
    def last(self) -> int:
        return self.segments[-1] if self.segments else 0


def lot_of(store: Store, question: Question, tell: Callable[[str], None] = lambda _: None) -> Lot:
    """The runs that ``question`` means: from the store where they are few, else from its extract. ``tell`` hears what
    takes long. Raises ``BenchError``."""
    with store.reading() as connection:
        if connection.execute(select(func.count()).select_from(RUN)).scalar_one() <= FEW:
            return read(connection, question, simulated=store.simulated)
    return Extract(store.address.outside / "statistics").lot(store, question, tell)


class Extract:
    """The extract in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def lot(self, store: Store, question: Question, tell: Callable[[str], None] = lambda _: None) -> Lot:
        """As ``read`` gives it. Raises ``BenchError``."""
        try:
            with self._alone():
                state = self._grown(store, tell)
                runs, measurements, stages = (self._table(state, name) for name in TABLES)
                series = pl.read_parquet(self._folder / f"series-{state.last}.parquet")
        except (OSError, pl.exceptions.PolarsError) as error:
            raise BenchError(f"extract {self._folder}", expected="to read and write it",
                             seen=str(error).partition("\n")[0],
                             do="make room, or remove the folder: it is made again") from error
        meant = runs.filter(is_wanted(question))
        of_time = cohort(meant, question)
        if len(of_time) < len(runs):
            measurements, stages = (table.join(of_time.select("sequence"), on="sequence", how="semi",
                                               maintain_order="left") for table in (measurements, stages))
        return Lot(store.simulated, of_time, measurements, series, stages, question)

    def _table(self, state: _State, name: str) -> pl.DataFrame:
        return pl.read_parquet([self._folder / f"{name}-{last}.parquet" for last in state.segments])

    def _grown(self, store: Store, tell: Callable[[str], None]) -> _State:
        """The extract with all that is in the store by now."""
        state = self._state(store)
        with store.reading() as connection:
            head = head_of(connection)[0]
            while state.last < head.sequence:
                begin = state.segments[-2] if len(state.segments) > 1 else 0
                whole = state.last - begin >= SEGMENT or not state.segments
                last = min(head.sequence, (state.last if whole else begin) + SEGMENT)
                if last - state.last > FEW:
                    tell(f"reading the store for the first time: entry {last} of {head.sequence}")
                self._add(connection, state, last, goes_on=not whole)
                state.hash = connection.execute(select(LEDGER.c.hash).where(LEDGER.c.sequence == last)).scalar_one()
                write_durably(self._folder / "state.json", canonical(asdict(state)) + "\n")
                self._sweep(state)
        return state

    def _add(self, connection: Any, state: _State, last: int, *, goes_on: bool) -> None:
        """Entries up to ``last``: to the newest segment if it ``goes_on``, else in one of their own."""
        new = RUN.c.sequence.between(state.last + 1, last)
        runs = read_runs(connection, new)
        known = pl.read_parquet(self._folder / f"series-{state.last}.parquet") if state.segments else None
        series, measured = in_series(read_measured(connection, RUN.c.attempt == 1, new), runs, known)
        for name, table in zip(TABLES, (runs, measured, read_stages(connection, new)), strict=True):
            before = [pl.read_parquet(self._folder / f"{name}-{state.last}.parquet")] if goes_on else []
            whole = pl.concat([*before, table])
            if name == "measurements":
                whole = whole.sort("series", maintain_order=True)
            whole.write_parquet(self._folder / f"{name}-{last}.parquet", compression="lz4")
        series.write_parquet(self._folder / f"series-{last}.parquet")
        state.segments = [*(state.segments[:-1] if goes_on else state.segments), last]

    def _state(self, store: Store) -> _State:
        """What is there of this store; of another one, or of one that was made again, nothing is."""
        try:
            state = _State(**json.loads((self._folder / "state.json").read_text("ascii")))
            with store.reading() as connection:
                found = connection.execute(select(LEDGER.c.hash).where(LEDGER.c.sequence == state.last)).scalar()
            if state.form == FORM and state.store == store.id and found == state.hash:
                return state
        except (OSError, ValueError, TypeError):
            pass
        for path in self._folder.glob("*.parquet"):
            path.unlink()
        return _State(store.id)

    def _sweep(self, state: _State) -> None:
        """Files that no segment has any more."""
        kept = {f"{name}-{last}" for name in TABLES for last in state.segments} | {f"series-{state.last}"}
        for path in self._folder.glob("*.parquet"):
            if path.stem not in kept:
                path.unlink()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
