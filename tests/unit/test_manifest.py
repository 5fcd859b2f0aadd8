"""What a run was made of: its instruments, hashes of what it was judged by, and the abilities there are."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bench import instruments
from bench.abilities import ABILITIES
from bench.manifest import Instrument, LeftOut, Manifest, fingerprints, operator, software
from drivers.meter.simulator import MeterSimulator
from fixtures.bench import Bench


def test_an_answer_of_ieee_488_is_taken_apart_and_another_is_kept_whole() -> None:
    supply = Instrument.told("supply", "Keysight Technologies,N6705C, MY53004321,E.02.11", "2026-01-02", "2027-01-02")
    assert (supply.serial, supply.firmware, supply.calibration_due) == ("MY53004321", "E.02.11", "2027-01-02")
    box = Instrument.told("panel", "edge box, firmware 3, crystal 30 ppm")
    assert (box.identity, box.serial, box.firmware) == ("edge box, firmware 3, crystal 30 ppm", "", "")


def test_a_file_has_its_sha256_and_a_folder_one_of_names_and_contents(tmp_path: Path) -> None:
    folder, file = tmp_path / "limits", tmp_path / "station.toml"
    folder.mkdir()
    file.write_text("name = 1", "ascii")
    (folder / "a.toml").write_text("x", "ascii")
    (folder / "notes.txt").write_text("whatever", "ascii")
    first = fingerprints({"station": file, "limits": folder, "none": tmp_path / "none"})
    assert first["station"] == hashlib.sha256(b"name = 1").hexdigest()
    assert first["none"] == "none"
    (folder / "notes.txt").write_text("something else", "ascii")
    assert fingerprints({"limits": folder})["limits"] == first["limits"]
    (folder / "a.toml").rename(folder / "b.toml")
    renamed = fingerprints({"limits": folder})["limits"]
    (folder / "b.toml").write_text("y", "ascii")
    assert len({first["limits"], renamed, fingerprints({"limits": folder})["limits"]}) == 3


def test_what_is_excused_leaves_a_run_complete() -> None:
    excused = LeftOut("a", "the station has no cell.nas", excused=True)
    assert Manifest().is_complete
    assert Manifest(left_out=[excused]).is_complete
    assert not Manifest(left_out=[excused, LeftOut("b", "is missing")]).is_complete


def test_the_bench_knows_itself_and_who_runs_it() -> None:
    assert software().version
    assert operator().count("@") == 1


def test_the_abilities_of_stations_and_instruments_are_in_the_table() -> None:
    bench = Bench.on_twin(1)
    try:
        assert bench.station.abilities <= ABILITIES.keys()
    finally:
        bench.close()
    drivers = [instruments.find("cell", name).abilities for name in instruments.names("cell")]
    assert set().union(*drivers, MeterSimulator.abilities) <= ABILITIES.keys()
