"""An update in the loop: what goes wrong in it is caught in the promises or in the comparison, and said in one file.
The long form, with every way to go wrong and with legal variants, is ``make updates``."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as Xml
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner
from update_loops import REFUSES, WRONG, Update, loop

from bench.cli import app
from bench.commands.order import Order
from bench.commands.update_loop import UpdateLoop
from bench.errors import BenchError
from bench.twin.program import Program


def test_keys_that_the_new_build_has_lost_are_caught(tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    code, told = loop(tmp_path, WRONG["keys lost"], "shows_no_light and passive", "keys_survive", junit=junit,
                      files=("suites/test_led.py",))
    assert (code, told) == (1, ["test_keys_survive_an_update: fail"])
    said = json.loads((tmp_path / "run" / "update.json").read_text("utf-8"))
    assert said["verdicts"] == {"old": "incomplete", "update": "fail", "new": "incomplete"}
    assert said["compare"] == 0
    suites = {suite.get("name", "").partition(":")[0]: suite.get("failures") for suite in Xml.parse(junit).getroot()
              if "mcm-bench" not in suite.get("name", "") or "compare" in suite.get("name", "")}
    assert suites == {"old": "0", "update": "1", "new": "0", "mcm-bench compare": "0"}
    firmware = json.loads((tmp_path / "run" / "new" / "record.json").read_text("utf-8"))["manifest"]["unit_firmware"]
    assert firmware == ["3.0.2"]


LONG = pytest.mark.skipif("MCM_BENCH_LONG" not in os.environ, reason="four seconds of processor: with MCM_BENCH_LONG")


@pytest.mark.parametrize(("new", "code"), [pytest.param(REFUSES, 3, marks=LONG), (Program(), 1)],
                         ids=["refuses, too", "takes"])
def test_that_older_firmware_is_taken_which_was_refused_is_a_regression(tmp_path: Path, new: Program,
                                                                            code: int) -> None:
    seen, told = loop(tmp_path, Update(REFUSES, new), "older_version", "test_packages_are_not_taken_by_write",
                      files=("suites/test_firmware.py",))
    assert seen == code
    assert [one for one in told if "G15" in one] == told
    assert bool(told) is (code == 1)


def test_after_a_fault_of_the_bench_nothing_follows(tmp_path: Path) -> None:
    package = tmp_path / "build.bin"
    package.write_bytes(b"x")
    made: list[str] = []

    def run(order: Order, console: Console) -> int:
        made.append(order.run_dir.name)
        order.run_dir.mkdir()
        (order.run_dir / "record.json").write_text("{}", "utf-8")
        return 2

    order = Order("regression", tmp_path / "run", firmware=(package,), then=package)
    assert UpdateLoop(order, run=run).to_its_end(Console(quiet=True)) == 2
    assert made == ["old"]
    with pytest.raises(BenchError, match="empty directory"):
        UpdateLoop(order, run=run).to_its_end(Console(quiet=True))
    with pytest.raises(BenchError, match="firmware package"):
        UpdateLoop(Order("regression", tmp_path / "other", firmware=(tmp_path / "none.bin",), then=package), run=run
                   ).to_its_end(Console(quiet=True))


@pytest.mark.parametrize("more", [[], ["--firmware", "a", "--firmware", "b"], ["--firmware", "a", "--budget", "1 h"],
                                  ["--firmware", "a", "--dry-run"]], ids=" ".join)
def test_then_is_for_one_build_to_begin_with(more: list[str]) -> None:
    done = CliRunner().invoke(app, ["run", "regression", "--then", "b.bin", *more])
    assert done.exit_code == 2
    assert "--then is for one --firmware" in " ".join(done.output.replace("│", " ").split())
