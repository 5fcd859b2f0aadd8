"""The line: its script, the record of a life, and what the judges see of a unit that breaks in the middle."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from run_schemas import objections_to_run

from bench.commands.judge import judge
from bench.commands.order import Order
from bench.commands.run import run
from bench.errors import BenchError
from bench.measure import Verdict
from fixtures.line.script import LAST, USUAL, Script
from fixtures.line.stages import STAGES
from suites.line.test_life import STAGES as JUDGED

SLOWEST_S = 110.0
"""Device time that no healthy unit takes."""


def driven(folder: Path, *defects: str, **order: Any) -> dict[str, Any]:
    """The record of one unit on the line."""
    run(Order("line", folder, defects=defects, report=False, **order), Console(quiet=True))
    record: dict[str, Any] = json.loads((folder / "record.json").read_text("utf-8"))
    return record


def verdicts(record: dict[str, Any]) -> dict[str, str]:
    return {test["id"].rpartition("::")[2]: test["verdict"] for test in record["tests"]}


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("line") / "run"
    return folder, driven(folder)


# -- the script


def written(folder: Path, change: Callable[[list[str]], list[str]]) -> Path:
    """The usual script with its stages in another order."""
    names = [stage.name for stage in Script.load().stage]
    path = folder / "line.toml"
    path.write_text("".join(f'[[stage]]\nname = "{name}"\nphysics_s = 1\n' for name in change(names)), "utf-8")
    return path


def test_the_usual_script_is_one_that_a_unit_can_go_through() -> None:
    script = Script.load(USUAL)
    assert tuple(stage.name for stage in script.stage[-2:]) == LAST
    assert 60 < script.physics_s < 120


@pytest.mark.parametrize(("change", "seen"), [
    (lambda names: [*names[:3], "lunch", *names[3:]], "saw lunch"),
    (lambda names: [*names[:2], *names[1:]], "expected each stage once, saw power-up again"),
    (lambda names: names[:-1], "expected delivered again and dark again at its end"),
    (lambda names: [name for name in names if name != "settings"],
     "expected a unit that is commissioned before activation, saw one that is passive"),
    (lambda names: [name for name in names if name != "join"],
     "expected a unit that is joined before device management, saw one that is active")])
def test_an_order_that_no_unit_can_go_through_is_refused(
        tmp_path: Path, change: Callable[[list[str]], list[str]], seen: str) -> None:
    with pytest.raises(BenchError, match=seen):
        Script.load(written(tmp_path, change))


@pytest.mark.parametrize("text", ["stage = 1", "[[stage]]\nname = 'dark'\n", "[[stage]]\nname = 'dark'\nphysics_s = -1",
                                  "[[stage]]\nname = 'dark'\nphysics_s = 1\nlimit = 2"])
def test_a_script_that_is_none_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "line.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(BenchError, match=r"script of the line line.toml.*correct the order"):
        Script.load(path)


# -- one life


def test_a_healthy_unit_passes_in_one_life(healthy: tuple[Path, dict[str, Any]]) -> None:
    folder, record = healthy
    wrong = {test["id"]: test["message"] for test in record["tests"] if test["verdict"] != "pass"}
    assert not wrong
    assert (record["verdict"], record["labs"], record["not_delivered"]) == ("pass", 1, [])
    assert record["device_time_s"] < SLOWEST_S
    events = [json.loads(line) for line in (folder / "events.ndjson").read_text("utf-8").splitlines()]
    assert [event["name"] for event in events if event["event"] == "stage ended"] == events[0]["stages"]
    assert objections_to_run(folder) == []


def test_it_is_judged_again_from_its_record_byte_for_byte(healthy: tuple[Path, dict[str, Any]]) -> None:
    folder, record = healthy
    again = judge(folder)
    assert (again.verdict, again.changed) == (Verdict.PASS, [])
    assert again.to_json() == judge(folder).to_json()
    assert ([(one["name"], one["value"], one["verdict"], one["test"]) for one in record["measurements"]]
            == [(one.name, one.value, one.verdict, test) for test, one in again.measurements])


def test_other_limits_change_what_is_beyond_them_and_nothing_else(
        healthy: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    limits = tmp_path / "limits.toml"
    row = 'unit = "uA"\nhigh = {}\npossible = [0.5, 1e6]\nguard = true\nclause = "8"\n'
    limits.write_text('["power.sleep.current"]\n' + row.format(5.0), "utf-8")
    found = judge(healthy[0], limits)
    assert found.verdict is Verdict.FAIL
    assert found.changed == ["suites/line/test_power.py::test_a_joined_unit_sleeps_at_6_ua: fail, recorded was pass"]
    for name, unit, seen in (("power.sleep.curent", "uA", "none of that name"),
                             ("power.sleep.current", "mA", "saw mA")):
        limits.write_text(f'["{name}"]\n' + row.format(5.0).replace("uA", unit), "utf-8")
        with pytest.raises(BenchError, match=seen):
            judge(healthy[0], limits)


def rewritten(run_dir: Path, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    """``name`` of the run changed, and the record's hashes with it: as a run would have left it."""
    record_file, changed_file = run_dir / "record.json", run_dir / name
    content = json.loads(changed_file.read_text("utf-8"))
    change(content)
    changed_file.write_text(json.dumps(content), "utf-8")
    record = json.loads(record_file.read_text("utf-8"))
    for artifact in record["artifacts"]:
        if artifact["path"] == name:
            artifact["sha256"] = hashlib.sha256(changed_file.read_bytes()).hexdigest()
    record_file.write_text(json.dumps(record), "utf-8")


@pytest.mark.parametrize(("change", "verdict"), [
    (lambda record: record.update(message="the station could not be made safe"), Verdict.ERROR),
    (lambda record: record["manifest"]["left_out"].append(
        {"what": "the look at the instruments", "reason": "--no-doctor", "requirements": [], "excused": False}),
     Verdict.INCOMPLETE)], ids=["a fault of the bench", "no doctor"])
def test_judges_do_not_make_up_for_what_the_run_itself_lacks(
        healthy: tuple[Path, dict[str, Any]], tmp_path: Path, change: Callable[[dict[str, Any]], object],
        verdict: Verdict) -> None:
    shutil.copytree(healthy[0], tmp_path / "run")
    rewritten(tmp_path / "run", "record.json", change)
    found = judge(tmp_path / "run")
    assert (found.verdict, found.changed) == (verdict, [])


def facts_of(life: dict[str, Any], stage: str) -> dict[str, Any]:
    facts: dict[str, Any] = next(one for one in life["stages"] if one["name"] == stage)["facts"]
    return facts


@pytest.mark.parametrize(("change", "judges"), [
    (lambda life: facts_of(life, "device management")["resources"].pop("/3/0/0"),
     "test_object_3_says_what_the_unit_is"),
    (lambda life: facts_of(life, "delivery")["settings"].pop("power_mode"),
     "test_a_delivered_unit_says_that_it_is_passive"),
    (lambda life: facts_of(life, "device management")["resources"].update({"/3/0/3": "beta"}),
     "test_object_3_says_what_the_unit_is"),
    (lambda life: facts_of(life, "telegrams")["SenML"].update(payload="82a1ff"),
     "test_a_version_record_is_called_by_base_name_and_name")],
    ids=["a resource that is missing", "a setting that is missing", "a version that is none", "no telegram"])
def test_what_a_unit_does_not_tell_is_its_fault_not_the_benchs(
        healthy: tuple[Path, dict[str, Any]], tmp_path: Path, change: Callable[[dict[str, Any]], object],
        judges: str) -> None:
    shutil.copytree(healthy[0], tmp_path / "run")
    rewritten(tmp_path / "run", "evidence/life.json", change)
    found = judge(tmp_path / "run")
    verdicts = {test.rpartition("::")[2]: verdict for test, (verdict, _) in found.tests.items()}
    assert verdicts[judges] is Verdict.FAIL
    assert Verdict.ERROR not in verdicts.values(), found.tests
    assert found.verdict is Verdict.FAIL


def test_a_stage_that_is_not_in_the_script_leaves_its_judges_without_a_verdict(
        healthy: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    shutil.copytree(healthy[0], tmp_path / "run")
    rewritten(tmp_path / "run", "evidence/life.json", lambda life: life.update(
        stages=[stage for stage in life["stages"] if stage["name"] != "passive"]))
    found = judge(tmp_path / "run")
    assert found.verdict is Verdict.INCOMPLETE
    assert {message for verdict, message in found.tests.values() if verdict is not Verdict.PASS} == {
        "the script has no stage passive"}


def test_each_stage_has_its_judge() -> None:
    assert set(JUDGED) == set(STAGES)


def test_of_a_thinned_record_what_is_there_is_judged(healthy: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    shutil.copytree(healthy[0], tmp_path / "run")
    (tmp_path / "run" / "evidence" / "life.ndjson").unlink()
    found = judge(tmp_path / "run")
    assert found.verdict is Verdict.INCOMPLETE
    skipped = {message for verdict, message in found.tests.values() if verdict is Verdict.SKIPPED}
    assert skipped == {"evidence thinned: what was observed is not kept any more"}
    assert sum(verdict is Verdict.PASS for verdict, _ in found.tests.values()) > 40


def test_nobody_is_judged_by_evidence_that_was_changed(healthy: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    shutil.copytree(healthy[0], tmp_path / "run")
    life = tmp_path / "run" / "evidence" / "life.json"
    life.write_text(life.read_text("utf-8").replace("2.3.1", "2.3.2"), "utf-8")
    with pytest.raises(BenchError, match=r"evidence/life.json: expected what the record names by its hash"):
        judge(tmp_path / "run")
    with pytest.raises(BenchError, match="name the directory of a run of the line"):
        judge(tmp_path)


# -- units that are not right


@pytest.mark.parametrize(("defect", "judges"), [
    ("sleep-7-ua", ["test_a_passive_unit_draws_no_more_than_the_sleep_current", "test_a_joined_unit_sleeps_at_6_ua",
                    "test_a_unit_that_is_switched_off_draws_no_more_than_a_sleeping_one"]),
    ("joined-light-7-4-s", ["test_start_up_shows_both_for_1_s_then_green_flashes_then_8_s_green"])])
def test_a_fault_is_found_by_its_judges_alone(tmp_path: Path, defect: str, judges: list[str]) -> None:
    record = driven(tmp_path / "run", defect)
    assert [name for name, verdict in verdicts(record).items() if verdict == "fail"] == judges
    assert (record["verdict"], record["not_delivered"]) == ("fail", [])


def test_after_a_gate_nothing_is_reached_but_the_way_back(tmp_path: Path) -> None:
    """A unit that does not register has no more to show, and leaves as it came all the same."""
    record = driven(tmp_path / "run", "dtls-not-used-for-dm")
    found = verdicts(record)
    assert record["verdict"] == "fail"
    assert found["test_the_unit_went_through[join]"] == "fail"
    assert found["test_the_unit_went_through[delivered again]"] == "pass"
    assert found["test_the_unit_went_through[sleep]"] == "skipped"
    assert "error" not in found.values()
    reasons = {test["reason"] for test in record["tests"] if test["verdict"] == "skipped"}
    assert all(reason.startswith("not reached: the unit ended at join") for reason in reasons)


LEFT_OUT = "nothing was changed, or all of it was put back"


@pytest.mark.parametrize(("fault", "stage"), [
    ("reader-without-a-tag", "delivery"), ("reader-sees-another-tag", "delivery"), ("button-sticky", "activation"),
    ("contact-loose", "activation"), ("servers-unreachable", "join"), ("ammeter-zero-drifts", ""),
    ("cell-never-says-attached", ""), ("simulator-dead", "dark again")])
def test_whatever_fails_in_the_middle_no_unit_is_blamed_and_none_leaves_unrestored(
        tmp_path: Path, fault: str, stage: str) -> None:
    record = driven(tmp_path / "run", faults=[fault], doctor=False)
    found = verdicts(record)
    assert record["verdict"] in ("error", "incomplete"), "no pass with a sick instrument"
    assert "fail" not in found.values(), [one["message"] for one in record["tests"] if one["verdict"] == "fail"]
    assert record["not_delivered"] == [], LEFT_OUT
    if stage:
        assert found[f"test_the_unit_went_through[{stage}]"] == "error"


# -- stations of another kind


@pytest.mark.parametrize(("kind", "lacks"), [
    ({"over": "network"}, ["settings.nfc.read", "settings.nfc.write"]), ({"meter": "real"}, []),
    ({"cell": "live"}, ["cell.state"]),
    ({"cell": "live", "over": "network", "meter": "real"},
     ["settings.nfc.read", "settings.nfc.write", "cell.state"])], ids=lambda kind: " ".join(
         f"{name} {value}" for name, value in kind.items()) if isinstance(kind, dict) else "")
def test_a_healthy_unit_passes_on_each_kind_of_station(tmp_path: Path, kind: dict[str, str], lacks: list[str]) -> None:
    """What the station has not got is named before anything moves; the judges that need it are left out, each with the
    reason, and all others pass."""
    record = driven(tmp_path / "run", **kind)
    assert {test["verdict"] for test in record["tests"]} <= {"pass", "skipped"}, [
        test["message"] for test in record["tests"] if test["verdict"] in ("fail", "error")]
    assert (record["verdict"], record["not_delivered"]) == ("pass", [])
    plan = json.loads((tmp_path / "run" / "events.ndjson").read_text("utf-8").splitlines()[0])
    assert (plan["event"], plan["lacks"]) == ("plan", lacks)
    left_out = record["manifest"]["left_out"]
    assert all(row["excused"] and row["reason"].startswith("not for this station: ") for row in left_out)
    assert bool(left_out) == bool(lacks)
    again = judge(tmp_path / "run")
    assert (again.verdict, again.changed) == (Verdict.PASS, [])


@pytest.mark.parametrize("defect", ["joined-light-7-4-s", "sleep-7-ua", "default-wrong"])
def test_over_the_network_a_fault_is_found_too(tmp_path: Path, defect: str) -> None:
    record = driven(tmp_path / "run", defect, over="network")
    assert (record["verdict"], record["not_delivered"]) == ("fail", [])


def test_over_the_network_no_unit_passes_without_the_accounts_that_it_is_to_leave_with(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fixtures.bench.DELIVERY_OF_TWIN", None)
    record = driven(tmp_path / "run", over="network", doctor=False)
    assert (record["verdict"], record["stages"], record["device_time_s"]) == ("error", [], 0.0)
    messages = {test["message"] for test in record["tests"]}
    assert len(messages) == 1
    assert "commissioning.delivery, the accounts with which units leave" in messages.pop()
