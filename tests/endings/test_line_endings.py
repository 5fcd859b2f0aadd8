"""However a unit's life on the line ends: as it was delivered, or no pass and a record that says so. Some of the ways,
drawn by a seed; all of them with ``make endings``."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from line import ENDINGS, end, kill

SEED, DRAWN = 13, 6


@pytest.mark.parametrize("name", random.Random(SEED).sample(sorted(ENDINGS), DRAWN))
def test_a_unit_is_as_it_was_delivered_or_has_not_passed(name: str, tmp_path: Path) -> None:
    record, wrong = end(ENDINGS[name], tmp_path / "run")
    assert not wrong, record["message"]


def test_a_unit_whose_run_was_killed_is_named(tmp_path: Path) -> None:
    record, wrong = kill(tmp_path / "run")
    assert not wrong, record["message"]
