"""Pictures tell the truth about time, limits and hostile text."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.timeline import Observation
from reports.measurement_picture import distance, measurement_picture
from reports.run import Measurement, Run
from reports.run_picture import run_picture, test_picture
from reports.time_axis import Silences, TimeAxis

MakeRun = Callable[..., Path]

WEEK = 7 * 86400.0


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


# The axis

def test_ten_minutes_of_led_stay_legible_beside_a_week_of_silence() -> None:
    moments = np.concatenate([np.arange(0, 600, 1.0), [WEEK, WEEK + 5]])
    axis = TimeAxis(Silences.find(moments), 0, 1000)
    [fold] = axis.folds
    assert (fold.start, fold.end) == (599.0, WEEK)
    assert fold.right - fold.left == pytest.approx(30)
    assert float(axis.place(np.array([599.0]))[0]) > 900


def test_a_short_test_is_drawn_to_scale() -> None:
    axis = TimeAxis(Silences.find(np.array([0, 1, 2, 15.0, 20.0])), 0, 200)
    assert axis.folds == []
    assert list(axis.place(np.array([0, 5.0, 10.0, 20.0]))) == pytest.approx([0, 50, 100, 200])


@given(st.lists(st.floats(0, 1e7).map(lambda time: round(time, 6)), max_size=60))  # as Timeline keeps them
def test_no_observation_is_ever_inside_a_fold_and_order_is_kept(times: list[float]) -> None:
    moments = np.array(times, dtype=float)
    axis = TimeAxis(Silences.find(moments), 10, 510)
    for fold in axis.folds:
        assert not any(fold.start < moment < fold.end for moment in times)
        assert fold.duration > 20
    places = axis.place(np.sort(moments))
    assert np.all(np.diff(places) >= -1e-9)
    assert np.all((places >= 10 - 1e-9) & (places <= 510 + 1e-9))


# The timeline

def test_the_picture_writes_the_true_length_of_a_folded_silence() -> None:
    seen = [Observation(float(t), "panel", "led", {"channel": "green", "on": t % 2 == 0}) for t in range(600)]
    seen.append(Observation(599 + 6 * 86400 + 23 * 3600, "nfc", "read", {}))
    assert "6 d 23 h" in texts(test_picture(seen).svg())


def test_every_test_of_the_run_is_named_by_its_number_and_verdict(make_run: MakeRun) -> None:
    shown = texts(run_picture(Run.load(make_run("fail"))).svg())
    assert {"✓ 1", "✕ 4", "✕ 19", "✓ 25"} <= set(shown)
    assert "✓ 24" not in shown  # it was skipped and saw nothing
    for lane in ("supply", "button", "green LED", "red LED", "cell", "bootstrap", "DM", "gateway", "NFC", "meter"):
        assert lane in shown


def test_the_picture_of_a_failed_test_marks_value_and_limits(make_run: MakeRun) -> None:
    run = Run.load(make_run("fail"))
    shown = texts(test_picture(run.timeline[run.tests[3].id]).svg())
    assert "✕ led.start.both = 1.42 s, limits 700 ms … 1.3 s" in shown
    assert "hold the button until green lights" in shown


def test_equal_observations_give_equal_pictures(make_run: MakeRun) -> None:
    run = Run.load(make_run())
    assert run_picture(run).svg() == run_picture(run).svg()
    assert run_picture(run).inline_svg() == run_picture(run).inline_svg()


def test_hostile_lines_are_drawn_as_text_and_never_break_the_picture() -> None:
    nasty = "</text><script>$\\frac{1}$\x00\ud800"
    seen = [Observation(0.0, "mdm", "message", {"text": nasty}), Observation(1.0, "panel", "led", {}),
            Observation(2.0, "supply", "current", {"mean_a": "x", "duration_s": "y"}),
            Observation(3.0, "supply", "current", {"mean_a": math.inf, "min_a": -1, "duration_s": math.inf}),
            Observation(4.0, "cell", "state", {"state": ["a"]}), Observation(5.0, "mdm", "datagram", {"direction": []}),
            Observation(6.0, "test", "measurement", {"verdict": "fail", "value": "q", "unit": nasty}),
            Observation(40.0, "elsewhere", nasty, {})]
    svg = test_picture(seen).svg()
    assert "<script>" not in svg
    assert "</text><script>$\\frac{1}$��" in texts(svg)


def test_an_empty_timeline_is_a_picture_too() -> None:
    assert texts(test_picture([]).svg()) == ["no observations"]


def test_the_inline_picture_has_no_address_in_it(make_run: MakeRun) -> None:
    svg = run_picture(Run.load(make_run())).inline_svg()
    assert "http" not in svg
    assert "var(--pic-green" in svg


def test_50000_observations_are_few_shapes(make_run: MakeRun) -> None:
    seen = [Observation(i / 50, "panel", "led", {"channel": "red", "on": i % 2 == 0}) for i in range(30000)]
    seen += [Observation(i / 10, "mdm", "datagram", {"direction": "in"}) for i in range(10000)]
    seen += [Observation(i / 10, "supply", "current", {"mean_a": 1e-5, "min_a": 1e-6, "max_a": 0.2, "duration_s": 0.1})
             for i in range(10000)]
    run = Run.load(make_run())
    run = replace(run, timeline={run.tests[0].id: seen})
    assert len(run_picture(run).svg()) < 400_000


def test_the_png_for_the_evidence_is_a_png(make_run: MakeRun, tmp_path: Path) -> None:
    run = Run.load(make_run())
    path = test_picture(run.timeline[run.tests[1].id]).save(tmp_path / "a.png")
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


# Measurements

def measured(value: float | None, low: float | None, high: float | None, verdict: str = "pass") -> Measurement:
    return Measurement("power.sleep.current", value, "A", low, high, verdict, "t")


@pytest.mark.parametrize(("row", "text"), [
    (measured(1.0, 0.0, 4.0), "25 % above low"), (measured(5.0, 0.0, 4.0), "25 % above high"),
    (measured(-1.0, 0.0, 4.0), "25 % below low"), (measured(3.0, None, 4.0), "25 % below high"),
    (measured(5.0, None, 4.0), "25 % above high"), (measured(-100.0, -120.0, None), "17 % above low"),
    (measured(4.0, 4.0, 4.0), "exact"), (measured(5.0, 4.0, 4.0), "off by 1 A"),
    (measured(2.0, None, 0.0), "2 A above high"), (measured(0.0, None, 0.0), "on high limit")])
def test_the_distance_is_to_the_nearer_limit(row: Measurement, text: str) -> None:
    away = distance(row)
    assert away is not None
    assert away.text("A").replace("\u00a0", " ") == text


@pytest.mark.parametrize("row", [measured(None, 0, 1), measured(1.0, None, None), measured(math.nan, 0, 1)])
def test_without_value_or_limits_there_is_no_distance(row: Measurement) -> None:
    assert distance(row) is None


numbers = st.one_of(st.none(), st.floats(-1e12, 1e12), st.just(math.nan), st.just(math.inf))


@given(numbers, st.one_of(st.none(), st.floats(-1e9, 1e9)), st.one_of(st.none(), st.floats(-1e9, 1e9)), st.booleans())
def test_every_measurement_has_a_picture_with_marks_inside_it(
        value: float | None, low: float | None, high: float | None, large: bool) -> None:
    svg = measurement_picture(measured(value, low, high, "fail"), large=large)
    root = ElementTree.fromstring(svg)
    width = float(root.attrib["width"])
    assert "nan" not in svg
    for element in root.iter():
        places = [float(element.attrib[key]) for key in ("x1", "x2", "cx") if key in element.attrib]
        assert all(-0.1 <= place <= width + 0.1 for place in places)


def test_limits_that_span_decades_are_drawn_logarithmic() -> None:
    decades = ElementTree.fromstring(measurement_picture(measured(1e-5, 1e-6, 1e-2))).findall("line")
    linear = ElementTree.fromstring(measurement_picture(measured(2.0, 1.0, 3.0))).findall("line")
    assert (len(decades), len(linear)) == (3 + 5, 3)  # the base line, two limits, and five decades


def test_a_failed_value_is_a_cross_and_a_passed_one_a_disc() -> None:
    assert "<circle" in measurement_picture(measured(2.0, 1.0, 3.0))
    failed = measurement_picture(measured(3.2, 1.0, 3.0, "fail"))
    assert "<circle" not in failed
    assert "<path" in failed
