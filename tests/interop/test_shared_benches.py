"""Benches that many share: real labgrid-coordinator, exporters and client on loopback, and whole runs at their places.
The long forms are ``make benches``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

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
ONE = ("-k", "test_a_text_is_read_in_plain_text")


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
    first = run(lab, tmp_path / "first", "--place", "bench-1")
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
    going = run(lab, tmp_path / "run", "--tag", "kind=example")
    told = tmp_path / "run" / "results.ndjson"
    wait_until(lambda: told.exists() and b'"finished"' in told.read_bytes(), "no test ended")
    lab.client("-p", "bench-1", "release", "--kick", user="bob")
    assert going.wait(PATIENCE_S) == 2
    record = record_of(tmp_path / "run")
    assert record["message"].startswith("place bench-1: expected to stay this run's, saw it was taken by force")
    assert any(test["verdict"] == "pass" for test in record["tests"])
    assert record["place"]["name"] == "bench-1"


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
        shell.stdin.write(f"{block.replace('20408', str(lab.port))}\necho; echo END $?\n")
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
                name = text.partition("\n")[0].removeprefix("# ")
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
        spread = next(record for path in records if len((record := record_of(path.parent))["tests"]) > 1)
        assert spread["station"] == "bench-a, bench-b"
        assert len({test["id"] for test in spread["tests"]}) == len(spread["tests"])
    finally:
        shell.stdin.write("kill %2; kill %1; wait; exit\n")
        shell.stdin.close()
        shell.wait(PATIENCE_S)
