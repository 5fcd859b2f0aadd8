"""One run of real suites on the twin: it observes what the table says, and all files bear the number of their test."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from real_lab import command
from run_schemas import objections_to_run

from bench.evidence import number_of
from bench.kinds import KINDS, Kind, objections
from bench.timeline import Observation
from reports.run import Run

TESTS = """
after_joining_one_readout_is_sent_by_itself
all_three_connections_shake_hands_in_dtls
sent_to_another_gateway_goes_there
fetched_by_coap_block_by_block
what_red_shows_of_a_fault_is_the_same
comes_beside_the_puback_does_no_harm
sequences_of_attempts_are_as_far_apart_as_set
timers_set_over_nfc_are_those_that_the_unit_asks_for
a_joined_unit_sleeps_at_6_ua
does_not_know_the_unit_leads_back
recorded_write_is_worth_nothing
nfc_switched_off_over_dm_shuts_everybody_out
what_the_meter_says_over_m_bus
meter_data_go_to_the_dm_server_by_send
a_dtls_unit_refuses_plain
"""
"""Parts of their names: a few that together observe most of what there is to observe."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run_dir = tmp_path_factory.mktemp("real") / "run"
    done = subprocess.run(command("run", "regression", "--run-dir", run_dir, "-k", " or ".join(TESTS.split())),
                          capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 3, done.stdout + done.stderr             # a part of the profile: incomplete
    assert objections_to_run(run_dir) == []
    return Run.load(run_dir)


def test_every_observation_is_as_the_table_has_it(run: Run) -> None:
    seen = [one for test_id in run.timeline for one in run.timeline[test_id]]
    assert {f"{one.source} {one.kind}: {wrong}" for one in seen for wrong in objections(one)} == set()
    kinds = {(one.source, one.kind) for one in seen}
    assert kinds <= set(KINDS)
    assert {source for source, _ in kinds} == {source for source, _ in KINDS} - {"dm-2", "unit"}
    assert len(kinds) >= 35


@pytest.mark.parametrize(("source", "kind", "data", "wrong"), [
    ("panel", "led", {"channel": "green", "on": True}, []),
    ("panel", "led", {"channel": "blue", "on": 1}, ["channel is 'blue', not green or red", "on is 1, not bool"]),
    ("panel", "led", {"channel": "red"}, ["on is missing"]),
    ("panel", "led", {"channel": "red", "on": False, "lux": 3}, ["lux is not known"]),
    ("panel", "lamp", {}, ["is not in the table"]),
    ("dm", "datagram", {"direction": "in", "peer": True, "hex": ""}, ["peer is True, not int"]),
    ("dm", "datagram", {"direction": "in", "peer": 1, "hex": "", "masked": True}, []),
    ("test", "measurement", {"name": "a", "value": 1, "unit": "s", "low": None, "high": 2.5, "verdict": "pass"}, []),
    ("nfc", "write", {"status": "OK", "power_mode": "Active", "t3324_timer": 5}, []),
    ("nfc", "write", {"status": "OK", "power_mode": ["Active"]},
     ["power_mode is ['Active'], not str | int | float | None"]),
])
def test_what_the_table_objects_to(source: str, kind: str, data: dict[str, object], wrong: list[str]) -> None:
    assert objections(Observation(0.0, source, kind, data)) == wrong


def test_the_table_says_of_each_kind_what_it_is() -> None:
    assert all(isinstance(kind, Kind) and kind.text for kind in KINDS.values())


def test_a_test_has_one_number_in_record_page_and_files(run: Run) -> None:
    record = json.loads((run.directory / "record.json").read_text("utf-8"))
    assert [test["number"] for test in record["tests"]] == list(range(1, len(run.tests) + 1))
    page = (run.directory / "report.html").read_text("utf-8")
    articles = dict(re.findall(r'<article class="test \w+" id="test-(\d+)">(.*?)</article>', page, flags=re.DOTALL))
    files = [Path(artifact["path"]) for artifact in record["artifacts"]]
    for test in record["tests"]:
        name = test["id"].partition("::")[2].partition("[")[0]
        mine = [file for file in files if number_of(file) == test["number"]]
        assert {file.suffix for file in mine} >= {".pcapng"}
        assert all(file.name.startswith(f"{test['number']:04d}_{name}") for file in mine)
        article = articles[str(test["number"])]
        assert f"<strong>{name.removeprefix('test_').replace('_', ' ')}" in article
        assert re.findall(r'href="\./([^"]*)"', article) == [str(file) for file in mine]
    assert {file.suffix for file in files if number_of(file)} == {".pcapng", ".vcd", ".jls"}
