"""The bench's serial ports: which names are ports, who may open them, and what a time-out is."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import tty
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.clock import Clock, WallClock, WarpClock
from bench.errors import BenchError
from bench.timeline import Timeline
from bench.twin.wires.pty import PtyWire
from bench.twin.wires.rfc2217 import Rfc2217Wire
from drivers.meter.mbus import MBusMaster
from drivers.meter.optical import OpticalReader
from drivers.nfc.pn532_reader import Pn532Reader
from drivers.panel.edge_box import EdgeBox
from drivers.serial_port import SerialPort, check_port
from drivers.supply.nordic_ppk2 import NordicPpk2

NO_WIRES = ["spy:///dev/ttyUSB0?file=/tmp/log", "hwgrep://USB", "loop://", "alt:///dev/ttyUSB0?class=PosixPollSerial",
            "cp2110://", "SPY:///dev/ttyUSB0", "", "ttyUSB0", "COM3", "/tmp/port", "/dev/../etc/passwd", "/dev/",
            "/dev", "/dev/ttyUSB0; reboot", "/dev/ttyUSB0\n", "/dev/$(id)", "rfc2217://", "rfc2217://host",
            "rfc2217://host:1/?logging=debug", "socket://host:1?logging=debug", "rfc2217://user@host:1",
            "rfc2217://host:123456", "http://host:80"]
PORTS = ["/dev/ttyUSB0", "/dev/pts/3", "/dev/serial/by-id/usb-FTDI_FT232R_A1-if00-port0",
         "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0"]
REMOTE_PORTS = ["rfc2217://127.0.0.1:7000", "rfc2217://[::1]:7000", "socket://lab-server.example:4001",
                "rfc2217://127.0.0.1:7000?ign_set_control&timeout=20"]

DRIVERS: dict[str, Callable[[str, Clock], object]] = {
    "edge box": lambda port, clock: EdgeBox(port, clock, Timeline(clock.time)),
    "M-Bus master": lambda port, clock: MBusMaster(port, clock=clock, timeline=Timeline(clock.time)),
    "optical head": lambda port, clock: OpticalReader(port, clock=clock, timeline=Timeline(clock.time)),
    "NFC reader": lambda port, clock: Pn532Reader(port, clock, Timeline(clock.time)),
    "supply": lambda port, clock: NordicPpk2(port, clock=clock, timeline=Timeline(clock.time)),
}


@pytest.mark.parametrize("port", NO_WIRES)
@pytest.mark.parametrize("driver", DRIVERS)
def test_no_driver_opens_what_is_no_wire(driver: str, port: str) -> None:
    with WarpClock() as clock, pytest.raises(BenchError, match=f"{driver}.*expected a device such as /dev/ttyUSB0"):
        DRIVERS[driver](port, clock)


@pytest.mark.parametrize("port", REMOTE_PORTS)
def test_a_driver_of_a_foreign_library_takes_local_devices_only(port: str) -> None:
    with WarpClock() as clock, pytest.raises(BenchError, match="expected a device such as /dev/ttyUSB0, saw"):
        DRIVERS["NFC reader"](port, clock)


@pytest.mark.parametrize("port", PORTS + REMOTE_PORTS)
def test_what_is_a_port_passes(port: str) -> None:
    assert check_port("port", port) == port


@given(st.text(max_size=40))
def test_any_text_is_a_port_or_one_bench_error(text: str) -> None:
    with contextlib.suppress(BenchError):
        assert check_port("port", text).startswith(("/dev/", "rfc2217://", "socket://"))


@pytest.fixture
def far_end() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_a_port_is_opened_once_and_free_again_when_it_is_closed(far_end: tuple[int, str]) -> None:
    _, path = far_end
    port = SerialPort(path, subject="first", baudrate=2400)
    with pytest.raises(BenchError, match="saw a port that another program has open"):
        SerialPort(path, subject="second", baudrate=2400)
    port.close()
    SerialPort(path, subject="second", baudrate=2400).close()


def test_a_peer_that_drips_bytes_does_not_stretch_the_time_out(far_end: tuple[int, str]) -> None:
    master, path = far_end
    enough = threading.Event()

    def drip() -> None:
        while not enough.wait(0.02):
            os.write(master, b".")

    thread = threading.Thread(target=drip)
    thread.start()
    port = SerialPort(path, subject="port", baudrate=2400)
    try:
        for read in (lambda: port.read(1_000_000, 0.3), lambda: port.read_until(b"\n", 1_000_000, 0.3)):
            begun = time.monotonic()
            assert set(read()) == set(b".")
            assert time.monotonic() - begun < 20    # without end, were each byte to begin the time-out anew
    finally:
        enough.set()
        thread.join()
        port.close()


@pytest.mark.parametrize("wire", [PtyWire, Rfc2217Wire])
def test_in_virtual_time_a_busy_twin_is_waited_for_and_silence_is_known_at_once(
        wire: Callable[[Clock, Callable[[bytes], None]], PtyWire | Rfc2217Wire]) -> None:
    with WarpClock() as clock:
        ends: list[PtyWire | Rfc2217Wire] = []

        def answer(data: bytes) -> None:
            time.sleep(0.5)           # a machine under load
            if data == b"?":
                ends[0].write(b"!")

        clock.call(lambda: ends.append(wire(clock, answer)))
        port = SerialPort(ends[0].path, subject="port", baudrate=2400, clock=clock)
        port.write(b"?")
        assert port.read(10, 0.01) == b"!"
        port.write(b".")
        assert port.read(10, 3600.0) == b""       # else the test would take that hour
        port.close()
        clock.call(ends[0].close)


def test_with_a_real_peer_the_time_out_is_real(far_end: tuple[int, str]) -> None:
    master, path = far_end
    with WallClock() as clock:
        port = SerialPort(path, subject="port", baudrate=2400, clock=clock)
        threading.Timer(0.2, os.write, (master, b"!")).start()
        assert port.read(1, 20.0) == b"!"
        assert port.read(1, 0.1) == b""
        port.close()
