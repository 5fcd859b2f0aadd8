"""Drivers are found by their name, wherever they come from, and declare what a station file may say of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest
from real_lab import real_lab

from bench import installed, instruments
from bench.clock import Clock
from bench.errors import BenchError
from bench.station_file import StationFile
from bench.timeline import Timeline

PROJECT = Path(__file__).parents[2]
HOW_TO = PROJECT / "docs" / "how-to" / "write-a-driver.md"

REST_OF_A_STATION = """
[panel]
driver = "edge-box"
port = "/dev/ttyACM0"
[nfc]
driver = "pn532"
port = "/dev/ttyUSB0"
[meter]
[cell]
driver = "cmw500"
address = "TCPIP::192.168.1.20::5025::SOCKET"
[unit]
deveui = "94193A0401020304"
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", HOW_TO.read_text("utf-8"), re.DOTALL)


class Outside:
    """What a person has who follows the page: a folder, and an environment to install into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        target = folder / "installed"
        self.environment = {**os.environ, "PIP_TARGET": str(target), "PIP_NO_INDEX": "1", "COLUMNS": "200",
                            "PYTHONPATH": str(target),
                            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
                            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        project, station = blocks("toml")
        (module,) = blocks("python")
        (folder / "lab-supplies").mkdir()
        (folder / "lab-supplies" / "pyproject.toml").write_text(project, "utf-8")
        (folder / "lab-supplies" / "lab_supplies.py").write_text(module, "utf-8")
        self.supply_table = station
        self.install, self.doctor = (block.strip() for block in blocks("sh"))

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, shell=True, cwd=self.folder, env=self.environment, capture_output=True,
                              text=True, timeout=120, check=False)

    def write_station(self, supply_table: str) -> None:
        (self.folder / "station.toml").write_text(f'name = "bench 1"\n{supply_table}{REST_OF_A_STATION}', "utf-8")


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Outside:
    outside = Outside(tmp_path_factory.mktemp("outside"))
    done = outside.run(outside.install)
    assert done.returncode == 0, done.stderr
    return outside


LOAD = f"""{sys.executable} -c '
from pathlib import Path
from bench.station_file import StationFile
table = StationFile.load(Path("station.toml")).supply
print(table.driver, table.channel, table.current_limit_a, sorted(table.abilities))'"""


def test_a_driver_of_an_outside_package_is_found_by_its_name(outside: Outside) -> None:
    outside.write_station(outside.supply_table)
    done = outside.run(LOAD)
    assert done.stdout.strip() == "rigol-dp832 2 1.0 ['supply.voltage']", done.stderr


@pytest.mark.parametrize(("old", "new", "says"), [
    ("channel = 2", "channel = 4", "key supply.channel: expected less than or equal to 3, saw 4"),
    ("channel = 2", "chanel = 2", "key supply.chanel: expected a key that station files have, saw an unknown one"),
    ("rigol-dp832", "rigol-dp382", "saw 'rigol-dp382'; write rigol-dp832 if that is meant"),
    ("address", "port", "key supply.address: expected a value, saw nothing; add it")])
def test_what_an_outside_driver_does_not_declare_is_refused(outside: Outside, old: str, new: str, says: str) -> None:
    outside.write_station(outside.supply_table.replace(old, new))
    done = outside.run(LOAD)
    assert done.returncode != 0
    assert says in done.stderr


def test_the_doctor_finds_the_outside_driver_well(outside: Outside, tmp_path: Path) -> None:
    with real_lab(tmp_path, "dp832") as lab:
        lab.clock.call(lambda: setattr(lab.lab.power.supply, "wired", 2))       # the page's station has channel 2
        rest = lab.station(ammeter=None).read_text("utf-8")
        table = outside.supply_table.replace("TCPIP0::192.168.1.7::5555::SOCKET", lab.file.supply.address)
        (outside.folder / "station.toml").write_text(
            re.sub(r"(?ms)^\[supply\].*?(?=^\[)", f"{table}\n", rest), "utf-8")
        done = outside.run(outside.doctor)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "RIGOL TECHNOLOGIES,DP832" in done.stdout
        assert lab.is_safe


# -- what may be wrong with a driver


class Supply:
    kind = "supply"
    abilities = frozenset({"supply.voltage"})

    def __init__(self, address: str, *, clock: Clock, timeline: Timeline) -> None:
        self.address = address


class WithoutKind:
    abilities = frozenset({"supply.voltage"})

    def __init__(self, address: str, *, clock: Clock, timeline: Timeline) -> None: ...


class WithoutClock:
    kind = "supply"
    abilities = frozenset({"supply.voltage"})

    def __init__(self, address: str, *, timeline: Timeline) -> None: ...


class WithoutTypes:
    kind = "supply"
    abilities = frozenset({"supply.voltage"})

    def __init__(self, address, *, clock: Clock, timeline: Timeline) -> None: ...  # type: ignore[no-untyped-def]


class WithPlainAbilities:
    kind = "supply"
    abilities = "supply.voltage"

    def __init__(self, address: str, *, clock: Clock, timeline: Timeline) -> None: ...


class WithPlainAssumptions(Supply):
    assumptions = ("it is quiet",)


OFFERED = {name: f"{__name__}:{name}" for name in (
    "Supply", "WithoutKind", "WithoutClock", "WithoutTypes", "WithPlainAbilities", "WithPlainAssumptions", "NotThere")}


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Packages that offer the classes of this file, and one name twice."""
    entries = [EntryPoint(name, value, instruments.GROUP) for name, value in OFFERED.items()]
    entries += [EntryPoint("NoModule", "no_such_module:Supply", instruments.GROUP),
                EntryPoint("Twice", f"{__name__}:Supply", instruments.GROUP),
                EntryPoint("Twice", f"{__name__}:WithoutKind", instruments.GROUP)]

    def forget() -> None:
        instruments._offered.cache_clear()
        instruments._load.cache_clear()

    def only_these(group: str, **wanted: str) -> EntryPoints:
        return EntryPoints(entries if group == instruments.GROUP else []).select(**wanted)

    monkeypatch.setattr(installed, "entry_points", only_these)
    forget()
    yield
    forget()


@pytest.mark.parametrize(("name", "says"), [
    ("WithoutKind", "a class with kind"), ("WithPlainAbilities", "and abilities"),
    ("WithPlainAssumptions", "a tuple of Assumption"),
    ("WithoutClock", "clock and timeline, saw none for clock"), ("WithoutTypes", "a type for each parameter"),
    ("NotThere", "to load .*NotThere, saw AttributeError"),
    ("NoModule", "to load no_such_module:Supply, saw ModuleNotFoundError"),
    ("Twice", "one package that offers it")])
@pytest.mark.usefixtures("offered")
def test_a_driver_that_is_not_right_is_named(name: str, says: str) -> None:
    with pytest.raises(BenchError, match=rf"^(driver )?{name}\b.*: expected .*{says}"):
        instruments.find("supply", name)
    with pytest.raises(BenchError, match=r"expected one of Supply, saw 'supply'; write Supply if that is meant"):
        instruments.find("supply", "supply")      # the others are no choice


def test_a_driver_in_the_table_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text('name = "b"\n[supply]\ndriver = "keithley-dmm6500"\naddress = "x"\n' + REST_OF_A_STATION, "utf-8")
    with pytest.raises(BenchError, match=r"key supply\.driver: expected one of .*keysight-n6700.*, saw "
                                         r"'keithley-dmm6500', a driver of the table \[ammeter\]"):
        StationFile.load(path)


@pytest.mark.parametrize("kind", ["supply", "ammeter", "panel", "nfc", "cell"])
def test_the_benchs_own_drivers_are_known_in_the_same_way(kind: str) -> None:
    names = instruments.names(kind)
    assert names
    for name in names:
        driver = instruments.find(kind, name)
        if name == "live":    # of a network of somebody else's nothing is reached
            continue
        assert driver.abilities or kind == "nfc"            # what a reader can do depends on the codec
        assert {"address", "port"} & driver.options.model_fields.keys()
