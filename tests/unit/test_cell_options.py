"""What a station file says of its test cell, and the file with the keys of a SIM: options reach the instrument; what is
wrong is said in a sentence without a key."""

from __future__ import annotations

import tomllib
import traceback
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.station import Station
from bench.station_file import BackendTable, CellTable, StationFile
from bench.timeline import Timeline
from drivers.radio.sim import SimKeys
from fixtures.bench import Bench, station_file_of_twin
from tests.twin.unit_lab import READY, world

K, OPC = "465b5ce8b199b49faa5f0a2ee238a6bc", "cd63cb71954a9f4e48a5994e37a02baf"


def sim_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "sim.toml"
    path.write_text(text, "utf-8")
    path.chmod(mode)
    return path


def test_the_keys_of_a_sim_are_read(tmp_path: Path) -> None:
    assert SimKeys.load(sim_file(tmp_path, f'key = "{K}"')) == SimKeys(K.upper())
    assert SimKeys.load(sim_file(tmp_path, f'key = "{K}"\nopc = "{OPC}"')) == SimKeys(K.upper(), OPC.upper())


@pytest.mark.parametrize(("text", "mode", "told"), [
    (f'key = "{K}"', 0o640, "expected access for its owner only, saw mode 0640; chmod 600"),
    (f'key = "{K[1:]}"', 0o600, "expected key, and opc for Milenage, of 32 hexadecimal digits each"),
    (f'opc = "{K}"', 0o600, "expected key, and opc"), (f'key = "{K}"\nKi = "{OPC}"', 0o600, "expected key, and opc"),
    (f'key = {{ "{K}" = 1 }}', 0o600, "expected key, and opc"), (f"{K} = =", 0o600, "expected TOML")])
def test_a_sim_file_that_is_wrong_is_told_without_its_keys(tmp_path: Path, text: str, mode: int, told: str) -> None:
    with pytest.raises(BenchError, match=told) as caught:
        SimKeys.load(sim_file(tmp_path, text, mode))
    shown = "".join(traceback.format_exception(caught.value))
    assert K[1:] not in shown
    assert OPC not in shown


def test_a_sim_file_that_is_not_there_names_the_key_of_the_station_file(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"correct cell\.sim in the station file"):
        SimKeys.load(tmp_path / "none.toml")


def of_twin(made: object, **options: object) -> StationFile:
    file = station_file_of_twin(made.lab.addresses, BackendTable(), cell=options.pop("driver", "cmw500"))    # type: ignore[attr-defined, arg-type]
    return file.model_copy(update={"cell": file.cell.model_copy(update=options)})


def test_network_code_sim_and_path_of_the_station_file_reach_the_cmw500(tmp_path: Path) -> None:
    with world(**READY) as made:
        made.lab.cell.sim_key = (K.upper(), OPC.upper())
        sim_file(tmp_path, f'key = "{K}"\nopc = "{OPC}"')
        path = tmp_path / "station.toml"
        path.write_text(of_twin(made, plmn="24001", sim=Path("sim.toml"),
                                signal_path="SUA1,RF1C,RX2,RF1C,TX2").dump(), "utf-8")
        station = Station(StationFile.load(path), made.clock, Timeline(made.clock.time))
        station.cell.on()
        made.supply()
        made.until("connected", 120)
        assert (made.lab.cell.mcc, made.lab.cell.mnc) == (240, 1)
        assert made.lab.cmw500.signal_path == "SUA1,RF1C,RX2,RF1C,TX2"
        assert station.close() == []


def test_a_sim_with_other_keys_is_turned_away() -> None:
    with world(**READY) as made:
        made.lab.cell.sim_key = (K.upper(), OPC.upper())
        station = Station(of_twin(made), made.clock, Timeline(made.clock.time))
        station.cell.on()
        made.supply()
        made.clock.wait_for(lambda: made.lab.cell.logged >= 3, 300)
        assert [one.message for one in made.lab.cell.log][1:3] == ["Attach request", "Attach reject"]
        assert station.close() == []


def test_a_cmw500_that_slots_share_is_refused() -> None:
    with world(**READY) as made:
        station = Station(of_twin(made, shared=True), made.clock, Timeline(made.clock.time))
        with pytest.raises(BenchError, match=r"key cell\.shared: expected a CMW500 for one slot, saw one that"):
            _ = station.cell


@pytest.mark.parametrize(("driver", "options", "has", "lacks"), [
    ("amarisoft", {}, {"cell.level", "cell.outage", "cell.nas"}, {"cell.noise", "cell.timers"}),
    ("amarisoft", {"channel_simulator": True}, {"cell.noise"}, set()),
    ("amarisoft", {"shared": True, "channel_simulator": True}, {"cell.nas", "cell.detach"},
     {"cell.level", "cell.outage", "cell.noise", "cell.bands"}),
    ("cmw500", {}, {"cell.timers", "cell.noise", "cell.detach"}, {"cell.nas"}),
    ("attenuator", {"channel": 3, "shared": True}, {"cell.level", "cell.outage"}, {"cell.state"})])
def test_abilities_follow_from_the_station_file(driver: str, options: dict[str, object], has: set[str],
                                                lacks: set[str]) -> None:
    needed = {"core_address": "y"} if driver == "amarisoft" else {}
    table = CellTable.model_validate({"driver": driver, "address": "x", **needed, **options})
    assert has <= table.abilities
    assert not lacks & table.abilities


@pytest.mark.parametrize(("key", "value"), [
    ("plmn", "1"), ("plmn", "0010x"), ("signal_path", "RF1C"), ("signal_path", "SUA1,RF1C,RX1,RF1C,TX1;*RST"),
    ("imsi", "12"), ("channel", 0), ("shared", "yes")])
def test_a_value_that_is_none_is_named(tmp_path: Path, key: str, value: object) -> None:
    with world(**READY) as made:
        text = of_twin(made).dump()
    path = tmp_path / "station.toml"
    shown = f'"{value}"' if isinstance(value, str) else value
    path.write_text("\n".join(line for line in text.splitlines() if not line.startswith(f"{key} =")).replace(
        "[cell]", f"[cell]\n{key} = {shown}"), "utf-8")
    with pytest.raises(BenchError, match=rf"key cell\.{key}"):
        StationFile.load(path)


def test_the_network_leads_a_delivered_unit_to_the_benchs_bootstrap_server() -> None:
    """At the module's own address and port, over DTLS with its own key; nothing else is routed."""
    bench = Bench.on_twin(1)
    try:
        lab = bench._lab
        assert lab is not None
        delivered = (lab.unit.settings.text("bootstrap_ip"), lab.unit.settings.number("bootstrap_port"))
        assert lab.cell.route(delivered) is None
        lab.route({delivered: (bench.station.file.backend.listen, bench.backend.routes[5695])})
        bench.station.cell.on()
        bench.clock.call(lambda: lab.unit.settings.write({"power_mode": 1, "brown_out_delay": 0}))
        bench.clock.call(lambda: lab.unit.supply.set(3.6))
        bench.clock.sleep(600)
        outcomes = [one.data["outcome"] for one in bench.timeline.select("bootstrap", "bootstrap")]
        assert outcomes == ["running", "finished"]
        assert all(one.data.get("secure") for one in bench.timeline.select("bootstrap", "datagram"))
    finally:
        assert bench.close() == []


@pytest.mark.parametrize(("driver", "address", "part"), [
    ("attenuator", "http://127.0.0.1", "channel = {}"),
    ("amarisoft", "ws://127.0.0.1:9001", 'core_address = "ws://127.0.0.1:9000"\nimsi = "00101012345678{}"')])
def test_slots_that_share_a_cell_do_not_hold_it_against_each_other(driver: str, address: str, part: str) -> None:
    def table(number: int, shared: bool) -> CellTable:
        text = f'driver = "{driver}"\naddress = "{address}"\nshared = {str(shared).lower()}\n{part.format(number)}'
        return CellTable.model_validate(tomllib.loads(text))

    assert table(2, True).part != table(3, True).part
    assert table(2, True).part == table(2, True).part is not None
    assert table(2, False).part is None
    assert table(2, False).addresses == table(3, False).addresses != []
