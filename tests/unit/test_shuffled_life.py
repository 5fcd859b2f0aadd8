"""Whole profiles in one lab, in any order: the same verdicts. ``make lives`` does it with all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.commands.order import Order
from bench.commands.run import run

DEVICE_TIME_AT_535C861_S = 2879.731
"""Of the acceptance profile, seed 1, with a fresh lab for each test."""


def record_of(folder: Path, **order: Any) -> dict[str, Any]:
    run_dir = folder / "run"
    run(Order(run_dir=run_dir, lab="run", report=False, **order), Console(quiet=True))
    record: dict[str, Any] = json.loads((run_dir / "record.json").read_text("utf-8"))
    return record


@pytest.mark.parametrize("shuffle", [None, 1, 2], ids=lambda seed: f"order {seed}")
def test_acceptance_is_one_life_of_one_unit_in_any_order(tmp_path: Path, shuffle: int | None) -> None:
    record = record_of(tmp_path, profile="acceptance", shuffle=shuffle)
    wrong = {test["id"]: test["message"] for test in record["tests"] if test["verdict"] != "pass"}
    assert not wrong
    assert (record["verdict"], record["labs"], record["power_cycles"]) == ("pass", 1, [])
    assert record["not_delivered"] == [], "the unit does not leave as it was delivered"
    if shuffle is None:
        assert record["device_time_s"] <= DEVICE_TIME_AT_535C861_S


def test_over_the_network_acceptance_is_incomplete_and_nothing_fails(tmp_path: Path) -> None:
    """A station without codec leaves out what takes NFC; units leave with the accounts of the delivery file."""
    record = record_of(tmp_path, profile="acceptance", over="network")
    verdicts = [test["verdict"] for test in record["tests"]]
    wrong = {test["id"]: test["message"] for test in record["tests"] if test["verdict"] in ("fail", "error")
             and "a station without" not in test["message"]}
    assert not wrong
    assert verdicts.count("pass") >= 50
    assert record["verdict"] == "error", "acceptance leaves nothing out"
    assert record["not_delivered"] == []


def test_over_the_network_keys_apns_and_bands_are_put_back(tmp_path: Path) -> None:
    """What can't be written as a setting over DM goes back another way; the first test of a life begins with keys."""
    files = [f"suites/test_{name}.py" for name in ("security", "apn", "network", "payload_senml")]
    record = record_of(tmp_path, profile="regression", over="network", doctor=False, files=files, expression=(
        "a_bootstrap_moves_the_unit and (16 or 32) or a_new_apn_survives or automatic_mode or a_list_of_bands "
        "or does_not_mix_formats"))
    verdicts = {test["id"].rpartition("::")[2]: test["verdict"] for test in record["tests"]}
    assert len(verdicts) >= 8, verdicts
    assert set(verdicts.values()) == {"pass"}, verdicts


FILES = ("suites/test_bootstrap.py", "suites/test_network.py", "suites/test_apn.py", "suites/test_registration.py")
"""Those that change accounts, network and observations, and were red in a shared lab."""


@pytest.mark.parametrize("shuffle", [4])
def test_tests_that_change_accounts_and_network_do_not_see_each_other(tmp_path: Path, shuffle: int) -> None:
    record = record_of(tmp_path, profile="regression", shuffle=shuffle, files=FILES)
    wrong = {test["id"]: test["message"] for test in record["tests"] if test["verdict"] in ("fail", "error")}
    assert not wrong
    assert (record["labs"], record["power_cycles"]) == (1, [])
