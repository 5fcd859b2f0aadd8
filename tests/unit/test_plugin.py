"""The pytest plugin: which tests run, whose fault an outcome is, and that chance follows from the seed alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from suite_run import ONE_OF_EACH, SuiteRun, run_suite

OUTCOMES = """
@pytest.fixture
def unit_breaks_in_set_up():
    assert 1 == 2, "the unit did not join"

@pytest.fixture
def bench_breaks_in_set_up():
    raise OSError("no such port")

@pytest.fixture
def bench_breaks_in_tear_down():
    yield
    raise BenchError("supply", expected="off", seen="on", do="pull the plug")

@EACH
def test_passes(measure):
    \"\"\"The title.

    More of it.\"\"\"
    measure("led.joined.green", 8.0, 0.0)

@EACH
def test_asserts():
    assert 1 + 1 == 3, "the unit can't add"

@EACH
def test_does_not_see():
    raise NotObserved("expected a green pulse within 5 s, saw nothing of the kind")

@EACH
def test_fails_by_hand():
    pytest.fail("no good")

@EACH
def test_bench_error():
    raise BenchError("meter at /dev/x", expected="an answer", seen="silence", do="check the head")

@EACH
def test_any_exception():
    raise KeyError("unexpected")

@EACH
def test_skips():
    pytest.skip("not today")

@EACH
def test_two_values_are_outside(measure):
    measure("led.joined.green", 1.0, 0.0)
    measure("led.hold.green", 5.0, 0.0)
    measure("led.hold.red", 99.0, 0.0)

@EACH
def test_an_outside_value_and_an_exception_of_the_bench(measure):
    measure("led.joined.green", 1.0, 0.0)
    raise OSError("the port went away")

@EACH
def test_a_value_without_limit(measure):
    measure("no.such.limit", 1.0)

@EACH
def test_an_outside_value_and_a_skip(measure):
    measure("led.joined.green", 1.0, 0.0)
    pytest.skip("no more time")

@EACH
def test_unit_in_set_up(unit_breaks_in_set_up): pass

@EACH
def test_bench_in_set_up(bench_breaks_in_set_up): pass

@EACH
def test_bench_in_tear_down(bench_breaks_in_tear_down): pass

@EACH
def test_fails_and_bench_in_tear_down(bench_breaks_in_tear_down):
    assert False

@EACH
@pytest.mark.timeout(1)
def test_hangs():
    time.sleep(60)

@EACH
@needs("cell.nas", "cell.timers", "settings.nfc.write")
def test_needs_what_no_cell_has(bench): pass

@EACH
@needs("settings.nfc.write", "panel.button")
def test_needs_what_there_is(bench):
    with bench.step("look"):
        bench.clock.sleep(2.5)
""".replace("@EACH\n", ONE_OF_EACH)

EXPECTED = {
    "test_passes": "pass", "test_asserts": "fail", "test_does_not_see": "fail", "test_fails_by_hand": "fail",
    "test_bench_error": "error", "test_any_exception": "error", "test_skips": "skipped",
    "test_two_values_are_outside": "fail", "test_an_outside_value_and_an_exception_of_the_bench": "error",
    "test_a_value_without_limit": "error", "test_an_outside_value_and_a_skip": "fail",
    "test_unit_in_set_up": "fail", "test_bench_in_set_up": "error",
    "test_bench_in_tear_down": "error", "test_fails_and_bench_in_tear_down": "error", "test_hangs": "error",
    "test_needs_what_no_cell_has": "skipped", "test_needs_what_there_is": "pass"}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> SuiteRun:
    return run_suite(tmp_path_factory.mktemp("outcomes"), OUTCOMES, "--profile", "regression")


def test_an_assertion_is_the_units_fault_and_anything_else_the_benchs(outcomes: SuiteRun) -> None:
    assert outcomes.verdicts() == EXPECTED
    assert outcomes.fault == ""


def test_results_stand_in_the_order_of_the_tests(outcomes: SuiteRun) -> None:
    assert list(outcomes.tests) == list(EXPECTED)


@pytest.mark.parametrize(("name", "message"), [
    ("test_passes", ""),
    ("test_asserts", "the unit can't add"),
    ("test_does_not_see", "expected a green pulse within 5 s"),
    ("test_bench_error", "meter at /dev/x: expected an answer, saw silence; check the head."),
    ("test_skips", "not today"),
    ("test_needs_what_no_cell_has", "the station has no cell.nas"),
    ("test_unit_in_set_up", "the unit did not join"),
    ("test_bench_in_tear_down", "supply: expected off, saw on; pull the plug."),
    ("test_hangs", "Timeout"),
    ("test_a_value_without_limit", "measurement no.such.limit: expected limits in suites/limits"),
])
def test_a_result_says_why(outcomes: SuiteRun, name: str, message: str) -> None:
    said = outcomes.tests[name]["message"]
    assert said == "" if message == "" else message in said


def test_all_values_outside_their_limits_are_told_at_once(outcomes: SuiteRun) -> None:
    result = outcomes.tests["test_two_values_are_outside"]
    assert result["message"] == ("outside its limits: led.joined.green = 1 s (limits 7.5 ... 8.5); "
                                 "led.hold.red = 99 s (limits 14.5 ... 15.5)")
    assert [(one["name"], one["verdict"]) for one in result["measurements"]] == [
        ("led.joined.green", "fail"), ("led.hold.green", "pass"), ("led.hold.red", "fail")]


def test_a_skip_does_not_hide_a_value_outside_its_limits(outcomes: SuiteRun) -> None:
    result = outcomes.tests["test_an_outside_value_and_a_skip"]
    assert (result["verdict"], result["message"]) == ("fail", "outside its limits: led.joined.green = 1 s "
                                                              "(limits 7.5 ... 8.5)")


def test_a_value_taken_before_a_fault_of_the_bench_is_kept(outcomes: SuiteRun) -> None:
    (taken,) = outcomes.tests["test_an_outside_value_and_an_exception_of_the_bench"]["measurements"]
    assert (taken["name"], taken["value"], taken["verdict"]) == ("led.joined.green", 1.0, "fail")


def test_a_result_has_title_requirements_steps_and_device_time(outcomes: SuiteRun) -> None:
    assert outcomes.tests["test_passes"]["title"] == "The title."
    assert outcomes.tests["test_passes"]["requirements"] == ["LED-04"]
    looked = outcomes.tests["test_needs_what_there_is"]
    assert looked["steps"] == ["look"]
    assert looked["device_time_s"] == pytest.approx(2.5, abs=1e-5)


def test_in_acceptance_a_missing_ability_is_an_error(tmp_path: Path) -> None:
    run = run_suite(tmp_path, OUTCOMES, "--profile", "acceptance", "-k", "what_no_cell_has")
    assert run.verdicts() == {"test_needs_what_no_cell_has": "error"}
    assert run.tests["test_needs_what_no_cell_has"]["message"] == (
        "station twin: expected cell.nas, saw a station without; add the instrument; the acceptance profile leaves "
        "nothing out.")


@pytest.mark.parametrize(("text", "said"), [
    ('@req("LED-99999")\n@device_time("1 s")\n@everywhere\n', "no requirement is called LED-99999"),
    ('@req("LED-04")\n@needs("cell.outrage")\n@device_time("1 s")\n@everywhere\n', "no ability is called cell.outrage"),
    ('@req("LED-04")\n@everywhere\n', "says nothing of its device_time"),
    ('@req("LED-04")\n@device_time("1 s")\n', "says nothing of its profile"),
    ('@req("LED-04")\n@device_time("1 s")\n@everywhere\n@pytest.mark.xfail\n', "is expected to fail"),
    ('@req("LED-04")\n@device_time("1 sec")\n@everywhere\n', "is no duration"),
])
def test_a_test_that_does_not_say_all_of_itself_is_refused(tmp_path: Path, text: str, said: str) -> None:
    run = run_suite(tmp_path, text + "def test_it(): pass\n")
    assert run.code in (2, 4)
    assert said in run.fault + run.output
    assert run.tests == {}


SELECTION = """
@req("LED-04")
@device_time("20 s")
@everywhere
def test_short(): pass

@req("LED-04", "BTN-01")
@device_time("2 h")
@everywhere
def test_long(): pass

@req("BTN-01")
@device_time("20 s")
@in_regression
def test_short_in_regression(): pass
"""


@pytest.mark.parametrize(("arguments", "expected"), [
    ([], ["test_short", "test_long", "test_short_in_regression"]),
    (["--profile", "acceptance"], ["test_short", "test_long"]),
    (["--profile", "certification"], ["test_short", "test_long", "test_short_in_regression"]),
    (["--max-device-time", "20"], ["test_short", "test_short_in_regression"]),
    (["--max-device-time", "19.9"], []),
    (["--requirement", "BTN-01"], ["test_long", "test_short_in_regression"]),
    (["--requirement", "BTN-01", "--requirement", "LED-04"], ["test_short", "test_long", "test_short_in_regression"]),
    (["--profile", "acceptance", "--requirement", "BTN-01", "--max-device-time", "7200"], ["test_long"]),
], ids=lambda value: " ".join(value) if isinstance(value, list) else None)
def test_a_run_takes_the_tests_it_is_asked_for(tmp_path: Path, arguments: list[str], expected: list[str]) -> None:
    run = run_suite(tmp_path, SELECTION, *arguments)
    assert list(run.tests) == expected
    assert [one.rpartition("::")[2] for one in run.collected] == expected
    assert run.code == (0 if expected else 5)


CHANCE = """
@EACH
def test_a(joined_unit, gateway, dm):
    dm.read("/3/0/2")

@EACH
def test_b(passive_unit, panel):
    passive_unit.press_button(held=6 * s)
    panel.green.wait_for_pulse(min_duration=5 * s, timeout=2 * minutes)

@EACH
@pytest.mark.parametrize("n", [1, 2])
def test_c(joined_unit, gateway, dm, n):
    dm.execute("/33906/0/10")
    gateway.wait_for_telegram(15 * minutes)
""".replace("@EACH\n", ONE_OF_EACH)


@pytest.fixture(scope="module")
def chance(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SuiteRun]:
    folder = tmp_path_factory.mktemp("chance")
    run = run_suite(folder, CHANCE)
    assert set(run.verdicts().values()) == {"pass"}, run.output
    return folder, run


def assert_same_timelines(one: SuiteRun, whole: SuiteRun) -> None:
    """Of the tests of ``one``; says where they part."""
    for name, lines in one.timeline.items():
        for number, (seen, expected) in enumerate(zip(lines, whole.timeline[name], strict=False)):
            assert seen == expected, f"{name}, line {number}, after {lines[max(number - 2, 0):number]}"
        assert len(lines) == len(whole.timeline[name])


def test_a_test_alone_has_the_timeline_it_has_among_others(chance: tuple[Path, SuiteRun]) -> None:
    folder, whole = chance
    alone = run_suite(folder, CHANCE, str(folder / "suite" / "test_small.py") + "::test_c[2]")
    assert set(alone.timeline) == {"test_c[2]"}
    assert_same_timelines(alone, whole)


def test_another_order_changes_nothing(chance: tuple[Path, SuiteRun]) -> None:
    folder, whole = chance
    file = str(folder / "suite" / "test_small.py")
    turned = run_suite(folder, CHANCE, f"{file}::test_c", f"{file}::test_b", f"{file}::test_a")
    assert list(turned.tests) == ["test_c[1]", "test_c[2]", "test_b", "test_a"]
    assert_same_timelines(turned, whole)


def test_several_processes_give_the_same_results_in_the_same_order(chance: tuple[Path, SuiteRun]) -> None:
    folder, whole = chance
    parallel = run_suite(folder, CHANCE, "-p", "xdist", "-n", "2")
    assert parallel.verdicts() == whole.verdicts()
    assert list(parallel.tests) == list(whole.tests)
    assert_same_timelines(parallel, whole)
    for name, test in parallel.tests.items():
        for key in ("id", "device_time_s", "measurements", "steps", "requirements", "message"):
            assert test[key] == whole.tests[name][key]


def test_another_seed_gives_another_timeline(chance: tuple[Path, SuiteRun]) -> None:
    folder, whole = chance
    other = run_suite(folder, CHANCE, "--seed", "2", "-k", "test_a")
    assert other.timeline["test_a"] != whole.timeline["test_a"]


def test_two_tests_of_one_run_have_different_chance(chance: tuple[Path, SuiteRun]) -> None:
    _, whole = chance
    first, second = ([line.replace("[2]", "[1]") for line in whole.timeline[f"test_c[{n}]"]] for n in (1, 2))
    assert first != second


@pytest.mark.parametrize("arguments", [[], ["-p", "xdist", "-n", "2"]], ids=["one process", "two processes"])
def test_a_failure_without_a_result_is_a_fault_of_the_run(tmp_path: Path, arguments: list[str]) -> None:
    dies = "os.kill(os.getpid(), signal.SIGKILL)" if arguments else "raise ValueError('no mark')"
    mark = ONE_OF_EACH if arguments else ""
    run = run_suite(tmp_path, f"{ONE_OF_EACH}def test_good(): pass\n\n{mark}def test_dies():\n    {dies}\n", *arguments)
    assert run.verdicts() == {"test_good": "pass"}
    assert "test_dies failed without a result" in run.fault


def test_a_station_file_that_is_not_right_is_a_sentence_and_no_traceback(tmp_path: Path) -> None:
    run = run_suite(tmp_path, SELECTION, "--station", str(tmp_path / "none.toml"))
    assert run.code == pytest.ExitCode.USAGE_ERROR
    assert "none.toml: expected a file, saw no such file or directory; give the path of a station file." in run.fault
    assert "Traceback" not in run.output and "INTERNALERROR" not in run.output


def test_a_suite_that_cannot_be_collected_is_a_fault_of_the_run(tmp_path: Path) -> None:
    run = run_suite(tmp_path, "import no_such_package\n")
    assert "can't be collected" in run.fault
    assert "no_such_package" in run.fault


def test_a_key_is_in_no_traceback_whatever_pytest_is_told(tmp_path: Path) -> None:
    key = "c7d1e9f3a5b70911c7d1e9f3a5b70922"
    run = run_suite(tmp_path, f"""
def write(path, value):
    encoded = value.hex().upper()
    raise OSError("refused")

{ONE_OF_EACH}
def test_writes():
    write("/0/1/5", bytes(int("{key}"[at:at + 2], 16) for at in range(0, 32, 2)))
""", "--showlocals", "--tb=long", "--alluredir", str(tmp_path / "allure"))
    assert run.verdicts() == {"test_writes": "error"}
    told = run.output + "".join(path.read_text("utf-8") for path in (tmp_path / "allure").glob("*.json"))
    assert "encoded = value.hex().upper()" in told
    assert key.upper() not in told
    assert "xc7" not in told
