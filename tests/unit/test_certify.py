"""``mcm-bench certify`` from the command line, with a small pack of its own: it runs, goes on, and tells bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]

PACK = """
name = "small"
title = "Small"
scope = "Two rows with tests, one for others."
[[document]]
name = "EN 301 908-13"
edition = "V13.3.1"
source = "memory"
[[row]]
id = "1"
title = "What it says that it is"
source = "ours"
bench = "Read over DM."
tests = ["test_device_management.py::test_object_3_says_what_the_unit_is"]
[[row]]
id = "lock"
title = "How it is delivered"
source = "ours"
bench = "Looked at."
demands = ["lock_at_delivery is locked"]
[[row]]
id = "2"
title = "Spoils it"
source = "ours"
bench = "Nothing bad."
tests = ["test_led.py::test_a_passive_unit_shows_no_light"]
destructive = true
[[row]]
id = "3"
title = "Elsewhere"
source = "memory"
left = "All."
to = "laboratory"
"""


def certify(*words: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-m", "bench.cli", "certify", *words], cwd=PROJECT, capture_output=True,
                          text=True, timeout=600, env=None)
    return done.returncode, done.stdout + done.stderr


def words_of(folder: Path) -> dict[str, str]:
    data: dict[str, Any] = json.loads((folder / "pack.json").read_text("utf-8"))
    return {row["id"]: row["verdict"] for row in data["packs"][0]["rows"]}


def test_a_pack_is_made_goes_on_and_is_made_again(tmp_path: Path) -> None:
    pack = tmp_path / "small.toml"
    pack.write_text(PACK)
    folder = tmp_path / "pack"
    code, said = certify(str(pack), "--run-dir", str(folder))
    assert code == 1, said    # the twin's unit is delivered open
    assert words_of(folder) == {"1": "indication of conformity", "lock": "indication of non-conformity",
                                "2": "indication of conformity", "3": "needs laboratory"}
    assert max(len(line) for line in said.splitlines()) <= 80 or "suites/" in said
    assert [path.name for path in sorted((folder / "runs").iterdir())] == ["01", "02"], "destructive rows last, apart"
    before = (folder / "pack.pdf").read_bytes()
    assert before.startswith(b"%PDF")

    code, said = certify(str(pack), "--run-dir", str(folder), "--report-only")
    assert code == 1, said
    assert (folder / "pack.pdf").read_bytes() == before

    record = folder / "runs" / "01" / "record.json"
    record.write_text(record.read_text() + "\n")
    code, said = certify(str(pack), "--run-dir", str(folder), "--report-only")
    assert "its record was altered" in said
    assert words_of(folder)["1"] == "inconclusive"
    assert code == 1

    code, said = certify(str(pack), "--run-dir", str(folder), "--seed", "2")
    assert code == 2
    assert "a pack with seed 2" in said


def test_bad_input_is_told_in_a_sentence(tmp_path: Path) -> None:
    pack = tmp_path / "small.toml"
    pack.write_text(PACK.replace("test_object_3_says", "test_object_33_says"))
    code, said = certify(str(pack), "--run-dir", str(tmp_path / "pack"))
    assert code == 2
    assert "no test is called test_device_management.py::test_object_33_says" in said
    assert not (tmp_path / "pack").exists()
