"""Two sides of runs that were written by hand: what changed is named, what can't be compared is said."""

from __future__ import annotations

import json
import xml.etree.ElementTree as Xml
from datetime import date
from pathlib import Path

import pytest
from rich.console import Console

from bench.analysis.shown.fact import Area
from bench.commands.compare.command import Task, compare
from bench.commands.compare.comparison import compare as hold_against
from bench.commands.compare.sides import Side
from bench.errors import BenchError
from tests.unit.compare.recorded import TEST, run_dir


def _named(old: Path, new: Path) -> list[tuple[Area, str]]:
    found = hold_against(Side.of("old", [old]), Side.of("new", [new]))
    return [(change.area, change.first.name) for change in found.changes]


def test_equal_firmwares_differ_in_nothing(tmp_path: Path) -> None:
    assert _named(run_dir(tmp_path / "old", seed=1), run_dir(tmp_path / "new", seed=2)) == []


def test_each_kind_is_named_once(tmp_path: Path) -> None:
    other = "suites/test_other.py::test_other"
    old = run_dir(tmp_path / "old", seed=1, verdicts={other: "pass"})
    new = run_dir(tmp_path / "new", seed=2, green_s=7.7, settings={"transmit_interval": 720}, verdicts={other: "fail"})
    assert _named(old, new) == [(Area.VERDICT, other), (Area.LIGHT, "green when joined, length"),
                                (Area.DEFAULT, "setting transmit_interval")]


def test_another_order_of_messages_is_one_change(tmp_path: Path) -> None:
    old, new = run_dir(tmp_path / "old", seed=1), run_dir(tmp_path / "new", seed=2, gateway_first=True)
    assert [area for area, _ in _named(old, new)] == [Area.ORDER]


def test_a_flaky_test_that_fails_stays_failed_and_is_no_change(tmp_path: Path) -> None:
    flaky = "suites/test_other.py::test_flaky"
    earlier = [Side.of("earlier", [run_dir(tmp_path / "earlier" / str(seed), seed=seed, verdicts={flaky: verdict})
                                   for seed, verdict in enumerate(("pass", "fail", "pass"), start=10)])]
    old = Side.of("old", [run_dir(tmp_path / "old", verdicts={flaky: "pass"})])
    new = Side.of("new", [run_dir(tmp_path / "new", seed=2, verdicts={flaky: "fail"})])
    found = hold_against(old, new, earlier)
    assert not found.changes
    assert [(one.name, one.new) for one in found.flaky] == [(flaky, "fail")]
    assert hold_against(old, new).changes, "without a history it can't be known"


@pytest.mark.parametrize(("record", "said"), [
    ({"unit": "94193A0401000002"}, "units"), ({"profile": "certification"}, "profiles"),
    ({"simulated": False}, "simulated and real"),
    ({"manifest": {"inputs": {"limits": "b" * 64}}}, "limits"),
    ({"manifest": {"software": {"commit": "b" * 40, "version": "9"}}}, "benches")])
def test_sides_that_differ_in_more_than_the_firmware_are_told(
        tmp_path: Path, record: dict[str, object], said: str) -> None:
    other = {"suites/test_other.py::test_other": "pass"}
    inputs = {"inputs": {"limits": "a" * 64}, "software": {"commit": "a" * 40, "version": "9"}}
    old = run_dir(tmp_path / "old", verdicts=other, manifest=inputs)
    new = run_dir(tmp_path / "new", seed=2, green_s=7.0, verdicts=dict.fromkeys(other, "fail"), **record)
    found = hold_against(Side.of("old", [old]), Side.of("new", [new]))
    assert any(caution.text.startswith(said) for caution in found.cautions)
    areas = {change.area for change in found.changes}
    assert (Area.LIGHT in areas) is (said != "simulated and real")
    assert (Area.VERDICT in areas) is (said != "limits")


def test_a_record_without_evidence_is_compared_as_far_as_it_goes(tmp_path: Path) -> None:
    old, new = run_dir(tmp_path / "old", timeline=False), run_dir(tmp_path / "new", seed=2, green_s=7.0)
    found = hold_against(Side.of("old", [old]), Side.of("new", [new]))
    assert not found.changes
    assert any("no timeline" in caution.text for caution in found.cautions)


def test_policy_known_issues_and_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = run_dir(tmp_path / "old"), run_dir(tmp_path / "new", seed=2, green_s=7.7)
    console = Console(width=200)
    out, junit = tmp_path / "out", tmp_path / "junit.xml"
    assert compare(Task([old, new], out=out, junit=junit), False, console) == 1
    assert "green when joined" in capsys.readouterr().out
    assert "green when joined" in (out / "compare.html").read_text("utf-8")
    assert json.loads((out / "compare.json").read_text("utf-8"))["changes"][0]["differences"][0]["judged"]["resolvable"]
    suite = Xml.parse(junit).getroot()[0]
    assert (suite.get("failures"), suite.get("errors")) == ("1", "0")

    policy = tmp_path / "policy.toml"
    policy.write_text('light = "10 %"\n', encoding="utf-8")
    assert compare(Task([old, new], policy=policy), False, console) == 0
    known = tmp_path / "known.toml"
    known.write_text('[[known]]\nwhat = "light green*"\nuntil = 2027-03-31\nreason = "new driver"\n', encoding="utf-8")
    assert compare(Task([old, new], known=known, today=date(2027, 3, 31)), False, console) == 0
    assert compare(Task([old, new], known=known, today=date(2027, 4, 1)), False, console) == 1
    assert "expired" in capsys.readouterr().out


@pytest.mark.parametrize("content", ['light = "much"', 'lihgt = "any"', "light = 3", "no toml"])
def test_a_policy_that_is_none_is_refused_in_a_sentence(tmp_path: Path, content: str) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(content, encoding="utf-8")
    with pytest.raises(BenchError):
        compare(Task([run_dir(tmp_path / "old"), run_dir(tmp_path / "new", seed=2)], policy=policy), True, Console())


def test_what_is_no_run_is_refused_in_a_sentence(tmp_path: Path) -> None:
    run = run_dir(tmp_path / "run")
    for runs in ([run, run], [run, tmp_path / "nowhere"], [run], [run, tmp_path / "empty"]):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(BenchError):
            compare(Task(runs), True, Console())


def test_nothing_in_common_is_neither_good_nor_bad(tmp_path: Path) -> None:
    old, new = run_dir(tmp_path / "old"), run_dir(tmp_path / "new", seed=2, timeline=False)
    record = json.loads((new / "record.json").read_text("utf-8"))
    record["tests"][0]["id"] = "suites/test_other.py::test_other"
    (new / "record.json").write_text(json.dumps(record), encoding="utf-8")
    assert compare(Task([old, new]), True, Console()) == 3
    assert TEST not in record["tests"][0]["id"]
