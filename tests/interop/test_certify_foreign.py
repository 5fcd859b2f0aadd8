"""Clients of somebody else's stack (aiocoap, OpenSSL, GnuTLS) as units under packs for any client: rows come out as
they are known to behave."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
EXAMPLES = PROJECT / "docs" / "examples"
ECHO = Path(__file__).parent / "devices" / "dtls_echo.py"
YES, NO = "indication of conformity", "indication of non-conformity"
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


KEYS = "[peer]\nbootstrap_psk = \"{0}0\"\ndm_psk = \"{0}1\"\nmdm_psk = \"{0}2\"\n".format(
    "a0a1a2a3a4a5a6a7a8a9aaabacadaea")

OPENSSL = ("openssl", "s_client", "-connect", "{host}:{port}", "-psk_identity", "{name}", "-psk", "{key}", "-quiet",
           "-cipher")
GNUTLS = ("gnutls-cli", "{host}", "--udp", "-p", "{port}", "--pskusername", "{name}", "--pskkey", "{key}", "--logfile",
          "/dev/stderr", "--priority")
GNUTLS_NOW = "NORMAL:-KX-ALL:+PSK:-VERS-ALL:+VERS-DTLS1.2"


def certified(tmp_path: Path, *command: str) -> dict[str, Any]:
    words = [sys.executable, *command, "--endpoint", "{endpoint}", "--bootstrap", "{bootstrap}", "--tick", "{tick}"]
    kept = [line for line in (EXAMPLES / "foreign_station.toml").read_text().splitlines()
            if not line.startswith(("command", "profile"))]
    unit = kept.index("[unit]") + 1
    kept[unit:unit] = [f"command = {json.dumps(words)}", f"profile = {json.dumps(str(EXAMPLES / 'lwm2m_device.toml'))}"]
    pack = tmp_path / "some-cases.toml"
    pack.write_text(PACK)
    return run(tmp_path, kept, str(pack))


def run(tmp_path: Path, station_file: list[str], pack: str) -> dict[str, Any]:
    station = tmp_path / "station.toml"
    station.write_text("\n".join(station_file) + "\n")
    done = subprocess.run([sys.executable, "-m", "bench.cli", "certify", pack, "--station", str(station),
                           "--run-dir", str(tmp_path / "pack"), "--json"], cwd=PROJECT, capture_output=True, text=True,
                          timeout=600)
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_rows_come_out_as_the_client_is(tmp_path: Path) -> None:
    """One that takes each number that is written to it, and is right otherwise."""
    pack = certified(tmp_path, str(FAULTY), "TakesEveryNumber")
    words = {row["id"]: row["verdict"] for row in pack["packs"][0]["rows"]}
    assert words == {"int-201": "indication of conformity", "int-256": "indication of non-conformity",
                     "int-950": "not applicable"}
    assert pack["shown"]["manufacturer"] == "Example Maker"
    assert pack["declared"] == {}


def dtls_client(tmp_path: Path, *command: str) -> list[str]:
    """The lines of a station file whose unit is that program."""
    keys = tmp_path / "keys.toml"
    keys.write_text(KEYS)
    keys.chmod(0o600)
    words = [sys.executable, str(ECHO), "{dm_secure}", "{keys}", "{endpoint}", *command]
    backend = (EXAMPLES / "foreign_station.toml").read_text().partition("[backend]")[2]
    return ['name = "a DTLS client"', "simulated = true", "[unit]", 'driver = "process"', 'speaks = "dtls"',
            'endpoint = "peer"', 'keys = "keys.toml"', f"command = {json.dumps(words)}", "[backend]", backend]


def words_of(pack: dict[str, Any]) -> dict[str, str]:
    return {row["id"]: row["verdict"] for row in pack["packs"][0]["rows"]}


def needed(program: str, package: str) -> None:
    if shutil.which(program) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{program} is missing: apt-get install {package}")
        pytest.skip(f"{program} is missing (apt-get install {package})")


def test_openssl_offers_what_it_is_told_to_and_renegotiates(tmp_path: Path) -> None:
    """Without encryption where it is told to; and a HelloRequest is followed, as OpenSSL's clients do by default."""
    needed("openssl", "openssl")
    pack = tmp_path / "some-rows.toml"
    rows = (PROJECT / "bench" / "manual" / "packs" / "dtls.toml").read_text().split("[[row]]")
    kept = [row for row in rows[1:] if any(f'"{name}"' in row for name in QUICK_ROWS)]
    pack.write_text("[[row]]".join([rows[0].replace('name = "dtls"', 'name = "some-rows"'), *kept]))
    found = run(tmp_path, dtls_client(tmp_path, *OPENSSL, "PSK-AES128-CCM8:PSK-NULL-SHA256:@SECLEVEL=0", "-dtls1_2"),
                str(pack))
    assert words_of(found) == dict(zip(QUICK_ROWS, [NO, YES, NO, YES], strict=True))


QUICK_ROWS = ("CRY-1 (offer)", "CRY-1 (version)", "SCM-2 (renegotiation)", "SCM-4 (handshake)")


@pytest.mark.skipif(not os.environ.get("MCM_BENCH_LONG"), reason="minutes of real time: make foreign")
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("program", "known"), [
    pytest.param((*OPENSSL, "PSK-AES128-CCM8:PSK-AES128-GCM-SHA256", "-dtls1_2"), {"SCM-2 (renegotiation)"},
                 id="openssl"),
    pytest.param((*OPENSSL, "PSK-AES128-CCM8", "-dtls1_2", "-no_renegotiation"), set(),
                 id="openssl without renegotiation"),
    pytest.param((*OPENSSL, "PSK-AES128-CCM8:PSK-NULL-SHA256:@SECLEVEL=0", "-dtls1_2"),
                 {"CRY-1 (offer)", "CRY-1 (choice)", "SCM-2 (renegotiation)"}, id="openssl with null"),
    pytest.param((*GNUTLS, GNUTLS_NOW), {"SCM-2 (renegotiation)"}, id="gnutls"),
    pytest.param((*GNUTLS, f"{GNUTLS_NOW}:+VERS-DTLS1.0"), {"CRY-1 (version)", "SCM-2 (renegotiation)"},
                 id="gnutls with DTLS 1.0")])
def test_dtls_clients_of_debian_come_out_as_they_are_known(tmp_path: Path, program: tuple[str, ...],
                                                         known: set[str]) -> None:
    needed("gnutls-cli", "gnutls-bin")
    words = words_of(run(tmp_path, dtls_client(tmp_path, *program), "dtls"))
    assert {row for row, word in words.items() if word == NO} == known
    assert {word for row, word in words.items() if row not in known} == {YES}


@pytest.mark.skipif(not os.environ.get("MCM_BENCH_LONG"), reason="a minute of a processor: make foreign")
def test_the_example_on_aiocoap_conforms_to_all_cases_that_it_can_be_asked(tmp_path: Path) -> None:
    words = words_of(run(tmp_path, (EXAMPLES / "foreign_station.toml").read_text().replace(
        "docs/examples", str(EXAMPLES)).replace('"lwm2m_device.toml"', json.dumps(str(EXAMPLES / "lwm2m_device.toml")))
        .replace('"python"', json.dumps(sys.executable)).splitlines(), "oma-ets"))
    assert NO not in words.values(), [row for row, word in words.items() if word == NO]
    assert list(words.values()).count(YES) >= 20
