"""A client of somebody else's stack (aiocoap) as a unit under a pack for any client: rows come out as it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
EXAMPLES = PROJECT / "docs" / "examples"
FAULTY = Path(__file__).parent / "devices" / "faulty_device.py"

PACK = """
name = "some-cases"
title = "Some cases"
scope = "Of the ETS."
any_client = true
[[document]]
name = "OMA-ETS-LightweightM2M"
edition = "V1_1-20190912-D"
source = "secondary"
[[row]]
id = "int-201"
title = "Querying basic information in plain text"
source = "secondary"
bench = "Read."
ets = ["int-201"]
[[row]]
id = "int-256"
title = "Write operation failure"
source = "secondary"
bench = "Values that are refused."
ets = ["int-256"]
[[row]]
id = "int-950"
title = "Several servers"
source = "secondary"
applies = ["not lwm2m is 1.1"]
otherwise = "Registers by 1.1"
left = "All."
to = "an OMA event"
"""


def certified(tmp_path: Path, *command: str) -> dict[str, Any]:
    words = [sys.executable, *command, "--endpoint", "{endpoint}", "--bootstrap", "{bootstrap}", "--tick", "{tick}"]
    kept = [line for line in (EXAMPLES / "foreign_station.toml").read_text().splitlines()
            if not line.startswith(("command", "profile"))]
    unit = kept.index("[unit]") + 1
    kept[unit:unit] = [f"command = {json.dumps(words)}", f"profile = {json.dumps(str(EXAMPLES / 'lwm2m_device.toml'))}"]
    station, pack = tmp_path / "station.toml", tmp_path / "some-cases.toml"
    station.write_text("\n".join(kept) + "\n")
    pack.write_text(PACK)
    done = subprocess.run([sys.executable, "-m", "bench.cli", "certify", str(pack), "--station", str(station),
                           "--run-dir", str(tmp_path / "pack"), "--json"], cwd=PROJECT, capture_output=True, text=True,
                          timeout=600)
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("command", "refuses"), [
    ((str(EXAMPLES / "lwm2m_device.py"),), "indication of conformity"),
    ((str(FAULTY), "TakesEveryNumber"), "indication of non-conformity")])
def test_rows_come_out_as_the_client_is(tmp_path: Path, command: tuple[str, ...], refuses: str) -> None:
    pack = certified(tmp_path, *command)
    words = {row["id"]: row["verdict"] for row in pack["packs"][0]["rows"]}
    assert words == {"int-201": "indication of conformity", "int-256": refuses, "int-950": "not applicable"}
    assert pack["shown"]["manufacturer"] == "Example Maker"
    assert pack["declared"] == {}
