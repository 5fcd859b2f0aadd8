"""What servers keep for ever comes back from the disk as it went there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import pytest

from bench.backend.bootstrap_steps import Discover, Finish, Read
from bench.backend.dm_observation import Notification
from bench.backend.files import BlockRequest
from bench.journal import Journal
from bench.protocols.lwm2m import Path
from fixtures.bench import Bench
from fixtures.bootstrap import Bootstrap
from fixtures.dm import Dm
from fixtures.gateway import Gateway
from fixtures.panel import Panel
from fixtures.unit import Unit

T = TypeVar("T")


def through_the_disk(items: Iterable[T]) -> list[T]:
    """``items``, the first ones read from a file."""
    given = [*items]
    journal: Journal[T] = Journal(newest=1)
    for item in [*given, *given]:
        journal.append(item)
    found = journal[:len(given)]
    assert not any(one is other for one, other in zip(found, given, strict=True))
    return found


@pytest.fixture(scope="module")
def bench():
    bench = Bench.on_twin(seed=1)
    writes = [step for step in bench.backend.bootstrap.contents.changes("", []) if not isinstance(step, Finish)]
    bench.backend.bootstrap.script = lambda endpoint: [Discover(Path()), *writes, Read(Path(1)), Finish()]
    Unit(bench, Panel(bench), Dm(bench), Gateway(bench), Bootstrap(bench)).make_joined()
    bench.clock.run(bench.backend.dm.read("/3/0/13"))
    yield bench
    bench.close()


def test_telegrams_and_registrations(bench: Bench) -> None:
    assert len(bench.backend.gateway.telegrams) >= 1
    assert through_the_disk(bench.backend.gateway.telegrams) == bench.backend.gateway.telegrams
    assert bench.backend.dm.history[0].registration.objects
    assert through_the_disk(bench.backend.dm.history) == bench.backend.dm.history


def test_bootstraps_with_all_that_was_found(bench: Bench) -> None:
    (sequence,) = bench.backend.bootstrap.sequences
    assert any(step.links for step in sequence.steps)
    assert any(step.values for step in sequence.steps)
    assert through_the_disk([sequence]) == [sequence]


def test_notifications_and_blocks() -> None:
    notes = [Notification(1.5, {Path(3, 0, 6, 0): 1, Path(3, 0, 13): b"\0"}), Notification(2.0, {}, "no TLV", True)]
    assert through_the_disk(notes) == notes
    assert next(iter(through_the_disk(notes)[0].values)).is_under(Path(3))
    blocks = [BlockRequest(1.0, 1, "modem", 0, 512, "2.05"), BlockRequest(1.0, 1, "modem", 1, 512, None)]
    assert through_the_disk(blocks) == blocks


def test_observations(bench: Bench) -> None:
    assert through_the_disk(bench.timeline) == list(bench.timeline)
    with pytest.raises(TypeError):
        through_the_disk(bench.timeline)[0].data["changed"] = True  # type: ignore[index]
