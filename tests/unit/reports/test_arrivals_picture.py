"""The picture of readout times against arrival times, and how it gets into a report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.timeline import Observation
from reports.allure import attach_pictures
from reports.arrivals_picture import arrivals_of, arrivals_picture

HISTORY: dict[str, Any] = {
    "midnight": "2026-03-02T00:00", "begin": 600.0, "end": 1800.0, "order": "oldest first", "age_limit": 360,
    "telegrams": [[630.5, [600.0]], [1530.0, [1200.0, 1260.0]], [1531.0, [1320.0, 1380.0]], [1590.0, [1440.0, 1500.0]],
                  [1700.0, [1680.0]]],
    "windows": [[615.0, 645.0], [1515.0, 1545.0], [1575.0, 1605.0]], "outages": [[660.0, 1500.0]],
    "transmissions": [[630.5, 1, 1, 0], [1530.0, 2, 4, 2], [1590.0, 1, 2, 0], [1700.0, 1, 1, 0]],
    "never_sent": [660.0, 720.0], "faults": []}


def observation(data: dict[str, Any]) -> Observation:
    return Observation(1.0, "test", "arrivals", data)


def test_the_picture_says_what_it_took_to_catch_up() -> None:
    said = arrivals_picture(HISTORY).svg()
    assert "8 readouts in 5 telegrams, oldest first, age limit 6 h." in said
    assert "Caught up in 2 transmissions: 6 readouts in 3 telegrams." in said
    assert "2 grew too" in said
    assert "14 h" in said     # the outage, folded


def test_a_backlog_that_is_not_cleared_is_said() -> None:
    waits = HISTORY | {"transmissions": [[1530.0, 2, 4, 2], [1590.0, 1, 2, 1]]}
    assert "Readouts still wait at the end." in arrivals_picture(waits).svg()


def test_the_same_history_gives_the_same_bytes() -> None:
    assert arrivals_picture(HISTORY).png() == arrivals_picture(HISTORY).png()


def test_the_last_history_with_telegrams_is_drawn() -> None:
    later = HISTORY | {"end": 1900.0}
    seen = [observation(HISTORY), observation(later), observation(HISTORY | {"telegrams": []})]
    assert arrivals_of(seen) == later
    assert arrivals_of([]) is None


@pytest.mark.parametrize("broken", [{"begin": "noon"}, {"midnight": "never"}, {"telegrams": [[1.0]]},
                                    {"outages": [[float("nan"), 1.0]]}, {"never_sent": [None]}])
def test_what_is_no_history_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        arrivals_picture(HISTORY | broken)


def test_a_fault_is_drawn_as_text_and_nothing_else() -> None:
    inline = arrivals_picture(HISTORY | {"faults": ["<script>alert(1)</script> $x$"]}).inline_svg()
    assert "<script" not in inline and "&lt;script&gt;" in inline


def test_pictures_are_attached_to_the_result_of_their_test(tmp_path: Path) -> None:
    for name in ("test_a[x]", "test_b"):
        (tmp_path / f"{name[5]}-result.json").write_text(json.dumps(
            {"titlePath": ["suites", "test_t.py"], "name": name, "attachments": [{"name": "timeline"}]}), "utf-8")
    attach_pictures({"suites/test_t.py::test_a[x]": b"png"}, "arrivals", tmp_path)
    assert (tmp_path / "a-arrivals-attachment.png").read_bytes() == b"png"
    assert [one["name"] for one in json.loads((tmp_path / "a-result.json").read_text())["attachments"]] == \
        ["timeline", "arrivals"]
    assert len(json.loads((tmp_path / "b-result.json").read_text())["attachments"]) == 1
