"""The station file and the key file: what is wrong with one is said in a sentence; and the safe state."""

from __future__ import annotations

import os
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
address = "TCPIP::10.45.0.10::5025::SOCKET"
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
address = "TCPIP::10.45.0.20::5025::SOCKET"

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


def test_what_was_ordered_with_the_unit_is_read(tmp_path: Path) -> None:
    file = StationFile.load(write(tmp_path, GOOD.replace("[unit]", """[unit]
ordered = { readout_interval = 15, message_encoding = "JSON" }""")))
    assert file.unit.ordered == {"readout_interval": 15, "message_encoding": "JSON"}


def test_the_key_file_is_beside_the_station_file(tmp_path: Path) -> None:
    assert StationFile.load(write(tmp_path, GOOD)).unit.keys == tmp_path / "keys.toml"
    elsewhere = GOOD.replace('"keys.toml"', '"/etc/keys.toml"')
    assert StationFile.load(write(tmp_path, elsewhere)).unit.keys == Path("/etc/keys.toml")


@pytest.mark.parametrize(("old", "new", "sentence"), [
    ('name = "bench 1"', 'nmae = "bench 1"\nname = "b"',
     "key nmae: expected a key that station files have, saw an unknown one; write name if that is meant, "
     "or correct the spelling or remove it."),
    ("channel = 2", "chanel = 2",
     "key supply.chanel: expected a key that station files have, saw an unknown one; "
     "write channel if that is meant, or correct the spelling or remove it."),
    ("[backend]", "[back_end]",
     "key back_end: expected a key that station files have, saw an unknown one; write backend if that is meant, or "
     "correct the spelling or remove it."),
    ("[unit]", f'[unit]\npak = "{PAK_HEX}"',
     "key unit.pak: expected a key that station files have, saw an unknown one; correct the spelling or remove it."),
    ("[unit]", "[unit]\nordered = { readout_interval = 4 }",
     "key unit.ordered: expected an integer 5..1440 min, saw 4 (setting readout_interval); see Table 11 (Readout "
     "interval) of the manual."),
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
     "key panel.driver: expected one of edge-box, saw 'toaster'; install the package that offers it."),
    ('deveui = "94193A0401020304"', 'deveui = "94193a040102030"',
     "key unit.deveui: expected text like ^([0-9A-F]{16})?$, saw '94193a040102030'; correct the value."),
    *(('listen = "10.45.0.1"', f'listen = "{wrong}"',
       f"key backend.listen: expected an IP address of this machine, saw '{wrong}'; correct the value.")
      for wrong in ("", "*", "bench.lab", "localhost", "10.45.0.1/24", "10.45.0.1:5683", "224.0.0.1", "ff02::1",
                    "255.255.255.255", "010.045.000.001")),
    *(('listen = "10.45.0.1"', f'listen = "{wrong}"{more}',
       "key backend.listen: expected one address of this machine, or all of them with listen_everywhere = true and "
       f"advertise, saw '{wrong}'; correct the value.")
      for wrong, more in (("0.0.0.0", ""), ("::", ""), ("::ffff:0.0.0.0", ""),
                          ("0.0.0.0", "\nlisten_everywhere = true"), ("0.0.0.0", '\nadvertise = "10.45.0.1"'))),
    *(('listen = "10.45.0.1"', f'listen = "{public}"',
       "key backend.listen: expected an address of the lab, or one that backend.allow_public names, saw a public "
       "address; correct it, or name it there if the bench shall use it.")
      for public in ("192.0.2.1", "100.64.0.1", "2001:db8::1")),
    *((old, new, f"key {key}: expected an address of the lab, or one that backend.allow_public names, saw {seen}; "
       "correct it, or name it there if the bench shall use it.")
      for old, new, key, seen in (
        ("TCPIP::10.45.0.10::5025", "TCPIP::203.0.113.9::5025", "supply.address", "a public address"),
        ("TCPIP::10.45.0.10::5025", "tcpip0::supply.lab::5025", "supply.address", "a host name"),
        ('port = "/dev/ttyACM0"', 'port = "socket://192.0.2.4:7000"', "panel.port", "a public address"),
        ('port = "/dev/ttyUSB0"', 'port = "rfc2217://reader.lab:7000"', "nfc.port", "a host name"),
        ('optical = "/dev/ttyUSB1"', 'optical = "socket://[2001:db8::4]:7000"', "meter.optical", "a public address"),
        ('listen = "10.45.0.1"', 'forward_to = "mqtt://100.100.1.1"', "backend.forward_to", "a public address"),
        ('listen = "10.45.0.1"', 'advertise = "bench.lab"', "backend.advertise", "a host name"))),
    ("channel = 2", f"channel = '{'9' * 300}'", f"key supply.channel: expected a valid integer, saw '{'9' * 59}...; "
     "correct the value."),
    ('[unit]\ndeveui = "94193A0401020304"\nkeys = "keys.toml"', "", "key unit: expected a value, saw nothing; add it."),
    ('[cell]\ndriver = "cmw500"\naddress = "TCPIP::10.45.0.20::5025::SOCKET"', "[[cell]]",
     "key cell: expected a table, saw an array; correct the value."),
    ('keys = "keys.toml"', f'[unit.keys]\npak = "{PAK_HEX}"',
     "key unit.keys: expected a path, saw a table; correct the value."),
], ids=lambda value: value[:28] if isinstance(value, str) else None)
def test_a_wrong_key_is_one_sentence(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert GOOD.count(old) == 1
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(BenchError) as caught:
        StationFile.load(path)
    assert re.sub(r" line \d+,", "", str(caught.value), count=1) == f"station file {path}, {sentence}"


@pytest.mark.parametrize(("content", "expected"), [
    ("[supply\n", "TOML"), ("name = bench 1\n", "TOML"), ("name = 1\nname = 2\n", "TOML"),
    (b"name = \"\xff\"\n", "TOML"), (b"\x00\x01\x02", "TOML"), ("", "a value"), ("a = " + "[" * 10_000, "TOML"),
    ("a = " + "{a = " * 10_000, "TOML"), ("a = [" * 1 + "[" * 9_999 + "]" * 10_000, "TOML"),
    ("[" + "a." * 10_000 + "a]\n", "a value"), ("name = " + "9" * 100_000, "TOML"), (f"name = 0x{'f' * 9000}", "TOML"),
    ("[supply]\nchannel = 9223372036854775808", "TOML"), ("a = [[-9223372036854775809]]", "TOML"),
    ("#" * 2_000_000, "TOML")])
def test_a_file_that_is_no_station_file_is_one_sentence(tmp_path: Path, content: str | bytes, expected: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(BenchError) as caught:
        StationFile.load(path)
    assert str(caught.value).startswith(f"station file {path}")
    assert caught.value.expected == expected
    assert len(str(caught.value).splitlines()) <= 3, "a fault is a line"


def test_all_that_is_wrong_is_told_at_once_with_its_lines(tmp_path: Path) -> None:
    text = GOOD.replace("channel = 2", "chanel = 2").replace('port = "/dev/ttyACM0"', "").replace(
        'listen = "10.45.0.1"', "dm_port = 70000\nlistn = 1")
    path = write(tmp_path, text)
    with pytest.raises(BenchError) as caught:
        StationFile.load(path)
    told = str(caught.value).splitlines()
    lines = text.splitlines()
    assert [lines[int(re.search(r"line (\d+)", one)[1]) - 1] for one in told] == [    # type: ignore[index]
        "chanel = 2", "[panel]", "dm_port = 70000", "listn = 1"]
    assert told[0].startswith(f"station file {path}, line ")
    assert "write channel if that is meant, or correct the spelling or remove it." in told[0]
    assert "write listen" in told[3]


def test_no_more_faults_are_told_than_a_reader_takes_in(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "".join(f"odd_{number} = 1\n" for number in range(20)))
    with pytest.raises(BenchError, match=r"and 14 more\.$") as caught:
        StationFile.load(path)
    assert len(str(caught.value).splitlines()) == 7


@pytest.mark.parametrize("spelling", ["94193a0401020304", "94:19:3A:04:01:02:03:04", "94-19-3a-04-01-02-03-04",
                                      "0x94193A0401020304", "94193a04 01020304", "9419.3a04.0102.0304"])
def test_a_deveui_may_be_spelt_in_any_usual_way(tmp_path: Path, spelling: str) -> None:
    path = write(tmp_path, GOOD.replace("94193A0401020304", spelling))
    assert StationFile.load(path).unit.deveui == "94193A0401020304"


def test_a_pipe_or_a_device_is_no_station_file_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), Path("/dev/full")):
        with pytest.raises(BenchError, match="expected a file, saw a device or a pipe; give the path"):
            StationFile.load(path)


def test_who_listens_everywhere_says_it_twice(tmp_path: Path) -> None:
    text = GOOD.replace('listen = "10.45.0.1"', 'listen = "0.0.0.0"\nlisten_everywhere = true\nadvertise = "10.45.0.1"')
    assert StationFile.load(write(tmp_path, text)).backend.listen == "0.0.0.0"


def test_a_public_address_may_be_named(tmp_path: Path) -> None:
    named = GOOD.replace('["198.51.100.7"]', '["198.51.100.7", "supply.lab"]')
    text = named.replace("TCPIP::10.45.0.10", "TCPIP::supply.lab").replace('"10.45.0.1"', '"198.51.100.7"')
    assert StationFile.load(write(tmp_path, text)).backend.listen == "198.51.100.7"


def test_a_station_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    for path, seen in ((tmp_path / "none.toml", "no such file or directory"), (tmp_path, "is a directory")):
        with pytest.raises(BenchError) as caught:
            StationFile.load(path)
        assert str(caught.value) == (f"station file {path}: expected a file, saw {seen}; "
                                     "give the path of a station file.")


texts = st.text(st.characters(codec="utf-8"), max_size=30)
ports = st.integers(0, 65535)
addresses = st.sampled_from(["127.0.0.1", "10.45.0.1", "192.168.7.9", "::1", "fd00::7"])
files = st.builds(
    StationFile, name=texts, simulated=st.booleans(),
    supply=st.builds(SupplyTable, driver=st.just("keysight-n6700"), address=texts, channel=st.integers(-9, 9)),
    panel=st.builds(PanelTable, driver=st.just("edge-box"), port=texts),
    nfc=st.builds(NfcTable, driver=st.just("pn532"), port=texts, codec=texts, reference_tag=st.booleans()),
    meter=st.builds(MeterTable, optical=st.none() | texts, mbus=st.none() | texts, simulator=st.none() | texts,
                    mains_powered=st.booleans()),
    cell=st.builds(CellTable, driver=st.just("cmw500"), address=texts),
    backend=st.builds(BackendTable, listen=addresses, advertise=st.none() | addresses, bootstrap_port=ports,
                      dm_port=ports, mdm_port=ports, allow_public=st.lists(texts, max_size=3).map(tuple)),
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


def test_a_key_file_is_looked_at_before_it_is_read(tmp_path: Path) -> None:
    """What is wrong inside is not told of a file that others may touch: it has not been read."""
    for content in ("no TOML at all", b"\xff\xff"):
        with pytest.raises(BenchError, match="expected access for its owner only, saw mode 0644"):
            Keys.load(key_file(tmp_path, content, 0o644), "94193A0401020304")


def test_a_link_a_folder_and_a_device_are_no_key_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "link").symlink_to(key_file(tmp_path, f'[94193A0401020304]\npak = "{PAK_HEX}"\n'))
    for path, seen in ((tmp_path / "link", "a symbolic link"), (tmp_path, "is a directory"),
                       (tmp_path / "pipe", "a device or a pipe"), (Path("/dev/zero"), "a device or a pipe")):
        with pytest.raises(BenchError) as caught:
            Keys.load(path, "94193A0401020304")
        assert str(caught.value) == (f"key file {path}: expected a file, saw {seen}; "
                                     "correct unit.keys in the station file.")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = key_file(tmp_path, f'[94193A0401020304]\npak = "{PAK_HEX}"\n')
    os.chown(path, 4711, -1)
    with pytest.raises(BenchError, match="expected to be owned by who runs the bench, saw user 4711"):
        Keys.load(path, "94193A0401020304")


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


@pytest.mark.parametrize(("old", "new", "key"), [
    ('port = "/dev/ttyACM0"', 'port = "spy:///dev/ttyACM0"', "panel.port"),
    ('port = "/dev/ttyUSB0"', 'port = "hwgrep://PN532"', "nfc.port"),
    ('optical = "/dev/ttyUSB1"', 'optical = "loop://"', "meter.optical"),
    ('optical = "/dev/ttyUSB1"', 'mbus = "alt:///dev/ttyUSB1?class=VTIMESerial"', "meter.mbus"),
    ('driver = "keysight-n6700"\naddress = "TCPIP::10.45.0.10::5025::SOCKET"',
     'driver = "nordic-ppk2"\naddress = "rfc2217://127.0.0.1:7000"', "supply.address")])
def test_a_port_that_is_no_wire_is_refused_before_anything_is_opened(
        tmp_path: Path, old: str, new: str, key: str) -> None:
    assert GOOD.count(old) == 1
    file = StationFile.load(write(tmp_path, GOOD.replace(old, new)))
    with WallClock() as clock, pytest.raises(BenchError, match=f"station bench 1, key {key}: expected a device"):
        Station(file, clock, Timeline(clock.time))


def test_a_fault_of_one_instrument_keeps_no_other_from_being_made_safe_and_closed(tmp_path: Path) -> None:
    broken, supply, cell = Instrument(OSError("the port is gone")), Instrument(), Instrument()
    problems = station(tmp_path, box=broken, source=supply, cell=cell).close()
    assert problems == ["box: the port is gone", "box: the port is gone"]
    assert (broken.closed, supply.safe, supply.closed, cell.closed) == (1, 1, 1, 1)


def test_closing_twice_does_no_harm_and_opens_nothing(tmp_path: Path) -> None:
    supply = Instrument()
    opened = station(tmp_path, source=supply)
    assert opened.close() == []
    assert opened.close() == []
    assert supply.closed == 1


def test_what_the_file_does_not_have_is_no_ability_and_a_sentence_when_asked_for(tmp_path: Path) -> None:
    bare = station(tmp_path)
    assert "supply.voltage" in bare.abilities
    assert "meter.mbus" not in bare.abilities
    with pytest.raises(BenchError, match=r"^station bench 1: expected meter\.mbus, saw nothing; add the port"):
        _ = bare.mbus


def test_a_battery_meter_is_no_reference_for_its_reader_may_answer_with_an_older_readout(tmp_path: Path) -> None:
    assert "meter.optical" not in station(tmp_path).abilities
