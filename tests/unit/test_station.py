"""The station file and the key file: what is wrong with one is said in a sentence; and the safe state."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.clock import WallClock
from bench.errors import BenchError
from bench.keys import Keys
from bench.station import Station
from bench.station_file import (
    BackendTable,
    BatteryTable,
    CellTable,
    MeterTable,
    NfcTable,
    PanelTable,
    StationFile,
    SupplyTable,
    UnitTable,
)
from bench.timeline import Timeline

GOOD = """
name = "bench 1"

[supply]
driver = "keysight-n6700"
address = "TCPIP::192.0.2.10::5025::SOCKET"
channel = 2

[panel]
driver = "edge-box"
port = "/dev/ttyACM0"

[nfc]
driver = "pn532"
port = "/dev/ttyUSB0"

[meter]
optical = "/dev/ttyUSB1"

[cell]
driver = "cmw500"
address = "TCPIP::192.0.2.20::5025::SOCKET"

[backend]
listen = "10.45.0.1"
allow_public = ["198.51.100.7"]

[unit]
deveui = "94193A0401020304"
keys = "keys.toml"
"""

PAK_HEX = "c0ffee00112233445566778899aabbcc"


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "station.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_station_file_is_read(tmp_path: Path) -> None:
    file = StationFile.load(write(tmp_path, GOOD))
    assert (file.name, file.simulated, file.supply.channel) == ("bench 1", False, 2)
    assert file.meter == MeterTable(optical="/dev/ttyUSB1")
    assert file.backend.listen == "10.45.0.1"
    assert (file.backend.bootstrap_port, file.backend.dm_port, file.backend.mdm_port) == (5694, 5683, 1884)
    assert file.backend.allow_public == ("198.51.100.7",)


def test_the_key_file_is_beside_the_station_file(tmp_path: Path) -> None:
    assert StationFile.load(write(tmp_path, GOOD)).unit.keys == tmp_path / "keys.toml"
    elsewhere = GOOD.replace('"keys.toml"', '"/etc/keys.toml"')
    assert StationFile.load(write(tmp_path, elsewhere)).unit.keys == Path("/etc/keys.toml")


@pytest.mark.parametrize(("old", "new", "sentence"), [
    ('name = "bench 1"', 'nmae = "bench 1"\nname = "b"',
     "key nmae: expected a key that station files have, saw an unknown one; correct the spelling or remove it."),
    ("channel = 2", "chanel = 2",
     "key supply.chanel: expected a key that station files have, saw an unknown one; "
     "correct the spelling or remove it."),
    ("[backend]", "[back_end]",
     "key back_end: expected a key that station files have, saw an unknown one; correct the spelling or remove it."),
    ("[unit]", f'[unit]\npak = "{PAK_HEX}"',
     "key unit.pak: expected a key that station files have, saw an unknown one; correct the spelling or remove it."),
    ('name = "bench 1"', "", "key name: expected a value, saw nothing; add it."),
    ('port = "/dev/ttyACM0"', "", "key panel.port: expected a value, saw nothing; add it."),
    ('name = "bench 1"', "name = 5", "key name: expected a valid string, saw 5; correct the value."),
    ("channel = 2", 'channel = "2"', "key supply.channel: expected a valid integer, saw '2'; correct the value."),
    ("channel = 2", "channel = 2.0", "key supply.channel: expected a valid integer, saw 2.0; correct the value."),
    ("channel = 2", "channel = true", "key supply.channel: expected a valid integer, saw True; correct the value."),
    ("[unit]", "[unit]\nsimulated = 1",
     "key unit.simulated: expected a key that station files have, saw an unknown one; "
     "correct the spelling or remove it."),
    ('name = "bench 1"', 'name = "b"\nsimulated = "yes"',
     "key simulated: expected a valid boolean, saw 'yes'; correct the value."),
    ('listen = "10.45.0.1"', "dm_port = 70000",
     "key backend.dm_port: expected less than or equal to 65535, saw 70000; correct the value."),
    ('allow_public = ["198.51.100.7"]', "allow_public = [7]",
     "key backend.allow_public.0: expected a valid string, saw 7; correct the value."),
    ('allow_public = ["198.51.100.7"]', 'allow_public = "198.51.100.7"',
     "key backend.allow_public: expected an array, saw '198.51.100.7'; correct the value."),
    ('driver = "edge-box"', 'driver = "toaster"',
     "key panel.driver: expected 'edge-box', saw 'toaster'; correct the value."),
    ('deveui = "94193A0401020304"', 'deveui = "94193a0401020304"',
     "key unit.deveui: expected text like ^[0-9A-F]{16}$, saw '94193a0401020304'; correct the value."),
    ('[unit]\ndeveui = "94193A0401020304"\nkeys = "keys.toml"', "", "key unit: expected a value, saw nothing; add it."),
    ('[cell]\ndriver = "cmw500"\naddress = "TCPIP::192.0.2.20::5025::SOCKET"', "[[cell]]",
     "key cell: expected a table, saw an array; correct the value."),
    ('keys = "keys.toml"', f'[unit.keys]\npak = "{PAK_HEX}"',
     "key unit.keys: expected a path, saw a table; correct the value."),
], ids=lambda value: value[:28] if isinstance(value, str) else None)
def test_a_wrong_key_is_one_sentence(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert GOOD.count(old) == 1
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(BenchError) as caught:
        StationFile.load(path)
    assert str(caught.value) == f"station file {path}, {sentence}"


@pytest.mark.parametrize(("content", "expected"), [
    ("[supply\n", "TOML"), ("name = bench 1\n", "TOML"), ("name = 1\nname = 2\n", "TOML"),
    (b"name = \"\xff\"\n", "TOML"), (b"\x00\x01\x02", "TOML"), ("", "a value")])
def test_a_file_that_is_no_station_file_is_one_sentence(tmp_path: Path, content: str | bytes, expected: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(BenchError) as caught:
        StationFile.load(path)
    assert str(caught.value).startswith(f"station file {path}")
    assert caught.value.expected == expected
    assert "\n" not in str(caught.value)


def test_a_station_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    for path, seen in ((tmp_path / "none.toml", "no such file or directory"), (tmp_path, "is a directory")):
        with pytest.raises(BenchError) as caught:
            StationFile.load(path)
        assert str(caught.value) == (f"station file {path}: expected a file, saw {seen}; "
                                     "give the path of a station file.")


texts = st.text(st.characters(codec="utf-8"), max_size=30)
ports = st.integers(0, 65535)
files = st.builds(
    StationFile, name=texts, simulated=st.booleans(),
    supply=st.builds(SupplyTable, driver=st.just("keysight-n6700"), address=texts, channel=st.integers(-9, 9)),
    panel=st.builds(PanelTable, driver=st.just("edge-box"), port=texts),
    nfc=st.builds(NfcTable, driver=st.just("pn532"), port=texts, codec=texts, reference_tag=st.booleans()),
    meter=st.builds(MeterTable, optical=st.none() | texts, mbus=st.none() | texts, simulator=st.none() | texts,
                    mains_powered=st.booleans()),
    cell=st.builds(CellTable, driver=st.just("cmw500"), address=texts),
    backend=st.builds(BackendTable, listen=texts, advertise=st.none() | texts, bootstrap_port=ports, dm_port=ports,
                      mdm_port=ports, allow_public=st.lists(texts, max_size=3).map(tuple)),
    battery=st.none() | st.builds(
        BatteryTable, capacity_ah=st.floats(0.001, 100), usable_percent=st.floats(1, 100),
        self_discharge_percent_per_year=st.floats(0, 99), supply_in_its_place=st.booleans()),
    unit=st.builds(UnitTable, deveui=st.from_regex(r"[0-9A-F]{16}", fullmatch=True),
                   keys=st.none() | st.from_regex(r"/[a-z \"\\]{1,9}", fullmatch=True).map(Path)))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(file=files)
def test_what_is_dumped_is_loaded_again(tmp_path: Path, file: StationFile) -> None:
    assert StationFile.load(write(tmp_path, file.dump())) == file


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
def test_whatever_the_file_holds_it_is_a_bench_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BenchError):
        StationFile.load(write(tmp_path, content))


# -- keys


def key_file(folder: Path, content: str | bytes, mode: int = 0o600) -> Path:
    path = folder / "keys.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def test_the_keys_of_a_unit_are_read(tmp_path: Path) -> None:
    path = key_file(tmp_path, f'[94193A0401020304]\npak = "{PAK_HEX}"\n')
    keys = Keys.load(path, "94193A0401020304")
    assert keys.pak is not None
    # HMAC-SHA-256 with this key, by OpenSSL 3: printf abc | openssl dgst -sha256 -mac hmac -macopt hexkey:...
    assert keys.pak.mac(b"abc").hex() == "0b92c45251e08d2825ea6844dc07c529"


PSK_HEX = "c0ffee00112233445566778899aabbcc"


def test_the_keys_for_the_servers_are_read(tmp_path: Path) -> None:
    path = key_file(tmp_path, f'[94193A0401020304]\nbootstrap_psk = "{PSK_HEX}"\ndm_psk = "{PSK_HEX * 4}"\n')
    keys = Keys.load(path, "94193A0401020304")
    assert keys.psk("bootstrap").octets.hex() == PSK_HEX
    assert len(keys.psk("dm").octets) == 64
    with pytest.raises(BenchError) as caught:
        keys.psk("mdm")
    assert str(caught.value) == ("keys of unit 94193A0401020304: expected mdm_psk, saw none; "
                                 "add it to the unit's table in the key file.")
    assert PSK_HEX not in f"{keys!r} {vars(keys)} {keys.psk('dm')}"


@pytest.mark.parametrize(("line", "key"), [
    (f'dm_psk = "{PSK_HEX[:30]}"', "dm_psk"), (f'dm_psk = "{PSK_HEX * 4}00"', "dm_psk"),
    (f'mdm_psk = "{PSK_HEX[:-1]}x"', "mdm_psk"), (f'bootstrap_psk = ["{PSK_HEX}"]', "bootstrap_psk"),
    ("dm_psk = 5", "dm_psk"), (f'dm_pks = "{PSK_HEX}"', "dm_pks"),
    (f'{PSK_HEX} = "dm_psk"', "...")])
def test_a_psk_that_is_not_right_is_named_and_not_shown(tmp_path: Path, line: str, key: str) -> None:
    with pytest.raises(BenchError) as caught:
        Keys.load(key_file(tmp_path, f"[94193A0401020304]\n{line}\n"), "94193A0401020304")
    assert f"key 94193A0401020304.{key}: expected" in str(caught.value)
    assert "c0ffee" not in f"{caught.value} {caught.value!r}"
    assert caught.value.__cause__ is None


def test_a_unit_may_have_no_pak(tmp_path: Path) -> None:
    assert Keys.load(key_file(tmp_path, "[94193A0401020304]\n"), "94193A0401020304").pak is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o755, 0o610, 0o601])
def test_a_key_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path, f'[94193A0401020304]\npak = "{PAK_HEX}"\n', mode)
    with pytest.raises(BenchError) as caught:
        Keys.load(path, "94193A0401020304")
    assert str(caught.value) == (f"key file {path}: expected access for its owner only, saw mode {mode:04o}; "
                                 f"chmod 600 {path}.")


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_key_file_of_its_owner_alone_is_good(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path, f'[94193A0401020304]\npak = "{PAK_HEX}"\n', mode)
    assert Keys.load(path, "94193A0401020304").pak is not None


@pytest.mark.parametrize(("content", "seen"), [
    (f'[94193A0401FFFFFF]\npak = "{PAK_HEX}"\n', "none"),
    (f'94193A0401020304 = "{PAK_HEX}"\n', "none"),
    (f'[94193A0401020304]\npak = {PAK_HEX}\n', "something else"),
    (f'[94193A0401020304]\npak = "{PAK_HEX}\n', "something else"),
    (f'[94193A0401020304]\npak = "{PAK_HEX[:-1]}"\n', "something else"),
    (f'[94193A0401020304]\npak = "{PAK_HEX}00"\n', "17 bytes"),
    (f'[94193A0401020304]\npak = ["{PAK_HEX}"]\n', "something else"),
    (f"# \xff {PAK_HEX}".encode("latin-1"), "something else"),
], ids=["unknown DevEUI", "no table", "no string", "not TOML", "odd digits", "too long", "an array", "not UTF-8"])
def test_a_key_file_that_is_not_right_never_shows_a_key(tmp_path: Path, content: str | bytes, seen: str) -> None:
    with pytest.raises(BenchError) as caught:
        Keys.load(key_file(tmp_path, content), "94193A0401020304")
    assert caught.value.seen == seen
    everything: BaseException | None = caught.value
    while everything is not None:
        assert not re.search("c0ffee|99aabb", f"{everything} {everything!r}", re.IGNORECASE)
        everything = everything.__cause__


def test_a_key_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="expected a file, saw no such file or directory"):
        Keys.load(tmp_path / "none.toml", "94193A0401020304")


def test_a_key_in_the_station_file_is_not_shown(tmp_path: Path) -> None:
    for text in (f'pak = "{PAK_HEX}"', f'[unit.keys]\npak = "{PAK_HEX}"', f'keys = [["{PAK_HEX}"]]'):
        content = GOOD.replace('keys = "keys.toml"', text)
        with pytest.raises(BenchError) as caught:
            StationFile.load(write(tmp_path, content))
        assert PAK_HEX not in str(caught.value)
        assert caught.value.__cause__ is None


def test_keys_are_never_printed(tmp_path: Path) -> None:
    keys = Keys.load(key_file(tmp_path, f'[94193A0401020304]\npak = "{PAK_HEX}"\n'), "94193A0401020304")
    assert PAK_HEX not in f"{keys!r} {keys} {keys.pak!r} {keys.pak} {vars(keys)}"


# -- the station


class Instrument:
    """Counts how often it is made safe and closed; ``fault`` is what it does then."""

    def __init__(self, fault: BaseException | None = None) -> None:
        self.fault = fault
        self.safe = self.closed = 0

    def make_safe(self) -> None:
        self.safe += 1
        if self.fault:
            raise self.fault

    def close(self) -> None:
        self.closed += 1
        if self.fault:
            raise self.fault


def station(tmp_path: Path, **instruments: Any) -> Station:
    clock = WallClock()
    station = Station(StationFile.load(write(tmp_path, GOOD)), clock, Timeline(clock.time))
    clock.close()
    vars(station).update(instruments)
    return station


def test_a_fault_of_one_instrument_keeps_no_other_from_being_made_safe_and_closed(tmp_path: Path) -> None:
    broken, supply, cell = Instrument(OSError("the port is gone")), Instrument(), Instrument()
    problems = station(tmp_path, panel=broken, supply=supply, cell=cell).close()
    assert problems == ["panel: the port is gone", "panel: the port is gone"]
    assert (broken.closed, supply.safe, supply.closed, cell.closed) == (1, 1, 1, 1)


def test_closing_twice_does_no_harm_and_opens_nothing(tmp_path: Path) -> None:
    supply = Instrument()
    opened = station(tmp_path, supply=supply)
    assert opened.close() == []
    assert opened.close() == []
    assert supply.closed == 1


def test_what_the_file_does_not_have_is_no_ability_and_a_sentence_when_asked_for(tmp_path: Path) -> None:
    bare = station(tmp_path)
    assert "nfc" in bare.abilities
    assert "meter.mbus" not in bare.abilities
    with pytest.raises(BenchError, match=r"^station bench 1: expected meter\.mbus, saw nothing; add the port"):
        _ = bare.mbus


def test_a_battery_meter_is_no_reference_for_its_reader_may_answer_with_an_older_readout(tmp_path: Path) -> None:
    assert "meter.optical" not in station(tmp_path).abilities
