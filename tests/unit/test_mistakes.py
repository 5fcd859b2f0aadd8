"""Mistakes that people make, and what they are told: what was expected, what was seen, what to do, in eight lines at
most."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from real_lab import command, free_ports

from bench.commands.lock import StationLock
from bench.station_file import BackendTable, StationFile

MOST_LINES = 8

STATION = """
name = "bench 1"
[supply]
driver = "keysight-n6700"
address = "TCPIP::127.0.0.1::FREE::SOCKET"
[panel]
driver = "edge-box"
port = "/dev/does-not-exist-FREE"
[nfc]
driver = "pn532"
port = "/dev/does-not-exist-FREE"
[battery]
capacity_ah = 2.4
[backend]
PORTS
[unit]
deveui = "94193A0401000001"
""".replace("PORTS", "\n".join(f"{name} = 0" for name in BackendTable.model_fields if name.endswith("_port")))
CHANGED = {
    "misspelt-key.toml": ("capacity_ah = 2.4", "capcity_ah = 2.4"),
    "misspelt-driver.toml": ("edge-box", "egde-box"),
    "no-toml.toml": ('name = "bench 1"', "name = bench 1"),
    "wrong-unit.toml": ("capacity_ah = 2.4", 'capacity_ah = "2400 mAh"'),
    "public.toml": ("127.0.0.1", "203.0.113.9"),
    "without-unit.toml": ('[unit]\ndeveui = "94193A0401000001"', ""),
    "many-faults.toml": ('name = "bench 1"', "\n".join(f"odd_{number} = {number}" for number in range(9))),
}
DUMP = "00000000  04 06 4e 61 bc 00 04 13  |..Na....|\n00000010  39 30  |90|\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Files as somebody may have them, a station that is in use, and a port that is taken."""
    folder = tmp_path_factory.mktemp("mistakes")
    free, taken_by_another = map(str, free_ports(socket.SOCK_STREAM, 2))    # the locks of stations are the machine's
    good = STATION.replace("FREE", free)
    (folder / "station.toml").write_text(good, "utf-8")
    for name, (old, new) in CHANGED.items():
        (folder / name).write_text(good.replace(old, new), "utf-8")
    (folder / "in-use.toml").write_text(STATION.replace("FREE", taken_by_another), "utf-8")
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(200)))
    (folder / "dump.txt").write_text(DUMP, "ascii")
    (folder / "empty.pcap").write_bytes(bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 00000400 01000000"))
    (folder / "used").mkdir()
    (folder / "used" / "record.json").write_text("{}", "ascii")
    with ExitStack() as stack:
        lock = StationLock(folder / "in-use.toml", "run regression")
        lock.hold(StationFile.load(folder / "in-use.toml"))
        stack.enter_context(lock)
        taken = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        taken.bind(("127.0.0.1", 0))
        (folder / "port").write_text(str(taken.getsockname()[1]), "ascii")
        yield folder


MISTAKES: list[tuple[str, str]] = [
    # typos
    ("rnu acceptance", "No such command 'rnu'. Did you mean 'run'?"),
    ("run acceptence", "saw 'acceptence'; write acceptance if that is meant"),
    ("run acceptance --defct leds-swapped", "No such option: --defct (Possible options: "),
    ("run acceptance --defect led-swaped", "saw 'led-swaped'; write leds-swapped"),
    ("run acceptance --variant meter-clok-slow", "saw 'meter-clok-slow'; write meter-clock-slow"),
    ("run acceptance --fault ameter-noisy", "saw 'ameter-noisy'; write ammeter-noisy"),
    ("run acceptance --codec bench-otcc", "settings codec: expected one of bench-otc, saw 'bench-otcc'"),
    ("run acceptance -k bad(", "at column 5: expected identifier; got end of input; put it in quotes"),
    ("run acceptance -k buton", "saw none: nothing has been tested; write button"),
    ("run regression --dry-run -k buton", "saw none: nothing has been tested; write button"),
    ("prove --defect led-swaped", "saw 'led-swaped'; write leds-swapped"),
    ("twin --defect led-swaped", "saw 'led-swaped'; write leds-swapped"),
    ("list defcts", "saw 'defcts'; write defects if that is meant"),
    ("run acceptance --station misspelt-key.toml",
     "line 13, key battery.capcity_ah: expected a key that station files have, saw an unknown one; write capacity_ah"),
    ("run acceptance --station misspelt-driver.toml", "line 7, key panel.driver: expected one of edge-box"),
    ("run acceptance --station many-faults.toml", "line 3, key odd_1: expected a key that station files have"),
    # wrong paths
    ("run acceptance --station missing.toml", "expected a file, saw no such file or directory; give the path"),
    ("run acceptance --station .", "expected a file, saw is a directory; give the path"),
    ("run acceptance --station picture.png", "expected TOML, saw"),
    ("run acceptance --station no-toml.toml", "expected TOML, saw Invalid value (at line 2"),
    ("run acceptance --station without-unit.toml", "key unit: expected a value, saw nothing; add it"),
    ("run acceptance --run-dir used", "expected an empty directory, saw another run's record; choose another one"),
    ("run acceptance --run-dir station.toml/run", "expected to make it, saw Not a directory; choose another one"),
    ("judge missing", "run missing: expected record.json, saw no such file or directory; name the directory of a run"),
    ("trace --run-dir missing", "missing/record.json: expected a file, saw none; make the run again, or give"),
    ("decode @missing.hex", "file missing.hex: expected to read it, saw no such file or directory; check the path"),
    # dumps
    ("decode hello", "expected hexadecimal digits, base64, a dump or @FILE, saw 'hello'"),
    ("decode 0406_4E61_BC0", "expected hexadecimal digits"),
    ("decode deadbeef", "expected JSON, SenML, M-Bus, MQTT-SN or an optical readout, saw 4 octets"),
    ("decode @dump.txt", "expected as many octets in each line as its offsets say"),
    ("decode @picture.png", "are most likely none; as M-Bus (--encoding mbus)"),
    ("decode @empty.pcap", "expected a telegram in 0 datagrams of 0 frames, saw none"),
    ("decode --encoding xml 0406", "expected one of json, mbus, optical, senml-cbor, saw 'xml'"),
    # ports and places that are taken
    ("run acceptance --station in-use.toml", "expected a station that nobody uses, saw 'run regression' of"),
    ("serve --page none --bootstrap-port 0 --dm-port PORT", "PORT"),
    ("run acceptance --station station.toml", "/dev/does-not-exist"),
    # wrong units and values
    ("run acceptance --unit 12", "a DevEUI has 16 hexadecimal digits, saw '12'"),
    ("run acceptance --max-device-time 30minutes", "'30minutes' is no duration such as '90 s'"),
    ("run acceptance --seed x", "Input should be a valid integer"),
    ("run acceptance --lab forever", "'forever' is not one of 'run', 'file', 'test'"),
    ("run acceptance --station wrong-unit.toml",
     "line 13, key battery.capacity_ah: expected a valid number, saw '2400 mAh'"),
    ("run acceptance --station public.toml", "expected an address of the lab"),
]


@pytest.mark.parametrize(("typed", "told"), MISTAKES, ids=[typed for typed, _ in MISTAKES])
def test_a_mistake_is_answered_with_what_to_do(folder: Path, tmp_path: Path, typed: str, told: str) -> None:
    port = (folder / "port").read_text("ascii")
    arguments = typed.replace("PORT", port).split()
    if arguments[0] == "run" and "--run-dir" not in arguments and "--dry-run" not in arguments:
        arguments += ["--run-dir", str(tmp_path / "run")]
    done = subprocess.run(command(*arguments), cwd=folder, capture_output=True, text=True, timeout=240, check=False,
                          stdin=subprocess.DEVNULL)
    said = done.stdout + done.stderr
    assert done.returncode == 2, said
    assert "Traceback" not in said
    assert told.replace("PORT", port) in " ".join(said.replace("│", " ").split()), said
    assert len([line for line in said.splitlines() if line.strip()]) <= MOST_LINES, said
