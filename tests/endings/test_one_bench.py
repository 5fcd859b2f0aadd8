"""One bench at a time: who comes second hears who has the station, and the first does not notice."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from endings import PROJECT, Twin, World, a_world, until

from bench.commands.lock import StationLock
from bench.errors import BenchError
from bench.station_file import StationFile


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    twin = Twin(tmp_path_factory.mktemp("lab") / "twin")
    yield twin
    twin.stop()


@pytest.fixture
def first(twin: Twin, tmp_path: Path) -> Iterator[World]:
    """A run in the middle of a test that goes on when it is told."""
    with a_world(tmp_path / "first", twin) as world:
        world.start("test_goes_on_when_told")
        world.reached("ready")
        yield world


def ends_well(world: World) -> bool:
    (world.folder / "go on").touch()
    assert world.process.wait(120) == 3, world.output    # incomplete: two tests of all were chosen
    assert world.record is not None
    return bool(world.record["verdict"] == "incomplete")


@dataclass
class Second:
    code: int
    output: str
    cpu_s: float


def second(folder: Path, *arguments: str | Path) -> Second:
    """A command of the bench, and the processor time that it took: the wall clock is everybody's."""
    with (folder / "second").open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", "bench.cli", *map(str, arguments)], cwd=folder,
                                   env={**os.environ, "PYTHONPATH": str(PROJECT)}, stdout=output,
                                   stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Second(process.returncode, (folder / "second").read_text("utf-8"), usage.ru_utime + usage.ru_stime)


def test_a_second_run_hears_who_has_the_station_and_the_first_does_not_notice(first: World, tmp_path: Path) -> None:
    late = second(tmp_path, "run", "acceptance", "--station", first.twin.station)
    assert late.code == 2
    assert late.cpu_s < 0.8
    assert f"'run acceptance' of {getpass.getuser()}, process {first.process.pid}, since 20" in late.output
    assert "expected a station that nobody uses" in late.output
    assert not (tmp_path / "runs").exists()
    assert ends_well(first)


def test_the_doctor_comes_second_too(first: World, tmp_path: Path) -> None:
    late = second(tmp_path, "doctor", "--station", first.twin.station)
    assert (late.code, "'run acceptance'" in late.output) == (2, True)
    assert ends_well(first)


def test_another_station_file_with_one_of_its_instruments_is_in_use_as_well(first: World, tmp_path: Path) -> None:
    file = StationFile.load(first.twin.station)
    link = tmp_path / "by-id"
    link.symlink_to(file.nfc.port)
    other = file.model_copy(update={
        "supply": file.supply.model_copy(update={"address": "TCPIP0::127.0.0.1::9::SOCKET"}),
        "panel": file.panel.model_copy(update={"port": "/dev/does-not-exist"}),
        "nfc": file.nfc.model_copy(update={"port": str(link)})})
    path = tmp_path / "other.toml"
    path.write_text(other.dump(), "utf-8")
    late = second(tmp_path, "doctor", "--station", path)
    assert late.code == 2
    assert f"NFC reader at {link}" in "".join(late.output.splitlines())
    assert ends_well(first)


def test_a_run_that_was_killed_holds_nothing(first: World) -> None:
    with pytest.raises(BenchError, match="a station that nobody uses"):
        StationLock(first.twin.station, "test")
    first.process.kill()
    until(first.is_free, "free")
    until(lambda: first.twin.is_safe, "safe")


def test_a_station_file_that_changes_in_the_middle_changes_no_unit_but_is_a_fault_of_the_bench(first: World) -> None:
    before = first.twin.station.read_text("utf-8")
    deveui = StationFile.load(first.twin.station).unit.deveui
    first.twin.station.write_text("no TOML at all", "utf-8")
    try:
        (first.folder / "go on").touch()
        assert first.process.wait(120) == 2, first.output
        assert first.record is not None
        assert first.record["unit"] == deveui
        assert "station file: expected to stay as" in first.record["message"]
    finally:
        first.twin.station.write_text(before, "utf-8")


def test_a_folder_of_locks_that_others_can_write_to_is_refused(twin: Twin, tmp_path: Path,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mcm-bench").mkdir()
    (tmp_path / "mcm-bench").chmod(0o777)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(BenchError, match="a directory that only you can write to"):
        StationLock(twin.station, "test")
