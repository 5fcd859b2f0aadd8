"""A settings codec of another format, installed from outside as a vendor's would be, and the guide that leads to it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench import installed
from bench.errors import BenchError

PROJECT = Path(__file__).parents[2]
PACKAGE = PROJECT / "tests" / "data" / "outside_codec"
GUIDE = (PROJECT / "docs" / "how-to" / "write-a-codec.md").read_text("utf-8")
INSTALL, ACCEPTANCE, REGRESSION, DEFECT = (
    shlex.split(line)[1:] for line in re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)[0].strip().splitlines())
ONE_OF_EACH_TYPE = ("message_encoding", "transmit_interval", "utc_offset", "mqtt_sn_topic", "restart_backoff")
CHOSEN = f"test_otc and (not takes_what_its_row or {' or '.join(ONE_OF_EACH_TYPE)})"
CODEC, UNIT = ["--codec", "otc-in-pages"], ["--variant", "otc-in-pages"]


@dataclass
class Done:
    code: int
    output: str
    tests: list[dict[str, Any]]

    def verdicts(self) -> set[str]:
        return {test["verdict"] for test in self.tests}


def mcm_bench(folder: Path, arguments: list[str], packages: Path | None = None) -> Done:
    """The command in a process of its own, which finds what is installed in ``packages``."""
    done = subprocess.run([sys.executable, "-m", "bench.cli", *arguments, "--run-dir", str(folder / "run")],
                          cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False,
                          env=os.environ | {"PYTHONPATH": str(packages or "")})
    record = json.loads((folder / "run" / "record.json").read_text("utf-8"))
    return Done(done.returncode, " ".join((done.stdout + done.stderr).split()), record["tests"])


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the package is installed as the guide says, from what is on this machine."""
    target = tmp_path_factory.mktemp("packages")
    source = target.with_name("source")    # pip leaves nothing in the project
    shutil.copytree(PACKAGE, source)
    arguments = [str(source) if PROJECT / one == PACKAGE else one for one in INSTALL]
    subprocess.run([sys.executable, "-m", "pip", *arguments, "--no-index", "--target", str(target), "--quiet",
                    "--disable-pip-version-check"], check=True, timeout=120)
    return target


def test_the_guide_shows_the_packages_entry_points() -> None:
    shown: dict[str, Any] = {}
    for block in re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL):
        shown |= tomllib.loads(re.sub(r"^ +", "", block, flags=re.MULTILINE))["project"]["entry-points"]
    assert shown == tomllib.loads((PACKAGE / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]


def test_the_acceptance_passes_whole_in_another_format(packages: Path, tmp_path: Path) -> None:
    done = mcm_bench(tmp_path, ACCEPTANCE, packages)
    assert (done.code, done.verdicts()) == (0, {"pass"}), done.output
    assert len(done.tests) > 60


def test_the_nfc_suites_pass_in_another_format(packages: Path, tmp_path: Path) -> None:
    done = mcm_bench(tmp_path, [CHOSEN if one == "test_otc" else one for one in REGRESSION], packages)
    assert done.verdicts() == {"pass"}, done.output
    files = [test["id"].partition("::")[0] for test in done.tests]
    assert files.count("suites/test_otc.py") > 10
    assert files.count("suites/test_otc_settings.py") > 10


def test_a_lock_that_any_key_opens_is_caught_in_another_format(packages: Path, tmp_path: Path) -> None:
    done = mcm_bench(tmp_path, DEFECT, packages)
    assert (done.code, done.verdicts()) == (1, {"fail"}), done.output


@pytest.mark.parametrize("chosen", [CODEC, UNIT])
def test_a_codec_that_does_not_fit_is_the_benchs_fault_in_one_sentence(packages: Path, tmp_path: Path,
                                                                      chosen: list[str]) -> None:
    done = mcm_bench(tmp_path, ["run", "acceptance", *chosen, "-k", "test_otc"], packages)
    assert (done.code, done.verdicts()) == (2, {"error"}), done.output
    for test in done.tests:
        assert "settings codec" in test["message"], test
        assert "\n" not in test["message"].strip(), test


def test_a_codec_that_is_not_installed_is_told_before_the_first_test(tmp_path: Path) -> None:
    done = mcm_bench(tmp_path, ["run", "acceptance", *CODEC])
    assert (done.code, done.tests) == (2, [])
    assert ("settings codec: expected one of bench-otc, saw 'otc-in-pages'; "
            "correct its name or install the package with the codec.") in done.output


@pytest.mark.parametrize(("packages_of", "said"), [
    ({"one": "raise ImportError('libsecret.so')"},
     "x of the package one: expected to load one:Codec, saw ImportError: libsecret.so; install it anew"),
    ({"one": "pass"}, "x of the package one: expected to load one:Codec, saw AttributeError"),
    ({"one": "class Codec: pass", "two": "class Codec: pass"},
     "x in mcm_bench.otc_codecs: expected one package that offers it, saw one and two; remove all but one")])
def test_a_package_that_can_not_be_had_is_told_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                              packages_of: dict[str, str], said: str) -> None:
    for name, text in packages_of.items():
        (tmp_path / f"{name}.py").write_text(text)
        about = tmp_path / f"{name}-1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (about / "entry_points.txt").write_text(f"[mcm_bench.otc_codecs]\nx = {name}:Codec\n")
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BenchError) as told:
        installed.load("mcm_bench.otc_codecs", "x", then=lambda codec: codec())
    assert str(told.value).startswith(said)
    for name in packages_of:
        sys.modules.pop(name, None)
