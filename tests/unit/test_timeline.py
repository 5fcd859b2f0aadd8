"""The timeline: order, queries, and the bytes of its file."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from bench.timeline import Observation, Timeline


class Now:
    """A time axis that the test moves by hand."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def timeline(now: Now) -> Timeline:
    return Timeline(now)


def test_an_observation_has_the_time_at_which_it_was_appended(timeline: Timeline, now: Now) -> None:
    now.time = 2.5
    seen = timeline.append("panel", "led", {"channel": "green", "on": True})
    assert seen == Observation(2.5, "panel", "led", {"channel": "green", "on": True})
    assert len(timeline) == 1


def test_a_sensor_with_its_own_time_stamps_says_when_it_was(timeline: Timeline, now: Now) -> None:
    now.time = 9.0
    assert timeline.append("panel", "led", at=8.25).time == 8.25


def test_times_are_kept_to_the_microsecond(timeline: Timeline) -> None:
    assert timeline.append("supply", "output", at=1 / 3).time == 0.333333


def test_observations_cannot_be_changed_afterwards(timeline: Timeline) -> None:
    data = {"on": True}
    seen = timeline.append("supply", "output", data)
    data["on"] = False
    assert seen.data["on"] is True
    with pytest.raises(TypeError):
        seen.data["on"] = False  # type: ignore[index]
    with pytest.raises(AttributeError):
        seen.time = 0.0  # type: ignore[misc]


def test_the_order_is_that_of_time_and_in_one_instant_that_of_the_sources(timeline: Timeline) -> None:
    for at, source, kind in ((2.0, "supply", "a"), (1.0, "panel", "b"), (2.0, "dm", "c"), (2.0, "supply", "d"),
                             (2.0, "dm", "e")):
        timeline.append(source, kind, at=at)
    assert [seen.kind for seen in timeline] == ["b", "c", "e", "a", "d"]


def test_who_writes_first_in_one_instant_makes_no_difference_to_the_file(tmp_path: Path) -> None:
    files = []
    for order in (("dm", "panel"), ("panel", "dm")):
        timeline = Timeline(lambda: 1.0)
        for source in order:
            timeline.append(source, "x", {"n": 1})
        files.append(tmp_path / f"{order[0]}.jsonl")
        timeline.write_jsonl(files[-1])
    assert files[0].read_bytes() == files[1].read_bytes()


def test_since_gives_what_came_later_in_the_order_of_arrival(timeline: Timeline) -> None:
    timeline.append("panel", "a", at=5.0)
    mark = len(timeline)
    timeline.append("panel", "b", at=4.0)
    timeline.append("panel", "c", at=3.0)
    assert [seen.kind for seen in timeline.since(mark)] == ["b", "c"]
    assert timeline.since(len(timeline)) == []


def test_select_looks_at_source_kind_data_and_time(timeline: Timeline) -> None:
    for at in (1.0, 2.0, 3.0):
        timeline.append("panel", "led", {"channel": "green", "on": at < 3}, at=at)
    timeline.append("panel", "button", {"pressed": True}, at=2.0)
    timeline.append("supply", "output", {"on": True}, at=2.0)
    assert [seen.time for seen in timeline.select("panel", "led")] == [1.0, 2.0, 3.0]
    assert [seen.kind for seen in timeline.select("panel", after=1.0, before=2.0)] == ["led", "button"]
    assert [seen.source for seen in timeline.select(on=True, after=1.0)] == ["panel", "supply"]
    assert timeline.select("panel", "led", channel="red") == []
    assert timeline.select(nothing_has_this=None) == timeline.ordered()     # a key that is not there is None


def test_every_append_is_told(now: Now) -> None:
    told: list[int] = []
    listened_to = Timeline(now, lambda: told.append(len(listened_to)))
    listened_to.append("a", "b")
    listened_to.append("a", "c")
    assert told == [1, 2]


def test_a_line_of_the_file_is_these_bytes(timeline: Timeline, tmp_path: Path) -> None:
    timeline.append("meter", "optical", {"volume": Decimal("3456.70"), "energy": "12 MWh", "flow": float("nan"),
                                         "text": "80 °C"}, at=12.5)
    path = tmp_path / "timeline.jsonl"
    timeline.write_jsonl(path, test="suites/test_x.py::test_y")
    assert path.read_bytes() == (
        b'{"data":{"energy":"12 MWh","flow":null,"text":"80 \\u00b0C","volume":"3456.70"},"kind":"optical",'
        b'"source":"meter","t":12.5,"test":"suites/test_x.py::test_y"}\n')


def test_a_file_is_appended_to(timeline: Timeline, tmp_path: Path) -> None:
    timeline.append("a", "b")
    timeline.write_jsonl(tmp_path / "t", test="one")
    timeline.write_jsonl(tmp_path / "t", test="two")
    lines = [json.loads(line) for line in (tmp_path / "t").read_text("utf-8").splitlines()]
    assert [line["test"] for line in lines] == ["one", "two"]


def test_a_part_begins_at_its_own_zero(timeline: Timeline, now: Now) -> None:
    timeline.append("dm", "before", at=100.0)
    timeline.append("dm", "after", {"n": 1}, at=102.25)
    part = timeline.part(1, origin=102.0)
    assert list(part) == [Observation(0.25, "dm", "after", {"n": 1})]
    now.time = 105.0
    assert part.append("test", "end").time == 3.0
    assert len(timeline) == 2
