"""What people do at a station, into the store's ledger: overrides, and what locks are undone by."""

from __future__ import annotations

from collections.abc import Iterable

from bench.errors import BenchError
from bench.policies.facts import Override
from bench.policies.file import Policies
from bench.policies.history import FIXTURE_RESET, OVERRIDE, UNLOCKED
from bench.policies.people import Person, Role
from bench.store.deposit import Depot


def note_overrides(depot: Depot, overrides: Iterable[Override]) -> None:
    """Before the unit starts: each is on the disk when this returns, in the store or waiting for it. Raises
    ``BenchError`` where there is no room for it; then the unit is not to be started."""
    for one in overrides:
        depot.note(OVERRIDE, one.to_json())


def fixture_was_renewed(depot: Depot, policies: Policies, by: Person, place: str, why: str) -> None:
    """The cycles at ``place`` are counted anew. Raises ``BenchError`` for who may not."""
    needed = policies.fixture.reset if policies.fixture is not None else Role.NOBODY
    _note(depot, FIXTURE_RESET, needed, by, place, why)


def unlock(depot: Depot, policies: Policies, by: Person, place: str, why: str) -> None:
    """A place that has erred is used again. Raises ``BenchError`` for who may not."""
    _note(depot, UNLOCKED, policies.errors.unlock, by, place, why)


def _note(depot: Depot, kind: str, needed: Role, by: Person, place: str, why: str) -> None:
    if not by.role.may(needed):
        raise BenchError(kind, expected=f"{needed.with_article}", seen=str(by), do="have them scan their badge")
    if not why.strip():
        raise BenchError(kind, expected="what was done, in a few words", seen="nothing", do="say it")
    depot.note(kind, {"who": by.name, "role": by.role, "what": kind, "why": why, "place": place})
