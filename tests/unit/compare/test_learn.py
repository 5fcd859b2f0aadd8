"""Unit files: written, read, refused; and what becomes of a difference."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from bench.analysis.shown.fact import Area
from bench.commands.compare.comparison import Difference
from bench.commands.compare.statistics import Outcome, judge
from bench.commands.learn.command import learn
from bench.commands.learn.fits import candidates, fit, is_after
from bench.commands.learn.fitting import Fitting
from bench.commands.learn.task import Task
from bench.commands.learn.unit_file import dump
from bench.errors import BenchError
from bench.twin.like import LIGHTS, Like
from bench.twin.variants import VARIANTS
from tests.unit.compare.recorded import run_dir


def _number(area: Area, name: str, unit: float, twin: float, of: str = "s") -> Difference:
    judged = judge([[unit] * 20], [[twin] * 20], 1e-4, 0.001)
    return Difference(area, name, Outcome.CHANGED, f"{unit} {of}", f"{twin} {of}", of, judged=judged)


def _words(area: Area, name: str, unit: str, twin: str) -> Difference:
    return Difference(area, name, Outcome.CHANGED, unit, twin)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(LIGHTS), st.floats(0, 100)),
       st.dictionaries(st.from_regex(r"/3/0/[1-9]", fullmatch=True),
                       st.text() | st.integers(-2**63, 2**63 - 1) | st.booleans()),
       st.text())
def test_what_is_written_is_read_again(lights: dict[str, float], resources: dict[str, int | str], text: str) -> None:
    like = Like(lights={name: round(value, 4) for name, value in lights.items()}, resources=resources,
                cannot=({"name": text},))
    assert Like.model_validate(tomllib.loads(dump(like))) == like


@pytest.mark.parametrize("content", ["[lights]\nnothing_s = 1", "[delays]\nconnect = [2, 1]", "[lights]\nflash_s = -1",
                                     "readings = 3", "no toml", "[order]\njoining = 'backwards'",
                                     "[resources]\n'3-0' = 1"])
def test_a_file_that_is_none_is_refused_in_a_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "unit.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BenchError, match=r"unit\.toml"):
        VARIANTS.find([f"like:{path}"])


def test_differences_become_fields_of_the_file() -> None:
    draft = Like()
    for one in (_number(Area.LIGHT, "green when joined, length", 7.6, 8.0),
                _number(Area.TIMING, "dm answer to POST to mdm CONNECT", 1.1, 0.6),
                _number(Area.ENERGY, "sleep, power", 0.0187 - 0.0036, 0.0187, "mW"),
                _words(Area.DEFAULT, "setting transmit_interval", "720", "1440"),
                _words(Area.DEFAULT, "setting message_encoding", "JSON", "SenML/CBOR"),
                _words(Area.MESSAGE, "mdm CONNECT, duration", "3600", "64800"),
                _words(Area.TREE, "resources of /33907/0", "0 1 2", "0 1 2 11")):
        fitted = fit(draft, one)
        assert fitted is not None, one.name
        draft = fitted
    assert draft.lights == {"joined_green_s": 7.6}
    assert draft.delays["connect"] == pytest.approx((0.5, 0.5))
    assert draft.currents["floor_a"] == pytest.approx(4.2e-6)
    assert draft.settings == {"transmit_interval": 720, "message_encoding": 1}
    assert draft.ordered == {"transmit_interval": 720, "message_encoding": "JSON"}
    assert draft.messages == {"keep_alive_s": 3600}
    assert draft.tree.absent == ("/33907/0/11",)


def test_a_search_that_is_late_by_a_start_that_is_late_is_not_fitted_too() -> None:
    whole = Like()
    started = fit(whole, _number(Area.LIGHT, "release to start-up", 20.4, 0.4))
    assert started is not None
    assert started.delays["start"] == pytest.approx((20.0, 20.0))
    searched = fit(started, _number(Area.TIMING, "release to dm POST /rd", 30.0, 10.0))
    assert searched is not None
    assert is_after(whole, started, searched)
    assert not is_after(started, started, searched)


def test_a_folder_with_trials_of_another_draft_is_refused(tmp_path: Path) -> None:
    trials = tmp_path / "trials"
    (trials / "001").mkdir(parents=True)
    with pytest.raises(BenchError, match="folder of trials"):
        Fitting(Task([run_dir(tmp_path / "run")], tmp_path / "unit.toml"), trials, lambda text: None)


def test_what_the_file_can_not_say_is_left_to_readings() -> None:
    faster = _number(Area.TIMING, "dm answer to POST to mdm CONNECT", 0.1, 0.6)
    assert fit(Like(), faster) is None
    keys = _words(Area.TELEGRAM, "json, keys in order", "E EF", "TS EF")
    assert fit(Like(), keys) is None
    assert "json-in-another-order" in [variant.name for variant in candidates(keys, Like())]
    place = _words(Area.READING, "U14", "clamped", "refused")
    assert {variant.name for variant in candidates(place, Like())} == {"offset-is-clamped", "delay-is-clamped"}


@pytest.mark.parametrize(("record", "said"), [
    ({"defects": ["bearer-wrong"]}, "the defect bearer-wrong"), ({"verdict": "fail"}, "failed"),
    ({"verdict": "error"}, "fault of the bench")])
def test_a_bad_unit_is_no_source(tmp_path: Path, record: dict[str, object], said: str) -> None:
    run = run_dir(tmp_path / "run", **record)
    with pytest.raises(BenchError, match=said):
        learn(Task([run], tmp_path / "unit.toml"), Console())


def test_a_run_without_a_timeline_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="timeline"):
        learn(Task([run_dir(tmp_path / "run", timeline=False)], tmp_path / "unit.toml"), Console())
