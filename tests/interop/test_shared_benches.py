"""Benches that many share: real labgrid-coordinator, exporters and client on loopback, and whole runs at their places.
The long forms are ``make benches``.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.commands.shared.coordinator import Coordinator
from bench.commands.shared.keeper import Wanted
from bench.commands.shared.owner import Owner
from bench.commands.shared.place import TakenPlace
from bench.errors import BenchError
from tests.interop.labgrid_programs import (
    PATIENCE_S,
    PROJECT,
    Labgrid,
    blocks,
    example_benches,
    install,
    labgrid,
    record_of,
    run,
    wait_until,
)

pytestmark = pytest.mark.timeout(1200)
LONG = pytest.mark.skipif("MCM_BENCH_LONG" not in os.environ, reason="a long form: make benches")


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.getbasetemp()
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    return install((base.parent if is_worker else base) / "labgrid-programs")


@pytest.fixture
def lab(programs: Path, tmp_path: Path) -> Iterator[Labgrid]:
    folder = tmp_path / "lab"
    folder.mkdir()
    with labgrid(programs, folder) as there:
        example_benches(there, 2)
        yield there


def taken(lab: Labgrid, place: str = "bench-1", wait_s: float = 0.0, **tags: str) -> TakenPlace:
    return TakenPlace(Wanted(lab.address, "" if tags else place, tags, wait_s), Console(file=StringIO()))


def lost(place: TakenPlace) -> str:
    wait_until(lambda: bool(place.look()), "nothing was lost")
    return place.lost


def test_a_place_is_one_run_s_whoever_the_second_one_is(lab: Labgrid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LG_USERNAME", "alice")
    with taken(lab) as first:
        for user in ("alice", "bob"):
            monkeypatch.setenv("LG_USERNAME", user)
            with pytest.raises(BenchError, match=r"place bench-1: expected to be free, saw place bench-1, which alice "
                                                 r"on \S+, process \d+ has since .*--wait"):
                taken(lab)
        row = lab.benches()["bench-1"]
        assert row["owner"].startswith("alice on ")
        assert not row["stale"]
        with taken(lab, kind="example") as second:
            assert (first.held.place, second.held.place) == ("bench-1", "bench-2")
            with pytest.raises(BenchError, match="kind=example: expected to be free, saw place bench-1, which alice"):
                taken(lab, kind="example")
    assert {row["owner"] for row in lab.benches().values()} == {""}


def test_a_place_taken_by_force_is_told_and_stays_the_other_s(lab: Labgrid) -> None:
    with taken(lab) as place:
        lab.client("-p", "bench-1", "release", "--kick", user="bob")
        assert "place bench-1: expected to stay this run's, saw it was taken by force; it is nobody's" in lost(place)
        lab.client("-p", "bench-1", "acquire", user="bob")
    assert lab.benches()["bench-1"]["owner"].startswith("bob on ")


def test_a_lost_resource_ends_the_run_and_one_that_comes_back_does_not(lab: Labgrid) -> None:
    with taken(lab, "bench-2") as place:
        exporter = lab.exporters["pc0"]
        exporter.kill()
        exporter.wait()
        lab.start_exporter("pc0")
        wait_until(lambda: lab.benches()["bench-2"]["resources"] != {}, "not offered again")
        assert not place.look()
        lab.exporters["pc0"].kill()
        assert ("place bench-2: expected to keep resource pc0/bench-2/network, saw its exporter has not offered it for "
                "30 s") in lost(place)
        with pytest.raises(BenchError, match="place bench-2: expected to be free"):
            taken(lab, "bench-2")
    with pytest.raises(BenchError, match=r"place bench-2: expected resource \*/bench-2/\*, saw no exporter that"):
        taken(lab, "bench-2")
    assert lab.benches()["bench-2"]["owner"] == ""


def test_the_lock_of_a_keeper_that_was_killed_is_taken_off_by_the_next(lab: Labgrid) -> None:
    place = taken(lab)
    place._keeper.kill()
    assert "process that holds the place has ended" in lost(place)
    assert lab.benches()["bench-1"]["stale"]
    place.close()
    assert lab.benches()["bench-1"]["owner"], "labgrid itself never takes one off"
    with taken(lab) as again:
        again.look()
        assert "place bench-1 was still locked by" in again.findings[0]
    lab.client("-p", "bench-1", "acquire", user="bob")
    with pytest.raises(BenchError, match="which bob on"):
        taken(lab)
    freed = subprocess.run([sys.executable, "-m", "bench.cli", "benches", "--free", "bench-1"], cwd=PROJECT, check=True,
                           capture_output=True, text=True, timeout=PATIENCE_S, env=lab.environment())
    assert "place bench-1 is free; it was bob on" in freed.stdout


def test_a_coordinator_that_comes_back_has_the_lock_again(lab: Labgrid) -> None:
    with taken(lab) as place:
        time.sleep(20)    # its places are on the disk after 15 s
        lab.kill()
        wait_until(lambda: not place.look() and len(place.findings) == 1, "nobody missed the coordinator")
        for exporter in lab.exporters.values():
            exporter.wait(PATIENCE_S)
        lab.start()
        wait_until(lambda: not place.look() and len(place.findings) == 2, "nobody found the coordinator")
        assert "is back after" in place.findings[1]
        assert lab.benches()["bench-1"]["owner"] == str(Owner.read(place.held.owner))
        for name in lab.exporters:
            lab.start_exporter(name)
        wait_until(lambda: bool(lab.benches()["bench-1"]["resources"]), "no resources")
        assert not place.look()
        lab.kill()
        wait_until(lambda: not place.look() and len(place.findings) == 3, "nobody missed the coordinator")
        lab.start()
        bob = Coordinator(lab.address, "elsewhere/bob")
        with contextlib.suppress(BenchError):    # who is first?
            bob.acquire("bench-1")
            assert "by force; it is bob on elsewhere's" in lost(place)
            bob.release("bench-1", "elsewhere/bob")
        bob.close()


def test_two_benches_share_an_instrument_one_after_the_other(lab: Labgrid) -> None:
    lab.place("cell")
    for bench in ("bench-1", "bench-2"):
        lab.client("-p", bench, "set-tags", "shares=cell")
    first = taken(lab, "bench-1")
    assert first.held.shared == ("cell",)
    with pytest.raises(BenchError, match="place cell: expected to be free, saw place cell, which "):
        taken(lab, "bench-2")
    assert lab.benches()["bench-2"]["owner"] == "", "who does not get all lets go of all"
    waiting = subprocess.Popen(
        [sys.executable, "-c", "import sys; from rich.console import Console; "
         "from bench.commands.shared.keeper import Wanted; from bench.commands.shared.place import TakenPlace; "
         "place = TakenPlace(Wanted(sys.argv[1], 'bench-2', {}, 300.0), Console()); print('got', place.held.shared); "
         "place.close()", lab.address], cwd=PROJECT, stdout=subprocess.PIPE, text=True, env=lab.environment())
    assert waiting.stdout is not None
    assert "waiting for place cell, which" in waiting.stdout.readline()
    first.close()
    assert "got ('cell',)" in waiting.stdout.read()
    waiting.wait()
    assert {row["owner"] for row in lab.benches().values()} == {""}


def test_a_run_killed_with_9_frees_its_place_and_one_refused_has_its_record(lab: Labgrid, tmp_path: Path) -> None:
    first = run(lab, tmp_path / "first", "--place", "bench-1", template="slow.toml")    # it must not end before
    told = tmp_path / "first" / "results.ndjson"
    wait_until(lambda: told.exists() and b'"finished"' in told.read_bytes(), "no test ended")
    second = run(lab, tmp_path / "second", "--place", "bench-1", user="bob")
    assert second.wait(PATIENCE_S) == 2
    refused = record_of(tmp_path / "second")
    assert (refused["verdict"], refused["tests"]) == ("error", [])
    assert refused["message"].startswith("place bench-1: expected to be free, saw place bench-1, which alice on ")
    first.send_signal(signal.SIGKILL)
    first.wait()
    wait_until(lambda: lab.benches()["bench-1"]["owner"] == "", "the place stayed locked")
    record = record_of(tmp_path / "first")
    assert record["verdict"] == "error"
    assert "its parent process has gone" in record["message"]


def test_a_run_whose_place_is_taken_by_force_ends_with_its_record(lab: Labgrid, tmp_path: Path) -> None:
    going = run(lab, tmp_path / "run", "--tag", "kind=example", template="slow.toml")    # it must not end before
    told = tmp_path / "run" / "results.ndjson"
    wait_until(lambda: told.exists() and b'"finished"' in told.read_bytes(), "no test ended")
    place = json.loads(told.read_text("utf-8").splitlines()[0])["record"]["station"]    # either has the tag
    lab.client("-p", place, "release", "--kick", user="bob")
    assert going.wait(PATIENCE_S) == 2
    record = record_of(tmp_path / "run")
    assert record["message"].startswith(f"place {place}: expected to stay this run's, saw it was taken by force")
    assert any(test["verdict"] == "pass" for test in record["tests"])
    assert record["place"]["name"] == place


def verdicts(record: dict[str, Any]) -> dict[str, str]:
    ids = [test["id"] for test in record["tests"]]
    assert len(set(ids)) == len(ids), "every test once"
    return {test["id"]: test["verdict"] for test in record["tests"]}


def night(lab: Labgrid, run_dir: Path, failing: str, *words: str) -> dict[str, Any]:
    """The record of a night over all benches, of which one is taken away by force while it tests."""
    going = run(lab, run_dir, "--tag", "kind=example", "--spread", *words)
    told = run_dir / "places" / failing / "001" / "results.ndjson"
    wait_until(lambda: told.exists() and b'"finished"' in told.read_bytes(), f"no test ended at {failing}")
    lab.client("-p", failing, "release", "--kick", user="bob")
    lab.client("-p", failing, "acquire", user="bob")
    going.wait(PATIENCE_S * 4)
    lab.client("-p", failing, "release", user="bob")
    assert {row["owner"] for row in lab.benches().values()} == {""}
    return record_of(run_dir)


@LONG    # half a minute of the processor
def test_a_night_over_two_benches_has_every_test_once_though_one_is_taken_away(lab: Labgrid, tmp_path: Path) -> None:
    chosen = ("-k", "test_composite")
    alone = run(lab, tmp_path / "alone", "--place", "bench-1", *chosen)
    alone.wait(PATIENCE_S)
    record = night(lab, tmp_path / "night", "bench-2", *chosen)
    assert verdicts(record) == verdicts(record_of(tmp_path / "alone"))
    assert [test["number"] for test in record["tests"]] == list(range(1, len(record["tests"]) + 1))
    assert (record["verdict"], record["message"], record["station"]) == ("incomplete", "", "bench-1, bench-2")
    assert any(finding.startswith("place bench-2 was asked no more: place bench-2: expected to ")
               for finding in record["manifest"]["findings"])
    assert sum(row["path"].endswith("/evidence/run.pcapng") for row in record["artifacts"]) > 1, "one of each part"
    assert (tmp_path / "night" / "report.html").exists()


@LONG
@pytest.mark.timeout(7200)
def test_a_night_over_four_benches_equals_one_bench_whichever_fails(programs: Path, tmp_path: Path) -> None:
    with labgrid(programs, tmp_path) as lab:
        example_benches(lab, 4)
        chosen = ("-k", os.environ["MCM_BENCH_ONLY"]) if "MCM_BENCH_ONLY" in os.environ else ()
        run(lab, tmp_path / "alone", "--place", "bench-1", *chosen).wait(PATIENCE_S * 4)
        alone = record_of(tmp_path / "alone")
        assert alone["verdict"] == ("incomplete" if chosen else "pass")
        for number in range(1, 5):
            record = night(lab, tmp_path / f"night-{number}", f"bench-{number}", *chosen)
            print(f"bench-{number} failed: {record['verdict']}, {len(record['tests'])} tests, "
                  f"{record['wall_time_s']:.0f} s (one bench alone {alone['wall_time_s']:.0f} s)")
            assert (record["verdict"], record["message"]) == (alone["verdict"], "")
            assert verdicts(record) == verdicts(alone)


def twins(lab: Labgrid, folder: Path, stack: contextlib.ExitStack, count: int = 2) -> None:
    """Twins in real time, each at a place with its wires: RFC 2217, TCP, and what is on this machine."""
    for number in range(1, count + 1):
        path = folder / f"twin-{number}.toml"
        twin = subprocess.Popen([sys.executable, "-m", "bench.cli", "twin", "--seed", str(number), "--rfc2217",
                                 "--station-out", str(path)], cwd=PROJECT, stdout=subprocess.DEVNULL)
        stack.callback(twin.wait, PATIENCE_S)
        stack.callback(twin.terminate)
        wait_until(path.exists, "no twin")
        station = tomllib.loads(path.read_text())
        supply, simulator, cell = (re.findall(r"(\d+)(?=::)", table[key])[-1] for table, key in (
            (station["supply"], "address"), (station["meter"], "simulator"), (station["cell"], "address")))
        serial = {name: {"cls": "NetworkSerialPort", "host": "127.0.0.1", "speed": 2400, "protocol": "rfc2217",
                         "port": int(station["meter"][name].rpartition(":")[2])} for name in ("optical", "mbus")}
        services = {name: {"cls": "NetworkService", "address": "127.0.0.1", "username": "", "port": int(port)}
                    for name, port in (("supply", supply), ("simulator", simulator), ("cell", cell))}
        paths = {name: {"cls": "LocalPath", "path": station[name]["port"]} for name in ("panel", "nfc")}
        servers = {"servers": {**services["cell"], "address": station["backend"]["listen"], "port": 5683}}
        lab.export(f"pc{number}", {f"twin-{number}": {**serial, **services, **paths, **servers}})
        lab.place(f"twin-{number}", f"pc{number}/twin-{number}/*", kind="twin")
        text = path.read_text().replace(station["backend"]["listen"], "${servers.address}")
        for value, name in ((station["meter"]["optical"], "optical"), (station["meter"]["mbus"], "mbus"),
                            (station["panel"]["port"], "panel"), (station["nfc"]["port"], "nfc"),
                            ('"twin"', '"place"')):
            text = text.replace(f'"{value}"' if '"' not in value else value, f'"${{{name.strip(chr(34))}}}"')
        for name, port in (("supply", supply), ("simulator", simulator), ("cell", cell)):
            text = text.replace(f"127.0.0.1::{port}::", f"${{{name}.address}}::${{{name}.port}}::").replace(
                f"127.0.0.1::hislip0,{port}::", f"${{{name}.address}}::hislip0,${{{name}.port}}::")
        (folder / "twin-template.toml").write_text(text)
    wait_until(lambda: all(len(row["resources"]) == 8 for row in lab.benches().values()), "no resources")


@LONG
@pytest.mark.timeout(7200)
def test_twenty_runs_of_three_users_at_two_twins_are_never_mixed(programs: Path, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(labgrid(programs, tmp_path))
        twins(lab, tmp_path, stack)
        going = [run(lab, tmp_path / f"run-{number}", "--tag", "kind=twin", "--wait", "3 h", "--no-doctor", "-k",
                     "all_46", user=("alice", "bob", "carol")[number % 3], template="twin-template.toml",
                     profile="acceptance") for number in range(20)]
        killed = 0
        while any(one.poll() is None for one in going):
            if not killed:
                for number, one in enumerate(going):
                    told = tmp_path / f"run-{number}" / "results.ndjson"
                    if told.exists() and b'"began"' in told.read_bytes() and one.poll() is None:
                        one.kill()
                        killed = number + 1
                        break
            time.sleep(0.5)
        wait_until(lambda: {row["owner"] for row in lab.benches().values()} == {""}, "a place stayed locked")
        records = [record_of(tmp_path / f"run-{number}") for number in range(20)]
        for number, record in enumerate(records):
            if number + 1 == killed:
                assert record["verdict"] == "error"
                continue
            assert [test["verdict"] for test in record["tests"]] == ["pass"], record["message"]
            assert record["station"] == record["place"]["name"]
            assert record["place"]["owner"].split("/")[1].startswith(("alice", "bob", "carol")[number % 3])
        said = re.findall(r"^(twin-\d): place (acquired|released)", (tmp_path / "coordinator.log").read_text(), re.M)
        for place in ("twin-1", "twin-2"):
            turns = [what for name, what in said if name == place]
            assert turns == ["acquired", "released"] * (len(turns) // 2), "two at one time"
            print(f"{place}: {len(turns) // 2} runs, one after the other")
        assert len(said) == 40


@LONG
@pytest.mark.timeout(3600)
def test_a_run_at_a_twin_outlives_a_coordinator_that_is_killed_and_comes_back(programs: Path, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(labgrid(programs, tmp_path))
        twins(lab, tmp_path, stack, count=1)
        time.sleep(20)    # the coordinator's places are on the disk after 15 s
        going = run(lab, tmp_path / "run", "--place", "twin-1", "--no-doctor", "-k", "all_46 or green_lights",
                    template="twin-template.toml", profile="acceptance")
        told = tmp_path / "run" / "results.ndjson"
        wait_until(lambda: told.exists() and b'"began"' in told.read_bytes(), "no test began")
        lab.kill()
        time.sleep(5)
        lab.start()
        assert going.wait(PATIENCE_S * 4) == 3, going.stdout.read() if going.stdout else ""
        record = record_of(tmp_path / "run")
        assert {test["verdict"] for test in record["tests"]} == {"pass"}
        assert any("is back after" in finding for finding in record["manifest"]["findings"]), record["manifest"]
        assert lab.benches()["twin-1"]["owner"] == ""


def test_the_guide_is_followed_word_by_word(programs: Path, tmp_path: Path) -> None:
    """Each block in its order, by one shell; only the port differs, for somebody else may have the usual one."""
    lab = Labgrid(programs, tmp_path)
    (tmp_path / "labgrid").symlink_to(programs.parent)
    (tmp_path / "docs").symlink_to(PROJECT / "docs")
    shell = subprocess.Popen(["bash", "-m"], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, env=lab.environment("alice"))
    assert shell.stdin is not None
    assert shell.stdout is not None

    def said(block: str) -> tuple[int, str]:
        """The exit code of the last command of ``block``, and what all have printed."""
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.write(f"{block.replace('20408', str(lab.port))}\ncode=$?; echo; echo END $code\n")
        shell.stdin.flush()
        lines: list[str] = []
        for line in shell.stdout:
            if line.startswith("END "):
                return int(line.split()[1]), "".join(lines)
            lines.append(line)
        raise AssertionError("the shell ended: " + "".join(lines))

    try:
        followed = []
        for language, text in blocks()[1:]:    # the first one made the environment
            if language != "sh":
                name = text.partition("\n")[0].lstrip("# ")
                (tmp_path / name).write_text(text)
                continue
            for command in text.strip().splitlines():
                code, printed = said(command)
                followed.append(command)
                assert code == (3 if "mcm-bench run" in command else 0), (command, printed)
                if "labgrid-coordinator" in command:
                    wait_until(lab._is_there, "no coordinator")
                elif "labgrid-exporter" in command:
                    wait_until(lambda: "bench-b/NetworkService" in said("labgrid/bin/labgrid-client resources")[1],
                               "no resources")
                elif command == "mcm-bench benches":
                    assert "bench-a" in printed
                    assert "free" in printed
                    assert "kind=example" in printed
        assert len(followed) == 17
        records = sorted((tmp_path / "runs").glob("*/record.json"))
        assert len(records) == 4
        spread = record_of(records[-1].parent)
        assert spread["station"] == "bench-a, bench-b"
        assert len(verdicts(spread)) == 7
    finally:
        shell.stdin.write("kill %2; kill %1; wait; exit\n")
        shell.stdin.close()
        shell.wait(PATIENCE_S)
