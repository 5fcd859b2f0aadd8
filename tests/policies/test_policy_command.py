"""``mcm-bench policy``: what it prints, its JSON and its exit codes."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.cli import main

POLICIES = """
name = "line 1"
people = "people.toml"

[scan]
badge = "B[0-9]{6}"

[fixture]
warn_at = 1
lock_at = 2
"""
STATION = """
name = "place 1"

[unit]
deveui = "94193A0401020304"

[commissioning]
over = "network"

[store]
url = "records.db"
outside = "outside"
"""
UNIT = "94193A0401020304"


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Done]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command, in this process and in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str, typed: str = "") -> Done:
        monkeypatch.setattr(sys, "argv", ["mcm-bench", *words])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Done(code, *capsys.readouterr())
    return call


@pytest.fixture
def line(bench: Command, tmp_path: Path) -> Command:
    """``mcm-bench policy`` in a folder with a line's files and an empty store."""
    (tmp_path / "line.toml").write_text(POLICIES)
    (tmp_path / "station.toml").write_text(STATION)

    def policy(*words: str, typed: str = "") -> Done:
        return bench("policy", *words, typed=typed)

    for name, role, number in (("lena", "lead", 1), ("erik", "engineer", 2)):
        done = policy("badge", name, "--role", role, "--people", "people.toml", typed=f"B00000{number}\n")
        assert done.returncode == 0, done.stderr
        assert "B0000" not in done.stdout + done.stderr
    assert bench("records", "create", "--station", "station.toml").returncode == 0
    return policy


def test_from_a_file_to_a_decision(line: Command, bench: Command) -> None:
    checked = line("check", "line.toml", "--json")
    assert json.loads(checked.stdout)["people"] == [{"name": "lena", "role": "lead"},
                                                    {"name": "erik", "role": "engineer"}]
    asked = line("ask", "line.toml", "--station", "station.toml", UNIT.lower(), "--role", "operator", "--json")
    decision = json.loads(asked.stdout)
    assert (asked.returncode, decision["answer"], decision["reasons"]) == (0, "allowed", [])
    assert decision["job"] == {"process": "line", "operator": "the operator"}
    after = line("ask", "line.toml", "--station", "station.toml", UNIT, "--after")
    assert (after.returncode, after.stdout.splitlines()[0]) == (
        0, "ALLOWED  the unit's record is not in the store; keep the unit apart; mcm-bench records flush, or records "
           "add RUN_DIR. [wait]")
    unlocked = line("unlock", "line.toml", "--station", "station.toml", "--why", "new pins", "--fixture",
                      typed="B000002\n")
    assert (unlocked.returncode, unlocked.stdout) == (0, "place 1 is used again\n")
    refused = line("unlock", "line.toml", "--station", "station.toml", "--why", "x", "--fixture",
                     typed="B000001\n")
    assert refused.returncode == 2
    assert "fixture reset: expected an engineer, saw lena (lead)" in refused.stderr
    verified = bench("records", "verify", "--station", "station.toml", "--json")
    assert (verified.returncode, json.loads(verified.stdout)["entries"]) == (0, 2)


@pytest.mark.parametrize(("words", "said"), [
    (("check", "none.toml"), "policies none.toml: expected a file"),
    (("ask", "line.toml", "--station", "station.toml", "<b>x</b>"), "something else, of 8 characters"),
    (("ask", "line.toml", "--station", "station.toml", "B000001"), "expected a unit's label, saw something else"),
    (("scan", "21"), "something else, of 2 characters"),
    (("unlock", "line.toml", "--station", "station.toml", "--why", "x"), "one that is not on it"),
])
def test_what_is_wrong_is_a_sentence(line: Command, words: tuple[str, ...], said: str) -> None:
    done = line(*words, typed="B999999\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
    assert "B999999" not in done.stderr


def test_a_scan_is_told(line: Command) -> None:
    done = line("scan", "-", "--policies", "line.toml", "--json", typed=f"]d1{UNIT}\r\n")
    assert json.loads(done.stdout) == {"kind": "unit", "value": UNIT}
    assert line("scan", "B123456", "--policies", "line.toml").stdout == "badge\n"
