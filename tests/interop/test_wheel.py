"""The bench as a package, installed where there is neither its source nor its tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``mcm-bench`` in a new environment. Only what the bench stands on is lent from ours, the bench itself is not:
    files like those of an editable installation have no effect in a folder that is lent."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"    # nothing is left in the project
    shutil.copytree(PROJECT, source, ignore=shutil.ignore_patterns(".*", "runs", "build", "*.egg-info", "tests"))
    environment = folder / "environment"
    subprocess.run([*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source)],
                   check=True, timeout=300)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True, timeout=120)
    subprocess.run([*PIP, "--python", str(environment / "bin" / "python"), "install", "--no-deps", "--no-index",
                    *map(str, folder.glob("*.whl"))], check=True, timeout=300)
    packages = next((environment / "lib").glob("python3*")) / "site-packages"
    (packages / "lent.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", "utf-8")
    shutil.rmtree(source)
    return environment / "bin" / "mcm-bench"


def mcm_bench(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Called from a folder in which nothing of the bench is."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run([str(installed), *arguments], cwd=folder, capture_output=True, text=True, timeout=600,
                          check=False, env=clean)


def test_it_judges_a_unit(installed: Path, tmp_path: Path) -> None:
    done = mcm_bench(installed, tmp_path, "run", "line", "--run-dir", "run")
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / "run" / "record.json").read_text("utf-8"))
    assert record["verdict"] == "pass"
    assert record["manifest"]["software"]["commit"] == ""    # there is no history
    assert record["manifest"]["software"]["version"]
    assert mcm_bench(installed, tmp_path, "judge", "run").returncode == 0


def test_it_blames_the_unit_for_what_the_unit_does(installed: Path, tmp_path: Path) -> None:
    done = mcm_bench(installed, tmp_path, "run", "regression", "-k", "passive_unit_draws_no_more", "--defect", "sleep-current-high",
                     "--run-dir", "run")
    assert done.returncode == 1, done.stdout + done.stderr


def test_its_commands_work(installed: Path, tmp_path: Path) -> None:
    for command in ("trace", "doctor", "list tests led", "list words", "list licences", "run regression --dry-run",
                    "decode 40024001c4d20000000000", "records --help", "serve --help", "prove --help"):
        done = mcm_bench(installed, tmp_path, *command.split())
        assert done.returncode == 0 or command.startswith("decode"), command + done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr, command
