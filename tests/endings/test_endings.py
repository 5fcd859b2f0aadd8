"""However a run ends: supply off, button free, and a record that says what its exit code says. Some of the ways; all of
them with ``make endings``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from endings import WAYS, Twin, a_world, end


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    twin = Twin(tmp_path_factory.mktemp("lab") / "twin")
    yield twin
    twin.stop()


@pytest.mark.parametrize("name", [way.name for way in WAYS.values() if way.is_quick])
def test_a_run_ends_with_a_safe_station_and_a_record(name: str, twin: Twin, tmp_path: Path) -> None:
    with a_world(tmp_path / "world", twin) as world:
        wrong = end(WAYS[name], world)
        assert not wrong, world.output
