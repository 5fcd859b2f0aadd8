"""The timeline: order, queries, and the bytes of its file."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path

import pytest

from bench.errors import BenchError
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


def sorted_anew(seen: list[Observation]) -> list[Observation]:
    return sorted(seen, key=lambda one: (one.time, one.source))


@pytest.mark.parametrize("seed", range(3))
def test_a_long_timeline_is_searched_as_a_sorted_list_would_be(seed: int, tmp_path: Path) -> None:
    """Sensors are late, instants are shared, and most of it is on the disk."""
    chance, now = random.Random(seed), Now()
    timeline, seen = Timeline(now), list[Observation]()
    for number in range(4000):
        now.time += chance.choice((0.0, 0.0, 0.25, 30.0))
        late = chance.choice((None, None, None, now.time, now.time - 0.5, now.time - 1000.0))
        seen.append(timeline.append(chance.choice(("panel", "dm", "cell")), chance.choice(("a", "b")),
                                    {"n": number, "even": number % 2 == 0}, at=late))
    assert len(timeline) == 4000
    assert timeline.ordered() == list(timeline) == sorted_anew(seen)
    assert timeline.since(3990) == seen[3990:]
    assert timeline.since(10) == seen[10:]
    for _ in range(50):
        source, kind = chance.choice((None, "panel", "dm", "nobody")), chance.choice((None, "a", "b"))
        after, before = (chance.choice((None, one.time)) for one in chance.sample(seen, 2))
        data = chance.choice(({}, {"even": True}, {"n": 77}))
        assert timeline.select(source, kind, after=after, before=before, **data) == [
            one for one in sorted_anew(seen)
            if source in (None, one.source) and kind in (None, one.kind) and (after is None or one.time > after)
            and (before is None or one.time <= before) and data.items() <= one.data.items()]
    part = timeline.part(1500, origin=seen[1500].time)
    assert [one.data for one in part] == [one.data for one in sorted_anew(seen[1500:])]
    timeline.write_jsonl(tmp_path / "t")
    assert (tmp_path / "t").read_text() == "".join(one.to_json() + "\n" for one in sorted_anew(seen))


def test_a_full_disk_loses_no_observation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, now: Now) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    told, said = [], 0
    timeline = Timeline(now, lambda: told.append(1))
    for number in range(3000):
        try:
            timeline.append("dm", "message", {"n": number})
        except BenchError:
            said += 1
    assert 1 <= said <= 6
    assert [one.data["n"] for one in timeline.select("dm")] == list(range(3000))
    assert len(told) == 3000
