"""PASS means complete: whatever is left out of a run, or done to it on the way, it does not end with a plain pass.

The runs are of a small house: the project's own code with two short suites, so that a complete run takes seconds.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from real_lab import PATIENCE_S, Outcome, command, real_lab

from bench.key_forms import find_keys
from bench.twin.lab import DM_PSK, MDM_PSK, PAK

PROJECT = Path(__file__).resolve().parents[2]

SUITE = '''
from fixtures.words import device_time, everywhere, needs, req


@req("LED-04")
@device_time("20 s")
@needs("supply.voltage")
@everywhere
def test_one(bench):
    bench.clock.sleep(1.0)


@req("BTN-01", "LED-04")
@device_time("3 h")
@everywhere
def test_two(bench, measure):
    measure("storage.readouts", 8000)
'''
LAST = '''
from fixtures.words import device_time, everywhere, req


@req("LED-05")
@device_time("20 s")
@everywhere
def test_three(joined_unit, dm, bench, request):
    dm.read("/3/0/3")
    pass
'''


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """The project with two suites in place of all of its own."""
    folder = tmp_path / "house"
    for name in ("bench", "drivers", "fixtures", "reports", "suites/limits"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "conftest.py"):
        shutil.copy(PROJECT / name, folder / name)
    (folder / "suites" / "__init__.py").write_text('FILES = ("test_first.py", "test_last.py")\n', "utf-8")
    (folder / "suites" / "test_first.py").write_text(SUITE, "utf-8")
    (folder / "suites" / "test_last.py").write_text(LAST, "utf-8")
    return folder


def run(house: Path, *arguments: str | Path, profile: str = "acceptance", python: tuple[str, ...] = (),
        **environment: str) -> Outcome:
    run_dir = house.parent / "run"
    program, *rest = command("run", profile, "--run-dir", run_dir, *arguments)
    done = subprocess.run([program, *python, *rest], cwd=house, env={**os.environ, **environment},
                          capture_output=True, text=True, timeout=2 * PATIENCE_S, check=False)
    record = run_dir / "record.json"
    return Outcome(done.returncode, done.stdout + done.stderr,
                   json.loads(record.read_text("utf-8")) if record.exists() else {})


def left_out(outcome: Outcome) -> dict[str, str]:
    return {one["what"].rpartition("/")[2]: one["reason"] for one in outcome.record["manifest"]["left_out"]}


def change(house: Path, file: str, old: str, new: str) -> None:
    path = house / file
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_a_complete_run_passes_and_says_what_it_was_made_of(house: Path) -> None:
    outcome = run(house)
    assert (outcome.code, outcome.record["verdict"]) == (0, "pass"), outcome.output
    manifest: dict[str, Any] = outcome.record["manifest"]
    assert manifest["left_out"] == []
    assert manifest["collected"] == len(manifest["chosen"]) == len(outcome.record["tests"]) == 3
    assert manifest["chosen_by"] == ["profile acceptance"]
    assert set(manifest["inputs"]) == {"suites", "limits", "requirements"}
    assert all(len(digest) == 64 for digest in manifest["inputs"].values())
    assert [one["name"] for one in manifest["instruments"]] == ["supply", "panel", "nfc", "cell"]
    supply = manifest["instruments"][0]
    assert (supply["serial"], supply["firmware"]) == ("TWIN0001", "E.02.11")
    assert supply["calibration_due"] > supply["calibrated"] > ""
    assert manifest["unit_firmware"] == ["2.3.1"]
    assert "@" in manifest["operator"]
    assert manifest["software"]["version"]
    assert manifest["ended"] >= outcome.record["started"]


def _without_a_file(house: Path) -> None:
    (house / "suites" / "test_last.py").unlink()


def _with_an_empty_file(house: Path) -> None:
    (house / "suites" / "test_last.py").write_text("", "utf-8")


def _at_the_top(text: str) -> Callable[[Path], None]:
    return lambda house: change(house, "suites/test_last.py", "\n\n\n@req", f"\n{text}\n\n\n@req")


def _marked(mark: str) -> Callable[[Path], None]:
    return lambda house: change(house, "suites/test_last.py", "@everywhere\n", f"@everywhere\n@{mark}\n")


def _in_the_test(text: str) -> Callable[[Path], None]:
    return lambda house: change(house, "suites/test_last.py", "    pass\n", text)


GONE = """    import shutil
    for file in request.config.option.run_dir.joinpath("evidence").iterdir():
        if not file.name.startswith(("0003", "run.")):
            file.unlink()
"""


@pytest.mark.parametrize(("spoil", "arguments", "expected"), [
    (lambda house: None, ["-k", "one"], {"test_first.py::test_two": "not chosen by -k",
                                         "test_last.py::test_three": "not chosen by -k"}),
    (lambda house: None, ["--max-device-time", "1 h"], {"test_first.py::test_two": "takes 10800 s on hardware"}),
    (lambda house: None, ["--no-doctor"], {"the look at the instruments": "--no-doctor"}),
    (_without_a_file, [], {"test_last.py": "is missing"}),
    (_with_an_empty_file, [], {"test_last.py": "gave no test"}),
    (_at_the_top('import pytest\npytest.skip("not today", allow_module_level=True)'), [],
     {"test_last.py": "skips itself: not today"}),
    (_at_the_top('import pytest\npytest.importorskip("no_such_package")'), [], {"test_last.py": "skips itself: could"}),
    (_at_the_top('import pytest\npytestmark = pytest.mark.skip("later")'), [],
     {"test_last.py::test_three": "by a mark: later"}),
    (_in_the_test('    import pytest\n    pytest.skip("the unit is too old")\n'), [],
     {"test_last.py::test_three": "the unit is too old"}),
    (_in_the_test(GONE), [], {"test_first.py::test_one": "its evidence is gone: 0001_test_one.jsonl",
                              "test_first.py::test_two": "its evidence is gone: 0002_test_two.jsonl"}),
    (lambda house: None, ["-k", "one", "-n", "2"], {"test_first.py::test_two": "", "test_last.py::test_three": ""}),
], ids=["-k", "budget", "--no-doctor", "a file less", "an empty file", "module-level skip", "importorskip",
        "a skip mark", "a skipped test", "evidence deleted", "-k in two processes"])
def test_a_run_from_which_something_was_left_out_is_incomplete(
        house: Path, spoil: Callable[[Path], None], arguments: list[str], expected: dict[str, str]) -> None:
    spoil(house)
    outcome = run(house, *arguments)
    assert (outcome.code, outcome.record["verdict"]) == (3, "incomplete"), outcome.output
    assert outcome.says("I N C O M P L E T E")
    said = left_out(outcome)
    assert said.keys() == expected.keys()
    assert all(reason in said[what] for what, reason in expected.items()), said
    page = (house.parent / "run" / "report.html").read_text("utf-8")
    assert "<h1>INCOMPLETE</h1>" in page
    assert 'id="left-out"' in page


def test_in_regression_an_ability_that_the_station_lacks_is_named_and_excused(house: Path) -> None:
    change(house, "suites/test_last.py", "import device_time, everywhere", "import needs, device_time, everywhere")
    _marked('needs("cell.nas", "cell.timers")')(house)
    outcome = run(house, profile="regression")
    assert (outcome.code, outcome.record["verdict"]) == (0, "pass"), outcome.output
    assert left_out(outcome) == {"test_last.py::test_three": "the station has no cell.nas"}
    assert run(house, "--run-dir", house.parent / "other", "-k", "one", profile="regression").code == 3


@pytest.mark.parametrize(("old", "new", "said"), [
    ("high = 8.5", "high = inf", "finite number"), ("low = 7.5", "low = nan", "finite number"),
    ("low = 7.5\n", "", "both ends, or possible")])
def test_limits_without_an_end_are_refused(house: Path, old: str, new: str, said: str) -> None:
    change(house, "suites/limits/led.toml", old, new)
    outcome = run(house)
    assert (outcome.code, outcome.record["verdict"], outcome.record["tests"]) == (2, "error", [])
    assert said in outcome.record["message"]


@pytest.mark.parametrize("file", ["suites/limits/led.toml", "suites/test_first.py"])
def test_who_changes_what_a_run_is_judged_by_spoils_it(house: Path, file: str) -> None:
    _in_the_test(f"    import pathlib\n    path = pathlib.Path({str(house / file)!r})\n"
                 "    path.write_text(path.read_text('utf-8') + '# more', 'utf-8')\n")(house)
    outcome = run(house)
    assert (outcome.code, outcome.record["verdict"]) == (2, "error"), outcome.output
    assert "expected to stay as they were at the start of the run" in outcome.record["message"]
    assert [test["verdict"] for test in outcome.record["tests"]] == ["pass"] * 3


def test_a_deveui_that_is_changed_on_disk_in_the_middle_spoils_the_run(house: Path) -> None:
    change(house, "suites/test_last.py", "joined_unit, dm, bench", "bench")     # in real time it would take a minute
    change(house, "suites/test_last.py", '    dm.read("/3/0/3")\n', "")
    with real_lab(house.parent) as lab:
        station = lab.station()
        _in_the_test(f"    import pathlib\n    path = pathlib.Path({str(station)!r})\n"
                     "    text = path.read_text('utf-8')\n"
                     "    path.write_text(text.replace('94193A0401000001', '94193A0401000002'), 'utf-8')\n")(house)
        outcome = run(house, "--station", station)
        assert (outcome.code, outcome.record["verdict"]) == (2, "error"), outcome.output
        assert outcome.record["message"].startswith("station file: expected to stay as they were")
        assert outcome.record["unit"] == "94193A0401000001"
        assert lab.is_safe


@pytest.mark.parametrize(("python", "environment", "said"), [
    (("-O",), {}, "Python: expected to run without -O, saw optimization level 1;"),
    (("-OO",), {}, "Python: expected to run without -O, saw optimization level 2;"),
    ((), {"PYTHONOPTIMIZE": "1"}, "environment variable PYTHONOPTIMIZE: expected not to be set, saw a value;"),
    ((), {"PYTEST_ADDOPTS": "-k nothing"}, "environment variable PYTEST_ADDOPTS: expected not to be set, saw a value;"),
    ((), {"PYTEST_PLUGINS": "json"}, "environment variable PYTEST_PLUGINS: expected not to be set, saw a value;")])
def test_what_bends_a_verdict_is_refused_before_anything_begins(
        house: Path, python: tuple[str, ...], environment: dict[str, str], said: str) -> None:
    outcome = run(house, python=python, **environment)
    assert (outcome.code, outcome.record) == (2, {})
    assert outcome.says(said)
    assert not (house.parent / "run").exists()
    assert "Traceback" not in outcome.output


def test_pytest_by_hand_refuses_it_too() -> None:
    done = subprocess.run(
        [command()[0], "-O", "-m", "pytest", "suites", "--collect-only", "-q", "-p", "no:cacheprovider"], cwd=PROJECT,
        capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "expected to run without -O" in done.stderr


def test_a_key_that_got_into_the_evidence_is_overwritten_and_a_finding(house: Path) -> None:
    upper, octets = DM_PSK.hex(":").upper(), list(MDM_PSK)
    _in_the_test("    folder = request.config.option.run_dir / 'evidence'\n"
                 f"    (folder / 'notes.txt').write_text('the key is {upper} today', 'ascii')\n"
                 f"    (folder / 'dump.bin').write_bytes(b'<' + bytes({octets}) + b'>')\n"
                 f"    assert bench.step('it says {PAK.hex()}')\n")(house)
    outcome = run(house)
    assert (outcome.code, outcome.record["verdict"]) == (0, "pass"), outcome.output
    assert outcome.record["manifest"]["findings"] == [
        f"a key of the unit stood in evidence/{name} and was overwritten"
        for name in ("0003_test_three.jsonl", "dump.bin", "notes.txt")]
    assert outcome.says("finding: a key of the unit stood in evidence/dump.bin")
    evidence = house.parent / "run" / "evidence"
    assert (evidence / "notes.txt").read_text("ascii") == f"the key is {'0' * len(upper)} today"
    assert (evidence / "dump.bin").read_bytes() == b"<" + bytes(len(MDM_PSK)) + b">"
    everything = b"".join(path.read_bytes() for path in (house.parent / "run").rglob("*") if path.is_file())
    assert not [key for key in (PAK, DM_PSK, MDM_PSK) if list(find_keys(everything, [key]))]
    assert outcome.record["tests"][2]["steps"][-1] == f"it says {'0' * 32}"


def test_the_list_of_the_suites_is_right() -> None:
    from suites import FILES

    suites = PROJECT / "suites"
    assert sorted(FILES) == sorted(path.relative_to(suites).as_posix() for path in suites.rglob("test_*.py"))
