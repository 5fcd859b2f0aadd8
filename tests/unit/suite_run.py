"""Runs small suites with the bench's plugin in a process of their own, as ``mcm-bench run`` runs the real ones.

As a program: ``suite_run.py RESULT.json ARGUMENTS...`` runs pytest and writes what the collector kept.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]

HEAD = """
import os, signal, time
import pytest
from bench.errors import BenchError, NotObserved
from fixtures.words import device_time, everywhere, in_regression, minutes, needs, profile, req, s
"""

ONE_OF_EACH = '@req("LED-04")\n@device_time("20 s")\n@everywhere\n'
"""What a test must say of itself."""


@dataclass
class SuiteRun:
    """``tests`` by name; ``timeline``: each test's observations as they stand in the file."""

    code: int
    fault: str
    output: str
    collected: list[str]
    tests: dict[str, dict[str, Any]] = field(default_factory=dict)
    timeline: dict[str, list[str]] = field(default_factory=dict)
    labs: int = 0
    power_cycles: list[str] = field(default_factory=list)
    not_delivered: list[str] = field(default_factory=list)

    def verdicts(self) -> dict[str, str]:
        return {name: test["verdict"] for name, test in self.tests.items()}


def run_suite(folder: Path, text: str, *arguments: str, name: str = "test_small.py") -> SuiteRun:
    """Run ``text`` as a suite file in ``folder``. A second call in one folder runs it anew."""
    suite = folder / "suite"
    suite.mkdir(exist_ok=True)
    (suite / name).write_text(HEAD + text, "utf-8")
    run_dir = folder / f"run{len(list(folder.glob('run*')))}"
    run_dir.mkdir()
    result = run_dir / "result.json"
    if not any("::" in argument for argument in arguments):
        arguments = (str(suite), *arguments)
    done = subprocess.run(
        [sys.executable, __file__, str(result), "-c", str(PROJECT / "pyproject.toml"), "--rootdir", str(folder),
         "-o", "addopts=--strict-markers", "-p", "no:cacheprovider", "-p", "pytest_timeout", "-p", "allure_pytest",
         "-p", "fixtures.plugin", "--run-dir", str(run_dir), *arguments],
        cwd=suite, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(PROJECT)})
    output = done.stdout + done.stderr
    assert result.exists(), output
    kept = json.loads(result.read_text("utf-8"))
    run = SuiteRun(kept["code"], kept["fault"], output, kept["collected"], labs=kept["labs"],
                   power_cycles=kept["power_cycles"], not_delivered=kept["not_delivered"])
    run.tests = {test["id"].rpartition("::")[2]: test for test in kept["tests"]}
    for part in sorted((run_dir / "evidence").glob("*.jsonl")):
        for line in part.read_text("utf-8").splitlines():
            run.timeline.setdefault(json.loads(line)["test"].rpartition("::")[2], []).append(line)
    return run


def main() -> None:
    import pytest

    from bench.commands.collect import Collector

    collector = Collector()
    code = pytest.main(sys.argv[2:], plugins=[collector])
    Path(sys.argv[1]).write_text(json.dumps({
        "code": int(code), "fault": collector.fault, "collected": [*collector.collected],
        "labs": collector.labs, "power_cycles": collector.power_cycles, "not_delivered": collector.not_delivered,
        "tests": [asdict(test) for test in collector.in_order()]}), "utf-8")


if __name__ == "__main__":
    main()
