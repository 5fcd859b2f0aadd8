"""Limits and verdicts: nothing passes because nobody looked."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path

import pytest

from bench.errors import BenchError, LimitError
from bench.measure import Limit, Limits, Verdict, worst
from fixtures.measure import Measure

LED = """
["led.joined.green"]
unit = "s"
low = 7.5
high = 8.5
clause = "5.3.5"
note = "8 s; the tolerance is the bench's"

["sleep"]
unit = "uA"
high = 6
possible = [0.5, 1e6]
clause = "8"
"""


def load(folder: Path, text: str | bytes, name: str = "led.toml") -> Limits:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return Limits.load(folder)


@pytest.fixture
def limits(tmp_path: Path) -> Limits:
    return load(tmp_path, LED)


@pytest.mark.parametrize(("value", "verdict"), [
    (7.5, "pass"), (8.0, "pass"), (8.5, "pass"), (7.499999, "fail"), (8.500001, "fail"), (Decimal("8.5"), "pass"),
    (Decimal("8.51"), "fail"), (-8.0, "fail")])
def test_limits_are_inclusive(limits: Limits, value: float, verdict: str) -> None:
    assert limits.judge("led.joined.green", value).verdict == verdict


@pytest.mark.parametrize(("value", "verdict"), [(6, "pass"), (0.5, "pass"), (6.01, "fail"), (1e6, "fail")])
def test_a_side_without_limit_is_open(limits: Limits, value: float, verdict: str) -> None:
    assert limits.judge("sleep", value).verdict == verdict


@pytest.mark.parametrize(("name", "value"), [
    ("sleep", 0), ("sleep", -5.2), ("sleep", 0.49), ("sleep", 1.1e6), ("sleep", math.nan), ("sleep", math.inf),
    ("led.joined.green", math.nan), ("led.joined.green", math.inf), ("led.joined.green", -math.inf)])
def test_what_is_no_number_or_not_possible_is_the_benchs_fault(limits: Limits, name: str, value: float) -> None:
    possible = r"expected a number (from 0.5 to 1e\+06 uA|that is finite)"
    with pytest.raises(BenchError, match=rf"^measurement {name}: {possible}"):
        limits.judge(name, value)


@pytest.mark.parametrize("name", ["power.sleep.current", "power.passive.current", "network.after_search.current"])
@pytest.mark.parametrize("value", [0.0, -5.2])
def test_no_current_is_no_sleep_current(name: str, value: float) -> None:
    with pytest.raises(BenchError, match="check the instrument and its wiring"):
        Limits.load(Path(__file__).parents[2] / "suites" / "limits").judge(name, value, 0.1)


GUARDED = """
[sleep]
unit = "uA"
high = 6.6
possible = [-1e9, 1e9]
guard = true
clause = "8"

[length]
unit = "s"
low = 7
high = 9
guard = true
clause = "5"
"""


@pytest.mark.parametrize(("name", "value", "uncertainty", "verdict"), [
    ("sleep", 6.39, 0.2, "pass"), ("sleep", 6.41, 0.2, "fail"), ("sleep", 6.6, 0.0, "pass"),
    ("sleep", 5.0, 1.5, "pass"),
    ("length", 7.1, 0.1, "pass"), ("length", 7.03, 0.04, "fail"), ("length", 8.97, 0.04, "fail"),
    ("length", 9.2, 0.1, "fail"), ("sleep", 12.0, 5.0, "fail"), ("length", 2.0, 4.0, "fail")])
def test_a_guard_band_of_the_uncertainty_comes_off_the_limits(tmp_path, name, value, uncertainty, verdict) -> None:
    assert load(tmp_path, GUARDED).judge(name, value, uncertainty).verdict == verdict


@pytest.mark.parametrize(("name", "value", "uncertainty", "most"), [
    ("sleep", 6.0, None, "1.65 uA"), ("sleep", 6.0, 1.66, "1.65 uA"), ("sleep", 6.0, math.nan, "1.65 uA"),
    ("sleep", 6.0, -0.1, "1.65 uA"), ("length", 8.0, 0.26, "0.25 s")])
def test_an_instrument_that_is_too_uncertain_is_the_benchs_fault(tmp_path, name, value, uncertainty, most) -> None:
    with pytest.raises(BenchError, match=rf"^uncertainty of {name}: expected at most {most}, a quarter"):
        load(tmp_path, GUARDED).judge(name, value, uncertainty)


@pytest.mark.parametrize(("name", "value", "uncertainty"), [
    ("sleep", 5.98, 0.83), ("length", 7.09, 0.1), ("length", 8.91, 0.1)])
def test_a_good_value_that_the_instrument_can_not_tell_from_a_bad_one_fails_no_unit(
        tmp_path, name, value, uncertainty) -> None:
    with pytest.raises(BenchError, match=rf"^uncertainty of {name}: expected to know whether {value} .* keeps to"):
        load(tmp_path, GUARDED).judge(name, value, uncertainty)


def test_a_guarded_measurement_tells_its_guard_band(tmp_path: Path) -> None:
    measured = load(tmp_path, GUARDED).judge("sleep", 6.5, 0.2)
    assert (measured.low, measured.high, measured.guard) == (None, pytest.approx(6.4), 0.2)
    assert str(measured) == "sleep = 6.5 uA (at most 6.4, guard band 0.2)"


def test_the_uncertainty_leaves_a_limit_without_guard_band_alone(limits: Limits) -> None:
    measured = limits.judge("sleep", 6.0, 5.0)
    assert (measured.verdict, measured.high, measured.guard) == ("pass", 6.0, 0.0)


def test_a_measurement_says_all_of_itself(limits: Limits) -> None:
    assert str(limits.judge("led.joined.green", 9.25)) == "led.joined.green = 9.25 s (limits 7.5 ... 8.5)"
    assert str(limits.judge("sleep", 5.5)) == "sleep = 5.5 uA (at most 6)"


def test_a_measurement_without_limits_is_the_benchs_fault(limits: Limits) -> None:
    with pytest.raises(BenchError, match=r"^measurement led\.unknown: expected limits in suites/limits, saw none"):
        limits.judge("led.unknown", 1.0)


def test_limits_of_all_files_of_the_folder_are_read(tmp_path: Path) -> None:
    load(tmp_path, LED)
    both = load(tmp_path, '[voltage]\nunit = "V"\nlow = 3.0\nhigh = 4.0\nclause = "8"\n', "power.toml")
    assert both.judge("sleep", 1).unit == "uA"
    assert both.judge("voltage", 2).verdict is Verdict.FAIL


@pytest.mark.parametrize(("text", "said"), [
    ('[a]\nunit = "s"\nclause = "1"\n', "low or high, or both"),
    ('[a]\nunit = "s"\nhigh = 1\nclause = "1"\n', "both ends, or possible"),
    ('[a]\nunit = "uA"\nlow = 1\nclause = "1"\n', "both ends, or possible"),
    ('[a]\nunit = "s"\nhigh = 1\none_sided = " "\nclause = "1"\n', "both ends, or possible"),
    ('[a]\nunit = "s"\nhigh = 1\npossible = [2, 1]\nclause = "1"\n', "the lowest possible value below"),
    ('[a]\nunit = "s"\nhigh = 1\npossible = [0, inf]\nclause = "1"\n', "a possible"),
    ('[a]\nunit = "s"\nlow = -inf\nhigh = 1\nclause = "1"\n', "a low"),
    ('[a]\nunit = "1"\nhigh = inf\nclause = "1"\n', "a high"),
    ('[a]\nunit = "s"\nlow = 2\nhigh = 1\nclause = "1"\n', "low not above high"),
    ('[a]\nunit = "s"\nlow = nan\nclause = "1"\n', "finite number"),
    ('[a]\nunit = "s"\nhigh = inf\nclause = "1"\n', "finite number"),
    ('[a]\nunit = "s"\nhihg = 1\nclause = "1"\n', "a hihg"),
    ('[a]\nunit = "s"\nhigh = "1"\nclause = "1"\n', "a high"),
    ('[a]\nunit = "s"\nhigh = true\nclause = "1"\n', "a high"),
    ('[a]\nhigh = 1\nclause = "1"\n', "a unit"),
    ('[a]\nhigh = 1\nunit = "s"\n', "a clause"),
    ("a = 5\n", "a"),
    ("[a\n", "expected TOML"),
    (b"# \xff\n", "expected TOML"),
], ids=lambda value: value[:30] if isinstance(value, str) else None)
def test_a_limits_file_that_is_not_right_says_what_is_wrong(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(BenchError, match=r"^limits file led\.toml") as caught:
        load(tmp_path, text)
    assert said in str(caught.value)


def test_a_measurement_in_two_files_is_refused(tmp_path: Path) -> None:
    load(tmp_path, LED)
    with pytest.raises(BenchError, match="sleep in another file too"):
        load(tmp_path, '[sleep]\nunit = "uA"\nlow = 1\nhigh = 60\nclause = "8"\n', "other.toml")


def test_a_count_may_have_one_end_and_so_may_what_says_why(tmp_path: Path) -> None:
    limits = load(tmp_path, '[a]\nunit = "1"\nhigh = 1\nclause = "1"\n'
                            '[b]\nunit = "a"\nlow = 8\none_sided = "the longer the better"\nclause = "1"\n')
    assert [limits.judge("a", 0).verdict, limits.judge("b", 50).verdict] == ["pass", "pass"]


def test_the_limits_of_the_suites_can_be_read() -> None:
    Limits.load(Path(__file__).parents[2] / "suites" / "limits")


@pytest.mark.parametrize(("verdicts", "expected"), [
    ([], "error"), (["skipped"], "error"), (["skipped", "skipped"], "error"), (["pass"], "pass"),
    (["pass", "skipped"], "pass"), (["pass", "fail", "pass"], "fail"), (["fail", "error"], "error"),
    (["error", "pass"], "error"), (["fail", "skipped"], "fail")])
def test_the_worst_verdict_wins_and_nothing_tested_is_an_error(verdicts: list[str], expected: str) -> None:
    assert worst(Verdict(one) for one in verdicts) == expected


def test_all_measurements_of_a_test_are_taken_before_it_fails() -> None:
    measure = Measure(Limits({name: Limit(unit="s", low=0.0, high=1.0, clause="1") for name in "abc"}))
    for name, value in (("a", 2.0), ("b", 0.5), ("c", 3.0)):
        measure(name, value)
    assert [one.verdict for one in measure.taken] == ["fail", "pass", "fail"]
    with pytest.raises(LimitError) as caught:
        measure.judge()
    assert str(caught.value) == ("outside its limits: a = 2 s (limits 0 ... 1); "
                                 "c = 3 s (limits 0 ... 1)")
